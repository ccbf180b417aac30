//! What hides nothing: names of fields, words that are joined to a number, characters that cannot be seen,
//! digits of any script, escapes within escapes. And addresses, as texts have them around themselves.

use classify::contents;

fn told(text: &str) -> String {
    let found = contents(text);
    let each: Vec<_> = found.found().map(|(kind, count)| format!("{kind}={count}")).collect();
    each.join(" ")
}

fn hold(table: &[(&str, &str)]) {
    let wrong: Vec<_> = table.iter().filter(|(text, is)| told(text) != *is).collect();
    let told: Vec<_> = wrong.iter().map(|(text, is)| (text, is, told(text))).collect();
    assert!(told.is_empty(), "{told:#?}");
}

#[test]
fn a_name_of_a_field_says_what_its_words_do() {
    hold(&[
        ("{\"accountNumber\": \"12345678\"}", "account_number=1"),
        ("bankAccountNo=12345678", "account_number=1"),
        ("account_number: 12345678", "account_number=1"),
        ("BENEFICIARY_ACCOUNT_NO=12345678", "account_number=1"),
        ("<accountNumber>12345678</accountNumber>", "account_number=1"),
        ("\"phoneNumber\":\"91234567\"", "phone=1"),
        ("mobilePhone: 91234567", "phone=1"),
        ("customerPhone=91234567", "phone=1"),
        ("\"passportNumber\": \"E1234567\"", "passport=1"),
        ("passport_no=E1234567", "passport=1"),
        ("card_number=4111111111111111", "payment_card=1"),
        ("creditCardNumber=4111111111111111", "payment_card=1"),
        ("\"pan\": \"4111111111111111\"", "payment_card=1"),
        ("PAN=4111111111111111", "payment_card=1"),
        ("nric_no=S1234567D", "national_id=1"),
        ("nricNo: S1234567D", "national_id=1"),
        ("idCardNo: A1234563", "national_id=1"),
        ("aadhaarNumber=234567890124", "national_id=1"),
        ("npwpNumber: 012345674901000", "tax_id=1"),
        ("partita_iva=00743110157", "tax_id=1"),
        ("P.IVA: 00743110157", "tax_id=1"),
    ]);
}

#[test]
fn a_word_that_is_joined_to_a_number_hides_nothing_of_it() {
    hold(&[
        ("card4111111111111111", "payment_card=1"),
        ("VISA4111111111111111", "payment_card=1"),
        ("卡号4111111111111111", "payment_card=1"),
        ("IBANDE89370400440532013000", "iban=1"),
        ("ibande89370400440532013000", "iban=1"),
        ("IBAN:DE89370400440532013000", "iban=1"),
        ("NRIC:S1234567D", "national_id=1"),
        ("NRICS1234567D", "national_id=1"),
        ("nricNoS1234567D", "national_id=1"),
        ("HKIDA123456(3)", "national_id=1"),
        ("PANAAPFU0939F", "tax_id=1"),
        ("SĐT0912345678", "phone=1"),
        ("sđt0912345678", "phone=1"),
        ("tel0912345678", "phone=1"),
        ("P.IVA IT00743110157", "tax_id=1"),
        ("P.IVA:IT00743110157", "tax_id=1"),
        ("P.IVA00743110157", "tax_id=1"),
        ("CCCD001090012345", "national_id=1"),
        ("passportE1234567", "passport=1"),
        ("accountNumber12345678", "account_number=1"),
        ("account12345678", "account_number=1"),
    ]);
}

#[test]
fn letters_that_say_nothing_keep_what_they_are_joined_to() {
    hold(&[
        ("postcard4111111111111112", ""),
        ("discard4111111111111111", ""),
        ("ORD4111111111111111", ""),
        ("order4111111111111111", ""),
        ("sku12345678", ""),
        ("build20261130", ""),
        ("iPhone 12345678", ""),
        ("hp12345678", ""),
        ("topic 900101145678", ""),
        ("scanS1234567E", ""),
        ("MC4111111111111111X", ""),
    ]);
}

