//! What holds for any text whatever: ranges, sameness, bounded work; and what a reading costs.

use std::time::{Duration, Instant};

use classify::{ContentStream, Prompt, classify, contents, fuzz, warm};
use proptest::prelude::*;

/// Texts of every kind that is treated apart.
fn texts() -> Vec<String> {
    let short = [
        "Tolong semak baki akaun saya.",
        "请把下面的英文翻译成中文：Good morning, and thank you",
        "Translate this into Thai: the branch closes at five",
        "ข้อความภาษาไทยกับ English words ปนกัน",
        "மொழி தெரியாத உரை 123",
        "mera card kaam nahi kar raha hai",
        "```\nfn main() {}\n```\nwhy does this not compile?",
        "Кто там? Хто там? مرحبا שלום ελληνικά",
        "continue",
        "12345",
        "",
    ];
    let long = short.iter().map(|text| text.repeat(30_000 / text.len().max(1)));
    short.iter().map(|text| (*text).to_owned()).chain(long).collect()
}

#[test]
fn a_reading_allocates_nothing_once_warm() {
    warm();
    let tools =
        r#"[{"type":"function","function":{"name":"get_rate","description":"The rate of a day"}}]"#;
    for text in texts() {
        let turns = ["an earlier turn of some length", text.as_str()];
        let prompt = Prompt {
            system: "You are the assistant of a bank.",
            turns: &turns,
            tools: 1,
            tools_text: tools,
            json_schema: true,
            has_media: false,
        };
        let made = allocation_counter::measure(|| {
            std::hint::black_box(classify(std::hint::black_box(&prompt)));
        });
        assert_eq!(made.count_total, 0, "{made:?} for {text:.60}");
    }
}

#[test]
fn what_a_text_contains_is_counted_without_an_allocation_once_warm() {
    warm();
    let short = [
        "My card 4111 1111 1111 1111, NRIC S1234567D, IBAN GB82 WEST 1234 5698 7654 32",
        "RSSMRA85T10A562S e RSS MRA 85T10 A562S",
        "身份证 11010519491231002X 手机 +86 138 1234 5678 マイナンバー 1234 5678 9018 ＩＤ ９００１０１－１４－５６７８",
        "NPWP 01.234.567.8-901.234, passport M123A4567, account 123-45678-9",
        "mei@bank.example, call 0812-3456-7890",
        "Server=db;Password=s3cretpw; AKIAQ3EGW5XPLT2ZB7KD",
        "postgres://a:b1c2d3e4@db/x api_key=aB3dE5gH7jK9mN1pQ3sT",
        "-----BEGIN PRIVATE KEY-----\n1 2 3 4 5 6 7 8 9 10 11 12 1-2-3-4-5-6-7-8-9 A1 B2 C3 1.2.3.4.5.6.7",
    ];
    let long = short.iter().map(|text| text.repeat(200));
    let mut stream = ContentStream::default();
    stream.push("warm");
    stream.end();
    for text in short.iter().map(|text| (*text).to_owned()).chain(long).chain(texts()) {
        let made = allocation_counter::measure(|| {
            std::hint::black_box(contents(std::hint::black_box(&text)));
            stream.push(&text);
            stream.end();
        });
        assert_eq!(made.count_total, 0, "{made:?} for {text:.60}");
    }
}

#[test]
fn the_first_reading_is_ready_in_no_time() {
    let begun = Instant::now();
    warm();
    assert!(begun.elapsed() < Duration::from_millis(20), "{:?}", begun.elapsed());
}

#[test]
fn a_hundred_times_the_text_is_not_a_hundred_times_the_work() {
    warm();
    let sentence = "Bagaimana cara mengganti nomor telepon di rekening saya? 怎么办 ";
    let (short, long) = (sentence.repeat(20), sentence.repeat(20_000));
    let time = |text: &str| {
        let turns = [text];
        let once = || {
            let begun = Instant::now();
            std::hint::black_box(classify(&Prompt::of(&turns)));
            begun.elapsed()
        };
        (0..51).map(|_| once()).min().unwrap_or_default()
    };
    let (short, long) = (time(&short), time(&long));
    assert!(long < short * 5 + Duration::from_micros(50), "{short:?}, {long:?}");
}

#[test]
fn bytes_that_once_were_trouble() {
    for seed in [
        &b"\0"[..],
        b"\x04a\nb\nc\nd\ne\nf",
        b"\x02\xff\xfe\xfd",
        "\u{3}\u{202e}\u{0}\u{200d}\u{1f468}".as_bytes(),
        "\u{1}a\u{300}\u{300}\u{300}-'-’".as_bytes(),
        "\u{4}İİİİ ẞẞ ǅ to ǅ".as_bytes(),
    ] {
        fuzz::check(seed);
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        fuzz::check(&bytes);
    }

    #[test]
    fn any_text_is_read(first in any::<u8>(), text in "(\\PC|\n| ){0,400}") {
        fuzz::check(&[&[first], text.as_bytes()].concat());
    }
}
