//! Accounts, passports, phones and mail addresses.

use classify::Content::{AccountNumber, Iban, Mail, Passport};

use crate::{
    draw::{Rng, digits},
    form::{FORMS, Form::*, LINE},
    scheme::Scheme,
};

/// The rest of 97 by long division over all digits, letters being two of them.
fn rest(text: &str) -> u32 {
    let whole: String = (text[4..].chars().chain(text[..4].chars()))
        .map(|c| c.to_digit(36).expect("a letter or digit").to_string())
        .collect();
    whole.chars().fold(0, |rest, c| (rest * 10 + c.to_digit(10).expect("a digit")) % 97)
}

/// Countries, and how the rest of their numbers is made: letters or digits.
const COUNTRIES: &[(&str, &str)] = &[
    ("DE", "dddddddddddddddddd"),
    ("IT", "Ldddddddddddddddddddddd"),
    ("GB", "LLLLdddddddddddddd"),
    ("FR", "ddddddddddddddddddddddd"),
    ("ES", "dddddddddddddddddddd"),
    ("NL", "LLLLdddddddddd"),
    ("BE", "dddddddddddd"),
    ("NO", "ddddddddddd"),
    ("CH", "ddddddddddddddddd"),
    ("AE", "ddddddddddddddddddd"),
    ("SA", "dddddddddddddddddddd"),
    ("MT", "LLLLddddddddddddddddddddddd"),
];

fn iban(rng: &mut Rng) -> String {
    let (country, shape) = rng.pick(COUNTRIES);
    let rest_of = |c: char| if c == 'L' { rng.capitals(1) } else { rng.digits(1) };
    let body: String = shape.chars().map(rest_of).collect();
    let check = 98 - rest(&format!("{country}00{body}"));
    format!("{country}{check:02}{body}")
}

fn is_iban(text: &str) -> bool {
    let known = COUNTRIES.iter().find(|(country, _)| text.starts_with(country));
    known.is_some_and(|(_, shape)| text.len() == shape.len() + 4) && rest(text) == 1
}

fn passport(rng: &mut Rng) -> String {
    let shape = rng.pick(&[
        "Eddddddd?",
        "Adddddddd",
        "Addddddd",
        "AAddddddd",
        "Pddddddd?",
        "Bddddddd",
        "Jddddddd",
        "Edddddddd",
        "Hdddddddd",
        "ddddddddd",
        "TKddddddd",
        "Mdddddddd",
        "Mddd?dddd",
        "YAddddddd",
    ]);
    let one = |c: char| match c {
        'd' => rng.digits(1),
        '?' => rng.capitals(1),
        c => c.to_string(),
    };
    shape.chars().map(one).collect()
}

fn is_passport(text: &str) -> bool {
    let letters = text.bytes().take_while(u8::is_ascii_uppercase).count();
    let inner = text.bytes().filter(u8::is_ascii_digit).count();
    letters <= 2 && (6..=9).contains(&inner) && (7..=10).contains(&text.len())
}

fn phone(rng: &mut Rng) -> String {
    let heads =
        ["9", "8", "6012", "081", "08", "09", "0917", "03", "070", "010", "98", "333", "02"];
    let (head, more) = (rng.pick(&heads), rng.within(7, 8));
    format!("{head}{}", rng.digits(more))
}

fn abroad(rng: &mut Rng) -> String {
    let (head, more) = rng.pick(&[
        ("+65 9", 7),
        ("+60 12-", 7),
        ("+62 812-", 8),
        ("+66 8", 8),
        ("+63 917 ", 7),
        ("+84 90 ", 7),
        ("+91 98", 8),
        ("+86 138", 8),
        ("+852 9", 7),
        ("+886 9", 8),
        ("+81 90-", 8),
        ("+82 10-", 8),
        ("+39 333 ", 7),
        ("+855 12 ", 6),
        ("+95 9 ", 8),
    ]);
    format!("{head}{}", rng.digits(more))
}

fn no_phone(rng: &mut Rng) -> String {
    let (month, day) = rng.date();
    let (year, cents) = (rng.within(1990, 2030), rng.digits(2));
    let (a, b, c) = (rng.digits(3), rng.digits(4), rng.digits(8));
    match rng.below(9) {
        0 => format!("The meeting is on {year}-{month:02}-{day:02} at 10:30."),
        1 => format!("Total: 1,{a}.{cents} and 12,{a},{a}.{cents} in May"),
        2 => format!("Order {c} has shipped, parcel {b} {b} follows"),
        3 => format!("Released as version 1.{day}.{month} (build {c})"),
        4 => format!("The host 10.{day}.{month}.{day} does not answer"),
        5 => format!("Years {year} {year} {year}: growth of {day} %"),
        6 => format!("Sum of {c} and {b} please"),
        7 => format!("订单 {c}，共 {b} 件，{year}年{month}月{day}日"),
        _ => format!("{day:02}.{month:02}.{year} {day}:{cents}, ticket {c}"),
    }
}

fn mail(rng: &mut Rng) -> String {
    let name =
        rng.pick(&["mei.ling", "tan_ah-kow", "a", "siti+bank", "nguyen.van.a", "山田", "x99"]);
    let (more, host) = (rng.digits(2), rng.of("abcdefghijklmnopqrstuvwxyz", 6));
    let top = rng.pick(&["com", "co.id", "com.sg", "co.th", "it", "中国", "xn--fiqs8s", "museum"]);
    format!("{name}{more}@{host}.{top}")
}

