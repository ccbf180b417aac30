//! What stands beside a number: amounts and counts, keys of records, labels, separators.

use classify::{Content, contents};

use crate::draw::Rng;

fn told(text: &str) -> String {
    let found = contents(text);
    let each: Vec<_> = found.found().map(|(kind, count)| format!("{kind}={count}")).collect();
    each.join(" ")
}

/// Amounts, dates and counts beside words of accounts, phones and passports.
const AMOUNTS: &[&str] = &[
    "account balance is 1234567",
    "account balance 1 234 567",
    "account has 1 234 567 SGD",
    "passport applications: 150000000",
    "call volume 15999000",
    "we have 1234567 accounts",
    "150000000 passports",
    "phone: $15000000",
    "điện thoại 15000000 vnđ",
    "My account balance is currently 1234567890.",
    "account balance: SGD 1,234,567",
    "the account holds SGD 1234567",
    "the account holds 1234567.89 of it",
    "account_balance: 1234567",
    "the account has 1234567 SGD",
    "in my account there are $12345678",
    "in my account there are S$ 12345678",
    "phone costs 15999000",
    "this phone is Rp 15999000",
    "this phone is Rp15999000",
    "this phone is 15999000 rupiah",
    "passport fee 150000000",
    "the passport is 150000000 VND",
    "+12345678 shares",
    "the phone has 128000000 bytes",
    "my account shows 1234567 points",
    "account opened 20240131",
    "account opened 31-01-2024",
    "account opened 20240131235959",
    "passport issued 20240131",
    "my phone was bought 20240131",
    "账户余额 1234567",
    "账户里有 1234567 元",
    "账户里有1234567元",
    "帳戶入面有 HKD 1234567",
    "戶口結餘 1234567",
    "帳戶餘額：NT$1234567",
    "手机价格 15999000",
    "口座残高 1234567",
    "口座に 1234567 円あります",
    "口座に1234567円あります",
    "계좌 잔액 1234567",
    "계좌에 1234567원이 있어요",
    "계좌에 1234567 원이 있어요",
    "baki akaun 1234567 ringgit",
    "baki akaun saya ialah RM 1234567",
    "saldo rekening saya 1234567",
    "saldo rekening Rp 1234567",
    "harga telepon 15999000",
    "ในบัญชีมี 1234567 บาท",
    "โทรศัพท์ราคา 15999000",
    "số dư tài khoản của tôi 1234567",
    "tài khoản có 1234567 đồng",
    "điện thoại giá 15999000",
    "खाते में 1234567 रुपये हैं",
    "खाते में ₹1234567 हैं",
    "मेरे खाते का बैलेंस 1234567 है",
    "கணக்கில் 1234567 ரூபாய் உள்ளது",
    "கணக்கு இருப்பு 1234567",
    "အကောင့်ထဲမှာ 1234567 ကျပ်",
    "គណនីមាន 1234567 រៀល",
    "il saldo del conto è 1234567",
    "sul conto ci sono 1234567 euro",
    "sul conto ci sono € 1234567",
    "ang balanse ng account ko ay 1234567",
    "sa account ko may 1234567 piso",
];

