//! What came of the demo's prompts: a table and totals, from the ledger.

use std::{cmp::Reverse, collections::BTreeMap, fmt::Write, time::Duration};

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
    models: Vec<ReportModel>,
}

/// A model as the configuration has it.
#[derive(Clone, Debug)]
pub(super) struct ReportModel {
    /// Its id.
    pub id: String,
    /// Where it runs.
    pub zone: String,
    /// What it costs.
    pub price: Price,
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

const COLUMNS: [(&str, Side); 8] = [
    ("one of each language", Side::Left),
    ("language", Side::Left),
    ("task", Side::Left),
    ("rule", Side::Left),
    ("model", Side::Left),
    ("in", Side::Right),
    ("out", Side::Right),
    ("USD", Side::Right),
];

const MODEL_COLUMNS: [(&str, Side); 7] = [
    ("model", Side::Left),
    ("zone", Side::Left),
    ("all", Side::Right),
    ("in", Side::Right),
    ("out", Side::Right),
    ("USD", Side::Right),
    ("decided by", Side::Left),
];

/// Cells of a prompt's beginning.
const PROMPT_CELLS: usize = 24;
/// Cells of the rules that chose a model.
const RULES_CELLS: usize = 50;
/// Input tokens from which a request is a long document, told apart from the others.
const LONG: u64 = 32_000;

/// What the symbols and columns mean.
const LEGEND: &str = "✓ recognised as meant, ✗ otherwise; in, out: tokens; USD: charged by the ledger, at \
                      one host's list prices\n";

impl<'a> Report<'a> {
    /// Brings together prompts and answers (in the same order) and the entries.
    pub(super) fn of(
        prompts: &'a [Prompt],
        asked: &'a [Asked],
        entries: &'a [Entry],
        models: Vec<ReportModel>,
    ) -> Self {
        let rows = prompts.iter().zip(asked).map(|(prompt, asked)| {
            let its = |entry: &&Entry| asked.id.as_deref() == Some(entry.id.as_str());
            ReportRow { prompt, asked, entries: entries.iter().filter(its).collect() }
        });
        Self { rows: rows.collect(), models }
    }

    /// Whether every request was answered and has exactly one entry, a settled one.
    pub(super) fn is_good(&self) -> bool {
        self.rows.iter().all(|row| row.asked.error.is_none() && row.settled().is_some())
    }

    /// One screen: a prompt of each language, and what each model did; then whatever failed.
    pub(super) fn table(&self, colours: bool) -> String {
        let rows: Vec<Vec<Cell>> = self.selection().into_iter().map(ReportRow::cells).collect();
        let mut text = draw(&COLUMNS, &rows, colours);
        text.push('\n');
        text.push_str(&self.models());
        text.push_str(LEGEND);
        for row in &self.rows {
            if let Some(error) = &row.asked.error {
                // Writing to a string cannot fail, here and below.
                let _ = writeln!(text, "failed: {}: {error}", beginning(&row.prompt.text, 40));
            }
        }
        text
    }

