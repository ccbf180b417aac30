//! Identity numbers of India, China, Hong Kong, Taiwan, Japan and Korea.

use classify::Content::NationalId;

use crate::{
    draw::{dated, digits, until, value, values, weighed},
    form::{FORMS, Form::*},
    identity::{cccd, mykad},
    scheme::Scheme,
};

const ID: Scheme = Scheme { kind: NationalId, ..Scheme::PLAIN };

/// Verhoeff's check by the tables of his book.
fn verhoeff(text: &str) -> bool {
    const PRODUCTS: [[usize; 10]; 10] = [
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        [1, 2, 3, 4, 0, 6, 7, 8, 9, 5],
        [2, 3, 4, 0, 1, 7, 8, 9, 5, 6],
        [3, 4, 0, 1, 2, 8, 9, 5, 6, 7],
        [4, 0, 1, 2, 3, 9, 5, 6, 7, 8],
        [5, 9, 8, 7, 6, 0, 4, 3, 2, 1],
        [6, 5, 9, 8, 7, 1, 0, 4, 3, 2],
        [7, 6, 5, 9, 8, 2, 1, 0, 4, 3],
        [8, 7, 6, 5, 9, 3, 2, 1, 0, 4],
        [9, 8, 7, 6, 5, 4, 3, 2, 1, 0],
    ];
    const PLACES: [[usize; 10]; 8] = [
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        [1, 5, 7, 6, 2, 8, 3, 0, 9, 4],
        [5, 8, 0, 3, 7, 9, 6, 1, 4, 2],
        [8, 9, 1, 6, 0, 4, 3, 5, 2, 7],
        [9, 4, 5, 3, 1, 2, 6, 8, 7, 0],
        [4, 2, 8, 6, 5, 7, 3, 9, 0, 1],
        [2, 7, 9, 3, 8, 0, 6, 4, 1, 5],
        [7, 0, 4, 6, 9, 1, 3, 2, 5, 8],
    ];
    let digits = values(text).into_iter().rev().enumerate();
    digits.fold(0, |sum, (at, digit)| PRODUCTS[sum][PLACES[at % 8][digit]]) == 0
}

pub(crate) fn aadhaar(text: &str) -> bool {
    digits(text, 12) && text.as_bytes()[0] > b'1' && verhoeff(text)
}

fn china(text: &str) -> bool {
    let Some(body) = text.get(..17).filter(|it| digits(it, 17) && text.len() == 18) else {
        return false;
    };
    // ISO 7064 MOD 11-2: the sum of all with powers of two, the check character as ten where it is X.
    let powers: usize = values(body).iter().fold(0, |sum, digit| (sum + digit) * 2 % 11);
    let check = (12 - powers) % 11;
    let last = if check == 10 { "X".to_owned() } else { check.to_string() };
    let known = matches!(
        value(text, 0, 2),
        11..=15 | 21..=23 | 31..=37 | 41..=46 | 50..=54 | 61..=65 | 71 | 81..=83 | 91
    );
    known
        && (1850..=2100).contains(&value(text, 6, 10))
        && dated(value(text, 10, 12), value(text, 12, 14))
        && text[17..] == last
}

fn hong_kong(text: &str) -> bool {
    let letters = text.bytes().take_while(u8::is_ascii_uppercase).count();
    if !(1..=2).contains(&letters) || text.len() != letters + 7 {
        return false;
    }
    // A blank before a single letter counts 36, A counts 10.
    let of = |b: u8| match b {
        b'0'..=b'9' => Some(usize::from(b - b'0')),
        b'A'..=b'Z' => Some(usize::from(b - b'A') + 10),
        _ => None,
    };
    let body = format!("{}{text}", if letters == 1 { " " } else { "" });
    let counted = |(at, b): (usize, u8)| match (at, b) {
        (0, b' ') => Some(36 * 9),
        (8, b'A') => Some(10),
        (2..=8, b'A'..=b'Z') => None,
        _ => of(b).map(|value| value * (9 - at)),
    };
    let sum: Option<usize> = body.bytes().enumerate().map(counted).sum();
    sum.is_some_and(|sum| sum % 11 == 0)
}

fn taiwan(text: &str) -> bool {
    const ORDER: &str = "ABCDEFGHJKLMNPQRSTUVXYWZIO";
    let Some(place) = text.get(..1).and_then(|first| ORDER.find(first)) else { return false };
    if !digits(&text[1..], 9) || !matches!(&text[1..2], "1" | "2" | "8" | "9") {
        return false;
    }
    let head = place + 10;
    let sum = weighed(&text[1..], &[8, 7, 6, 5, 4, 3, 2, 1, 1]);
    (head / 10 + head % 10 * 9 + sum).is_multiple_of(10)
}

fn japan(text: &str) -> bool {
    let sum = weighed(text, &[6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]);
    digits(text, 12) && (11 - sum % 11) % 11 % 10 == value(text, 11, 12)
}

fn korea_checked(text: &str) -> bool {
    let sum = weighed(text, &[2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5]);
    digits(text, 13)
        && dated(value(text, 2, 4), value(text, 4, 6))
        && (11 - sum % 11) % 10 == value(text, 12, 13)
}

pub(crate) fn korea(text: &str) -> bool {
    let sum = weighed(text, &[2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5]);
    let last = value(text, 12, 13);
    let foreign = matches!(text.as_bytes().get(6), Some(b'5'..=b'8'));
    let born_since = matches!(text.as_bytes().get(6), Some(b'3' | b'4' | b'7' | b'8'))
        && (2010..=3512).contains(&value(text, 0, 4));
    digits(text, 13)
        && dated(value(text, 2, 4), value(text, 4, 6))
        && ((11 - sum % 11) % 10 == last || (foreign && (13 - sum % 11) % 10 == last) || born_since)
}

