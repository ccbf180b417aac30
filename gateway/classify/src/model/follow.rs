//! Follow-ups: short turns that only ask for more of what came before.

use super::hash::fold;
use crate::Prompt;

/// A longer turn asks for something of its own.
const CHARS_MAX: usize = 24;

/// What people say when they want more of the same.
const MORE: [&str; 72] = [
    "continue",
    "go on",
    "more",
    "again",
    "another",
    "another one",
    "next",
    "keep going",
    "shorter",
    "longer",
    "try again",
    "one more",
    "ok next",
    "and then",
    "simpler",
    "even shorter",
    "继续",
    "接着",
    "再来一个",
    "还有吗",
    "下一个",
    "短一点",
    "繼續",
    "再來一個",
    "還有嗎",
    "繼續啦",
    "再嚟",
    "再嚟一個",
    "仲有冇",
    "lagi",
    "teruskan",
    "sambung",
    "lagi satu",
    "seterusnya",
    "lanjutkan",
    "lanjut",
    "satu lagi",
    "terus",
    "தொடரவும்",
    "மேலும்",
    "இன்னொன்று",
    "ต่อ",
    "ต่อเลย",
    "อีก",
    "ขออีก",
    "tiếp",
    "tiếp tục",
    "nữa",
    "tiếp đi",
    "続けて",
    "もっと",
    "次",
    "もう一つ",
    "계속",
    "더",
    "다음",
    "जारी रखें",
    "और",
    "एक और",
    "आगे",
    "ituloy",
    "isa pa",
    "sige pa",
    "continua",
    "ancora",
    "un altro",
    "avanti",
    "ဆက်ပါ",
    "နောက်တစ်ခု",
    "បន្ត",
    "បន្តទៀត",
    "aur batao",
];
/// How a turn begins that wants the same for something else.
const ALSO: [&str; 11] = [
    "same for ",
    "same in ",
    "and in ",
    "and into ",
    "now in ",
    "what about in ",
    "dan dalam bahasa ",
    "kalau dalam bahasa ",
    "แล้วภาษา",
    "còn tiếng ",
    "e in ",
];

/// The turn that carries the task: the last one, or the one before a follow-up.
#[must_use]
pub fn instruction<'a>(prompt: &Prompt<'a>) -> &'a str {
    let mut turns = prompt.turns.iter().rev();
    let last = turns.next().copied().unwrap_or("");
    if prompt.turns.len() < 2 || !follows_up(last) {
        return last;
    }
    turns.find(|turn| !follows_up(turn)).copied().unwrap_or(last)
}

/// Whether an instruction only asks for more of what came before.
#[must_use]
pub fn follows_up(instruction: &str) -> bool {
    let plain = instruction.trim().trim_end_matches(['.', '!', '?', '。', '！', '？', '…', '~']);
    if plain.len() > CHARS_MAX * 4 || plain.chars().count() > CHARS_MAX {
        return false;
    }
    let asked = ["please ", "pls "].iter().find_map(|word| after(plain, word)).unwrap_or(plain);
    let bare = [" please", " pls", " lah", " la"]
        .iter()
        .find_map(|word| before(asked, word))
        .unwrap_or(asked);
    MORE.iter().any(|more| after(bare, more) == Some(""))
        || ALSO.iter().any(|also| after(bare, also).is_some())
}

/// What follows a beginning, whatever its case.
fn after<'a>(text: &'a str, beginning: &str) -> Option<&'a str> {
    let mut chars = text.chars();
    beginning
        .chars()
        .all(|wanted| chars.next().map(fold) == Some(fold(wanted)))
        .then_some(chars.as_str())
}

/// What stands before an ASCII end, whatever its case.
fn before<'a>(text: &'a str, end: &str) -> Option<&'a str> {
    let at = text.len().checked_sub(end.len())?;
    text.get(at..)?.eq_ignore_ascii_case(end).then(|| text.get(..at)).flatten()
}
