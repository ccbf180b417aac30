//! A message that is written as a letter: what stands between its salutation and its closing says what is
//! wanted, and in which language.

use super::sample;

/// How a salutation begins; in small letters.
const SALUTATIONS: [&str; 64] = [
    "dear",
    "hi",
    "hello",
    "hey",
    "good morning",
    "good afternoon",
    "good evening",
    "greetings",
    "to whom it may concern",
    "你好",
    "您好",
    "尊敬的",
    "亲爱的",
    "親愛的",
    "大家好",
    "早上好",
    "早晨",
    "嗨",
    "哈囉",
    "こんにちは",
    "おはようございます",
    "お疲れ様",
    "お世話",
    "안녕하세요",
    "안녕",
    "สวัสดี",
    "เรียน",
    "หวัดดี",
    "xin chào",
    "chào",
    "kính gửi",
    "thưa",
    "selamat pagi",
    "selamat siang",
    "selamat sore",
    "selamat petang",
    "selamat tengah hari",
    "selamat malam",
    "halo",
    "hai",
    "assalamualaikum",
    "assalamu'alaikum",
    "kepada",
    "yth",
    "வணக்கம்",
    "அன்புள்ள",
    "नमस्ते",
    "नमस्कार",
    "प्रिय",
    "namaste",
    "kumusta",
    "magandang",
    "မင်္ဂလာပါ",
    "សួស្តី",
    "ជម្រាបសួរ",
    "ciao",
    "buongiorno",
    "buonasera",
    "salve",
    "gentile",
    "bonjour",
    "hallo",
    "guten tag",
    "hola",
];
/// How a closing begins; in small letters.
const CLOSINGS: [&str; 70] = [
    "thanks",
    "thank you",
    "thx",
    "tnx",
    "ty",
    "tq",
    "many thanks",
    "cheers",
    "regards",
    "best",
    "kind regards",
    "warm regards",
    "warmly",
    "with regards",
    "rgds",
    "sincerely",
    "yours",
    "respectfully",
    "cordially",
    "谢谢",
    "謝謝",
    "多谢",
    "多謝",
    "感谢",
    "感謝",
    "此致",
    "敬上",
    "敬礼",
    "祝好",
    "祝商祺",
    "顺祝",
    "唔該",
    "ありがとう",
    "よろしく",
    "宜しく",
    "敬具",
    "以上",
    "감사합니다",
    "고맙습니다",
    "감사",
    "ขอบคุณ",
    "ขอบพระคุณ",
    "ด้วยความเคารพ",
    "cảm ơn",
    "cám ơn",
    "trân trọng",
    "thân mến",
    "terima kasih",
    "makasih",
    "trima kasih",
    "salam",
    "hormat saya",
    "hormat kami",
    "yang benar",
    "நன்றி",
    "இப்படிக்கு",
    "धन्यवाद",
    "शुक्रिया",
    "सादर",
    "भवदीय",
    "dhanyavaad",
    "salamat",
    "maraming salamat",
    "lubos na gumagalang",
    "ကျေးဇူး",
    "အရကုန",
    "អរគុណ",
    "grazie",
    "cordiali saluti",
    "merci",
];
/// What a program puts below a message.
const SENT: [&str; 8] = [
    "sent from",
    "get outlook",
    "发自我的",
    "發自我的",
    "iphoneから",
    "나의 iphone",
    "dikirim dari",
    "inviato da",
];
/// Bytes that a line of a salutation or a closing has at most, and its words.
const LINE_BYTES: usize = 60;
const WORDS: usize = 5;
/// Lines below a closing: a name, a trade, a firm.
const NAMES: usize = 4;
/// Bytes that a message has between the two at least.
const BODY_MIN: usize = 8;

/// What stands between the salutation and the closing of a message; the whole of one that has nothing between
/// them.
#[must_use]
pub fn body(text: &str) -> &str {
    let whole = sample::trim(text);
    let bytes = whole.as_bytes();
    let ends = [bytes.first_chunk(), bytes.last_chunk::<{ LINE_BYTES + 1 }>()];
    // Most messages have no short line at either end.
    if ends.iter().all(|end| end.is_some_and(|end| memchr::memchr(b'\n', end).is_none())) {
        return text;
    }
    let begun = greeted(whole).unwrap_or(whole);
    let said = signed(begun);
    if said.len() < BODY_MIN { text } else { said }
}

/// What comes behind a salutation in a line of its own.
fn greeted(text: &str) -> Option<&str> {
    let head = text.as_bytes().get(..LINE_BYTES + 1).unwrap_or(text.as_bytes());
    let end = sample::find(head, b'\n')?;
    let (line, rest) = text.split_at_checked(end)?;
    let line = line.trim_end();
    let rest = rest.trim_start();
    let asks = line.ends_with(['?', '？']);
    (!asks && few(line) && begins(line, &SALUTES) && rest.len() >= BODY_MIN).then_some(rest)
}

