//! What is printed for sums that are known.

use super::*;
use crate::{
    spend::{
        month,
        tests::{NOW, answered, charges, sample},
    },
    store::{Charges, Removed},
};

fn printed(
    by: &[By],
    team: Option<&str>,
    format: Format,
    charges: Charges,
) -> (String, Vec<String>) {
    print(&answered(by, team, charges), format).unwrap()
}

#[test]
fn a_table_is_a_bill() {
    let (text, beside) = printed(&[By::Team, By::Model], Some("bank"), Format::Table, sample());
    assert_eq!(
        text,
        "\
spent from 2026-11-28 00:00 to 2026-11-29 16:05 (UTC), by bank and the teams beneath it

team    model  requests  input  cached  written  output  reasoning      cost        share
retail  qwen          3    270      30        0     120          3  1.750000  USD  87.5 %
bank    gemma         1     90      10        0      40          1  0.249995  USD  12.5 %
retail  -             1      0       0        0       0          0  0.000005  USD   0.0 %
sum                   5    360      40        0     160          4  2.000000  USD

open: 1 request beside these, with 0.03 USD reserved; they are charged at their end
recovered: 1 request of these, charged after a crash with all that was reserved, 0.000005 USD
"
    );
    assert!(beside.is_empty());
}

#[test]
fn a_month_of_own_machines_says_what_a_token_really_cost() {
    let golden = include_str!("month.txt");
    let mut said = String::new();
    for (by, team) in
        [(&[By::Model][..], None), (&[By::Team, By::Model], None), (&[By::Model], Some("retail"))]
    {
        said += &print(&month(by, team), Format::Table).unwrap().0;
        said.push('\n');
    }
    if std::env::var_os("SIGNALBOX_GOLDEN").is_some() {
        std::fs::write("gateway/cli/spend/month.txt", &said).unwrap();
    }
    assert_eq!(said, golden, "\n{said}");
}

#[test]
fn what_nobody_ends_is_said_beside_every_form() {
    let answer = || answered(&[By::Team], Some("bank"), sample());
    let file = Path::new("copy.db");
    assert_eq!(left(&answer().report(), file), None);
    let unattended = answer().unattended();
    let said = left(&unattended.report(), file).unwrap();
    assert!(
        said.starts_with(
            "signalbox: copy.db: 1 entry is open and in no sum, and no gateway runs on this file."
        ) && said.contains(".backup"),
        "{said}"
    );
    let (text, _) = print(&unattended, Format::Table).unwrap();
    assert!(text.contains("reserved; no gateway runs here that would end them\n"), "{text}");
    let (text, _) = print(&unattended, Format::Json).unwrap();
    assert!(text.contains("\"left_open_requests\": 1"), "{text}");
    // One on which nothing is open has nothing to say.
    let whole = answered(&[By::Team], None, charges(Vec::new())).unattended();
    assert_eq!(left(&whole.report(), file), None);
}

#[test]
fn nothing_spent_is_said() {
    let (text, _) = printed(&[By::Team], None, Format::Table, charges(Vec::new()));
    assert_eq!(text, "spent from 2026-11-28 00:00 to 2026-11-29 16:05 (UTC)\n\nnothing\n");
    let (text, _) = printed(&[By::Day, By::Team], None, Format::Csv, charges(Vec::new()));
    assert_eq!(text.lines().count(), 1);
}

#[test]
fn what_retention_has_removed_is_said() {
    let removed = |at_ms, team: &str, requests| Removed {
        at_ms,
        teams: [team.to_owned(), "bank".to_owned()].into(),
        requests,
        cost_nano: 7_000_000_000,
    };
    let mut charges = sample();
    charges.removed =
        vec![removed(1, "retail", 3), removed(0, "retail", 4), removed(1, "other", 5)];
    let (text, _) = printed(&[By::Team], Some("retail"), Format::Table, charges);
    let notes: Vec<&str> = text.lines().filter(|line| line.starts_with("removed: ")).collect();
    assert_eq!(
        notes,
        [
            "removed: 3 requests of this time are beyond ledger.retention_days and in no row; they cost 7",
            "removed: 4 requests of this time or of before it are beyond ledger.retention_days, of which \
             only the sum is kept: 7",
        ]
    );
}

#[test]
fn a_question_without_a_meaning_is_wrong_usage() {
    let question = |args: &[&str]| {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            args: Args,
        }
        let line = [&["spend"], args].concat();
        let line = <Line as clap::Parser>::try_parse_from(line).map_err(|it| it.to_string());
        line.and_then(|it| {
            let wrong = |wrong: Vec<Wrong>| format!("{wrong:?}");
            let format = it.args.format();
            let asked = it.args.question_at(&NOW.parse().unwrap());
            asked.map(|it| (format, format!("{it:?}"))).map_err(wrong)
        })
    };
    let (format, asked) = question(&[]).unwrap();
    assert!(format == Format::Table && asked.contains("by: [Team], team: None"), "{asked}");
    let (format, asked) = question(&["--json", "--by", "day,key"]).unwrap();
    assert!(format == Format::Json && asked.contains("by: [Day, Key]"), "{asked}");
    for (args, fault) in [
        (&["--by", "colour"][..], "[possible values: team, key, model, language, task, rule, day]"),
        (&["--by", "day,day"], "parameter: \"by\", fault: \"`day` stands twice\""),
        (&["--since", "soon"], "`soon` is none of"),
        (&["--tz", "Mars/Olympus"], "`Mars/Olympus` is no time zone"),
        (
            &["--since", "2027-01-01"],
            "parameter: \"since\", fault: \"2027-01-01 00:00 has not come yet",
        ),
        (&["--since", "1h", "--until", "2h"], "parameter: \"until\", fault: \"the time ends at"),
        (&["--format", "focus", "--by", "day"], "rows of FOCUS are always by day"),
        (&["--format", "focus", "--true-cost"], "rows of FOCUS have what was charged"),
        (&["--format", "csv", "--json"], "cannot be used with"),
    ] {
        let said = question(args).unwrap_err();
        assert!(said.contains(fault), "{args:?}: {said}");
    }
}
