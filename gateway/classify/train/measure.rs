//! Figures: accuracy, macro-F1, calibration, confusion, and what others say of the same texts.

use std::collections::BTreeMap;

use classify::{Language, Task, model::lang};

use crate::rows::LangRow;

/// A trained model, and how it did on sources it had not seen.
pub struct Trained {
    pub bytes: Vec<u8>,
    pub tallies: Vec<(&'static str, Tally)>,
    pub temperature: f32,
    /// The temperatures of groups of languages, where there are any.
    pub heats: Vec<f32>,
    /// Trained on a part of the rows: the part, accuracy, macro-F1.
    pub curve: Vec<(f64, f64, f64)>,
    /// With a part of our own hands: the part; accuracy and macro-F1 on the sources of development, and on
    /// the final ones.
    pub hands_curve: Vec<(f64, [f64; 4])>,
    /// Rows that the weights were trained on.
    pub rows: usize,
}

/// What was expected and found, row by row.
#[derive(Default)]
pub struct Tally {
    pub pairs: BTreeMap<(&'static str, &'static str), u32>,
    pub groups: BTreeMap<String, (u32, u32)>,
    pub sources: BTreeMap<String, (u32, u32)>,
    others: BTreeMap<&'static str, (u32, u32)>,
    /// Ten bins of confidence: rows, hits, sum of confidences; of all rows, and of each group.
    bins: Bins,
    pub calibrations: BTreeMap<&'static str, Bins>,
}

/// Ten bins of confidence: rows, hits, sum of confidences.
#[derive(Default)]
pub struct Bins([(u32, u32, f64); 10]);

impl Bins {
    fn add(&mut self, hit: bool, sure: f32) {
        let bin = &mut self.0[((sure * 10.0) as usize).min(9)];
        *bin = (bin.0 + 1, bin.1 + u32::from(hit), bin.2 + f64::from(sure));
    }

    pub fn rows(&self) -> u32 {
        self.0.iter().map(|bin| bin.0).sum()
    }

    /// Expected calibration error over ten bins.
    pub fn ece(&self) -> f64 {
        let all = f64::from(self.rows().max(1));
        let bins = self.0.iter().filter(|bin| bin.0 > 0);
        bins.map(|(_, hits, sure)| (f64::from(*hits) - sure).abs() / all).sum()
    }
}

impl Tally {
    pub fn add(&mut self, expected: &'static str, found: &'static str, sure: f32) {
        *self.pairs.entry((expected, found)).or_default() += 1;
        self.bins.add(expected == found, sure);
    }

    /// The same row, for the calibration of its group.
    pub fn calibrated(&mut self, group: &'static str, hit: bool, sure: f32) {
        self.calibrations.entry(group).or_default().add(hit, sure);
    }

    pub fn group(&mut self, group: &str, hit: bool) {
        let entry = self.groups.entry(group.to_owned()).or_default();
        *entry = (entry.0 + 1, entry.1 + u32::from(hit));
    }

    pub fn by_source(&mut self, source: &str, hit: bool) {
        let entry = self.sources.entry(source.to_owned()).or_default();
        *entry = (entry.0 + 1, entry.1 + u32::from(hit));
    }

    /// Another opinion on the row at hand; `None` where it has none to give.
    pub fn also(&mut self, who: &'static str, hit: Option<bool>) {
        let Some(hit) = hit else { return };
        let entry = self.others.entry(who).or_default();
        *entry = (entry.0 + 1, entry.1 + u32::from(hit));
    }

    pub fn rows(&self) -> u32 {
        self.pairs.values().sum()
    }

    pub fn accuracy(&self) -> f64 {
        let hits: u32 = self.pairs.iter().filter(|((a, b), _)| a == b).map(|(_, n)| n).sum();
        share(hits, self.rows())
    }

    pub fn rate(&self, who: &str) -> f64 {
        self.others.get(who).map_or(f64::NAN, |(rows, hits)| share(*hits, *rows))
    }

    /// Rows and recall of a label, and its F1.
    pub fn label(&self, label: &str) -> (u32, f64, f64) {
        let of = |expected: bool| -> u32 {
            let side = |(a, b): &(&str, &str)| if expected { *a == label } else { *b == label };
            self.pairs.iter().filter(|(pair, _)| side(pair)).map(|(_, n)| n).sum()
        };
        let hits = self.pairs.iter().find(|((a, b), _)| *a == label && *b == label);
        let hits = hits.map_or(0, |(_, n)| *n);
        let (there, said) = (of(true), of(false));
        (there, share(hits, there), share(2 * hits, there + said))
    }