/// What stands before a closing in a line of its own, with the names below it.
fn signed(text: &str) -> &str {
    let mut said = text;
    // A program's line stands below the names.
    if let Some((before, last)) = last_line(said)
        && begins(last, &SENDS)
    {
        said = before;
    }
    let mut left = said;
    for _ in 0..=NAMES {
        let Some((before, line)) = last_line(left) else { break };
        if few(line) && begins(line, &CLOSES) {
            // What a colon announces is no closing but what is to be worked on.
            return if before.ends_with([':', '：']) { said } else { before };
        }
        if !is_name(line) {
            break;
        }
        left = before;
    }
    said
}

/// The last line of a text and what stands before it, both without blanks at their ends; only a short line.
fn last_line(text: &str) -> Option<(&str, &str)> {
    let from = sample::floor(text, text.len().saturating_sub(LINE_BYTES + 1));
    let at = from + memchr::memrchr(b'\n', text.as_bytes().get(from..)?)?;
    let (before, line) = text.split_at_checked(at)?;
    Some((before.trim_end(), line.trim()))
}

/// Whether a line has few words.
fn few(line: &str) -> bool {
    line.len() <= LINE_BYTES && line.split_whitespace().nth(WORDS).is_none()
}

/// Which bytes a phrase of a list begins with.
#[allow(clippy::indexing_slicing, reason = "a constant: a slip stops the compiler")]
const fn first(phrases: &[&str]) -> [bool; 256] {
    let mut first = [false; 256];
    let mut at = 0;
    while at < phrases.len() {
        let byte = phrases[at].as_bytes()[0];
        first[byte as usize] = true;
        first[byte.to_ascii_uppercase() as usize] = true;
        at += 1;
    }
    first
}

/// Phrases, and the bytes that they begin with.
struct Phrases<'a>(&'a [&'a str], [bool; 256]);

static SALUTES: Phrases<'_> = Phrases(&SALUTATIONS, first(&SALUTATIONS));
static CLOSES: Phrases<'_> = Phrases(&CLOSINGS, first(&CLOSINGS));
static SENDS: Phrases<'_> = Phrases(&SENT, first(&SENT));

/// Whether a line begins with a phrase of a list, and the phrase ends there: in letters of ASCII a word does.
fn begins(line: &str, Phrases(phrases, first): &Phrases<'_>) -> bool {
    let likely = line.as_bytes().first().and_then(|byte| first.get(usize::from(*byte)));
    likely == Some(&true)
        && phrases.iter().any(|phrase| {
            let head = line.get(..phrase.len());
            let same = head.is_some_and(|it| it.eq_ignore_ascii_case(phrase));
            let rest = line.get(phrase.len()..).unwrap_or("");
            let word = phrase.as_bytes().last().is_some_and(u8::is_ascii);
            same && !(word && rest.starts_with(char::is_alphanumeric))
        })
}

/// Whether a line may be a name, a trade or a firm: words in Latin letters that begin with capitals.
fn is_name(line: &str) -> bool {
    let words = || line.split([' ', '-', '/', '|', ',']).filter(|word| !word.is_empty());
    let named = |word: &str| {
        word.starts_with(char::is_uppercase) && word.chars().all(|c| c.is_alphabetic() || c == '.')
            || matches!(word, "bin" | "binti" | "of" | "and" | "de" | "&" | "al")
    };
    few(line) && words().next().is_some() && words().all(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_stands_between_salutation_and_closing() {
        let wish = "My card was blocked, what do I do?";
        for (before, behind) in [
            ("Dear Sir or Madam,\n\n", "\n\nThanks,\nMei"),
            ("Hi team\n", "\n\nRegards,\nTan Wei Ling\nSenior Manager, Treasury"),
            ("Selamat pagi\n", "\nTerima kasih"),
            ("สวัสดีค่ะ\n", "\nขอบคุณค่ะ"),
            ("你好：\n", "\n谢谢！"),
            ("", "\n\nSent from my iPhone"),
            ("Hello!\n", "\nThanks a lot\nMei\n\nSent from my iPhone"),
            ("Kính gửi ngân hàng,\n", "\nTrân trọng,\nNguyễn Văn An"),
            ("お世話になっております。\n", "\nよろしくお願いいたします。"),
        ] {
            assert_eq!(body(&format!("{before}{wish}{behind}")), wish);
        }
    }

    #[test]
    fn what_is_no_letter_stays_whole() {
        for text in [
            "Hi, how are you?\nI am bored today",
            "Hi",
            "Thanks,\nMei",
            "Hello\nThanks",
            "Translate into Malay:\n\nThank you very much",
            "Write a poem about rain\nnow with rhymes",
            "Thanks!\nnow translate it into Thai please",
            "Highlight the verbs\nThe cat sat on the mat",
            "Bestellung auf Deutsch übersetzen\nI want two tickets",
            "one\ntwo\nThree",
        ] {
            assert_eq!(body(text), text);
        }
    }
}
