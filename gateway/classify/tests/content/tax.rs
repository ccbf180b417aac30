//! Tax numbers.

use classify::Content::TaxId;

use crate::{
    draw::{Rng, digits, luhn, until, value, values, weighed},
    form::{FORMS, Form::*, parted},
    scheme::Scheme,
};

const TAX: Scheme = Scheme { kind: TaxId, ..Scheme::PLAIN };

fn pan(text: &str) -> bool {
    let b = text.as_bytes();
    b.len() == 10
        && b[..5].iter().chain(&b[9..]).all(u8::is_ascii_uppercase)
        && b"ABCFGHJLPT".contains(&b[3])
        && digits(&text[5..9], 4)
        && &text[5..9] != "0000"
}

/// Its values times 1, 2, 1, 2 …, in the base of 36, and the digits of the products added up.
fn gstin(text: &str) -> bool {
    let value = |c: char| c.to_digit(36).unwrap_or(0);
    let crossed = |(at, c): (usize, char)| {
        let product = value(c) * (1 + u32::from(at % 2 == 1));
        product / 36 + product % 36
    };
    let sum: u32 = text.chars().take(14).enumerate().map(crossed).sum();
    text.len() == 15
        && digits(&text[..2], 2)
        && pan(&format!("{}F{}", &text[2..5], &text[6..12]))
        && text.as_bytes()[5].is_ascii_uppercase()
        && &text[13..14] == "Z"
        && (36 - sum % 36) % 36 == value(text.chars().next_back().unwrap_or('0'))
}

/// The values of the odd places of a codice fiscale, as the decree lists them by letter.
fn odd(c: char) -> usize {
    let order = "BAKPLCQDREVOSFTGUHMINJWZYX";
    let letter = char::from_u32(c.to_digit(10).map_or(c as u32, |it| it + u32::from('A')));
    order.find(letter.expect("a letter")).expect("of the alphabet")
}

fn codice(text: &str) -> bool {
    let shape = "LLLLLLNNMNNLNNNL";
    let fits = |(c, kind): (char, char)| match kind {
        'L' => c.is_ascii_uppercase(),
        'M' => "ABCDEHLMPRST".contains(c),
        _ => c.is_ascii_digit() || "LMNPQRSTUV".contains(c),
    };
    if text.len() != 16 || !text.chars().zip(shape.chars()).all(fits) {
        return false;
    }
    let even = |c: char| c.to_digit(36).map_or(0, |it| if it > 9 { it - 10 } else { it }) as usize;
    let sum: usize = (text[..15].chars().enumerate())
        .map(|(at, c)| if at % 2 == 0 { odd(c) } else { even(c) })
        .sum();
    even(text.chars().next_back().unwrap_or('A')) == sum % 26
}

fn npwp(text: &str) -> bool {
    match text.len() {
        15 => digits(text, 15) && luhn(&text[..9]),
        16 => digits(text, 16) && text.starts_with('0') && luhn(&text[1..10]),
        _ => false,
    }
}

fn mst(text: &str) -> bool {
    let rest = weighed(text, &[31, 29, 23, 19, 17, 13, 7, 5, 3]) % 11;
    (digits(text, 10) || digits(text, 13)) && 10 - rest == value(text, 9, 10) && rest > 0
}

fn ubn(text: &str) -> bool {
    let both = |product: usize| product / 10 + product % 10;
    let products = values(text).into_iter().zip([1, 2, 1, 2, 1, 2, 4, 1]);
    let sum: usize = products.map(|(a, b)| both(a * b)).sum();
    digits(text, 8) && (sum.is_multiple_of(5) || (&text[6..7] == "7" && sum % 5 == 4))
}

fn brn(text: &str) -> bool {
    let sum = weighed(text, &[1, 3, 7, 1, 3, 7, 1, 3, 5]) + value(text, 8, 9).min(9) * 5 / 10;
    digits(text, 10) && (sum + value(text, 9, 10)).is_multiple_of(10)
}

fn lettered(rng: &mut Rng) -> String {
    let (names, year, place) = (rng.capitals(6), rng.digits(2), rng.capitals(1));
    let (_, day) = rng.date();
    let day = day + 40 * rng.below(2);
    let body =
        format!("{names}{year}{}{day:02}{place}{}", rng.of("ABCDEHLMPRST", 1), rng.digits(3));
    let mut lasts = ('A'..='Z').map(|last| format!("{body}{last}"));
    lasts.find(|it| codice(it)).expect("one letter of all")
}

