//! What stands beside a number and is another: days, times, codes, places, other fields of a record, other
//! columns of a table, and how fields are named.

use classify::{ContentStream, contents};

fn told(text: &str) -> String {
    let found = contents(text);
    let each: Vec<_> = found.found().map(|(kind, count)| format!("{kind}={count}")).collect();
    each.join(" ")
}

fn wrong(cases: &[(&str, &str)]) -> Vec<(String, String, String)> {
    let each = cases.iter().map(|(text, is)| ((*text).to_owned(), (*is).to_owned(), told(text)));
    each.filter(|(_, is, told)| is != told).collect()
}

/// Words of accounts, phones and identities in the languages of the bank's markets.
const WORDS: &[&str] = &[
    "account",
    "akaun",
    "rekening",
    "账户",
    "帳戶",
    "口座",
    "계좌",
    "บัญชี",
    "tài khoản",
    "खाता",
    "கணக்கு",
    "အကောင့်",
    "គណនី",
    "conto",
    "cuenta",
    "konto",
    "call",
    "phone",
    "电话",
    "電話",
    "전화",
    "โทร",
    "điện thoại",
    "फोन",
    "telepon",
    "SSS",
    "PhilHealth",
    "CMND",
    "IC",
    "身份证",
    "passport",
    "paspor",
    "护照",
    "MST",
];

/// Days and times, as they are written.
const DAYS: &[&str] = &[
    "2026-11-30 10:11",
    "2026-11-30 10:11:12",
    "30/11/2026 10:11",
    "30-11-2026 10.11",
    "30.11.2026 10:11",
    "2026/11/30 10:11",
    "2026-11-30T10:11:12Z",
    "2026-11-30T10:11:12.123456Z",
    "2026-11-30T10:11:12+08:00",
    "01/11/2026 - 30/11/2026",
    "2026-11-01 - 2026-11-30",
    "01-11-2026 – 30-11-2026",
    "30-11-26 10:11",
    "30/11/2569 10:11",
    "30 Nov 2026 10:11",
    "30/11/26",
    "1/11/2026 to 30/11/2026",
    "10:11 30/11/2026",
];

