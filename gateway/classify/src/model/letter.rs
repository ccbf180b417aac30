//! A message that is written as a letter: what stands between its salutation and its closing says what is
//! wanted, and in which language.

mod phrases;

use self::phrases::{CLOSINGS, SALUTATIONS, SENT, WITH};
use super::sample;

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
    let (head, tail) = (LINE_BYTES + 1, bytes.len().saturating_sub(LINE_BYTES + 1));
    let ends = [bytes.get(..head).unwrap_or(bytes), bytes.get(tail..).unwrap_or(bytes)];
    // Most messages have no short line at either end.
    if ends.iter().all(|end| memchr::memchr(b'\n', end).is_none()) {
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
    (!asks && begins(line, &SALUTES) && few(line) && rest.len() >= BODY_MIN).then_some(rest)
}

/// What stands before a closing in a line of its own, with the names below it.
fn signed(text: &str) -> &str {
    let mut said = text;
    // A program's line stands below the names.
    if let Some((before, last)) = last_line(said)
        && starts(last, &SENDS)
    {
        said = before;
    }
    let mut left = said;
    for _ in 0..=NAMES {
        let Some((before, line)) = last_line(left) else { break };
        if begins(line, &CLOSES) && few(line) {
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
    if line.len() > LINE_BYTES {
        return false;
    }
    // Of few blanks no more words can be made, whatever parts them.
    let blanks = line.bytes().filter(|b| !b.is_ascii_graphic()).count();
    blanks < WORDS || line.split_whitespace().nth(WORDS).is_none()
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

/// Whether a line begins with a phrase of a list, and nothing is asked for behind it.
fn begins(line: &str, phrases: &Phrases<'_>) -> bool {
    behind(line, phrases).any(is_idle)
}

/// Whether a line begins with a phrase of a list, whatever comes behind it.
fn starts(line: &str, phrases: &Phrases<'_>) -> bool {
    behind(line, phrases).next().is_some()
}

/// What comes behind each phrase of a list that a line begins with: in letters of ASCII a word ends there.
fn behind<'a>(
    line: &'a str,
    Phrases(phrases, first): &Phrases<'_>,
) -> impl Iterator<Item = &'a str> {
    let likely = line.as_bytes().first().and_then(|byte| first.get(usize::from(*byte)));
    let phrases = if likely == Some(&true) { *phrases } else { &[] };
    phrases.iter().filter_map(move |phrase| {
        let (head, rest) = line.split_at_checked(phrase.len())?;
        let word = phrase.as_bytes().last().is_some_and(u8::is_ascii);
        let ended = !(word && rest.starts_with(char::is_alphanumeric));
        (ended && head.eq_ignore_ascii_case(phrase)).then_some(rest)
    })
}

/// Whether what follows a phrase in its line asks for nothing: names, and what such phrases are said with.
fn is_idle(rest: &str) -> bool {
    let idle = |word: &str| {
        let small = word.is_ascii() && WITH.iter().any(|it| it.eq_ignore_ascii_case(word));
        small || WITH.contains(&word) || word.starts_with(char::is_uppercase)
    };
    rest.split(parts_words).filter(|word| !word.is_empty()).all(idle)
}

/// Whether a character is of no word: letters and what stands above and below them are.
fn parts_words(c: char) -> bool {
    c.is_whitespace()
        || c.is_ascii_punctuation()
        || matches!(c, '，' | '。' | '！' | '：' | '、' | '～' | '…')
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
            // What is wanted may begin as a salutation or end as a closing does.
            "hi translate this\nThe branch is closed on Friday.",
            "hello can you summarise\nThe branch is closed on Friday.",
            "你好请翻译成英文\n我的卡丢了，怎么办？",
            "支店は金曜日に休みです。\n以上の文章を英語にしてください",
            "The branch is closed on Friday.\nbest title for this",
            "Find flights to Tokyo in May\nbest price only",
            "지점은 금요일에 닫습니다.\n감사 편지로 바꿔줘",
            "शाखा शुक्रवार को बंद है।\nधन्यवाद पत्र लिखो",
            "我们分行周五休息。\n感谢信写一封",
        ] {
            assert_eq!(body(text), text);
        }
    }
}
