//! The language in which a turn asks: that of the instruction, not of what is pasted beside it.

use smallvec::SmallVec;

use super::{
    around,
    lang::{self, Found, Model},
    letter, sample,
    script::{self, Script},
    spoken::{self, Spoken},
    target,
};
use crate::Language;

/// A language that has less of a text is not named.
const SHARE_MIN: f32 = 0.05;
/// An instruction beside a longer paste is looked for in so many bytes.
const INSTRUCTION_BYTES: usize = 300;
/// From this length on a text may be an instruction with a paste.
const PASTE_BYTES: usize = 600;
/// From this length on the beginning of a text says nothing of what is asked at its end.
const LONG_BYTES: usize = 2400;
/// So sure must a line beside a paste be that it is in another language.
const SURE: f32 = 0.7;
/// From here on a text that seems to be in one language has no other at its head.
const SURE_WHOLE: f32 = 0.97;
/// Paragraphs amid others that are read.
const AMID_MAX: usize = 3;
/// In so many bytes at either end a colon is looked for that may announce a question amid a line; a
/// shorter text has no room for more than the question.
const TOLD_BYTES: usize = 256;
const TOLD_MIN: usize = 100;
/// The request for a translation stands before a colon within so many bytes.
const LEAD_BYTES: usize = 160;
/// A shorter text has no parts.
const PARTS_BYTES: usize = 24;

/// From this share on a language in a script of its own is that of the text.
const SCRIPT_SHARE: f32 = 0.25;

/// Characters of a Mandarin request that a Cantonese one has others for.
const MANDARIN: [char; 10] = ['這', '这', '把', '的', '成', '是', '請', '请', '為', '为'];

/// What a turn asks in.
#[derive(Clone, Debug)]
pub struct Asked<'a> {
    /// The language, and how sure that is.
    pub language: (Language, f32),
    /// The instruction, where it was found apart from the beginning of the turn.
    pub instruction: Option<&'a str>,
    /// Every language of what the person says.
    found: Found,
}

impl Default for Asked<'_> {
    fn default() -> Self {
        Self { language: (Language::Und, 0.0), instruction: None, found: Found::default() }
    }
}

impl Asked<'_> {
    /// Languages by their share, the largest first.
    #[must_use]
    pub fn languages(&self) -> SmallVec<[(Language, f32); 3]> {
        let shares = self.found.shares.iter().take(3).filter(|(_, share, _)| *share >= SHARE_MIN);
        shares.map(|(language, share, _)| (*language, *share)).collect()
    }

    /// The same, whose Chinese is written as the talk's is.
    #[must_use]
    pub fn written(mut self, talk: &Self) -> Self {
        let own = self.language.0;
        let shares = self.found.shares.iter_mut().filter(|it| it.0 == own);
        shares.for_each(|it| it.0 = talk.language.0);
        self.language = talk.language;
        self
    }

    /// The same, of which nothing is known for certain.
    #[must_use]
    pub fn unknown(self) -> Self {
        Self {
            language: (Language::Und, 0.0),
            instruction: self.instruction,
            found: Found::default(),
        }
    }
}

/// Finds what a turn asks in.
#[must_use]
pub fn of<'a>(text: &'a str, model: &Model<'_>) -> Asked<'a> {
    let text = letter::body(text);
    let spoken = if has_parts(text) { spoken::of(text) } else { Spoken::default() };
    if let Some(question) = spoken.question {
        let found = lang::read(question, model);
        let language = best(&found);
        if language.0 != Language::Und && language.1 >= 0.5 {
            return Asked { language, instruction: None, found };
        }
    }
    if let Some((line, language)) = announced(text, model) {
        return Asked { language, instruction: Some(line), found: lang::read(text, model) };
    }
    let single = [text];
    let blocks = if spoken.blocks.is_empty() { &single } else { spoken.blocks.as_slice() };
    let found = match blocks {
        [only] => lang::read(only, model),
        _ => lang::read_parts(&sample::ends_of(blocks), model),
    };
    let language = best(&found);
    let total: usize = blocks.iter().map(|block| block.len()).sum();
    let beside = if total >= PASTE_BYTES || blocks.len() > 1 {
        beside(blocks, language, (spoken.pasted, found.shares.len()), model)
    } else {
        None
    };
    // Beside a paste in its own language an instruction stands out by where it is, unless that is long.
    let stands_out = |found: Language| found != language.0 || total >= LONG_BYTES;
    let instruction = beside.filter(|it| stands_out(it.1.0)).map(|(line, _)| line);
    let instruction = instruction.filter(|line| !text.trim_start().starts_with(line));
    let language = beside.map_or(language, |(_, found)| found);
    Asked { language, instruction, found }
}

/// Whether a text may have parts that are not the person's.
fn has_parts(text: &str) -> bool {
    let holds = |end: &str| sample::holds(end.as_bytes(), b'\n');
    let lines = |ends: (&str, &str)| holds(ends.0) || holds(ends.1);
    text.len() >= PARTS_BYTES
        && (text.starts_with(['<', '{', '[']) || told(text) || lines(spoken::windows(text)))
}

