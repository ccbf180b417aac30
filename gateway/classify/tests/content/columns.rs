//! Whose a number is: that of the word before it, of a noun of its own, or of the column in which it stands.

use classify::contents;

fn told(text: &str) -> String {
    let found = contents(text);
    let each: Vec<_> = found.found().map(|(kind, count)| format!("{kind}={count}")).collect();
    each.join(" ")
}

fn hold(cases: &[(&str, &str)]) {
    let told = cases.iter().map(|(text, is)| (*text, *is, told(text)));
    let wrong: Vec<_> = told.filter(|(_, is, told)| is != told).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn none(texts: &[&str]) {
    hold(&texts.iter().map(|text| (*text, "")).collect::<Vec<_>>());
}

#[test]
fn a_noun_right_before_a_number_owns_it() {
    none(&[
        "account officer 204816",
        "account type 300100",
        "account code: 300100",
        "account_ttl=72000000",
        "account locked until 1733011200",
        "Seq Scan on account (cost=0.00..911.00 rows=2400000 width=64)",
        "requests{app=\"account-api\"} 73400320",
        "mobile users 4820193",
        "GL account 2200310",
        "Number of accounts 482019",
        "jumlah rekening 482019",
        "账户数 482019",
        "口座数 482019",
        "계좌수 482019",
        "จำนวนบัญชี 482019",
        "số lượng tài khoản 482019",
        "\"account\":{\"created\":1733011200}",
        "account 6fa459ea-ee8a-3ca4-894e-77128839e9d1",
        "passport id 61b459ea-1234-5678-9012-345678901234",
    ]);
}

#[test]
fn the_word_of_an_account_is_spent_on_its_number() {
    let one = "account_number=1";
    hold(&[
        ("account 6047281935 credited 750000", one),
        ("rekening 6047281935 didebet sebesar 750000", one),
        ("account 6047281935 branch 002817", one),
        ("account 6047281935 CIF 20471836", one),
        ("account 6047281935 and 6047281943", "account_number=2"),
        ("from account 6047281935 to 6047281943", "account_number=2"),
        ("accounts 6047281935, 6047281943", "account_number=2"),
        ("account at Orchard branch 6047281935", one),
        ("sort code 201848 account 60472819", one),
        ("the account debited 6047281935", one),
        ("call 91827364 office 61827364", "phone=2"),
        ("Account statement\n03/02 ATM WITHDRAWAL 60472819 350.00", ""),
        ("Account statement\n03/02 transfer to 60472819 350.00", one),
    ]);
}

#[test]
fn rows_of_groups_are_no_cards_and_no_phones() {
    none(&[
        "4539 9924 5437 6294 3903 6960 8975",
        "8848 4539 9924 5437 6294 3903",
        "9690 3728 4446 5461\n4539 9924 5437 6294\n9457 9701 1001 9214",
        "Order no: 4539 9924 5437 6294",
        "ref 4539 9924 5437 6294",
        "0930 1045 1200 branch slots",
        "010-020-030",
        "0001 0002 0003",
    ]);
    hold(&[
        ("4539 9924 5437 6294", "payment_card=1"),
        ("4539 9924 5437 6294 0928", "payment_card=1"),
        ("4539 9924 5437 6294 5412 3530 1203 4637", "payment_card=2"),
        ("4539 9924 5437 6294\n5412 3530 1203 4637", "payment_card=2"),
        ("the order was paid with 4539 9924 5437 6294", "payment_card=1"),
        ("0812 3456 7890", "phone=1"),
    ]);
}

#[test]
fn short_labels_name_their_numbers() {
    let (account, phone) = ("account_number=1", "phone=1");
    hold(&[
        ("ĐT: 0938472615", phone),
        ("h/p 93847261", phone),
        ("CP: 09384726151", phone),
        ("tlp. 93847261", phone),
        ("di động 93847261", phone),
        ("ติดต่อ 93847261", phone),
        ("संपर्क 93847261", phone),
        ("DID: 6384 7261", phone),
        ("ac no 6047281935", account),
        ("A.C. No 6047281935", account),
        ("loan no. 6047281935", account),
        ("บช. 6047281935", account),
        ("số TK 6047281935", account),
        ("no VA BCA 6047281935", account),
        ("no. akn 6047281935", account),
        ("FD no 6047281935", account),
        ("当座 6047281935", account),
        ("구좌 6047281935", account),
        (":59:/6047281935\nTAN", account),
        ("<DbtrAcct>\n <Id>\n  <Othr>\n   <Id>6047281935</Id>", account),
        ("PPT No: N40728193", "passport=1"),
        ("pp no. A6047281", "passport=1"),
        ("L898902C36UTO7408122F1204159ZE184226B<<<<<10", "passport=1"),
        ("E1234567<4SGP9001014M3001311<<<<<<<<<<<<<<04", "passport=1"),
        ("E1234567<5SGP9001014M3001311<<<<<<<<<<<<<<04", ""),
    ]);
}

#[test]
fn the_column_decides_for_its_value() {
    let both = "phone=1 account_number=1";
    let told = told("name,account_no,phone\nTan,6047281935,91827364\n");
    let both = if told.starts_with("account") { "account_number=1 phone=1" } else { both };
    hold(&[
        (" account_no |  phone   \n------------+----------\n 6047281935 | 91827364\n", both),
        (
            concat!(
                "+------------+----------+\n",
                "| account_no | phone    |\n",
                "+------------+----------+\n",
                "| 6047281935 | 91827364 |\n",
            ),
            both,
        ),
        (
            concat!(
                "ACCTNO      NAME        PHONE\n",
                "----------  ----------  --------\n",
                "6047281935  TAN AH KOW  91827364\n",
            ),
            both,
        ),
        (
            "<tr><th>Account</th><th>Phone</th></tr><tr><td>6047281935</td><td>91827364</td></tr>",
            both,
        ),
        ("INSERT INTO c (account_no, phone) VALUES ('6047281935', '91827364');", both),
        ("INSERT INTO c (name, phone, account_no) VALUES ('T, A', 91827364, 6047281935)", both),
        ("INSERT INTO c (phone, amount) VALUES ('91827364', 6047281935)", "phone=1"),
        ("NIK: 3173010101900001\n0812-3456-7890", "national_id=1 phone=1"),
        ("account_no\n6047281935.0\n6047281943.0", "account_number=2"),
        ("card_no\n4539992454376294.0", "payment_card=1"),
        ("card\u{200B}4539992454376294", "payment_card=1"),
        ("account\u{2060}6047281935", "account_number=1"),
        ("NIK\u{200B}3173010101900001", "national_id=1"),
    ]);
}
