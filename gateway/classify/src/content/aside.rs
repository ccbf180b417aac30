//! What stands between a word and a number, and says that the word is not of this number: a noun of its own,
//! another number before it, a line of a statement.

use super::topic::Topic;
use crate::model::sample::floor;

/// Nouns right before a number that is theirs, whatever word stands before them.
const NOUNS: &[&str] = &[
    "officer",
    "group",
    "hash",
    "uuid",
    "guid",
    "rows",
    "row",
    "cost",
    "width",
    "ttl",
    "timeout",
    "delay",
    "lag",
    "port",
    "shard",
    "maxlen",
    "seq",
    "cif",
    "cheque",
    "chq",
    "routing",
    "teller",
    "terminal",
    "policy",
    "until",
    "sebesar",
    "form",
    "tid",
    "pid",
    "goroutine",
    "took",
    "period",
    "increment",
    "maturity",
    "epoch",
    "bytes",
    "rss",
    "build",
    "users",
    "processed",
    "sid",
    "rrn",
];
/// Keys of a record that say when something was done.
const TIMES: &[&str] = &["created", "updated", "opened", "closed", "modified", "expires"];
/// The same before few digits: with more, it is an account at a branch.
const CODES: &[&str] = &["branch", "code", "class", "type", "category", "cabang", "cawangan"];
/// Digits of such a code, and of any number that has a noun of its own: more are a card's.
const CODE_DIGITS: usize = 6;
const DIGITS: usize = 13;
/// Words that lead to one more of the same.
const LEADS: &[&str] = &[
    "and", "or", "to", "from", "into", "also", "then", "plus", "dan", "atau", "ke", "dari",
    "serta", "juga", "và", "sang", "hoặc", "từ", "đến", "tới", "with", "per", "con", "alla", "sul",
    "verso", "number", "no", "nr", "nomor", "nombor", "số", "numero", "name", "transfer",
];
/// Digits of a number on which a word is spent, and letters of a word between two numbers.
const SPENT: usize = 6;
const WORD: usize = 3;

fn one_of(word: &str, words: &[&str]) -> bool {
    words.iter().any(|it| it.eq_ignore_ascii_case(word))
}

/// Whether the key of a record names numbers that are none of what is looked for.
pub(super) fn key(word: &str) -> bool {
    one_of(word, NOUNS) || one_of(word, TIMES)
}

/// Whether what stands between the word of an account, a phone or a passport and a number says that the
/// word is not of this number. One of phones alone goes on over a number: `call 91234567 home 61234567`.
pub(super) fn is(between: &str, number: &str, topics: u32) -> bool {
    let account = topics & Topic::Account.bit() != 0;
    if !account && topics & (Topic::Phone.bit() | Topic::Passport.bit()) == 0 {
        return false;
    }
    let digits = number.bytes().take_while(u8::is_ascii_digit).count();
    if between.is_empty() || digits > DIGITS {
        return false;
    }
    let signed = between.trim_end_matches([' ', ':', '=', '#', '"', '\'']);
    // The labels of a metric end before its value.
    if signed.ends_with('}') && between.ends_with(' ') {
        return true;
    }
    let word = last_word(signed);
    let code = digits <= CODE_DIGITS && one_of(word, CODES);
    let other = || spent(between, word) || stated(between, word, number);
    one_of(word, NOUNS) || code || (account && other())
}

/// The word at the end of a text.
fn last_word(text: &str) -> &str {
    let length: usize =
        text.chars().rev().take_while(|c| c.is_alphabetic()).map(char::len_utf8).sum();
    text.get(text.len() - length..).unwrap_or("")
}

/// Whether a word of Latin letters leads to something else than to one more of the same.
fn parts(word: &str) -> bool {
    let latin = word.chars().all(|c| u32::from(c) < 0x250 || matches!(c, '\u{1E00}'..='\u{1EFF}'));
    latin && word.chars().count() >= WORD && !one_of(word, LEADS)
}

/// Whether a number stands before the words right before a number, in the same sentence: `account 3122118895
/// credited 500000`.
fn spent(between: &str, word: &str) -> bool {
    let line = between.trim_end_matches(' ');
    let bytes = line.bytes().rev().take_while(|b| !b.is_ascii_digit()).count();
    let (head, words) = line.split_at_checked(line.len() - bytes).unwrap_or(("", ""));
    let plain = !words.contains(|c: char| !(c.is_alphabetic() || c == ' '));
    let digits = head.bytes().rev().take_while(u8::is_ascii_digit).count();
    plain && words.starts_with(' ') && digits >= SPENT && parts(word)
}

/// Whether a number stands in a line of a statement: a day, words, the number, an amount.
fn stated(before: &str, word: &str, number: &str) -> bool {
    let Some((_, line)) = before.rsplit_once('\n') else { return false };
    let day = matches!(line.as_bytes(), [a, b, b'/' | b'-', c, d, ..]
        if [a, b, c, d].iter().all(|it| it.is_ascii_digit()));
    day && parts(word) && priced(number)
}

/// Whether an amount stands behind a number in its line.
fn priced(number: &str) -> bool {
    let behind = number.trim_start_matches(|c: char| c.is_ascii_digit());
    let Some(amount) = behind.strip_prefix(' ') else { return false };
    let amount = amount.trim_start_matches(' ');
    let whole = amount.trim_start_matches(|c: char| c.is_ascii_digit() || c == ',');
    whole.len() < amount.len()
        && matches!(whole.as_bytes(), [b'.', a, b, ..] if a.is_ascii_digit() && b.is_ascii_digit())
}

/// Groups of an identifier of 128 bits, in digits of base sixteen.
const GROUPS: [usize; 5] = [8, 4, 4, 4, 12];

/// Whether a place stands within such an identifier: `550e8400-e29b-41d4-a716-446655440000`.
pub(super) fn identifier(text: &str, at: usize) -> bool {
    let of = |b: &u8| b.is_ascii_hexdigit() || *b == b'-';
    let bytes = text.as_bytes();
    let before = bytes.get(at.saturating_sub(36)..at).unwrap_or_default();
    let start = at - before.iter().rev().take_while(|b| of(b)).count();
    let rest = bytes.get(start..).unwrap_or_default();
    let word = rest.get(..rest.iter().take(37).take_while(|b| of(b)).count()).unwrap_or_default();
    let mut groups = word.split(|b| *b == b'-').map(<[u8]>::len);
    word.len() == 36 && GROUPS.iter().all(|it| groups.next() == Some(*it))
}

/// Whether what stands between the word of an account and a key is the element of a message of ISO 20022
/// that holds numbers of no other scheme: `<DbtrAcct><Id><Othr><Id>`.
pub(super) fn element(between: &str) -> bool {
    let inner = between.trim_matches(|c: char| c.is_ascii_whitespace() || matches!(c, '<' | '>'));
    inner.eq_ignore_ascii_case("othr")
}

/// The text before a place, as far as a window of a stream holds it.
pub(super) fn window(text: &str, at: usize, bytes: usize) -> &str {
    text.get(floor(text, at.saturating_sub(bytes))..at).unwrap_or("")
}