fn no_mail(rng: &mut Rng) -> String {
    let name = rng.of("abcdefghijklmnopqrstuvwxyz", 6);
    let number = rng.digits(2);
    match rng.below(8) {
        0 => format!("ssh {name}@{name}{number} and run it"),
        1 => format!("thanks @{name}.{name} for the review"),
        2 => format!("git clone git@{name}.com:{name}/repo.git"),
        3 => format!("2 apples @ 1.{number} each, @{number}"),
        4 => format!("@{name}/package@1.2.{number}"),
        5 => format!("root@10.0.0.{number}"),
        6 => format!("@property\ndef {name}(self): return self.{name}"),
        _ => format!("{name}@ {name}.com"),
    }
}

const ACCOUNT: Scheme = Scheme { kind: AccountNumber, ..Scheme::PLAIN };

pub(crate) const SCHEMES: &[Scheme] = &[
    Scheme {
        name: "IBAN",
        kind: Iban,
        draw: iban,
        accepts: is_iban,
        groups: &[&[4, 4, 4, 4, 4, 4, 4, 4, 4]],
        said: &[
            ("en", "My IBAN is {}."),
            ("it", "Il mio IBAN è {}"),
            ("it", "bonifico su {} entro domani"),
            ("zh", "收款账号 {}"),
            ("ja", "振込先は {} です"),
            ("hi", "IBAN {} पर भेजें"),
        ],
        alone: FORMS,
        ..Scheme::PLAIN
    },
    Scheme {
        name: "account numbers",
        forms: LINE,
        draw: |rng| {
            let length = rng.within(8, 14);
            rng.digits(length)
        },
        accepts: |it| (6..=18).any(|length| digits(it, length)),
        groups: &[&[3, 5, 1], &[3, 1, 5, 1], &[3, 6, 3], &[4, 4, 4], &[4, 6, 4], &[4, 4]],
        said: &[
            ("en", "My account number is {}."),
            ("en", "Transfer it to account {} today"),
            ("zh", "我的账号是 {}"),
            ("zh", "請過數去戶口 {}"),
            ("ms", "Nombor akaun saya {}"),
            ("id", "Nomor rekening saya {}"),
            ("th", "เลขที่บัญชี {}"),
            ("vi", "Số tài khoản {} của tôi"),
            ("ja", "口座番号は {} です"),
            ("ko", "계좌번호 {}"),
            ("hi", "मेरा खाता नंबर {} है"),
            ("ta", "என் கணக்கு எண் {}"),
            ("tl", "Ang account number ko po ay {}"),
            ("my", "ဘဏ်အကောင့် နံပါတ် {}"),
            ("km", "លេខគណនី {}"),
            ("it", "Il numero di conto è {}."),
        ],
        ..ACCOUNT
    },
    Scheme {
        name: "passports",
        kind: Passport,
        draw: passport,
        accepts: is_passport,
        said: &[
            ("en", "My passport number is {}."),
            ("zh", "护照号码 {}"),
            ("zh", "護照 {} 就快到期"),
            ("ms", "Nombor pasport saya {}"),
            ("id", "Nomor paspor: {}"),
            ("th", "หนังสือเดินทางเลขที่ {}"),
            ("vi", "Số hộ chiếu {} của tôi"),
            ("ja", "パスポート番号は {} です"),
            ("ko", "여권번호 {}"),
            ("hi", "मेरा पासपोर्ट नंबर {} है"),
            ("it", "Il mio passaporto è {}."),
            ("km", "លិខិតឆ្លងដែន {}"),
        ],
        ..Scheme::PLAIN
    },
    Scheme {
        name: "phones, where a word says so",
        forms: LINE,
        draw: phone,
        groups: &[&[4, 4], &[3, 3, 4], &[4, 3, 4], &[5, 5], &[3, 4, 4], &[4, 4, 4]],
        said: &[
            ("en", "Call me at {} after six."),
            ("en", "My mobile number is {}."),
            ("zh", "我的手机号是 {}"),
            ("zh", "打電話俾我 {}"),
            ("ms", "Nombor telefon saya {}"),
            ("id", "No HP saya {} ya"),
            ("th", "เบอร์โทร {}"),
            ("vi", "Số điện thoại của tôi là {}"),
            ("ja", "電話番号は {} です"),
            ("ko", "전화번호 {}"),
            ("hi", "मेरा मोबाइल नंबर {} है"),
            ("ta", "என் தொலைபேசி எண் {}"),
            ("my", "ဖုန်းနံပါတ် {}"),
            ("km", "លេខទូរស័ព្ទ {}"),
            ("tl", "Ang cellphone number ko ay {}"),
            ("it", "Il mio cellulare è {}."),
        ],
        misses: Some(no_phone),
        ..Scheme::PLAIN
    },
    Scheme {
        name: "phones, international",
        draw: abroad,
        alone: &[Bare, FullWidth, ZeroWidth],
        misses: Some(no_phone),
        ..Scheme::PLAIN
    },
    Scheme {
        name: "mail addresses",
        kind: Mail,
        draw: mail,
        alone: &[Bare],
        told: &[
            ("en", "Write to {}, please."),
            ("en", "<{}>"),
            ("zh", "请发到 {} 谢谢"),
            ("id", "Email saya: {}"),
            ("th", "อีเมล {} ค่ะ"),
            ("it", "scrivimi a {}."),
            ("ja", "「{}」へ送ってください"),
            ("en", "[me](mailto:{})"),
        ],
        misses: Some(no_mail),
        ..Scheme::PLAIN
    },
];
