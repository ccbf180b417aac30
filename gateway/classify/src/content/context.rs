//! What the words around a number say of it.

use std::{borrow::Cow, sync::OnceLock};

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use super::symbol::{Held, Symbol, escapes};
use super::{aside, plain::plain, topic::Topic, words};
use crate::model::sample::floor;

/// Bytes before a number in which words are looked for, and bytes behind it.
const BEFORE: usize = 160;
const BEHIND: usize = 72;
/// Words that stand nearer than this, in bytes, say what a number without any other sign is.
const NEAR: usize = 110;

/// Bytes before a number in which a word stands that is joined to it, and how many such a word has at least:
/// two letters before digits are of a number or of a product.
const GLUED: usize = 48;
const GLUED_MIN: usize = 3;
/// Bytes between two words of one name, and before the key of a record that has one: `"order": {"id": 1}`.
const JOINED: usize = 3;
const KEYED: usize = 8;
/// Bytes and words between a label and its number, where it says that the number is something else.
const LABEL: usize = 64;
const LABEL_WORDS: usize = 3;
/// Words after which something else follows than what the label names: `the invoice was paid with 4111 …`.
const WITH: [&str; 13] = [
    "with", "by", "using", "via", "from", "to", "into", "dengan", "melalui", "dari", "ke", "con",
    "sa",
];
/// What parts the fields of a table, and bytes between the words of two.
const HEADING: usize = 12;
const FIELDS: [char; 5] = [',', ';', '|', '\t', '\n'];

/// Words between a label and its number, and digits of one that has a label of its own.
const NUMBERS: [&str; 5] = ["number", "no", "nr", "号", "號"];
const NUMBERED_MIN: usize = 6;

/// Topics that say what a number is not, and those that say nothing of whose it is.
const NOTHING: u32 = Topic::Other.bit() | Topic::Amount.bit();
const IDLE: u32 = Topic::Amount.bit() | Topic::Key.bit();

/// What is said around a number.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Context {
    /// Topics of the nearest word before it, or else of the nearest behind it.
    nearest: u32,
    /// Topics of all words around it.
    around: u32,
    /// Whether letters of a language that one scheme has to itself stand around it.
    thai: bool,
    kana: bool,
    /// Whether its own key or column says what it is: then nothing else does.
    own: bool,
}

/// The words, and what finds them all in one pass.
struct Words {
    finder: AhoCorasick,
    list: Vec<(Topic, Cow<'static, str>)>,
}

fn known() -> Option<&'static Words> {
    static KNOWN: OnceLock<Option<Words>> = OnceLock::new();
    let build = || {
        let list: Vec<_> = words::all().collect();
        let finder = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::DFA))
            .build(list.iter().map(|(_, word)| word.as_bytes()))
            .ok()?;
        Some(Words { finder, list })
    };
    KNOWN.get_or_init(build).as_ref()
}

/// Builds what is built once.
pub(super) fn warm() {
    let _ = known();
}

/// A word that was found: what it says, where it begins and ends.
type Found = (Topic, usize, usize);

/// A label before a number: words that follow each other are one name, `Hong Kong ID card`.
#[derive(Clone, Copy, Debug)]
struct Label {
    topics: u32,
    /// Where its last word begins and ends.
    from: usize,
    to: usize,
}

/// The labels before a number: the nearest, and the nearest before it that names something.
#[derive(Debug, Default)]
struct Labels {
    last: Option<Label>,
    named: Option<Label>,
}

impl Labels {
    /// Takes the next word.
    fn take(&mut self, text: &str, (topic, from, to): Found) {
        let bit = topic.bit();
        let Some(last) = self.last else {
            self.last = Some(Label { topics: bit, from, to });
            return;
        };
        // A word within another says nothing of its own.
        if from > last.from && to <= last.to {
            return;
        }
        // A longer name of the same thing is the same word: `card`, `cardno`.
        let longer = from == last.from && last.topics & bit != 0;
        let same = longer || (from, to) == (last.from, last.to);
        let between = text.get(last.to..from).unwrap_or("");
        // Fields beside each other are a heading of several, in which neither word takes the other's place.
        let fields = between.contains(FIELDS) && !between.contains(", ");
        let key = topic == Topic::Key && between.len() <= KEYED;
        let close = (between.len() <= JOINED && !between.contains('<'))
            || (topic == Topic::Key && aside::element(between))
            || (key && !between.contains(char::is_alphanumeric))
            || (fields
                && between.len() <= HEADING
                && !between.contains(|c: char| c.is_ascii_digit()));
        let joined = from > last.from && close;
        let replaced = from >= last.to && !fields && (bit | last.topics) & NOTHING != 0 && !key;
        let earlier = if same || (joined && !replaced) { last.topics } else { 0 };
        // What only seems to be the nearest label may not be one: then the one before it is.
        if earlier == 0 && last.topics & NOTHING == 0 && from >= last.to {
            self.named = Some(last);
        }
        self.last = Some(Label { topics: earlier | bit, from, to });
    }