#[test]
fn days_and_times_beside_a_word_are_no_number() {
    let mut faults = vec![];
    for word in WORDS {
        for day in DAYS {
            for text in
                [format!("{word} {day}"), format!("{day} {word}"), format!("{word}: {day} x")]
            {
                let told = told(&text);
                if !told.is_empty() {
                    faults.push((text, told));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn days_and_times_hide_no_number() {
    let cards = DAYS
        .iter()
        .flat_map(|day| [format!("{day} 4111111111111111"), format!("4111 1111 1111 1111 {day}")]);
    let accounts = DAYS
        .iter()
        .flat_map(|day| [format!("account 1234567890 {day}"), format!("{day} account 1234567890")]);
    let cards = cards.map(|text| (told(&text), text, "payment_card=1"));
    let accounts = accounts.map(|text| (told(&text), text, "account_number=1"));
    let wrong: Vec<_> = cards.chain(accounts).filter(|(told, _, is)| told != is).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

const OTHER: &[(&str, &str)] = &[
    ("{\"account_no\":\"1234567890\",\"created_at\":\"2026-11-30T10:11:12Z\"}", "account_number=1"),
    ("{\"accountCreatedAt\":1732963200}", ""),
    ("{\"phoneVerifiedAt\":1732963200}", ""),
    ("{\"account_opened_at\": 1732963200}", ""),
    ("{\"callDuration\":12345678}", ""),
    ("call duration 12345678", ""),
    ("OTP 482913 for your account", ""),
    ("482913 is your OTP for account login", ""),
    ("{\"mobile\":\"91234567\",\"lat\":\"1.3521234\",\"lng\":\"103.8198390\"}", "phone=1"),
    ("{\"mobile\":\"91234567\",\"id\":12345678}", "phone=1"),
    ("{\"contact_id\":12345678}", ""),
    ("{\"contactId\":12345678}", ""),
    ("{\"account_no\":\"1234567890\",\"branch_code\":\"001234\"}", "account_number=1"),
    ("{\"account_no\":\"1234567890\",\"balance\":500000}", "account_number=1"),
    ("{\"account_no\":\"1234567890\",\"seq\":500000}", "account_number=1"),
    ("{\"account_no\":\"1234567890\",\"timestamp\":1732963200}", "account_number=1"),
    ("{\"seq\":500000,\"account_no\":\"1234567890\"}", "account_number=1"),
    ("{\\\"account_no\\\":\\\"1234567890\\\",\\\"seq\\\":\\\"500000\\\"}", "account_number=1"),
    ("{'phone': '91234567', 'weight': 12345678}", "phone=1"),
    ("{\"account\": {\"id\": 5, \"number\": \"1234567890\"}}", "account_number=1"),
    ("{\"account\": {\"bank\": \"DBS\", \"primary\": \"1234567890\"}}", "account_number=1"),
    ("{\"accounts\": [{\"primary\": \"1234567890\"}]}", "account_number=1"),
    ("{\"name\":\"account\",\"value\":\"1234567890\"}", "account_number=1"),
    ("{\"note\":\"1234567890 is my account\"}", "account_number=1"),
    ("{\"note\":\"my account is 1234567890\"}", "account_number=1"),
    ("{\"seq\":4111111111111111}", "payment_card=1"),
    ("transfer 5000000 to account 1234567890", "account_number=1"),
    ("转5000000到账号1234567890", "account_number=1"),
    ("transfer 5000000 ke rekening no. 1234567890", "account_number=1"),
    ("account,amount\n1234567890,500000", "account_number=1"),
    ("name,account,mobile\nTan,1234567890,91234567", "account_number=1 phone=1"),
    ("name;city;account\nTan;123456;1234567890", "account_number=1"),
    ("name\tsize\taccount\nTan\t123456\t1234567890", "account_number=1"),
    ("| name | seq | account |\n|---|---:|---|\n| Tan | 123456 | 1234567890 |", "account_number=1"),
    ("name,account\n\"Tan, Ah Kow\",1234567890", "account_number=1"),
    ("name,note\nTan,my account 1234567890", "account_number=1"),
    ("Hello, my account is\n1234567890, thanks", "account_number=1"),
    (
        "name,note,account\nTan,ok,1234567890\ncard,none,ok\nLim,123456,2234567890",
        "account_number=2",
    ),
    ("account,address1,phone2\n1234567890,x,91234567", "account_number=1 phone=1"),
    (
        "account,amount\n1234567890,500000\nphone,amount\n91234567,500000",
        "account_number=1 phone=1",
    ),
    ("ph: 91234567", "phone=1"),
    ("pH 7.35 12345678", ""),
    ("P&L +12345678", ""),
    ("profit +15000000", ""),
    ("+1234567.89", ""),
    ("+12345678", ""),
    ("+65 6123 4567", "phone=1"),
    ("+12025550123", "phone=1"),
];

#[test]
fn what_has_a_name_of_its_own_is_not_its_neighbours() {
    let wrong = wrong(OTHER);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Headings of a column, a number that it names, and the kind.
const COLUMNS: &[(&str, &str, &str)] = &[
    ("nik", "3171010101900001", "national_id"),
    ("account_no", "1234567890", "account_number"),
    ("rekening", "1234567890", "account_number"),
    ("mobile", "91234567", "phone"),
    ("mst", "0100109106", "tax_id"),
    ("passport", "E1234567", "passport"),
];

#[test]
fn a_heading_holds_for_its_column_however_many_rows() {
    let mut faults = vec![];
    for (name, number, kind) in COLUMNS {
        for (by, ends) in [(",", ""), (";", ""), ("\t", ""), (" | ", "| ")] {
            for columns in [0, 3, 20] {
                let more = |word: &str| format!("{by}{word}").repeat(columns);
                let head = format!("{ends}id{by}name{}{by}{name}{by}city", more("remark"));
                let row = format!("{ends}0{by}Tan Ah Kow{}{by}{number}{by}SG", more("ok"));
                let rows = format!("{row}\n").repeat(100);
                let text = format!("Customers of the branch:\n\n{head}\n{rows}");
                let is = format!("{kind}=100");
                let mut stream = ContentStream::default();
                stream.push(&text);
                stream.end();
                if told(&text) != is || stream.found() != contents(&text) {
                    faults.push((head, told(&text), stream.found()));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

/// Names of fields with a number that each names.
const NAMES: &[(&[&str], &str, &str)] = &[
    (
        &["idNo", "national-id", "nationalId", "identityCardNo", "id.number", "identity_card_no"],
        "900101145678",
        "national_id=1",
    ),
    (
        &["canCuoc", "can cuoc", "can_cuoc", "canCuocCongDan", "dinh danh"],
        "001090123456",
        "national_id=1",
    ),
    (
        &[
            "partitaIva",
            "partita-iva",
            "partitaiva",
            "taxcode",
            "tax code",
            "tax identification number",
        ],
        "12345678903",
        "tax_id=1",
    ),
    (&["ma so thue", "maSoThue", "ma_so_thue"], "0100109106", "tax_id=1"),
    (&["business registration number", "businessRegistrationNumber"], "1248100998", "tax_id=1"),
    (&["unified business number", "unified-business-no"], "04595257", "tax_id=1"),
    (&["hoChieu", "ho chieu", "travelDocument", "travel-document"], "C1234567", "passport=1"),
    (
        &[
            "soTaiKhoan",
            "so tai khoan",
            "tai khoan",
            "debitaccount",
            "debit-account",
            "Kontonummer",
            "Numéro de compte",
        ],
        "1234567890",
        "account_number=1",
    ),
    (
        &[
            "so dien thoai",
            "soDienThoai",
            "MSISDN",
            "mob",
            "PayNow to",
            "số đt",
            "PayNow",
            "GCash",
            "PromptPay",
            "MoMo",
            "OVO",
            "请拨打",
        ],
        "91234567",
        "phone=1",
    ),
];

#[test]
fn names_of_fields_are_read_however_their_words_are_joined() {
    let mut faults = vec![];
    for (names, number, is) in NAMES {
        for name in *names {
            for text in [
                format!("{name}: {number}"),
                format!("{name} {number}"),
                format!("{{\"{name}\":\"{number}\"}}"),
                format!("{name}={number}"),
            ] {
                let told = told(&text);
                if told != *is {
                    faults.push((text, told));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

const CARDS: &[(&str, &str)] = &[
    ("%B4111111111111111^TAN/AH KOW^2712101", "payment_card=1"),
    ("No4111111111111111", "payment_card=1"),
    ("card 4111\t1111\t1111\t1111", "payment_card=1"),
    ("card\n4111\n1111\n1111\n1111", "payment_card=1"),
    ("card: 4111, 1111, 1111, 1111", "payment_card=1"),
    ("4111, 1111, 1111, 1111", ""),
    ("4111&nbsp;1111&nbsp;1111&nbsp;1111", "payment_card=1"),
    ("4111%201111%201111%201111", "payment_card=1"),
    ("<td>card</td><td>4111</td><td>1111</td><td>1111</td><td>1111</td>", "payment_card=1"),
    ("#4111111111111111", "payment_card=1"),
    ("№4111111111111111", "payment_card=1"),
    ("№ 4111111111111111", "payment_card=1"),
    ("#S1234567D", "national_id=1"),
    ("№S1234567D", "national_id=1"),
    ("order #4111111111111111", ""),
    ("1-1017-00230-70-8", "national_id=1"),
    ("1 1017 00230 70 8", "national_id=1"),
    ("account 1-1017-00230-70-8", "national_id=1"),
    ("2345-6789-0124", "national_id=1"),
    ("2345-6789-0125", ""),
];

#[test]
fn cards_and_identities_are_found_however_they_are_parted() {
    let wrong = wrong(CARDS);
    assert!(wrong.is_empty(), "{wrong:#?}");
}