/// What stands before a colon and names a language (`Translate to Thai:`), where the text after it is in
/// another language than the request, or the request is sure to be English.
fn announced<'a>(text: &'a str, model: &Model<'_>) -> Option<(&'a str, (Language, f32))> {
    let head = text.get(..sample::floor(text, LEAD_BYTES))?;
    // The byte is found much faster than the characters.
    if !sample::holds(head.as_bytes(), b':') && (head.is_ascii() || !head.contains('：')) {
        return None;
    }
    let at = head.find([':', '：'])?;
    let (lead, rest) = text.split_at_checked(at)?;
    target::read(lead)?;
    let of = |part| best(&lang::read(part, model));
    let begins = lead.get(..9).is_some_and(|it| it.eq_ignore_ascii_case("translate"));
    if begins || lead.contains(" translate ") {
        let something = !rest.trim_start_matches([':', '：', ' ']).is_empty();
        return something.then(|| (lead, borrowed(lead, of(rest).0, || of(lead))));
    }
    let (said, material) = (of(lead), of(rest).0);
    // What Cantonese and Mandarin write alike is said in the language of the rest.
    if material == Language::Yue
        && matches!(said.0, Language::ZhHans | Language::ZhHant)
        && !lead.contains(MANDARIN)
    {
        return None;
    }
    (said.0 != Language::Und && said.1 >= 0.5 && material != Language::Und && material != said.0)
        .then_some((lead, said))
}

/// The language of a request with an English `translate` in it: English by itself, as two words and a name
/// are little, but for words of another language around it.
fn borrowed(lead: &str, material: Language, read: impl Fn() -> (Language, f32)) -> (Language, f32) {
    let english = (Language::En, 0.95);
    if lead.is_ascii() {
        return around::language(lead, material).map_or(english, |language| (language, 0.9));
    }
    let said = read();
    let before = lead.split("translate").next().unwrap_or("");
    let foreign = |c| !matches!(script::of(c), Script::None | Script::Latin);
    // Amid an English request another script is a quotation.
    let quoted = !before.contains(foreign) && (lead.contains(" to ") || lead.contains(" into "));
    let other = !matches!(said.0, Language::Und | Language::En) && said.1 >= SURE;
    if other && (latin(said.0) || !quoted) { said } else { english }
}

/// Whether a colon may announce a question amid a line.
fn told(text: &str) -> bool {
    let bytes = text.as_bytes();
    let head = bytes.get(..TOLD_BYTES).unwrap_or(bytes);
    let tail = bytes.get(bytes.len().saturating_sub(TOLD_BYTES)..).unwrap_or_default();
    bytes.len() >= TOLD_MIN && (sample::holds(head, b':') || sample::holds(tail, b':'))
}

/// A line beside a long text, or amid it, that asks in another language than the rest, or says that the
/// rest's is the one.
fn beside<'a>(
    blocks: &[&'a str],
    whole: (Language, f32),
    (pasted, shares): (bool, usize),
    model: &Model<'_>,
) -> Option<(&'a str, (Language, f32))> {
    let (first, last) = (blocks.first()?, blocks.last()?);
    let read = |line: &'a str| (line, best(&lang::read(line, model)));
    let tail = last_line(last, blocks.len() > 1).map(read);
    // Of a text in one language the words at its head were all judged: only the tail may differ.
    let single = blocks.len() == 1 && shares == 1 && whole.1 >= SURE_WHOLE;
    let head = first_line(first).map(|line| if single { (line, whole) } else { read(line) });
    let other = |it: &(&str, (Language, f32))| {
        it.1.0 != Language::Und && it.1.0 != whole.0 && it.1.1 >= SURE
    };
    // Where one end is in the language of the whole and the other is not, the middle says which is the
    // paste.
    let agreed = |it: &(&str, (Language, f32))| it.1.0 == whole.0;
    // What is left of code and logs is English.
    let left = |it: &(&str, (Language, f32))| pasted && it.1.0 == Language::En;
    let speaks = |one: &(&str, (Language, f32)), other: &(&str, (Language, f32))| {
        pasted && (asks(one.0) && !asks(other.0) || left(other) && !left(one))
            || middle(blocks, model) == Some(other.1.0)
    };
    match (head.filter(other), tail.filter(other)) {
        (Some(head), Some(tail)) => {
            return Some(if asks(tail.0) && !asks(head.0) { tail } else { head });
        }
        (Some(head), None) => {
            let tail = tail.filter(agreed).filter(|tail| speaks(tail, &head));
            return Some(tail.unwrap_or(head));
        }
        (None, Some(tail)) => {
            return Some(head.filter(agreed).filter(|head| speaks(head, &tail)).unwrap_or(tail));
        }
        (None, None) => {}
    }
    let amid = blocks.get(1..blocks.len().saturating_sub(1)).unwrap_or_default();
    let short = amid.iter().filter(|block| block.len() <= INSTRUCTION_BYTES && says(block, 8));
    let likely = short.filter(|block| asks(block) || script_of(block) != script_of(first));
    let begun = head.is_some_and(|head| agreed(&head) && !left(&head));
    let amid = likely.take(AMID_MAX).map(|block| read(block)).find(other);
    let amid = amid.filter(|block| !(begun && left(block)));
    // A document that is no line, and a paragraph after it: that one is what the person wants.
    let closing = blocks.len() > 1 && first.len() > INSTRUCTION_BYTES;
    let last = tail.filter(agreed).filter(|it| closing || asks(it.0));
    amid.or(last).or(head.filter(agreed))
}