/// Numbers that are what the word says, though an amount is near.
const STILL: &[(&str, &str)] = &[
    ("account no 1234567890", "account_number=1"),
    ("戶口 1234567890 元朗分行", "account_number=1"),
    ("手机号 13812345678 元旦再打", "phone=1"),
    ("帳戶 1234567890 台北分行", "account_number=1"),
    ("account number of mine is 1234567890", "account_number=1"),
    ("Please credit A/C 1234567890 USD 500.00", "account_number=1"),
    ("{\"amount\": 500, \"account\": \"1234567890\"}", "account_number=1"),
    ("{\"account\": {\"id\": 5, \"number\": \"1234567890\"}}", "account_number=1"),
    ("{\"accountNumber\": \"1234567890\"}", "account_number=1"),
    ("| account | amount |\n| 1234567890 | 500 |", "account_number=1"),
    ("我的账户1234567890余额多少", "account_number=1"),
    ("계좌 1234567890 잔액 조회", "account_number=1"),
    ("transfer ke rekening 1234567890 Rp500.000", "account_number=1"),
    ("conto 1234567890 l'altro", "account_number=1"),
    ("phone: 98765432 3 people", "phone=1"),
    ("+65 6123 4567 5 pcs", "phone=1"),
    ("मेरा नंबर 9876543210 है", "phone=1"),
    ("A/C: 1234567890", "account_number=1"),
    ("transfer 500 SGD to account 1234567890", "account_number=1"),
    ("transfer to account 1234567890 SGD 500", "account_number=1"),
    ("balance of account 1234567890", "account_number=1"),
    ("account number 1234567890, balance 500", "account_number=1"),
    ("account_no,balance\n1234567890,500", "account_number=1"),
    ("call 61234567, it costs 5 SGD", "phone=1"),
    ("账号 1234567890 人民币账户", "account_number=1"),
    ("转 500 元到账号 1234567890", "account_number=1"),
    ("계좌번호 1234567890 주세요", "account_number=1"),
    ("เลขที่บัญชี 1234567890 โอน 500 บาท", "account_number=1"),
    ("STK 1234567890 đồng ý nhé", "account_number=1"),
    ("passport E1234567 fee 150", "passport=1"),
    ("रुपये 500 खाता 1234567890 में", "account_number=1"),
    ("saldo rekening 1234567890", "account_number=1"),
    ("ยอดเงินในบัญชี 1234567890", "account_number=1"),
    ("rekening 1234567890 saldo 5 juta", "account_number=1"),
];

/// What says that a number is something else: labels right before it, in front of a word that would name it.
const LABELLED: &[&str] = &[
    "หมายเลขติดตาม {}",
    "หมายเลขพัสดุ {}",
    "管理番号 {}",
    "注文番号 {}",
    "追跡番号：{}",
    "订单号 {}",
    "运单号 {}",
    "流水号：{}",
    "ट्रांज़ैक्शन {}",
    "लेनदेन संख्या {}",
    "mã đơn {}",
    "nomor pesanan {}",
    "nomor resi {}",
    "numero d'ordine {}",
    "numero di ordine {}",
    "주문번호 {}",
    "운송장 번호 {}",
    "token {}",
    "membership no {}",
    "ticket {}",
    "case no {}",
    "SKU {}",
    "barcode {}",
    "IMEI {}",
    "serial number {}",
    "order_id: {}",
    "{\"request_id\": {}}",
    "trace id {}",
    "transaction reference is {}",
    "Tracking number:\n{}",
    "會員編號 {}",
    "会员号 {}",
    "会員番号 {}",
    "회원번호 {}",
    "nombor ahli {}",
    "nomor anggota {}",
    "หมายเลขสมาชิก {}",
    "mã giao dịch {}",
    "transaksi {}",
    "பரிவர்த்தனை {}",
];