    pub fn labels(&self) -> Vec<&'static str> {
        let mut labels: Vec<_> = self.pairs.keys().map(|(expected, _)| *expected).collect();
        labels.dedup();
        labels
    }

    pub fn macro_f1(&self) -> f64 {
        let labels = self.labels();
        labels.iter().map(|label| self.label(label).2).sum::<f64>() / labels.len() as f64
    }

    /// Expected calibration error over ten bins.
    pub fn ece(&self) -> f64 {
        self.bins.ece()
    }

    /// The most frequent mistakes.
    pub fn confusions(&self, most: usize) -> Vec<(&'static str, &'static str, u32)> {
        let wrong = self.pairs.iter().filter(|((a, b), _)| a != b);
        let mut wrong: Vec<_> = wrong.map(|((a, b), n)| (*a, *b, *n)).collect();
        wrong.sort_by_key(|(a, b, n)| (std::cmp::Reverse(*n), *a, *b));
        wrong.truncate(most);
        wrong
    }
}

pub fn share(part: u32, whole: u32) -> f64 {
    f64::from(part) / f64::from(whole.max(1))
}

/// The language of a text by a model that is not the built-in one.
pub fn language(text: &str, model: &lang::Model<'_>) -> (Language, f32) {
    let found = lang::read(text, model);
    classify::best_of(&found)
}

/// Whether a mixed text's languages are both named.
pub fn names_both(row: &LangRow, model: &lang::Model<'_>) -> bool {
    let found = lang::read(&row.text, model);
    let named = |language: &Language| {
        found.shares.iter().any(|(it, share, _)| it == language && *share >= 0.05)
    };
    named(&row.language) && row.also.iter().all(named)
}

/// Keyword rules as many routers have them, in English and Chinese: the measure to beat.
pub fn keywords(text: &str) -> Task {
    let text = text.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    match () {
        () if has(&["```", "code", "python", "function", "javascript", "sql", "代码"]) => {
            Task::Coding
        }
        () if has(&["translate", "翻译", "terjemah"]) => Task::Translation,
        () if has(&["summar", "tl;dr", "headline", "总结", "摘要"]) => Task::Summarization,
        () if has(&["extract", "list all", "提取", "keywords"]) => Task::Extraction,
        () if has(&["classify", "sentiment", "categor", "positive or negative", "分类"]) => {
            Task::Classification
        }
        () if has(&["rewrite", "paraphrase", "rephrase", "改写", "simplify"]) => Task::Rewriting,
        () if has(&["write a", "compose", "essay", "story", "poem", "写一"]) => Task::Writing,
        () if has(&["passage", "context:", "article", "paragraph"]) => Task::ClosedQa,
        () if has(&["how many", "calculate", "solve", "equation", "多少"]) => Task::Math,
        () if has(&["ideas", "suggest", "recommend", "brainstorm", "建议"]) => {
            Task::Brainstorming
        }
        () if has(&["card", "account", "transfer", "bank", "payment"]) => Task::Banking,
        () if text.contains('?') || text.contains('？') => Task::OpenQa,
        () => Task::Chat,
    }
}

/// The temperature at which the best label's probability says most truly how often it is right: the least log
/// loss of that one statement on held-out rows, by golden section.
pub fn temperature(pairs: &[(Vec<f32>, usize)]) -> f32 {
    let loss = |temperature: f32| -> f64 {
        let of = |(logits, class): &(Vec<f32>, usize)| {
            let mut scores: Vec<f32> = logits.iter().map(|it| it / temperature).collect();
            classify::model::linear::softmax(&mut scores);
            let best = (0..).zip(&scores).max_by(|a, b| a.1.total_cmp(b.1));
            let (at, sure) = best.map_or((0, 0.0), |(at, sure)| (at, *sure));
            let said = if at == *class { sure } else { 1.0 - sure };
            -f64::from(said.max(1e-6).ln())
        };
        pairs.iter().map(of).sum()
    };
    let (mut low, mut high) = (0.3_f32, 6.0_f32);
    for _ in 0..24 {
        let third = (high - low) / 3.0;
        if loss(low + third) < loss(high - third) { high -= third } else { low += third }
    }
    (low + high) / 2.0
}