    /// What the nearest label says, and where it ends.
    fn nearest(&self, text: &str) -> (u32, usize) {
        let behind = |label: &Label| text.get(label.to..).unwrap_or("");
        let only = |label: &Label| label.topics & !(NOTHING | Topic::Key.bit()) == 0;
        let direct = |label: &Label| {
            // The first groups of an amount stand before its last.
            let amount = label.topics & Topic::Amount.bit() != 0;
            let digits = |c: char| amount && (c == ' ' || c.is_ascii_digit());
            let nothing = label.topics & NOTHING != 0 && only(label);
            !nothing || direct(behind(label).trim_end_matches(digits), false)
        };
        let label = self.last.filter(direct).or(self.named);
        label
            .filter(|label| behind(label).len() <= NEAR)
            .map_or((0, 0), |label| (label.topics, label.to))
    }
}

/// Whether what stands between a word and a number lets the word be its label: few words, no other number,
/// no end of a sentence or of a field. Behind a number, a line's end parts it from the word.
fn direct(between: &str, behind: bool) -> bool {
    if between.len() > LABEL {
        return false;
    }
    let (mut word, mut words, mut last) = (0, 0, ' ');
    for (at, c) in between.char_indices() {
        let next = || between.get(at + c.len_utf8()..).and_then(|it| it.chars().next());
        match c {
            '0'..='9' | '?' | '!' | ';' | ',' | '|' | '\t' => return false,
            '。' | '？' | '！' | '，' | '、' | '；' | '।' | '။' | '។' => return false,
            // A dot behind a short word is that of `no.`.
            '.' if word > 3 && next().is_none_or(char::is_whitespace) => return false,
            // A label may stand in a line of its own.
            '\n' | '\r' if behind || !matches!(last, ' ' | ':' | '：') => return false,
            _ => {}
        }
        if c.is_alphanumeric() {
            words += usize::from(word == 0);
            word += 1;
        } else {
            let said = between.get(at.saturating_sub(word)..at).unwrap_or("");
            if WITH.contains(&said) {
                return false;
            }
            word = 0;
        }
        if !c.is_whitespace() {
            last = c;
        }
    }
    words <= LABEL_WORDS
}

/// Whether a word that stands before this is the label of another number behind it.
fn numbered(behind: &str) -> bool {
    let sign = |c: char| matches!(c, ' ' | ':' | '：' | '#' | '.' | '=');
    let mut rest = behind.trim_start_matches(sign);
    for word in NUMBERS {
        let head = rest.get(..word.len()).is_some_and(|it| it.eq_ignore_ascii_case(word));
        if head && !rest.as_bytes().get(word.len()).is_some_and(u8::is_ascii_alphabetic) {
            rest = rest.get(word.len()..).unwrap_or("").trim_start_matches(sign);
        }
    }
    rest.bytes().take_while(u8::is_ascii_digit).count() >= NUMBERED_MIN
}

impl Context {
    /// What is said before a place of a text.
    pub(super) fn before(text: &str, from: usize) -> Self {
        let start = floor(text, from.saturating_sub(BEFORE));
        let mut room = Held::new();
        let before = plain(text.get(start..from).unwrap_or(""), &mut room);
        let mut context = Self::default();
        let mut labels = Labels::default();
        each(before, &mut |found| {
            context.around |= found.0.bit();
            labels.take(before, found);
        });
        let (nearest, end) = labels.nearest(before);
        let (between, number) = (before.get(end..).unwrap_or(""), text.get(from..).unwrap_or(""));
        let other = aside::is(between, number, nearest);
        context.nearest = if other { Topic::Other.bit() } else { nearest };
        context.see(before);
        context
    }

    /// The same, where the number's own key or column says what it is.
    pub(super) fn owned(mut self, topics: Option<u32>) -> Self {
        self.own = topics.is_some();
        self.nearest = topics.unwrap_or(self.nearest);
        self
    }

    /// The same with what stands behind the number: where nothing before it says what it is, the first word
    /// behind it does.
    pub(super) fn with_behind(mut self, text: &str, to: usize) -> Self {
        let mut room = Held::new();
        let behind = plain(text.get(to..floor(text, to + BEHIND)).unwrap_or(""), &mut room);
        let mut first: Option<(usize, usize)> = None;
        let silent = self.nearest == 0 && !self.own;
        each(behind, &mut |(topic, begin, end)| {
            self.around |= topic.bit();
            let nearer = first.is_none_or(|(b, e)| begin < b || (begin == b && end >= e));
            let far = || !direct(behind.get(..begin).unwrap_or(""), true);
            let idle = topic == Topic::Key
                || (NOTHING & topic.bit() != 0 && far())
                || numbered(behind.get(end..).unwrap_or(""));
            if silent && nearer && !idle {
                let same = first == Some((begin, end));
                self.nearest = if same { self.nearest | topic.bit() } else { topic.bit() };
                first = Some((begin, end));
            }
        });
        self.see(behind);
        self
    }