/// What stands near a number and hides it not.
const NEAR: &[(&str, &str)] = &[
    ("item 3: card 4111111111111111", "payment_card=1"),
    ("item 3: 4111111111111111", "payment_card=1"),
    ("Invoice paid with 4111111111111111", "payment_card=1"),
    ("Ticket 12345: card 4111111111111111 declined", "payment_card=1"),
    ("{\"order_id\": 12, \"amount\": 500, \"pan\": \"4111111111111111\"}", "payment_card=1"),
    ("01/02/2024 POS 500.00 4111111111111111 -20.00", "payment_card=1"),
    ("4111111111111111|12|2027|123", "payment_card=1"),
    ("Case no 55, IC 900101145678", "national_id=1"),
    ("เลขบัตร 1101700230708 รายการ", "national_id=1"),
    ("ref 123 acct 1234567890", "account_number=1"),
    ("code 200, 4111111111111111", "payment_card=1"),
    ("row 7 4111111111111111", "payment_card=1"),
    ("total 3 cards. 4111111111111111", "payment_card=1"),
    ("I claim that 4111111111111111 was charged", "payment_card=1"),
    ("Order 12 was paid. 4111111111111111", "payment_card=1"),
    ("account (see ticket 44): 1234567890", "account_number=1"),
    ("card for order 12, 4111111111111111", "payment_card=1"),
    ("build 12\n4111111111111111", "payment_card=1"),
    ("订单已付款。4111111111111111", "payment_card=1"),
    ("Call 1 4111 1111 1111 1111", "payment_card=1"),
    ("call 12 4111 1111 1111 1111", "payment_card=1"),
    ("+1 4111 1111 1111 1111", "payment_card=1"),
    ("account 1 4111 1111 1111 1111", "payment_card=1"),
    ("At 12:00:01 4532015112830366", "payment_card=1"),
    ("12:00 4532015112830366", "payment_card=1"),
    ("12:00:01.123 4532015112830366", "payment_card=1"),
    ("2024-01-31 4532015112830366", "payment_card=1"),
    ("2024-01-31T12:00:01Z 4532015112830366", "payment_card=1"),
    ("31/01/2024 4532 0151 1283 0366", "payment_card=1"),
    ("31.01.2024 4532 0151 1283 0366", "payment_card=1"),
    ("4111 1111 1111 1111 12", "payment_card=1"),
    ("4111 1111 1111 1111 12/27 123", "payment_card=1"),
    ("4111 1111 1111 1111 12/2027 123", "payment_card=1"),
    ("4111 1111 1111 1111 12-27 123", "payment_card=1"),
    ("4111 1111 1111 1111 12 27 123", "payment_card=1"),
    ("4111 1111 1111 1111 1227 123", "payment_card=1"),
    ("4111-1111-1111-1111 12/27 123", "payment_card=1"),
    ("3782 822463 10005 12/27 1234", "payment_card=1"),
    ("4111111111111111 12/27 123", "payment_card=1"),
    ("6200 0000 0000 0005 12/27 123", "payment_card=1"),
    ("900101-14-5678 5 pcs", "national_id=1"),
    ("5 900101-14-5678", "national_id=1"),
    ("IC 900101-14-5678 12/05/2020", "national_id=1"),
    ("Aadhaar 2345 6789 0124 12/05/1990", "national_id=1"),
    ("900101-1234568 3 pcs", "national_id=1"),
    ("9001011234568 3 pcs", "national_id=1"),
    ("900101-14-5678 850505-10-5432", "national_id=2"),
];

/// What people write between two numbers of a list.
const LIST: &[&str] = &[
    ",", ", ", "|", " | ", "*", " * ", ";", "; ", " · ", " • ", "/", " / ", "\t", "\u{A0}",
    "\u{2009}", "\u{202F}", " – ", " — ", "\u{2012}", " - ", " ", "\n", "、", "，", "；", " & ",
    " + ", "->", " → ",
];

/// What people write between the groups of one.
const GROUPS: &[&str] = &[
    " ", "-", ".", "/", "_", "·", "\u{A0}", "\u{2009}", "\u{202F}", "\u{2007}", "–", "\u{2012}",
    " - ",
];

fn wrong<'a>(texts: impl Iterator<Item = (String, &'a str)>) -> Vec<(String, &'a str, String)> {
    let told = texts.map(|(text, is)| (told(&text), text, is));
    told.filter(|(told, _, is)| told != is).map(|(told, text, is)| (text, is, told)).collect()
}