/// The language of what stands in the middle of the longest paragraph that is neither of the ends.
fn middle(blocks: &[&str], model: &Model<'_>) -> Option<Language> {
    let inner = match blocks {
        [_, inner @ .., _] if !inner.is_empty() => inner,
        all => all,
    };
    let long = |block: &&&str| inner.len() < blocks.len() || block.len() > INSTRUCTION_BYTES;
    let longest = inner.iter().filter(long).max_by_key(|block| block.len()).copied()?;
    let from = sample::floor(longest, (longest.len() / 2).saturating_sub(INSTRUCTION_BYTES / 2));
    let rest = longest.get(from..).unwrap_or("");
    let part = rest.get(..sample::floor(rest, INSTRUCTION_BYTES)).unwrap_or("");
    Some(best(&lang::read(part, model)).0)
}

/// The first line or sentence if it is short.
fn first_line(text: &str) -> Option<&str> {
    let head = text.get(..sample::floor(text, INSTRUCTION_BYTES))?;
    let line = parts(head).find(|part| says(part, 8))?;
    (line.ends_with(['\n', ':', '：']) || head.len() == text.len()).then_some(line)
}

/// The parts of a text, each with the end of its line or the colon that ends it. In ASCII both are found many
/// bytes at a time.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    let ascii = text.is_ascii();
    let mut rest = text;
    std::iter::from_fn(move || {
        let end = if ascii {
            memchr::memchr2(b'\n', b':', rest.as_bytes()).map_or(rest.len(), |at| at + 1)
        } else {
            rest.split_inclusive(['\n', ':', '：']).next().map_or(0, str::len)
        };
        let (part, after) = rest.split_at_checked(end)?;
        rest = after;
        Some(part).filter(|part| !part.is_empty())
    })
}

/// The last line if it is short; of a single line the last sentence, if it is in another script.
fn last_line(text: &str, whole: bool) -> Option<&str> {
    let text = text.trim_end();
    if whole && text.len() <= INSTRUCTION_BYTES {
        return says(text, 4).then_some(text);
    }
    let tail = text.get(sample::floor(text, text.len().saturating_sub(INSTRUCTION_BYTES))..)?;
    let line = match tail.rsplit_once('\n') {
        Some((_, last)) => last,
        None => last_sentence(tail)?,
    };
    says(line, 8).then_some(line)
}

fn last_sentence(tail: &str) -> Option<&str> {
    let ends = |c: char| matches!(c, '.' | '!' | '?' | '。' | '！' | '？' | ':' | '：');
    let said = tail.trim_end_matches(ends);
    let at = if said.is_ascii() {
        said.bytes().rposition(|b| matches!(b, b'.' | b'!' | b'?' | b':'))
    } else {
        said.rfind(ends)
    }?;
    let last = tail.get(at..)?.trim_start_matches(ends);
    (script_of(last) != script_of(tail)).then_some(last)
}

/// Whether a line asks, or announces what follows.
fn asks(line: &str) -> bool {
    line.trim_end().ends_with(['?', '？', '؟', ':', '：', ';', '吗', '呢', '嗎'])
}

/// The script of the first letter.
fn script_of(text: &str) -> Option<Script> {
    text.chars().take(64).map(script::of).find(|it| *it != Script::None)
}

/// Whether the letters at the beginning of a text weigh so much together.
fn says(text: &str, least: u32) -> bool {
    let mut count = 0;
    text.chars().take(64).map(script::of).any(|script| {
        count += if script == Script::None { 0 } else { script::weight(script) };
        count >= least
    })
}

/// The largest share; a script of its own wins over Latin from a quarter on, because names, brands and
/// technical words are Latin in every language. Hindi in Latin letters is in no script of its own.
#[must_use]
pub fn best(found: &Found) -> (Language, f32) {
    let own = |it: &&(Language, f32, f32)| {
        !latin(it.0) && it.1 >= SCRIPT_SHARE && !(found.latin && it.0 == Language::Hi)
    };
    let chosen = found.shares.iter().find(own).or(found.shares.first());
    chosen.map_or((Language::Und, 0.0), |(language, _, sure)| (*language, *sure))
}

/// Whether a language is written in Latin letters.
#[must_use]
pub fn latin(language: Language) -> bool {
    use Language::{
        Cs, De, En, Es, Fi, Fr, Hu, Id, It, Jv, Ms, Nl, Pl, Pt, Ro, Su, Sv, Tl, Tr, Vi,
    };
    matches!(
        language,
        Cs | De
            | En
            | Es
            | Fi
            | Fr
            | Hu
            | Id
            | It
            | Jv
            | Ms
            | Nl
            | Pl
            | Pt
            | Ro
            | Su
            | Sv
            | Tl
            | Tr
            | Vi
    )
}
