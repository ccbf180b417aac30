//! Cases one by one: what is found in a text, and what must not be.

use classify::contents;

fn told(text: &str) -> String {
    let found = contents(text);
    let each: Vec<_> = found.found().map(|(kind, count)| format!("{kind}={count}")).collect();
    each.join(" ")
}

/// Numbers here are the ones that their schemes' own documents and test pages show.
const FOUND: &[(&str, &str)] = &[
    ("4111 1111 1111 1111", "payment_card=1"),
    ("Cards 4111-1111-1111-1111 and 5555 5555 5555 4444", "payment_card=2"),
    ("378282246310005 12/27 cvv 123", "payment_card=1"),
    ("GB82 WEST 1234 5698 7654 32", "iban=1"),
    ("de89370400440532013000", "iban=1"),
    ("S1234567D", "national_id=1"),
    // JSON within a text: what its own escapes stand for parts words and numbers.
    ("{\"t\": \"hello\\nS1234567D\"}", "national_id=1"),
    ("card\\t4111111111111111\\npassport E1234567", "payment_card=1 passport=1"),
    ("IBAN\\nDE89370400440532013000", "iban=1"),
    ("key\\nghp_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789", "secret=1"),
    // What stands before or behind a number in lists, tables and statements hides nothing.
    ("id,card\n1,4111111111111111\n2,5555555555554444", "payment_card=2"),
    ("2026-11-30,4111111111111111,paid", "payment_card=1"),
    ("667,4111111111111111", "payment_card=1"),
    ("VALUES (1,4111111111111111,5)", "payment_card=1"),
    ("34. 4111 1111 1111 1111", "payment_card=1"),
    ("IC: 1. 900101-14-5678", "national_id=1"),
    ("card\tqty\n4111111111111111\t2", "payment_card=1"),
    ("4111111111111111 50 SGD", "payment_card=1"),
    ("4111111111111111/12/27", "payment_card=1"),
    ("4111111111111111/5555555555554444", "payment_card=2"),
    ("My card is 4111111111111111. 2024 was fine", "payment_card=1"),
    ("我的身份证号是11010519491231002X", "national_id=1"),
    ("HKID A123456(3)", "national_id=1"),
    ("身分證字號 A123456789", "national_id=1"),
    ("IC: 900101-14-5678", "national_id=1"),
    ("Il codice fiscale di Mario è RSSMRA85T10A562S", "tax_id=1"),
    ("mail me at mei@bank.example or call +65 6123 4567", "phone=1 mail=1"),
    ("passport E1234567K", "passport=1"),
    ("여권번호 M123A4567", "passport=1"),
    ("AKIAQ3EGW5XPLT2ZB7KD", "secret=1"),
    ("NIK 6204 1820 1214 5345, kartu 4111 1111 1111 1111", "payment_card=1 national_id=1"),
    ("+65 6123 4567 AKIAQ3EGW5XPLT2ZB7KD", "phone=1 secret=1"),
    ("Password=s3cretpw;Server=db; AKIAQ3EGW5XPLT2ZB7KD", "secret=2"),
    ("api_key=AKIAQ3EGW5XPLT2ZB7KD +65 6123 4567", "phone=1 secret=1"),
    ("2345 6789 0124", "national_id=1"),
    ("900101-1234568", "national_id=1"),
    ("01.234.567.4-901.000", "tax_id=1"),
    ("GSTIN 27AAPFU0939F1ZV", "tax_id=1"),
    ("27AAPFU0939F1ZV", "tax_id=1"),
    ("RSS MRA 85T10 A562S", "tax_id=1"),
    ("+\u{200B}65 6123 4567", "phone=1"),
    ("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk=", "secret=1"),
    ("postgres://app:s3cretpw@db/x", "secret=1"),
];

const NOTHING: &[&str] = &[
    "it cost 1,234,567 and 0.4111111111111111 of it",
    "4111 1111 1111 1111 1",
    "",
    "let version = \"1.24.3\"; // 2024-11-30T16:01:25.123456Z",
    "at 1732982485 and at 1732982485123, epoch 1732982485123456",
    "pi is 3.14159265358979323846 and e is 2.718281828459045",
    "0.4111111111111111",
    "550e8400-e29b-41d4-a716-446655440000",
    "4d111111-1111-4111-8111-111111111111",
    "d41d8cd98f00b204e9800998ecf8427e",
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "commit c10c85b1d2e3f4a5b6c7d8e9f0a1b2c3d4e5f607",
    "ISBN 978-3-16-148410-0, also 9783161484100",
    "From 2024-01-01 to 31.12.2024, or 01/02/2023",
    "20240101 20240102 20240103",
    "Rice 12.50\nMilk 3.20\nEggs 4.99\nTotal 20.69",
    "1990 1991 1992 1993\n1994 1995 1996 1997\n1998 1999 2000 2001",
    "1,234,567,890.12 and 1.234.567.890,12",
    "ssh deploy@build01",
    "git clone git@github.com:org/repo.git",
    "npm i @scope/pkg@1.2.3",
    "sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "postgres://user:<password>@host/db",
    "postgres://user:${TOKEN}@host/db",
    "Server=db;User Id=app;Password=<password>;",
    "api_key = \"YOUR_API_KEY_GOES_HERE\"",
    "export TOKEN=${TOKEN}",
    "10.0.0.1 192.168.100.200:8080",
    "fe80::1ff:fe23:4567:890a",
    "Order 4111111 of 2024, 12 items, 3 boxes",
    "0x1F4A9C3D 0b1010101010101010 1e10",
    "lat 1.352083, long 103.819836",
    "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]",
    "27AAPFU0939F1ZW 27AAPFU0939F1YV",
    "Q1 2023 Q2 2023 Q3 2023 Q4 2023",
];

#[test]
fn what_stands_there_is_found() {
    let wrong: Vec<_> = FOUND.iter().filter(|(text, is)| told(text) != *is).collect();
    let told: Vec<_> = wrong.iter().map(|(text, is)| (text, is, told(text))).collect();
    assert!(told.is_empty(), "{told:#?}");
}

#[test]
fn what_only_looks_like_something_is_nothing() {
    let wrong: Vec<_> = NOTHING.iter().filter(|text| !told(text).is_empty()).collect();
    let told: Vec<_> = wrong.iter().map(|text| (text, told(text))).collect();
    assert!(told.is_empty(), "{told:#?}");
}