pub(crate) const SCHEMES: &[Scheme] = &[
    Scheme {
        name: "Aadhaar, India",
        draw: |rng| until(rng, aadhaar, |rng| format!("{}{}", rng.within(2, 9), rng.digits(10))),
        accepts: aadhaar,
        groups: &[&[4, 4, 4]],
        said: &[
            ("en", "My Aadhaar number is {}."),
            ("en", "Aadhaar: {}"),
            ("hi", "मेरा आधार नंबर {} है"),
            ("hi", "आधार कार्ड {} खो गया"),
            ("ta", "என் ஆதார் எண் {}"),
            ("hi", "mera aadhaar number {} hai"),
        ],
        alone: &[Spaces, NoBreak],
        ..ID
    },
    Scheme {
        name: "China, 18 characters",
        draw: |rng| {
            let (month, day) = rng.date();
            let year = rng.within(1935, 2020);
            let place = rng.pick(&["110101", "310115", "440305", "510104", "330106", "650102"]);
            let body = format!("{place}{year}{month:02}{day:02}{}", rng.digits(3));
            let mut lasts = "0123456789X".chars().map(|last| format!("{body}{last}"));
            lasts.find(|it| china(it)).expect("one of eleven")
        },
        accepts: china,
        groups: &[&[6, 8, 4], &[6, 4, 4, 4]],
        said: &[
            ("zh", "我的身份证号是{}"),
            ("zh", "身份证：{}，麻烦核实"),
            ("zh", "證件號碼 {} 請核對"),
            ("zh", "公民身份号码 {}"),
            ("en", "My Chinese ID card number is {}."),
            ("ja", "中国の身分証番号は {} です"),
        ],
        alone: FORMS,
        ..ID
    },
    Scheme {
        name: "HKID, Hong Kong",
        draw: |rng| loop {
            let letters = rng.pick(&[1, 1, 1, 2]);
            let body = format!("{}{}", rng.capitals(letters), rng.digits(6));
            let mut lasts = "0123456789A".chars().map(|last| format!("{body}{last}"));
            if let Some(whole) = lasts.find(|it| hong_kong(it)) {
                break whole;
            }
        },
        accepts: hong_kong,
        groups: &[&[1, 6, 1], &[2, 6, 1], &[7, 1], &[8, 1]],
        printed: Some(|it| format!("{}({})", &it[..it.len() - 1], &it[it.len() - 1..])),
        said: &[
            ("en", "My HKID is {}."),
            ("en", "Hong Kong ID card number {}"),
            ("zh", "我嘅身份證號碼係 {}"),
            ("zh", "香港身份證：{}"),
            ("zh", "身份證 {} 想更新地址"),
            ("zh", "我的香港身份证号码是 {}"),
        ],
        alone: &[Printed],
        ..ID
    },
    Scheme {
        name: "Taiwan",
        draw: |rng| {
            until(rng, taiwan, |rng| {
                let head = rng.of("ABCDEFGHJKLMNPQRSTUVXYWZIO", 1);
                format!("{head}{}{}", rng.pick(&["1", "2", "1", "2", "8", "9"]), rng.digits(7))
            })
        },
        accepts: taiwan,
        groups: &[&[10], &[1, 9]],
        said: &[
            ("zh", "我的身分證字號是 {}"),
            ("zh", "身分證：{}"),
            ("zh", "統一證號 {} 請協助查詢"),
            ("zh", "居留證號碼{}"),
            ("en", "My Taiwan ID is {}."),
            ("en", "ID number {} (Taipei)"),
        ],
        alone: FORMS,
        ..ID
    },
    Scheme {
        name: "My Number, Japan",
        draw: |rng| until(rng, japan, |rng| rng.digits(11)),
        accepts: japan,
        also: aadhaar,
        groups: &[&[4, 4, 4]],
        said: &[
            ("ja", "マイナンバーは {} です。"),
            ("ja", "個人番号：{}"),
            ("ja", "私のマイナンバー {} を登録してください"),
            ("ja", "マイナンバーカードの番号 {}"),
            ("en", "My Number (Japan): {}"),
            ("en", "The individual number is {}."),
        ],
        alone: &[Spaces, NoBreak],
        told: &[
            ("ja", "{} を確認してください"),
            ("ja", "こちらです：{}"),
            ("ja", "山田と申します。{} でお願いします"),
        ],
        ..ID
    },
    Scheme {
        name: "RRN, Korea",
        draw: |rng| {
            until(rng, korea_checked, |rng| {
                let (month, day) = rng.date();
                let (year, sex) = (rng.digits(2), rng.within(1, 4));
                format!("{year}{month:02}{day:02}{sex}{}", rng.digits(5))
            })
        },
        accepts: korea,
        also: |it| mykad(it) || cccd(it),
        groups: &[&[6, 7]],
        said: &[
            ("ko", "제 주민등록번호는 {} 입니다"),
            ("ko", "주민번호 {}"),
            ("ko", "주민등록증 분실했어요 {}"),
            ("ko", "주민등록 번호 {} 확인 부탁드려요"),
            ("en", "My Korean resident registration number is {}."),
            ("en", "RRN: {}"),
        ],
        alone: &[Bare, Hyphens, Spaces, FullWidth],
        ..ID
    },
];