    /// One prompt of each language, the tasks as different as they can be.
    fn selection(&self) -> Vec<&ReportRow<'a>> {
        let mut shown: Vec<&ReportRow<'_>> = Vec::new();
        for first in &self.rows {
            let language = first.prompt.language;
            if shown.iter().all(|row| row.prompt.language != language) {
                let of_task = |row: &&ReportRow<'_>| {
                    shown.iter().filter(|it| it.prompt.task == row.prompt.task).count()
                };
                let of_language = self.rows.iter().filter(|row| row.prompt.language == language);
                let next = of_language.min_by_key(of_task);
                shown.extend(next);
            }
        }
        shown
    }

    /// Each model: how often it served, what that cost, and which rules chose it.
    fn models(&self) -> String {
        let settled: Vec<&Entry> = self.settled().collect();
        let mut models: BTreeMap<&str, (Sum, BTreeMap<&str, u64>)> = BTreeMap::new();
        for entry in &settled {
            let (sum, rules) = models.entry(entry.model.as_deref().unwrap_or("none")).or_default();
            sum.add(entry);
            *rules.entry(&entry.rule).or_default() += 1;
        }
        let mut models: Vec<_> = models.into_iter().collect();
        models.sort_by_key(|(id, (sum, _))| (Reverse(sum.requests), *id));
        let mut lines: Vec<Vec<Cell>> = models
            .iter()
            .map(|(id, (sum, rules))| {
                let mut rules: Vec<_> = rules.iter().collect();
                rules.sort_by_key(|(rule, count)| (Reverse(**count), **rule));
                let rules: Vec<String> =
                    rules.iter().map(|(rule, count)| format!("{rule} {count}")).collect();
                let zone = self.models.iter().find(|it| it.id == **id).map(|it| it.zone.as_str());
                sum.cells(id, zone.unwrap_or_default(), &rules.join(", "))
            })
            .collect();
        lines.push(Sum::of(settled).cells("all", "", ""));
        draw(&MODEL_COLUMNS, &lines, false)
    }

    /// What was answered and recognised, what each team paid, and what another way would have cost.
    pub(super) fn totals(&self) -> String {
        let count_of = |it: usize, what| many(u64::try_from(it).unwrap_or(u64::MAX), what);
        let settled = self.settled().count();
        let answered = self.rows.iter().filter(|row| row.asked.error.is_none()).count();
        let languages = self.rows.iter().filter(|row| row.language_right()).count();
        let tasks = self.rows.iter().filter(|row| row.task_right()).count();
        let settled = if settled == 1 {
            "1 settled entry".into()
        } else {
            format!("{settled} settled entries")
        };
        let mut text = format!(
            "{}: {answered} answered, {settled}; recognised as meant: {}, {}.\n",
            count_of(self.rows.len(), "request"),
            count_of(languages, "language"),
            count_of(tasks, "task"),
        );
        let mut teams: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
        self.settled().for_each(|entry| teams.entry(&entry.team).or_default().push(entry));
        let team = |(team, entries): (&str, Vec<&Entry>)| {
            let sum = Sum::of(entries);
            format!("{team} {}, {} USD", many(sum.requests, "request"), six_decimals(sum.cost()))
        };
        let teams: Vec<String> = teams.into_iter().map(team).collect();
        let _ = writeln!(text, "Teams: {}.", teams.join("; "));
        text.push_str(&self.savings().unwrap_or_default());
        text
    }

    /// What the same tokens would have cost on the dearest model, told for 1,000 requests and without long
    /// documents, of which each outweighs a hundred others; those are told apart.
    fn savings(&self) -> Option<String> {
        let (long, usual): (Vec<_>, Vec<_>) =
            self.settled().partition(|entry| entry.input_tokens >= LONG);
        let (long, usual) = (Sum::of(long), Sum::of(usual));
        let dearest = self.models.iter().max_by_key(|model| usual.at(&model.price))?;
        let id = &dearest.id;
        let (cost, instead) = (usual.per_thousand(usual.cost()), usual.at(&dearest.price));
        let instead = usual.per_thousand(instead);
        let less = 100.0 - cost.nano() as f64 * 100.0 / instead.nano().max(1) as f64;
        let mut text = format!(
            "1,000 such requests{}: {} USD; the same tokens, none cached, all on {id}, the\n\
             dearest of the ten: {} USD. The policy costs {:.0} % {}.\n",
            if long.requests > 0 { ", long documents left out" } else { "" },
            three_decimals(cost),
            three_decimals(instead),
            less.abs(),
            if less < 0.0 { "more" } else { "less" },
        );
        if long.requests > 0 {
            let (cost, instead) =
                (six_decimals(long.cost()), six_decimals(long.at(&dearest.price)));
            let _ = writeln!(
                text,
                "Long documents: {}, {} tokens, {cost} USD; on {id} {instead} USD.",
                long.requests, long.input
            );
        }
        Some(text)
    }

    /// How long it took: figures that are others in each run.
    pub(super) fn times(&self) -> String {
        let median = |mut all: Vec<f64>| {
            all.sort_by(f64::total_cmp);
            all.get(all.len() / 2).copied().unwrap_or_default()
        };
        let ms = |time: Duration| time.as_secs_f64() * 1_000.0;
        let first = self.rows.iter().filter_map(|row| row.asked.first_content).map(ms).collect();
        let whole = self.rows.iter().map(|row| ms(row.asked.duration)).collect();
        let own = self.settled().filter_map(|entry| entry.gateway_us);
        let own = own.map(|us| us as f64 / 1_000.0).collect();
        format!(
            "Medians of this run: first content after {:.0} ms, whole answer {:.0} ms, the gateway's \
             own time {:.2} ms.",
            median(first),
            median(whole),
            median(own)
        )
    }

    fn settled(&self) -> impl Iterator<Item = &'a Entry> {
        self.rows.iter().filter_map(ReportRow::settled)
    }
}

