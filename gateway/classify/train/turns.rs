//! Turns of one or two words, pastes, and what is no language: how often the built-in model reads them
//! right, reads them wrong, or says that the text does not tell. Seeded: the same data give the same
//! figures.

use std::{collections::BTreeMap, fmt::Write};

use classify::{Language, Prompt, classify};

use crate::rows::{LangRow, Role};

/// A wrong language above this confidence is a sure one.
const SURE: f32 = 0.6;
/// Talks, pastes and mixtures that are made for each language.
const EACH: usize = 40;
/// Identifiers of each kind that are made.
const MADE: usize = 400;

/// What people say in any talk, whatever its language.
const ANYWHERE: [&str; 24] = [
    "ok",
    "OK",
    "okay",
    "Ok.",
    "bye",
    "no",
    "yes",
    "yes please",
    "thanks",
    "thank you",
    "continue",
    "next",
    "go on",
    "good",
    "hi",
    "hello",
    "stop",
    "sure",
    "no thanks",
    "ok thanks",
    "please",
    "great",
    "more",
    "👍",
];

/// Right, wrong, wrong and sure, `und`.
#[derive(Clone, Copy, Default)]
struct Count {
    right: u32,
    wrong: u32,
    sure: u32,
    und: u32,
}

impl Count {
    fn add(&mut self, wanted: Language, turns: &[&str]) {
        let read = classify(&Prompt::of(turns));
        match read.language {
            found if found == wanted => self.right += 1,
            Language::Und => self.und += 1,
            _ => {
                self.wrong += 1;
                self.sure += u32::from(read.language_confidence >= SURE);
            }
        }
    }
}

/// Draws that are the same in every run.
struct Draws(u64);

impl Draws {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }

    fn of<'a>(&mut self, many: &[&'a str]) -> &'a str {
        many.get(self.below(many.len())).copied().unwrap_or("")
    }

    fn string(&mut self, alphabet: &str, length: usize) -> String {
        let alphabet: Vec<char> = alphabet.chars().collect();
        (0..length).map(|_| alphabet[self.below(alphabet.len())]).collect()
    }
}

/// Sentences of the sources of development, by language; those that ask apart.
struct Sentences<'a> {
    all: BTreeMap<Language, Vec<&'a str>>,
    asked: BTreeMap<Language, Vec<&'a str>>,
}

impl<'a> Sentences<'a> {
    fn of(rows: &'a [LangRow]) -> Self {
        let (mut all, mut asked) = (BTreeMap::new(), BTreeMap::new());
        let rows = rows.iter().filter(|row| row.role == Role::Develop && row.source == "tatoeba");
        for row in rows.filter(|row| row.text.len() >= 24 && row.text.len() <= 160) {
            // A row that the model does not read right would count twice.
            if classify(&Prompt::of(&[&row.text])).language != row.language {
                continue;
            }
            let list: &mut Vec<&str> = all.entry(row.language).or_default();
            list.push(row.text.as_str());
            if row.text.ends_with(['?', '？', '؟', ';']) {
                let list: &mut Vec<&str> = asked.entry(row.language).or_default();
                list.push(row.text.as_str());
            }
        }
        Self { all, asked }
    }
}

/// The tables, as they stand in the report.
pub fn text(rows: &[LangRow]) -> String {
    let sentences = Sentences::of(rows);
    let mut draws = Draws(0x5151_5151_0000_0001);
    let mut out = String::from(
        "## Short turns, pastes, and what is no language\n\nFigures of the whole reading by the \
         built-in weights (`--turns`). A wrong language at 0.6 and above is a sure one.\n\n\
         | | turns | right | wrong | of these sure | `und` |\n|---|--:|--:|--:|--:|--:|\n",
    );
    let mut line = |what: &str, count: Count| {
        let all = f64::from((count.right + count.wrong + count.und).max(1));
        let of = |part: u32| format!("{:.3}", f64::from(part) / all);
        let [right, wrong, sure, und] = [count.right, count.wrong, count.sure, count.und].map(of);
        let _ = writeln!(out, "| {what} | {all:.0} | {right} | {wrong} | {sure} | {und} |");
    };
    for (what, of) in [("one word, alone", 1), ("two words, alone", 2)] {
        line(what, short(rows, &[], of));
    }
    for (what, of) in [("one word in a talk of its language", 1), ("two words in such a talk", 2)] {
        line(what, short_in_talk(rows, &sentences, of, &mut draws));
    }
    line("a word of any talk (`ok`, `bye`), in a talk", anywhere(&sentences, &mut draws));
    for (what, paste) in pastes() {
        line(what, pasted(&sentences, paste, &mut draws));
    }
    for (what, make) in MAKERS {
        let mut count = Count::default();
        (0..MADE).for_each(|_| count.add(Language::Und, &[&make(&mut draws)]));
        line(&format!("{what}, alone (`und` is right)"), count);
    }
    line("a sentence with such things", mixed(&sentences, &mut draws));
    out
}

