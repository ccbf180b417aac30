//! What came of the demo's prompts: a table and totals, from the ledger.

use std::{collections::BTreeMap, fmt::Write, time::Duration};

use policies::{
    Counts,
    facts::{Money, Price},
};

use super::{
    drive::Asked,
    six_decimals,
    table::{Cell, GREEN, RED, Side, beginning, draw},
};
use crate::{sim::prompts::Prompt, store::Entry};

/// All requests of one run.
#[derive(Debug)]
pub(super) struct Report<'a> {
    rows: Vec<ReportRow<'a>>,
    prices: Vec<(String, Price)>,
}

/// One request: what was asked, what the caller saw, what the ledger says.
#[derive(Debug)]
struct ReportRow<'a> {
    prompt: &'a Prompt,
    asked: &'a Asked,
    entries: Vec<&'a Entry>,
}

/// Sums of one model.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    requests: u64,
    input: u64,
    output: u64,
    nano: i64,
}

const COLUMNS: [(&str, Side); 10] = [
    ("prompt", Side::Left),
    ("language", Side::Left),
    ("task", Side::Left),
    ("rule", Side::Left),
    ("model", Side::Left),
    ("in", Side::Right),
    ("out", Side::Right),
    ("cost USD", Side::Right),
    ("first ms", Side::Right),
    ("total ms", Side::Right),
];

const MODEL_COLUMNS: [(&str, Side); 5] = [
    ("model", Side::Left),
    ("requests", Side::Right),
    ("tokens in", Side::Right),
    ("tokens out", Side::Right),
    ("cost USD", Side::Right),
];

impl<'a> Report<'a> {
    /// Brings together prompts and answers (in the same order) and the entries.
    pub(super) fn of(
        prompts: &'a [Prompt],
        asked: &'a [Asked],
        entries: &'a [Entry],
        prices: Vec<(String, Price)>,
    ) -> Self {
        let rows = prompts.iter().zip(asked).map(|(prompt, asked)| {
            let its = |entry: &&Entry| asked.id.as_deref() == Some(entry.id.as_str());
            ReportRow { prompt, asked, entries: entries.iter().filter(its).collect() }
        });
        Self { rows: rows.collect(), prices }
    }

    /// Whether every request was answered and has exactly one entry, a settled one.
    pub(super) fn is_good(&self) -> bool {
        self.rows.iter().all(|row| row.asked.error.is_none() && row.settled().is_some())
    }

    /// One line a request, in the order of the prompts.
    pub(super) fn table(&self, colours: bool) -> String {
        let rows: Vec<Vec<Cell>> = self.rows.iter().map(ReportRow::cells).collect();
        let mut text = draw(&COLUMNS, &rows, colours);
        for row in &self.rows {
            if let Some(error) = &row.asked.error {
                // Writing to a string cannot fail, here and below.
                let _ = writeln!(text, "failed: {}: {error}", beginning(&row.prompt.text, 40));
            }
        }
        text
    }

    /// Sums per model and of all, and how much was recognised as expected.
    pub(super) fn totals(&self) -> String {
        let settled: Vec<&Entry> = self.rows.iter().filter_map(ReportRow::settled).collect();
        let mut sums: BTreeMap<&str, Sum> = BTreeMap::new();
        for entry in &settled {
            sums.entry(entry.model.as_deref().unwrap_or("none")).or_default().add(entry);
        }
        let mut all = Sum::default();
        settled.iter().for_each(|entry| all.add(entry));
        let mut lines: Vec<Vec<Cell>> = sums.iter().map(|(id, sum)| sum.cells(id)).collect();
        lines.push(all.cells("all"));
        let mut text = draw(&MODEL_COLUMNS, &lines, false);

        let count = self.rows.len();
        let answered = self.rows.iter().filter(|row| row.asked.error.is_none()).count();
        let settled = settled.len();
        let _ =
            writeln!(text, "\n{count} requests: {answered} answered, {settled} settled entries.");
        if let Some((id, cost)) = self.dearest(all) {
            let times = cost.nano() as f64 / (all.nano.max(1)) as f64;
            let cost = six_decimals(cost);
            let _ = writeln!(
                text,
                "The same tokens all on {id}, the dearest: {cost} USD, {times:.1} times as much."
            );
        }
        let languages = self.rows.iter().filter(|row| row.language_right()).count();
        let tasks = self.rows.iter().filter(|row| row.task_right()).count();
        let _ = writeln!(
            text,
            "Recognised as expected: language {languages} of {count}, task {tasks} of {count}."
        );
        text
    }

    /// The model on which the same tokens would have cost most, and how much.
    fn dearest(&self, all: Sum) -> Option<(&str, Money)> {
        let count = |tokens: u64| u32::try_from(tokens).unwrap_or(u32::MAX);
        let counts =
            Counts { input: count(all.input), output: count(all.output), ..Counts::default() };
        let costs = self.prices.iter().map(|(id, price)| (id.as_str(), price.cost(counts)));
        costs.max_by_key(|(_, cost)| *cost)
    }
}

