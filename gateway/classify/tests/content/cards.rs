//! Payment cards, network by network.

use classify::Content::PaymentCard;

use crate::{
    draw::{Rng, digits, luhn, until, value},
    form::FORMS,
    scheme::{Said, Scheme},
};

const SAID: &[Said] = &[
    ("en", "My card {} was declined at the till."),
    ("en", "Card number: {}, please block it."),
    ("zh", "我的信用卡 {} 被盗刷了"),
    ("zh", "卡号{}，请尽快冻结"),
    ("zh", "我張信用咭 {} 唔見咗"),
    ("ms", "Kad kredit saya {} telah hilang."),
    ("id", "Kartu kredit saya {} tertelan mesin."),
    ("th", "บัตรเครดิตเลขที่ {} หาย"),
    ("vi", "Thẻ tín dụng của tôi số {} bị khóa"),
    ("ja", "カード番号は {} です。"),
    ("ko", "카드번호 {} 정지해 주세요"),
    ("hi", "मेरा क्रेडिट कार्ड {} खो गया"),
    ("ta", "என் கார்டு {} தொலைந்துவிட்டது"),
    ("my", "ကျွန်တော့်ကတ် {} ပျောက်သွားပြီ"),
    ("km", "កាតរបស់ខ្ញុំ {} បានបាត់"),
    ("it", "La mia carta {} è stata rubata."),
];

const SIXTEEN: &[&[usize]] = &[&[4, 4, 4, 4]];

/// A number with one of these beginnings.
fn begun(rng: &mut Rng, heads: &[(usize, usize)], length: usize) -> String {
    let (from, to) = rng.pick(heads);
    let head = rng.within(from, to).to_string();
    until(rng, luhn, |rng| format!("{head}{}", rng.digits(length - 1 - head.len())))
}

fn right(number: &str, length: usize) -> bool {
    digits(number, length) && luhn(number)
}

const MAIN: Scheme =
    Scheme { kind: PaymentCard, groups: SIXTEEN, said: SAID, alone: FORMS, ..Scheme::PLAIN };
const RARE: Scheme = Scheme { kind: PaymentCard, groups: SIXTEEN, said: SAID, ..Scheme::PLAIN };

/// Whether some network gives cards of such a number: what one digit makes of a Visa can be a Mastercard.
fn any(number: &str) -> bool {
    (12..=19).contains(&number.len())
        && digits(number, number.len())
        && luhn(number)
        && matches!(value(number, 0, 1), 2..=6 | 8 | 9)
}

pub(crate) const SCHEMES: &[Scheme] = &[
    Scheme { name: "Visa", draw: |rng| begun(rng, &[(4, 4)], 16), accepts: any, ..MAIN },
    Scheme {
        name: "Mastercard",
        draw: |rng| begun(rng, &[(51, 55), (2221, 2720)], 16),
        accepts: any,
        ..MAIN
    },
    Scheme {
        name: "American Express",
        draw: |rng| begun(rng, &[(34, 34), (37, 37)], 15),
        accepts: |it| right(it, 15) || any(it),
        groups: &[&[4, 6, 5]],
        ..MAIN
    },
    Scheme { name: "JCB", draw: |rng| begun(rng, &[(3528, 3589)], 16), accepts: any, ..MAIN },
    Scheme { name: "UnionPay", draw: |rng| begun(rng, &[(62, 62)], 16), accepts: any, ..MAIN },
    Scheme {
        name: "UnionPay of 19 digits",
        draw: |rng| begun(rng, &[(62, 62)], 19),
        accepts: any,
        groups: &[&[4, 4, 4, 4, 3], &[6, 13]],
        ..MAIN
    },
    Scheme {
        name: "Discover",
        draw: |rng| begun(rng, &[(6011, 6011), (644, 649), (65, 65)], 16),
        accepts: any,
        ..MAIN
    },
    Scheme {
        name: "Diners Club",
        draw: |rng| begun(rng, &[(36, 36), (300, 305)], 14),
        accepts: any,
        groups: &[&[4, 6, 4]],
        ..MAIN
    },
    Scheme {
        name: "Maestro, RuPay, Mir",
        draw: |rng| begun(rng, &[(5018, 5018), (6759, 6759), (60, 60), (2200, 2204)], 16),
        accepts: any,
        also: any,
        ..RARE
    },
];