#[test]
fn amounts_dates_and_counts_are_no_accounts_phones_or_passports() {
    let wrong = wrong(AMOUNTS.iter().map(|text| ((*text).to_owned(), "")));
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn an_amount_nearby_hides_no_number() {
    let wrong = wrong(STILL.iter().chain(NEAR).map(|(text, is)| ((*text).to_owned(), *is)));
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_label_right_before_a_number_says_that_it_is_something_else() {
    let texts = LABELLED.iter().flat_map(|label| {
        ["account, card, phone and IC: "].map(|before| format!("{before}{label}"))
    });
    let texts = texts.flat_map(|it| {
        ["4111111111111111", "900101145678", "61234567"].map(|number| it.replace("{}", number))
    });
    let wrong = wrong(texts.map(|text| (text, "")));
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_parts_two_numbers_hides_neither() {
    let cards =
        LIST.iter().map(|by| (format!("4111111111111111{by}5555555555554444"), "payment_card=2"));
    let grouped = LIST
        .iter()
        .filter(|by| !matches!(**by, "/" | "\u{2012}"))
        .map(|by| (format!("4111-1111-1111-1111{by}5555-5555-5555-4444"), "payment_card=2"));
    let ids = LIST
        .iter()
        .filter(|by| !matches!(**by, "/" | "\u{2012}"))
        .map(|by| (format!("900101-14-5678{by}850505-10-5432"), "national_id=2"));
    let wrong = wrong(cards.chain(grouped).chain(ids));
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Signs that part fields as well as groups: those for which a word must speak of a card, and others.
const SIGNS: &[(&str, &str)] =
    &[("", "|"), ("", "*"), ("card: ", ","), ("card: ", ";"), ("信用卡 ", ","), ("card: ", "|")];

#[test]
fn signs_that_part_fields_do_not_hide_a_card_of_four_groups() {
    let texts = SIGNS
        .iter()
        .map(|(card, by)| (format!("{card}4111{by}1111{by}1111{by}1111"), "payment_card=1"));
    let rows = SIGNS
        .iter()
        .map(|(card, by)| (format!("{card}2019{by}4111{by}1111{by}1111{by}1111{by}12"), ""));
    let bare = [",", ";", "\t"].iter().map(|by| (format!("4111{by}1111{by}1111{by}1111"), ""));
    let wrong = wrong(texts.chain(rows).chain(bare));
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_parts_the_groups_of_a_card_does_not_hide_it() {
    let texts = GROUPS.iter().map(|by| (format!("4111{by}1111{by}1111{by}1111"), "payment_card=1"));
    let wrong = wrong(texts);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Keys of records, which say nothing of whose number it is.
const KEYS: &[&str] = &[
    "{\"id\": {}}",
    "{\"id\": \"{}\"}",
    "id: {}",
    "id={}",
    "user_id: {}",
    "{\"order_id\": {}}",
    "request id {}",
    "trace_id={}",
    "uid: {}",
    "uuid {}",
    "My id is {}",
    "कृपया id {} देखें",
    "这个 id 是 {}",
    "この id は {} です",
    "ช่วยดู id {} หน่อย",
    "id {} 확인해 주세요",
];

#[test]
fn the_key_of_a_record_names_no_identity() {
    let mut rng = Rng::new(5);
    let mut faults = String::new();
    for key in KEYS {
        for length in [9, 10, 12, 13, 15, 16, 18] {
            let texts = (0..1000).map(|_| key.replace("{}", &rng.digits(length)));
            let taken = texts.filter(|text| contents(text).count(Content::NationalId) > 0).count();
            if taken > 5 {
                faults += &format!("{key} with {length} digits: {taken} of 1000\n");
            }
        }
    }
    assert!(faults.is_empty(), "{faults}");
}

/// Words that name an identity where nothing else tells whose number it is.
#[test]
fn a_name_of_an_identity_is_enough() {
    for text in [
        "national id 900101145678",
        "identity card: 900101145678",
        "NIK 6204182012145345",
        "KTP: 6204182012145345",
        "Aadhaar 234567890124",
        "{\"aadhaar\": {\"id\": 234567890124}}",
        "{\"national_id\": \"900101145678\"}",
        "{\"nric_id\": 900101145678}",
        "身份证号 900101145678",
        "身份证号：11010519491231002X",
        "ID number 900101145678",
        "kad pengenalan 900101145678",
    ] {
        assert_eq!(contents(text).count(Content::NationalId), 1, "{text}");
    }
}
