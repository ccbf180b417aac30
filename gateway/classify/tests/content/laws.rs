//! What holds for any text.

use std::time::{Duration, Instant};

use classify::{ContentStream, Contents, contents};
use proptest::prelude::*;

const PROSE: &str = "\n\nThe weather in the harbour was calm that morning, and the boats lay still along the \
    quay; nobody had come down yet, and the lamps were out. A bell rang somewhere behind the houses, and the \
    gulls rose and settled down again on the roofs, one after the other, as they do when nothing is afoot. \
    It would stay so until the ferry came, and the ferry was late by then, as it was on most days.\n\n";

fn streamed(text: &str, sizes: &[usize]) -> Contents {
    let mut stream = ContentStream::default();
    let (mut rest, mut sizes) = (text, sizes.iter().copied().cycle());
    while !rest.is_empty() {
        let mut size = sizes.next().unwrap_or(1).clamp(1, rest.len());
        while !rest.is_char_boundary(size) {
            size += 1;
        }
        let (part, later) = rest.split_at(size);
        stream.push(part);
        rest = later;
    }
    stream.end();
    stream.found()
}

/// Pieces that something is told by.
const KNOWN: &[&str] = &[
    "4111 1111 1111 1111",
    "GB82 WEST 1234 5698 7654 32",
    "S1234567D",
    "my account 12345678",
    "900101-14-5678",
    "+65 9123 4567",
    "a.b@c.example",
    "AKIAQ3EGW5XPLT2ZB7KD",
    "card",
    "-----BEGIN PRIVATE KEY-----",
    "postgres://a:b1c2d3e4@db",
    "身份证",
    "११२२",
    "１２３４ ５６７８",
    "password=abcd;server=x;",
    "api_key=",
    "order",
    "\u{200B}",
    "\n",
    " ",
    "-",
    "@",
    "passport ",
    "accountNumber",
    "account,name,mobile\n",
    "1234567890,Tan,91234567\n",
    "| account | seq |\n|---|---|\n",
    "| 1234567890 | 123456 |\n",
    "{\"phone\":\"91234567\",",
    "\"seq\":1234567}",
    "2026-11-30 10:11",
    "card4111111111111111",
    "\\u0034",
    "\\n",
    "密码：Zx81kq9w",
    "DB_PASSWORD=Zx81kq9w",
    "\u{200B}\u{200B}\u{200B}",
    "\u{1C54}\u{1C51}\u{1C51}\u{1C51}",
    "＠",
    "<password>Zx9kLm2p</password>",
    "name: DB_PASSWORD\n  value: Zx9kLm2p",
    "setPassword('Zx9kLm2p')",
    "IDENTIFIED BY 'Zx9kLm2p'",
    "--password Zx9kLm2p ",
    "curl -u admin:Zx9kLm2p ",
    "Bearer Zx9kLm2pQr7sTu4vWx8y",
    "a%40b.example",
    "| password | Zx9kLm2p! |\n",
    "user,password\nsvc,Zx9kLm2p!\n",
    "Password:\nZx9kLm2p!\n",
    "put(\"password\", \"Zx9kLm2p\")",
    "IDENTIFIED BY \"Zx9kLm2p\"",
    "sshpass -p Zx9kLm2p ",
    "DB_PASSWORD: letmein\n",
    "7284619350:AAZx9kLm2pQr7sTu4vWx8yZx9kLm2pQr7sT",
];

/// Pieces of which texts are made that hold something, or nearly.
fn pieces() -> impl Strategy<Value = String> {
    let known = prop::sample::select(KNOWN);
    prop_oneof![
        4 => known.prop_map(str::to_owned),
        2 => "[0-9 ./-]{1,30}",
        1 => "\\PC{0,12}",
        1 => "[A-Za-z0-9_=:-]{1,40}",
    ]
}