#[test]
fn what_cannot_be_seen_hides_nothing() {
    let unseen = [
        "\u{200B}",
        "\u{200B}\u{200B}",
        "\u{200B}\u{200C}\u{200D}",
        "\u{2060}",
        "\u{FEFF}",
        "\u{AD}",
        "\u{FE0F}",
        "\u{FE00}\u{FE01}",
        "\u{E0100}",
        "\u{E01EF}",
        "\u{E0031}",
        "\u{E0031}\u{E0032}",
        "\u{180E}",
        "\u{200E}",
        "\u{202A}\u{202C}",
        "\u{2066}\u{2069}",
        "\u{61C}",
        "\u{34F}",
        "\u{FE0F}\u{20E3}",
        "\u{200B}\u{200B}\u{200B}\u{200B}\u{200B}\u{200B}",
    ];
    let texts = [
        ("4111111111111111", "payment_card=1"),
        ("4111 1111 1111 1111", "payment_card=1"),
        ("S1234567D", "national_id=1"),
        ("GB82WEST12345698765432", "iban=1"),
        ("+6561234567", "phone=1"),
        ("mei@bank.example", "mail=1"),
        ("AKIAQ3EGW5XPLT2ZB7KD", "secret=1"),
    ];
    let mut wrong = Vec::new();
    for apart in unseen {
        for (text, is) in texts {
            let within: Vec<_> = text.chars().map(String::from).collect();
            let hidden = format!("see {} now", within.join(apart));
            if told(&hidden) != is {
                wrong.push((apart.escape_unicode().to_string(), text, told(&hidden)));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn digits_of_any_script_are_digits() {
    // Zeros of the sets of ten digits of Unicode 16.
    const ZEROS: &[u32] = &[
        0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6,
        0x0D66, 0x0DE6, 0x0E50, 0x0ED0, 0x0F20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0,
        0x1A80, 0x1A90, 0x1B50, 0x1BB0, 0x1C40, 0x1C50, 0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0,
        0xAA50, 0xABF0, 0xFF10, 0x104A0, 0x10D30, 0x10D40, 0x11066, 0x110F0, 0x11136, 0x111D0,
        0x112F0, 0x11450, 0x114D0, 0x11650, 0x116C0, 0x116D0, 0x116DA, 0x11730, 0x118E0, 0x11950,
        0x11BF0, 0x11C50, 0x11D50, 0x11DA0, 0x11F50, 0x16130, 0x16A60, 0x16AC0, 0x16B50, 0x16D70,
        0x1CCF0, 0x1D7CE, 0x1D7D8, 0x1D7E2, 0x1D7EC, 0x1D7F6, 0x1E140, 0x1E2F0, 0x1E4F0, 0x1E5F1,
        0x1E950, 0x1FBF0,
    ];
    let mut wrong = Vec::new();
    for zero in ZEROS {
        for text in ["4111111111111111", "4111 1111 1111 1111", "4111-1111-1111-1111"] {
            let native =
                |c: char| c.to_digit(10).and_then(|it| char::from_u32(zero + it)).unwrap_or(c);
            let native: String = text.chars().map(native).collect();
            // Where the blocks of the scan begin must not matter.
            for before in 0..70 {
                let text = format!("{}{native}", " ".repeat(before));
                if told(&text) != "payment_card=1" {
                    wrong.push((format!("{zero:X}"), before, told(&text)));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn escapes_within_escapes_hide_nothing() {
    hold(&[
        ("{\\\"t\\\": \\\"hello\\\\nS1234567D\\\"}", "national_id=1"),
        ("\\\\n\\\\n4111111111111111\\\\n", "payment_card=1"),
        ("4111 1111\\n1111 1111", "payment_card=1"),
        ("4111 1111\\\\n1111 1111", "payment_card=1"),
        ("4111\\u00a01111\\u00a01111\\u00a01111", "payment_card=1"),
        ("4111\\\\u00a01111\\\\u00a01111\\\\u00a01111", "payment_card=1"),
        ("4111\\u200b1111\\u200b1111\\u200b1111", "payment_card=1"),
        ("\\u0034111111111111111", "payment_card=1"),
        ("\\\\u0034111111111111111", "payment_card=1"),
        ("\\u8eab\\u4efd\\u8bc1 110105491231002", "national_id=1"),
        ("\\\\u8eab\\\\u4efd\\\\u8bc1 110105491231002", "national_id=1"),
        ("{\"\\u62a4\\u7167\":\"E1234567\"}", "passport=1"),
        ("\\u8d26\\u53f7 12345678", "account_number=1"),
        ("S1234567D\\u3002", "national_id=1"),
        ("4111 1111\n1111 1111", "payment_card=1"),
        ("4111 1111 \r\n 1111 1111", "payment_card=1"),
        ("\\u4111\\u1111", ""),
    ]);
    let written = "4111111111111111".chars().map(|c| format!("\\u{:04x}", c as u32));
    assert_eq!(told(&written.collect::<String>()), "payment_card=1");
}

#[test]
fn addresses_are_found_in_what_stands_around_them() {
    let long = "请尽快通过邮件联系我们分行的客户经理张先生".repeat(3);
    let query = format!("https://bank.example/{}?email=tan@bank.sg", "path/".repeat(20));
    let long = format!("{long}zhang.san@bank.example.sg谢谢");
    hold(&[
        ("请联系zhang.san@bank.example.sg谢谢", "mail=1"),
        (&long, "mail=1"),
        ("ติดต่อsomchai@bank.example.thขอบคุณ", "mail=1"),
        ("メールはtaro@bank.exampleです", "mail=1"),
        ("mei＠bank.example", "mail=1"),
        ("mei\u{200B}@ba\u{200B}nk.example", "mail=1"),
        ("用户@例子.公司", "mail=1"),
        ("mailto:mei@bank.example?subject=x", "mail=1"),
        ("<mei@bank.example>, 'lin@bank.example'", "mail=2"),
        ("https://bank.example?to=mei@bank.example", "mail=1"),
        ("to\\nmei@bank.example\\n", "mail=1"),
        ("mei\\u0040bank.example", "mail=1"),
        ("https://bank.example/a?email=tan%40bank.sg&x=1", "mail=1"),
        ("email=tan%40bank.sg", "mail=1"),
        ("email=tan%2Btest%40bank.sg", "mail=1"),
        ("https://bank.example:8080?email=tan@bank.sg", "mail=1"),
        (&query, "mail=1"),
        ("\"tan ah li\"@bank.sg", "mail=1"),
        ("tan+label@bank.sg, tan@bank.museum", "mail=2"),
    ]);
}

#[test]
fn files_versions_hosts_and_decorators_are_no_addresses() {
    hold(&[
        ("logo@3x.webp icon@2x.png icon@2x.PNG", ""),
        ("curl -O https://x/pkg@1.2.3.tgz core@v2.tar.gz", ""),
        ("pkg@1.2.3 left-pad@1.3.0-rc.one react@18.2.0-next.canary", ""),
        ("npm i @scope/name@1.0.0 @babel/core@7.x", ""),
        ("ssh deploy@build01", ""),
        ("scp file deploy@build01:/srv", ""),
        ("git clone git@github.com:org/repo.git", ""),
        ("git clone ssh://git@github.com/org/repo.git", ""),
        ("@app.route('/x')\n@pytest.mark.skip\n@Override", ""),
        ("code:\\n@app.route('/x')\\n@pytest.mark.skip", ""),
        ("postgres://app:<password>@db.example.com/x", ""),
        ("postgres://postgres:postgres@db.example.com/x", ""),
        ("https://app@db.example.com/x", ""),
        ("systemctl start getty@tty1.service", ""),
        ("100%40 off, a%40b, %40media screen", ""),
        ("\"hello\"@en \"\"@bank.sg say \"x\" @bank.sg", ""),
    ]);
}