/// Rows of so many words, alone.
fn short(rows: &[LangRow], before: &[&str], words: usize) -> Count {
    let mut count = Count::default();
    for row in short_rows(rows, words) {
        count.add(row.language, &[before, &[row.text.as_str()]].concat());
    }
    count
}

fn short_rows(rows: &[LangRow], words: usize) -> impl Iterator<Item = &LangRow> {
    rows.iter().filter(move |row| {
        row.role == Role::Develop
            && row.text.chars().count() <= 24
            && row.text.split_whitespace().count() == words
    })
}

fn short_in_talk(
    rows: &[LangRow],
    sentences: &Sentences<'_>,
    words: usize,
    draws: &mut Draws,
) -> Count {
    let mut count = Count::default();
    for row in short_rows(rows, words) {
        let Some(talk) = sentences.all.get(&row.language) else { continue };
        count.add(row.language, &[draws.of(talk), &row.text]);
    }
    count
}

fn anywhere(sentences: &Sentences<'_>, draws: &mut Draws) -> Count {
    let mut count = Count::default();
    for (language, talk) in &sentences.all {
        for said in ANYWHERE {
            count.add(*language, &[draws.of(talk), said]);
            count.add(*language, &[draws.of(talk), "ok", said]);
        }
    }
    count
}

type Paste = fn(&mut Draws, &str, &[&str]) -> String;

/// A question beside something that is pasted: where it stands, and what is pasted.
fn pastes() -> impl Iterator<Item = (&'static str, Paste)> {
    coded().into_iter().chain(written()).chain(framed())
}