pub(crate) const SCHEMES: &[Scheme] = &[
    Scheme {
        name: "PAN, India",
        draw: |rng| {
            let (names, holder) = (rng.capitals(3), rng.of("ABCFGHJLPT", 1));
            let serial = rng.within(1, 9999);
            format!("{names}{holder}{}{serial:04}{}", rng.capitals(1), rng.capitals(1))
        },
        accepts: pan,
        groups: &[&[10]],
        said: &[
            ("en", "My PAN is {}."),
            ("en", "PAN card number {}"),
            ("en", "Permanent account number: {}"),
            ("hi", "मेरा पैन नंबर {} है"),
            ("hi", "PAN {} आधार से लिंक करें"),
            ("ta", "என் பான் எண் {}"),
        ],
        alone: FORMS,
        ..TAX
    },
    Scheme {
        name: "GSTIN, India",
        draw: |rng| {
            let body = format!("27{}F{:04}", rng.capitals(4), rng.within(1, 9999));
            let body = format!("{body}{}{}Z", rng.capitals(1), rng.within(1, 9));
            let mut lasts = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ".chars();
            let last = lasts.find(|last| gstin(&format!("{body}{last}")));
            format!("{body}{}", last.expect("one of all"))
        },
        accepts: gstin,
        groups: &[&[15]],
        said: &[
            ("en", "Our GSTIN is {}."),
            ("en", "GST number {}"),
            ("en", "Invoice from the firm with GSTIN {}"),
            ("hi", "हमारा जीएसटी नंबर {} है"),
            ("hi", "GSTIN {} चेक करें"),
            ("ta", "எங்கள் ஜிஎஸ்டி எண் {}"),
        ],
        alone: FORMS,
        ..TAX
    },
    Scheme {
        name: "codice fiscale, Italy",
        draw: lettered,
        accepts: codice,
        groups: &[&[6, 5, 5], &[3, 3, 5, 5]],
        said: &[
            ("it", "Il mio codice fiscale è {}."),
            ("it", "CF: {}"),
            ("it", "codice fiscale {} intestato a me"),
            ("it", "Ho perso la tessera, codice fiscale {}"),
            ("en", "My Italian tax code is {}."),
            ("en", "Codice fiscale: {}"),
        ],
        alone: FORMS,
        ..TAX
    },
    Scheme {
        name: "partita IVA, Italy",
        draw: |rng| until(rng, luhn, |rng| rng.digits(10)),
        accepts: |it| digits(it, 11) && luhn(it),
        also: |it| brn(it) || mst(it),
        forms: &[Bare, FullWidth, ZeroWidth],
        groups: &[&[11]],
        said: &[
            ("it", "La nostra partita IVA è {}."),
            ("it", "P.IVA {}"),
            ("it", "Partita IVA: {} per la banca"),
            ("it", "ditta con partita iva {} di Milano"),
            ("en", "Our VAT number is {} (Italy)."),
            ("en", "Italian tax number {}"),
        ],
        ..TAX
    },
    Scheme {
        name: "NPWP, Indonesia",
        draw: |rng| {
            let nine = until(rng, luhn, |rng| rng.digits(8));
            format!("{}{nine}{}", rng.pick(&["", "0", ""]), rng.digits(6))
        },
        accepts: npwp,
        also: npwp,
        groups: &[&[2, 3, 3, 1, 3, 3], &[4, 4, 4, 4]],
        printed: Some(|it| match it.len() {
            15 => {
                let dotted = parted(&it[..9], &[2, 3, 3, 1], ".");
                format!("{dotted}-{}.{}", &it[9..12], &it[12..])
            }
            _ => parted(it, &[4, 4, 4, 4], " "),
        }),
        said: &[
            ("id", "NPWP saya {} mohon dicek."),
            ("id", "Nomor NPWP: {}"),
            ("id", "Nomor pokok wajib pajak {}"),
            ("id", "npwp perusahaan kami {}"),
            ("en", "Our Indonesian NPWP is {}."),
            ("en", "Tax number (NPWP) {}"),
        ],
        ..TAX
    },
    Scheme {
        name: "MST, Vietnam",
        draw: |rng| {
            let ten = until(rng, mst, |rng| rng.digits(9));
            let branch = rng.digits(3);
            format!("{ten}{}", if rng.below(4) == 0 { branch } else { String::new() })
        },
        accepts: mst,
        also: |it| brn(it) || (digits(it, 11) && luhn(it)),
        groups: &[&[10], &[10, 3], &[4, 3, 3]],
        said: &[
            ("vi", "Mã số thuế của công ty là {}"),
            ("vi", "MST: {}"),
            ("vi", "mã số thuế cá nhân {} nhé"),
            ("vi", "Công ty chúng tôi, MST {}"),
            ("en", "Our Vietnamese tax code is {}."),
            ("en", "Tax ID {} (Hanoi)"),
        ],
        ..TAX
    },
    Scheme {
        name: "unified business number, Taiwan",
        draw: |rng| until(rng, ubn, |rng| rng.digits(7)),
        accepts: ubn,
        groups: &[&[8], &[4, 4]],
        said: &[
            ("zh", "公司統一編號 {}"),
            ("zh", "統編：{}"),
            ("zh", "我們的統編是 {}，請開三聯式"),
            ("zh", "請打統編 {} 謝謝"),
            ("en", "Taiwanese tax ID {}"),
            ("en", "Our VAT number in Taiwan is {}."),
        ],
        ..TAX
    },
    Scheme {
        name: "business registration, Korea",
        draw: |rng| until(rng, brn, |rng| rng.digits(9)),
        accepts: brn,
        also: |it| mst(it) || (digits(it, 11) && luhn(it)),
        groups: &[&[3, 2, 5]],
        said: &[
            ("ko", "사업자등록번호 {}"),
            ("ko", "저희 사업자번호는 {} 입니다"),
            ("ko", "사업자 등록 번호: {}"),
            ("ko", "세금계산서는 사업자등록번호 {} 로 해주세요"),
            ("en", "Our Korean tax ID is {}."),
            ("en", "VAT number {} (Seoul)"),
        ],
        ..TAX
    },
    Scheme {
        name: "TIN, Philippines",
        draw: |rng| {
            let length = rng.pick(&[9, 12]);
            rng.digits(length)
        },
        accepts: |it| [9, 12, 14].iter().any(|length| digits(it, *length)),
        groups: &[&[3, 3, 3], &[3, 3, 3, 3]],
        said: &[
            ("en", "My TIN is {}."),
            ("en", "TIN: {} (BIR)"),
            ("tl", "Ang TIN ko po ay {}"),
            ("tl", "Nasa BIR form ang TIN {}"),
            ("tl", "TIN number {} para sa buwis"),
            ("tl", "Pakilagay ang TIN na {}"),
        ],
        ..TAX
    },
];