    /// Sees whose letters stand around the number.
    fn see(&mut self, text: &str) {
        if text.is_ascii() {
            return;
        }
        for c in text.chars() {
            self.thai |= ('\u{E01}'..='\u{E4E}').contains(&c);
            self.kana |= ('\u{3041}'..='\u{30FA}').contains(&c);
        }
    }

    /// Whether the nearest word says this.
    pub(super) fn says(&self, topic: Topic) -> bool {
        self.nearest & topic.bit() != 0
    }

    /// Whether the nearest word says one of these.
    pub(super) fn says_one_of(&self, topics: &[Topic]) -> bool {
        topics.iter().any(|topic| self.says(*topic))
    }

    /// Whether some word around says this, and the nearest not that it is something else.
    pub(super) fn speaks_of(&self, topic: Topic) -> bool {
        self.around & topic.bit() != 0 && !self.says(Topic::Other)
    }

    /// Whether the nearest word says that it is none of what is looked for.
    pub(super) fn denies(&self) -> bool {
        self.says(Topic::Other) && self.nearest & !(Topic::Other.bit() | Topic::Key.bit()) == 0
    }

    /// Whether the nearest word says that it is paid, owned or counted, and nothing else.
    pub(super) fn pays(&self) -> bool {
        self.nearest & !Topic::Key.bit() == Topic::Amount.bit()
    }

    /// Whether the nearest word does not name something else than an identity: nothing, or identities.
    pub(super) fn unnamed(&self) -> bool {
        self.nearest & !(Topic::Identity.bit() | IDLE) == 0
    }

    /// Whether all that is said of it is that it is the key of a record.
    pub(super) fn keyed(&self) -> bool {
        self.nearest == Topic::Key.bit()
    }

    /// Whether no word near it says that it is something else than one of an account.
    pub(super) fn silent(&self) -> bool {
        self.nearest & !IDLE == 0 || self.says(Topic::Account)
    }

    /// Whether Thai letters stand around it.
    pub(super) fn thai(&self) -> bool {
        self.thai
    }

    /// Whether Japanese syllables stand around it.
    pub(super) fn kana(&self) -> bool {
        self.kana
    }
}

/// What a name of a field says: `accountNumber`, `branch_code`.
pub(super) fn said(name: &str) -> u32 {
    let mut room = Held::new();
    let name = plain(name, &mut room);
    let mut labels = Labels::default();
    each(name, &mut |found| labels.take(name, found));
    labels.nearest(name).0
}

/// Whether a word ends at a place of a text, to which a number is joined: `card4111`, `NRICS1234567D`.
pub(super) fn labelled(text: &str, at: usize) -> bool {
    let before = text.get(floor(text, at.saturating_sub(GLUED))..at).unwrap_or("");
    let before =
        before.trim_end_matches(|c: char| !c.is_ascii() && Symbol::of(c) == Symbol::Nothing);
    let mut ends = false;
    each(before, &mut |(topic, begin, end)| {
        let says = topic != Topic::Other && end - begin >= GLUED_MIN;
        ends |= says && end == before.len();
    });
    ends
}

/// Calls `take` with every word of a text, in the order in which they end.
fn each(text: &str, take: &mut dyn FnMut(Found)) {
    let Some(known) = known() else { return };
    for found in known.finder.find_overlapping_iter(text) {
        let Some((topic, word)) = known.list.get(found.pattern().as_usize()) else { continue };
        if whole(text, word, found.start(), found.end()) {
            take((*topic, found.start(), found.end()));
        }
    }
}

/// Whether a word of ASCII stands for itself: `ic` does not in `topic`, nor `tel` in `hotel`.
fn whole(text: &str, word: &str, from: usize, to: usize) -> bool {
    let letter = |at: Option<&u8>| at.is_some_and(u8::is_ascii_alphabetic);
    let bytes = text.as_bytes();
    let begins = word.as_bytes().first().is_some_and(u8::is_ascii);
    let ends = word.as_bytes().last().is_some_and(u8::is_ascii);
    let before = from.checked_sub(1);
    let escape = before.is_some_and(|at| escapes(bytes, at));
    if begins && !escape && letter(before.and_then(|at| bytes.get(at))) && !parts(bytes, from) {
        return false;
    }
    // `was` is no plural of `wa`.
    let plural = word.len() > 2 && matches!(bytes.get(to), Some(b's' | b'S'));
    !ends || !letter(bytes.get(to)) || parts(bytes, to) || (plural && !letter(bytes.get(to + 1)))
}

/// Whether a capital letter begins a word of a name at a place: `accountNumber`. One small letter before it
/// is none: `iPhone`.
fn parts(bytes: &[u8], at: usize) -> bool {
    let before = bytes.get(..at).unwrap_or_default();
    let capital = bytes.get(at).is_some_and(u8::is_ascii_uppercase);
    capital && matches!(before, [.., a, b] if a.is_ascii_alphabetic() && b.is_ascii_lowercase())
}