impl<'a> ReportRow<'a> {
    /// The one entry, if there is exactly one and it is settled.
    fn settled(&self) -> Option<&'a Entry> {
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
        let judged = |seen: Option<&str>, right: bool| match seen {
            Some(seen) if right => Cell::coloured(format!("✓ {seen}"), GREEN),
            Some(seen) => Cell::coloured(format!("✗ {seen}"), RED),
            None => Cell::plain("-"),
        };
        let entry = self.entries.first();
        let told = |text: Option<String>| Cell::plain(text.unwrap_or_else(|| "-".to_owned()));
        vec![
            Cell::plain(beginning(&self.prompt.text, PROMPT_CELLS)),
            judged(self.asked.language.as_deref(), self.language_right()),
            judged(self.asked.task.as_deref(), self.task_right()),
            told(entry.map(|entry| entry.rule.clone())),
            told(entry.and_then(|entry| entry.model.clone())),
            told(entry.map(|entry| entry.input_tokens.to_string())),
            told(entry.map(|entry| entry.output_tokens.to_string())),
            told(entry.and_then(|entry| entry.cost).map(six_decimals)),
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

    fn of<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Self {
        let mut sum = Self::default();
        entries.into_iter().for_each(|entry| sum.add(entry));
        sum
    }

    fn cost(self) -> Money {
        Money::from_nano(self.nano)
    }

    /// What the same tokens cost at another price, none of them cached.
    fn at(self, price: &Price) -> Money {
        let count = |tokens: u64| u32::try_from(tokens).unwrap_or(u32::MAX);
        let counts =
            Counts { input: count(self.input), output: count(self.output), ..Counts::default() };
        price.cost(counts)
    }

    /// A sum of all these requests, for 1,000 of them.
    fn per_thousand(self, sum: Money) -> Money {
        let nano = i128::from(sum.nano()) * 1_000 / i128::from(self.requests.max(1));
        Money::from_nano(i64::try_from(nano).unwrap_or(i64::MAX))
    }

    fn cells(self, name: &str, zone: &str, rules: &str) -> Vec<Cell> {
        vec![
            Cell::plain(name),
            Cell::plain(zone),
            Cell::plain(self.requests.to_string()),
            Cell::plain(self.input.to_string()),
            Cell::plain(self.output.to_string()),
            Cell::plain(six_decimals(self.cost())),
            Cell::plain(beginning(rules, RULES_CELLS)),
        ]
    }
}

/// So many of a thing whose plural ends in s.
fn many(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Money with three decimals, rounded to the nearest.
fn three_decimals(money: Money) -> String {
    let milli = (money.nano() + 500_000) / 1_000_000;
    format!("{}.{:03}", milli / 1_000, milli % 1_000)
}

#[cfg(test)]
mod tests {
    use super::{
        super::table::{WIDTH, width},
        *,
    };
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

    fn models() -> Vec<ReportModel> {
        let price = |input: &str, output: &str| Price {
            input: Money::parse(input).unwrap(),
            output: Money::parse(output).unwrap(),
            ..Price::default()
        };
        let model = |id: &str, price| ReportModel { id: id.into(), zone: "on_prem".into(), price };
        vec![model("gpt-oss-20b", price("0.075", "0.30")), model("large", price("0.75", "3.50"))]
    }

    #[test]
    fn one_settled_entry_for_each_is_good_and_anything_else_is_not() {
        let prompts = &prompts().unwrap()[..2];
        let both = [asked("a"), asked("b")];
        let good = |asked: &[Asked], entries: &[Entry]| {
            Report::of(prompts, asked, entries, models()).is_good()
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
    fn totals_tell_teams_savings_and_what_was_recognised() {
        let prompts = &prompts().unwrap()[..3];
        let asked = ["a", "b", "c"].map(asked);
        let long = Entry {
            input_tokens: 2_000_000,
            team: "operations".into(),
            cost: Some(Money::parse("0.18").unwrap()),
            ..entry("c")
        };
        let usual = |id| Entry { input_tokens: 1_000, output_tokens: 100, ..entry(id) };
        let entries = [usual("a"), usual("b"), long];
        let totals = Report::of(prompts, &asked, &entries, models()).totals();
        assert!(totals.contains("3 requests: 3 answered, 3 settled"), "{totals}");
        assert!(totals.contains("3 languages, 1 task."), "{totals}");
        assert!(totals.contains("operations 1 request, 0.180000 USD"), "{totals}");
        // 0.105 each is charged, whatever the tokens: the long one is not among them.
        assert!(totals.contains("long documents left out: 105.000 USD"), "{totals}");
        assert!(totals.contains("all on large, the\ndearest of the ten: 1.100 USD"), "{totals}");
        assert!(totals.contains("Long documents: 1, 2000000 tokens, 0.180000 USD"), "{totals}");
    }

    #[test]
    fn one_screen_is_enough() {
        let prompts = prompts().unwrap();
        let ids: Vec<String> = (0..prompts.len()).map(|it| it.to_string()).collect();
        let asked: Vec<Asked> = ids.iter().map(|id| asked(id)).collect();
        let models = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
        let entry = |(at, id): (usize, &String)| Entry {
            model: models.get(at % 10).map(|id| format!("qwen3-coder-{id}")),
            rule: format!("regional-languages-{}", at % 7),
            ..entry(id)
        };
        let entries: Vec<Entry> = ids.iter().enumerate().map(entry).collect();
        let report = Report::of(&prompts, &asked, &entries, self::models());
        let screen = format!("{}\n{}", report.table(false), report.totals());
        assert!(screen.lines().count() <= 37, "{}", screen.lines().count());
        let widest = screen.lines().map(width).max();
        assert!(widest <= Some(WIDTH), "{widest:?}: {screen}");
    }
}