fn texts(most: usize) -> impl Strategy<Value = String> {
    prop::collection::vec(pieces(), 0..most).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn any_text_is_read(text in any::<String>(), made in texts(40)) {
        let _ = contents(&text);
        let _ = contents(&made);
    }

    #[test]
    fn a_text_in_parts_holds_what_the_whole_does(
        text in texts(60), sizes in prop::collection::vec(1..5000_usize, 1..5), times in 1..20_usize,
    ) {
        let text = text.repeat(times);
        prop_assert_eq!(streamed(&text, &sizes), contents(&text));
        prop_assert_eq!(streamed(&text, &[1]), contents(&text));
    }

    #[test]
    fn where_a_text_begins_changes_nothing(text in texts(20), before in 1..130_usize) {
        let later = format!("{}\n\n\n\n\n\n{text}", " ".repeat(before));
        prop_assert_eq!(contents(&later), contents(&format!("\n\n\n\n\n\n{text}")));
    }

    #[test]
    fn two_texts_with_prose_between_them_count_as_their_sum(one in texts(12), other in texts(12)) {
        let mut sum = contents(&format!("{one}{PROSE}"));
        sum.join(&contents(&format!("{PROSE}{other}")));
        prop_assert_eq!(contents(&format!("{one}{PROSE}{other}")), sum);
    }
}

#[test]
fn two_texts_of_a_stream_are_two() {
    let mut stream = ContentStream::default();
    for part in ["4111 1111 ", "1111 1111"] {
        stream.push(part);
        stream.end();
    }
    assert!(stream.found().is_empty());
}

/// What this thread has run so far, where the system tells it: a busy machine makes no text longer.
fn run() -> Option<Duration> {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    told.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}

/// The shortest of three times that a text takes.
fn time(text: &str) -> Duration {
    let once = || {
        let (begun, before) = (Instant::now(), run());
        std::hint::black_box(contents(std::hint::black_box(text)));
        let behind = run().zip(before).map(|(now, before)| now.saturating_sub(before));
        behind.unwrap_or_else(|| begun.elapsed())
    };
    (0..3).map(|_| once()).min().unwrap_or_default()
}

#[test]
fn eight_times_the_text_takes_no_more_than_its_share_of_time() {
    classify::warm();
    let full = std::env::var_os("SIGNALBOX_TEST_FULL").is_some();
    let bytes = if full { 4 << 20 } else { 1 << 20 };
    let base64 = "aGVsbG8gd29ybGQgdGhpcyBpcyBiYXNlNjQ0MTExMTExMTExMTExMTE";
    for part in [
        "1234567890",
        "1 ",
        "4111 ",
        "a@b.co ",
        "password=:;",
        base64,
        "-----BEGIN ",
        "://a:b@",
        "card 4111111111111111 ",
        "１",
        "1-",
        "eyJ.",
        "E1234567 ",
        "id ",
        "12\u{200B}",
        "0812-3456-7890 ",
        "身份证 110101 ",
        "a@",
        "=",
        "12345678\n",
        "account,x\n12345678,12345678\n",
        "12-12-12-",
        "\"a\":12345678,",
        "A1",
        "GB82WEST",
        "@@@@",
        "1\u{200B}\u{200B}\u{200B}",
        "1\u{200B}\u{200B}\u{200B}x",
        "ghp_\u{200B}",
        "\u{200B}",
        "\\u0034",
        "\\\\",
        "card4",
        "a123456 ",
        "密码：Zx81kq9w",
        "mei＠ba\u{200B}",
        "\u{1C54}",
        "<password>",
        "password ('",
        "password '",
        "--password ",
        "-u a:",
        "name=password value=",
        "a%40b.co",
        "\"@b.co",
    ] {
        let (short, long) = (part.repeat(bytes / 8 / part.len()), part.repeat(bytes / part.len()));
        let (short, long) = (time(&short), time(&long));
        println!("{part:>60}: {short:?}, {long:?}");
        let most = short * 8 * 4 + Duration::from_secs(5);
        assert!(long < most, "{part}: {short:?} for an eighth, {long:?}");
    }
}