fn coded() -> [(&'static str, Paste); 4] {
    [
        ("3 KB of fenced code, then a question", |draws, asked, _| {
            format!("```python\n{}```\n\n{asked}", code(draws, 3_000))
        }),
        ("a question, then fenced code", |draws, asked, _| {
            format!("{asked}\n\n~~~\n{}~~~\n", code(draws, 3_000))
        }),
        ("a question between two fences", |draws, asked, _| {
            let (one, two) = (code(draws, 1_500), code(draws, 1_500));
            format!("```\n{one}```\n{asked}\n```rust\n{two}```")
        }),
        ("a question, then a fence that is never closed", |draws, asked, _| {
            format!("{asked}\n```\n{}", code(draws, 2_000))
        }),
    ]
}

fn written() -> [(&'static str, Paste); 3] {
    [
        ("English prose, then a question", |draws, asked, english| {
            format!("{}\n\n{asked}", prose(draws, english, 2_500))
        }),
        ("a question, then English prose", |draws, asked, english| {
            format!("{asked}\n\n{}", prose(draws, english, 2_500))
        }),
        ("a question amid English paragraphs", |draws, asked, english| {
            let (one, two) = (prose(draws, english, 1_500), prose(draws, english, 1_500));
            format!("{one}\n\n{asked}\n\n{two}")
        }),
    ]
}

fn framed() -> [(&'static str, Paste); 4] {
    [
        ("a template of retrieval in English, the question in a tag", |draws, asked, english| {
            let context = prose(draws, english, 2_000);
            format!(
                "Answer the user's question by the context alone.\n<context>\n{context}\n</context>\n\
                 <user_query>\n{asked}\n</user_query>\nThink before you answer."
            )
        }),
        ("such a template, the question after a heading", |draws, asked, english| {
            let context = prose(draws, english, 2_000);
            format!("Use this context:\n{context}\n\n### Question\n{asked}\n\n### Answer\n")
        }),
        ("a question above a quoted e-mail", |draws, asked, english| {
            let mail: Vec<&str> = (0..30).map(|_| draws.of(english)).collect();
            format!("{asked}\n\nOn 3 May 2026, Ann wrote:\n> {}", mail.join("\n> "))
        }),
        ("a log or JSON without a fence, then a question", |draws, asked, _| {
            let log = if draws.below(2) == 0 { log(draws) } else { json(draws) };
            format!("{log}\n{asked}")
        }),
    ]
}

fn pasted(sentences: &Sentences<'_>, paste: Paste, draws: &mut Draws) -> Count {
    let mut count = Count::default();
    let english = sentences.all.get(&Language::En).cloned().unwrap_or_default();
    for (language, asked) in &sentences.asked {
        for _ in 0..EACH {
            let asked = draws.of(asked);
            let text = paste(draws, asked, &english);
            count.add(*language, &[&text]);
        }
    }
    count
}

fn prose(draws: &mut Draws, sentences: &[&str], length: usize) -> String {
    let mut text = String::new();
    while text.len() < length && !sentences.is_empty() {
        text += draws.of(sentences);
        text += if draws.below(5) == 0 { "\n" } else { " " };
    }
    text.trim_end().to_owned()
}

fn code(draws: &mut Draws, length: usize) -> String {
    let names = ["total", "account", "rows", "client", "amount", "result", "index", "payload"];
    let mut text = String::new();
    while text.len() < length {
        let [a, b, c] = [(); 3].map(|()| draws.of(&names));
        text += &match draws.below(5) {
            0 => format!("def {a}_{b}({c}):\n    \"\"\"Return the {a} of the {b}.\"\"\"\n"),
            1 => format!("    if {a} is None and not {b}:\n        return {c}\n"),
            2 => format!("    for {a} in {b}:\n        print({c}, \"not found\")\n"),
            3 => format!("    # the {a} must never be above the {b} here\n"),
            _ => format!("    {a} = {b}.get(\"{c}\") or 0\n\n"),
        };
    }
    text
}

fn log(draws: &mut Draws) -> String {
    let mut text = String::new();
    for _ in 0..40 {
        let (at, id) = (draws.below(60), draws.string("0123456789abcdef", 8));
        let what = draws.of(&[
            "connection refused while reading upstream",
            "worker started and is ready to accept requests",
            "failed to parse the configuration file",
        ]);
        let _ =
            writeln!(text, "2026-05-03T10:15:{at:02}.120Z ERROR [http-{id}] c.e.Server - {what}");
    }
    text
}

fn json(draws: &mut Draws) -> String {
    let mut text = String::from("{\n");
    for _ in 0..40 {
        let id = draws.string("0123456789abcdef", 8);
        let _ = writeln!(text, "  \"customer_{id}\": \"the customer was not found in the list\",");
    }
    text + "}\n"
}

type Maker = fn(&mut Draws) -> String;

const HEX: &str = "0123456789abcdef";
const BASE: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const LETTERS: &str = "abcdefghijklmnopqrstuvwxyz";

/// What is no language, by kind.
const MAKERS: [(&str, Maker); 10] = [
    ("a UUID", uuid),
    ("a hash in hexadecimal", |draws| draws.string(HEX, 64)),
    ("base64 of 24 to 400 characters", |draws| {
        let length = 24 + draws.below(376);
        draws.string(BASE, length) + "=="
    }),
    ("a path", |draws| {
        let [a, b, c] = [(); 3].map(|()| draws.string(LETTERS, 6));
        draws.of(&["/usr/", "C:\\Users\\", "./", "~/"]).to_owned() + &format!("{a}/{b}/{c}.tar.gz")
    }),
    ("an address of the web", |draws| {
        let [a, b] = [(); 2].map(|()| draws.string(LETTERS, 7));
        draws.of(&["https://", "www.", ""]).to_owned() + &format!("{a}.com/{b}?id=7&x=a")
    }),
    ("an e-mail address", |draws| {
        let [a, b] = [(); 2].map(|()| draws.string(LETTERS, 7));
        format!("{a}.{b}@example.co")
    }),
    ("a data URL", |draws| format!("data:image/png;base64,{}", draws.string(BASE, 300))),
    ("amounts and dates", |draws| {
        let (a, b) = (draws.below(9_000) + 100, draws.below(28) + 1);
        let of = draws.of(&[
            "SGD {a}.00",
            "{a} USD",
            "2026-05-{b}T10:00:00Z",
            "€{a}k",
            "{b}h30m",
            "+65 {a} {a}",
        ]);
        of.replace("{a}", &a.to_string()).replace("{b}", &format!("{b:02}"))
    }),
    ("entities and mark-up", |draws| {
        let a = draws.below(900) + 100;
        format!("<div class=\"row-{a}\">&nbsp;&amp;&#{a};</div><br/>")
    }),
    ("a constant or a name of code", |draws| {
        let [a, b] = [(); 2].map(|()| draws.string(LETTERS, 6));
        match draws.below(3) {
            0 => format!("{a}_{b}"),
            1 => format!("{}-{}", a.to_uppercase(), draws.below(90_000) + 10_000),
            _ => format!("{a}.{b}()"),
        }
    }),
];

fn uuid(draws: &mut Draws) -> String {
    [8, 4, 4, 4, 12].map(|length| draws.string(HEX, length)).join("-")
}

/// A sentence with as many bytes of what is no language, before, amid and after it.
fn mixed(sentences: &Sentences<'_>, draws: &mut Draws) -> Count {
    let mut count = Count::default();
    for (language, asked) in &sentences.all {
        for _ in 0..EACH {
            let asked = draws.of(asked);
            let made = MAKERS[draws.below(MAKERS.len())].1(draws);
            let text = match draws.below(3) {
                0 => format!("{made} {asked}"),
                1 => format!("{asked} {made}"),
                _ => format!("{made}\n{asked}\n{made}"),
            };
            count.add(*language, &[&text]);
        }
    }
    count
}
