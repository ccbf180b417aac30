//! Identity numbers of Singapore, Malaysia, Indonesia, Thailand, the Philippines and Vietnam.

use classify::Content::NationalId;

use crate::{
    draw::{dated, digits, until, value, weighed},
    form::{FORMS, Form::*},
    identity_east::{aadhaar, korea},
    scheme::{Said, Scheme},
};

const ID: Scheme = Scheme { kind: NationalId, ..Scheme::PLAIN };

fn nric(text: &str) -> bool {
    if text.len() != 9 || !digits(&text[1..8], 7) {
        return false;
    }
    let sum = weighed(&text[1..8], &[2, 7, 6, 5, 4, 3, 2]);
    let letters = match &text[..1] {
        "S" => ("JZIHGFEDCBA", sum),
        "T" => ("JZIHGFEDCBA", sum + 4),
        "F" => ("XWUTRQPNMLK", sum),
        "G" => ("XWUTRQPNMLK", sum + 4),
        "M" => ("XWUTRQPNJLK", sum + 3),
        _ => return false,
    };
    letters.0[letters.1 % 11..].starts_with(&text[8..])
}

fn thai(text: &str) -> bool {
    let sum = weighed(text, &[13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2]);
    digits(text, 13) && !text.starts_with('0') && (11 - sum % 11) % 10 == value(text, 12, 13)
}

pub(crate) fn mykad(text: &str) -> bool {
    let place = value(text.get(..12).unwrap_or(""), 6, 8);
    let nowhere = [0, 17, 18, 19, 20, 69, 70, 73, 80, 81, 94, 95, 96, 97];
    digits(text, 12) && dated(value(text, 2, 4), value(text, 4, 6)) && !nowhere.contains(&place)
}

const PROVINCES: [usize; 38] = [
    11, 12, 13, 14, 15, 16, 17, 18, 19, 21, 31, 32, 33, 34, 35, 36, 51, 52, 53, 61, 62, 63, 64, 65,
    71, 72, 73, 74, 75, 76, 81, 82, 91, 92, 93, 94, 95, 96,
];

fn nik(text: &str) -> bool {
    let day = value(text, 6, 8);
    let day = if day > 40 { day.wrapping_sub(40) } else { day };
    digits(text, 16)
        && (PROVINCES.contains(&value(text, 0, 2)) || text.starts_with("97"))
        && value(text, 2, 4) > 0
        && value(text, 4, 6) > 0
        && dated(value(text, 8, 10), day)
        && value(text, 12, 16) > 0
}

pub(crate) fn cccd(text: &str) -> bool {
    digits(text, 12) && (1..=96).contains(&value(text, 0, 3)) && value(text, 3, 4) < 6
}

const PHILIPPINE: &[Said] = &[
    ("en", "My PhilSys number is {}, please verify."),
    ("en", "UMID CRN {}"),
    ("en", "SSS number: {}"),
    ("tl", "Ang PhilSys ID ko po ay {}"),
    ("tl", "Ito po ang SSS number ko: {}"),
    ("tl", "Nawala ang UMID ko, ang numero ay {}"),
    ("tl", "PhilID {} salamat po"),
];