impl ReportRow<'_> {
    /// The one entry, if there is exactly one and it is settled.
    fn settled(&self) -> Option<&Entry> {
        match self.entries.as_slice() {
            [entry] if entry.state == "settled" => Some(entry),
            _ => None,
        }
    }

    fn language_right(&self) -> bool {
        self.asked.language.as_deref() == Some(self.prompt.language.code())
    }

    fn task_right(&self) -> bool {
        self.asked.task.as_deref() == Some(self.prompt.task.code())
    }

    fn cells(&self) -> Vec<Cell> {
        let judged = |seen: Option<&str>, expected: &str| match seen {
            Some(seen) if seen == expected => Cell::coloured(format!("✓ {seen}"), GREEN),
            Some(seen) => Cell::coloured(format!("✗ {seen} ({expected})"), RED),
            None => Cell::plain("-"),
        };
        let entry = self.entries.first();
        let told = |text: Option<String>| Cell::plain(text.unwrap_or_else(|| "-".to_owned()));
        let ms = |time: Duration| time.as_millis().to_string();
        vec![
            Cell::plain(beginning(&self.prompt.text, 28)),
            judged(self.asked.language.as_deref(), self.prompt.language.code()),
            judged(self.asked.task.as_deref(), self.prompt.task.code()),
            told(entry.map(|entry| entry.rule.clone())),
            told(entry.and_then(|entry| entry.model.clone())),
            told(entry.map(|entry| entry.input_tokens.to_string())),
            told(entry.map(|entry| entry.output_tokens.to_string())),
            told(entry.and_then(|entry| entry.cost).map(six_decimals)),
            told(self.asked.first_content.map(ms)),
            Cell::plain(ms(self.asked.duration)),
        ]
    }
}

impl Sum {
    fn add(&mut self, entry: &Entry) {
        self.requests += 1;
        self.input += entry.input_tokens;
        self.output += entry.output_tokens;
        self.nano += entry.cost.map_or(0, Money::nano);
    }

    fn cells(self, name: &str) -> Vec<Cell> {
        vec![
            Cell::plain(name),
            Cell::plain(self.requests.to_string()),
            Cell::plain(self.input.to_string()),
            Cell::plain(self.output.to_string()),
            Cell::plain(six_decimals(Money::from_nano(self.nano))),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::prompts::prompts;

    fn entry(id: &str) -> Entry {
        Entry {
            id: id.into(),
            state: "settled",
            started_at: String::new(),
            team: "retail-banking".into(),
            key: "demo".into(),
            language: "en".into(),
            task: "banking".into(),
            rule: "cheap".into(),
            model: Some("gpt-oss-20b".into()),
            endpoint: None,
            attempts: None,
            input_tokens: 1_000_000,
            output_tokens: 100_000,
            cost: Some(Money::parse("0.105").unwrap()),
            first_token_ms: None,
            duration_ms: None,
            gateway_us: None,
            outcome: Some("ok".into()),
            failure_kind: None,
        }
    }

    fn asked(id: &str) -> Asked {
        let text = |text: &str| Some(text.to_owned());
        Asked { id: text(id), language: text("en"), task: text("chat"), ..Asked::default() }
    }

    fn prices() -> Vec<(String, Price)> {
        let price = |input: &str, output: &str| Price {
            input: Money::parse(input).unwrap(),
            output: Money::parse(output).unwrap(),
            ..Price::default()
        };
        vec![("small".into(), price("0.075", "0.30")), ("large".into(), price("0.75", "3.50"))]
    }

    #[test]
    fn one_settled_entry_for_each_is_good_and_anything_else_is_not() {
        let prompts = &prompts().unwrap()[..2];
        let both = [asked("a"), asked("b")];
        let good = |asked: &[Asked], entries: &[Entry]| {
            Report::of(prompts, asked, entries, prices()).is_good()
        };
        assert!(good(&both, &[entry("b"), entry("a"), entry("of another run")]));
        assert!(!good(&both, &[entry("a")]));
        assert!(!good(&both, &[entry("a"), entry("b"), entry("b")]));
        let open = Entry { state: "open", ..entry("b") };
        assert!(!good(&both, &[entry("a"), open]));
        let failed = Asked { error: Some("502".into()), ..asked("b") };
        assert!(!good(&[asked("a"), failed], &[entry("a"), entry("b")]));
    }

    #[test]
    fn totals_tell_cost_dearest_model_and_what_was_recognised() {
        let prompts = &prompts().unwrap()[..2];
        let both = [asked("a"), asked("b")];
        let entries = [entry("a"), entry("b")];
        let totals = Report::of(prompts, &both, &entries, prices()).totals();
        assert!(totals.contains("0.210000"), "{totals}");
        assert!(totals.contains("all on large, the dearest: 2.200000 USD, 10.5 times"), "{totals}");
        assert!(totals.contains("language 2 of 2, task 0 of 2"), "{totals}");
        assert!(totals.contains("2 requests: 2 answered, 2 settled"), "{totals}");
    }
}
