//! Language detectors side by side: `compare FILE`, the file as `train --data DIR --judged FILE` writes it
//! (role, kind, language, text, between tabs). One thread, every detector on every text, in one run.

use std::{process::ExitCode, time::Instant};

use classify::Language;
use lingua::{IsoCode639_1, LanguageDetectorBuilder};

/// A text, and the language it is in.
struct Row<'a> {
    role: &'a str,
    kind: &'a str,
    language: Language,
    text: &'a str,
}

/// A detector: a name, and what it says of a text (a code of ours, or nothing).
type Detector<'a> = (&'a str, Box<dyn Fn(&str) -> Option<&'static str> + 'a>);

const BANK: [&str; 16] = [
    "en", "zh-Hans", "zh-Hant", "yue", "ms", "id", "ta", "th", "vi", "ja", "ko", "hi", "tl", "my",
    "km", "it",
];

fn main() -> ExitCode {
    let Some(path) = std::env::args().nth(1) else {
        eprintln!("usage: compare FILE");
        return ExitCode::from(64);
    };
    let file = match std::fs::read_to_string(&path) {
        Ok(file) => file,
        Err(error) => {
            eprintln!("{path}: {error}");
            return ExitCode::FAILURE;
        }
    };
    let rows: Vec<Row<'_>> = file.lines().filter_map(row).collect();
    let lingua =
        LanguageDetectorBuilder::from_all_languages().with_preloaded_language_models().build();
    classify::warm();
    let detectors: [Detector<'_>; 3] = [
        ("signalbox", Box::new(|text| Some(classify::language(text).0.code()))),
        (
            "lingua",
            Box::new(|text| {
                let found = lingua.detect_language_of(text)?.iso_code_639_1();
                Some(of_lingua(&found))
            }),
        ),
        ("whatlang", Box::new(|text| of_whatlang(whatlang::detect_lang(text)?.code()))),
    ];
    println!("{} texts\n", rows.len());
    println!(
        "| | texts | bank's 16, macro | ms | id | tl | words | final | code-mixed | µs, median |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    for (name, detect) in &detectors {
        line(name, detect, &rows);
    }
    println!(
        "\nThe others know one Chinese: theirs is right in any of the three, ours is not. What one does"
    );
    println!("not know (lingua: Burmese, Khmer; whatlang: Malay) counts as wrong.");
    ExitCode::SUCCESS
}

fn row(line: &str) -> Option<Row<'_>> {
    let mut parts = line.splitn(4, '\t');
    let (role, kind) = (parts.next()?, parts.next()?);
    Some(Row { role, kind, language: Language::from_code(parts.next()?)?, text: parts.next()? })
}

fn line(name: &str, detect: &dyn Fn(&str) -> Option<&'static str>, rows: &[Row<'_>]) {
    let mut micros = Vec::new();
    let hits: Vec<bool> = rows
        .iter()
        .map(|row| {
            let begun = Instant::now();
            let found = detect(row.text);
            micros.push(begun.elapsed().as_secs_f64() * 1e6);
            let wanted = row.language.code();
            let chinese = ["zh-Hans", "zh-Hant", "yue"].contains(&wanted);
            found.is_some_and(|it| it == wanted || it == "zh" && chinese)
        })
        .collect();
    let rate = |of: &dyn Fn(&Row<'_>) -> bool| {
        let chosen = rows.iter().zip(&hits).filter(|(row, _)| of(row));
        let (mut all, mut right) = (0.0, 0.0);
        chosen.for_each(|(_, hit)| {
            all += 1.0;
            right += f64::from(u8::from(*hit));
        });
        right / f64::max(all, 1.0)
    };
    let text = |row: &Row<'_>| row.role == "development" && row.kind != "single_word";
    let by = |code: &'static str| rate(&|row| text(row) && row.language.code() == code);
    let bank: f64 = BANK.iter().map(|code| by(code)).sum::<f64>() / BANK.len() as f64;
    micros.sort_by(f64::total_cmp);
    println!(
        "| {name} | {:.3} | {bank:.3} | {:.3} | {:.3} | {:.3} | {:.3} | {:.3} | {:.3} | {:.1} |",
        rate(&text),
        by("ms"),
        by("id"),
        by("tl"),
        rate(&|row| row.kind == "single_word"),
        rate(&|row| row.role == "final"),
        rate(&|row| row.role == "mixed"),
        micros[micros.len() / 2],
    );
}

fn of_lingua(found: &IsoCode639_1) -> &'static str {
    let code = found.to_string().to_lowercase();
    if code == "zh" { "zh" } else { Language::from_code(&code).unwrap_or(Language::Und).code() }
}

/// What it says, by the code that it has (ISO 639-3) and ours.
const WHATLANG: &str = "ara ar ben bn ces cs deu de ell el eng en spa es pes fa fin fi fra fr guj gu heb he \
     hin hi hun hu ind id ita it jpn ja jav jv khm km kor ko mal ml mar mr mya my nld nl pan pa pol pl por \
     pt ron ro rus ru swe sv tam ta tel te tha th tgl tl tur tr ukr uk urd ur vie vi cmn zh";

fn of_whatlang(code: &str) -> Option<&'static str> {
    let mut words = WHATLANG.split_whitespace();
    words.find(|word| *word == code)?;
    words.next()
}