pub(crate) const SCHEMES: &[Scheme] = &[
    Scheme {
        name: "NRIC and FIN, Singapore",
        draw: |rng| {
            let body = format!("{}{}", rng.pick(&["S", "T", "F", "G", "M"]), rng.digits(7));
            let mut last = ('A'..='Z').map(|last| format!("{body}{last}"));
            last.find(|it| nric(it)).expect("a letter of eleven")
        },
        accepts: nric,
        groups: &[&[1, 7, 1], &[9], &[5, 4]],
        said: &[
            ("en", "My NRIC is {}."),
            ("en", "FIN no. {} expires soon"),
            ("zh", "我的身份证号码是 {}"),
            ("ms", "No. kad pengenalan saya {}"),
            ("ta", "என் அடையாள அட்டை எண் {}"),
            ("tl", "Ang FIN number ko ay {}"),
        ],
        alone: &[Bare, FullWidth, ZeroWidth, Spaces],
        ..ID
    },
    Scheme {
        name: "MyKad, Malaysia",
        draw: |rng| {
            let (month, day) = rng.date();
            let year = rng.digits(2);
            let place = rng.pick(&["01", "10", "14", "16", "21", "35", "59", "71", "82"]);
            format!("{year}{month:02}{day:02}{place}{}", rng.digits(4))
        },
        accepts: mykad,
        also: |it| cccd(it) || aadhaar(it) || thai(it) || korea(it),
        groups: &[&[6, 2, 4]],
        said: &[
            ("en", "My IC number is {}."),
            ("en", "MyKad: {}"),
            ("ms", "No. kad pengenalan saya ialah {}."),
            ("ms", "No IC {} atas nama saya"),
            ("ms", "MyKad saya {} hilang"),
            ("zh", "我的身份证号码是{}，请查一下"),
            ("ta", "என் அடையாள அட்டை எண் {}"),
        ],
        alone: &[Spaces, Hyphens, NoBreak],
        ..ID
    },
    Scheme {
        name: "NIK, Indonesia",
        draw: |rng| {
            let (month, day) = rng.date();
            let day = day + 40 * rng.below(2);
            let (province, regency) = (rng.pick(&PROVINCES), rng.within(1, 79));
            let (district, serial) = (rng.within(1, 39), rng.within(1, 9999));
            let year = rng.digits(2);
            format!("{province}{regency:02}{district:02}{day:02}{month:02}{year}{serial:04}")
        },
        accepts: nik,
        groups: &[&[6, 6, 4], &[4, 4, 4, 4]],
        said: &[
            ("id", "NIK saya {} tolong dicek."),
            ("id", "Nomor KTP: {}"),
            ("id", "Nomor Induk Kependudukan {}"),
            ("id", "KTP saya hilang, nomornya {}"),
            ("en", "The NIK on my KTP is {}."),
            ("en", "Indonesian national ID number {}"),
        ],
        ..ID
    },
    Scheme {
        name: "Thailand",
        draw: |rng| until(rng, thai, |rng| format!("{}{}", rng.within(1, 8), rng.digits(11))),
        accepts: thai,
        groups: &[&[1, 4, 5, 2, 1]],
        said: &[
            ("th", "เลขบัตรประชาชน {}"),
            ("th", "เลขประจำตัวประชาชนของผมคือ {} ครับ"),
            ("th", "บัตรประชาชนหาย เลขที่ {}"),
            ("th", "หมายเลขประจำตัว {} ค่ะ"),
            ("en", "My Thai national ID is {}."),
            ("en", "Thai citizen ID: {}"),
        ],
        alone: FORMS,
        told: &[
            ("th", "ช่วยตรวจสอบ {} ให้หน่อยครับ"),
            ("th", "{} ถูกต้องไหมคะ"),
            ("th", "ผมชื่อสมชาย {} ครับ"),
        ],
        ..ID
    },
    Scheme {
        name: "PhilSys, UMID and SSS, Philippines",
        draw: |rng| {
            let length = rng.pick(&[12, 16, 12, 10]);
            rng.digits(length)
        },
        also: aadhaar,
        accepts: |it| [10, 12, 16].iter().any(|length| digits(it, *length)),
        groups: &[&[4, 7, 1], &[4, 4, 4, 4], &[2, 7, 1], &[4, 4, 4]],
        said: PHILIPPINE,
        ..ID
    },
    Scheme {
        name: "CCCD, Vietnam",
        draw: |rng| {
            let (province, sex) = (rng.within(1, 96), rng.below(4));
            format!("{province:03}{sex}{}", rng.digits(8))
        },
        accepts: cccd,
        also: aadhaar,
        groups: &[&[3, 3, 6], &[4, 4, 4]],
        said: &[
            ("vi", "Số CCCD của tôi là {}"),
            ("vi", "Căn cước công dân số {}"),
            ("vi", "Tôi bị mất căn cước, số {}"),
            ("vi", "cccd {} nhé bạn"),
            ("vi", "Số định danh cá nhân: {}"),
            ("en", "My CCCD number is {}."),
        ],
        ..ID
    },
];
