//! How the model that is built in does, without a training: for a change of the reading alone.

use std::{fs, path::Path};

use classify::model::{lang, task};

use crate::{
    data, language,
    measure::share,
    report,
    rows::{LangRow, Role, TaskRow},
    task as tasks, turns,
};

/// The part of the report that is ours, by its heading, and the one after it.
const PART: &str = "## Short turns, pastes, and what is no language";
const NEXT: &str = "## Sizes and time";

/// Prints the figures of the sources that no weights saw, and writes the part on short turns and
/// pastes.
pub fn run(folder: &Path, from: &Path) {
    let langs = data::langs(from, &[]);
    let rows = data::tasks(from, &[], &[]);
    let model = lang::model().expect("the language model");
    let linear = task::model().expect("the task model");
    for role in [Role::Develop, Role::Final] {
        let heats: Vec<f32> = classify::model::heat::built_in().collect();
        for words in [false, true] {
            let tally = language::judged(&langs, model, |row| {
                row.role == role && language::is_word(row) == words
            });
            print!("{}", report::short(&format!("language, {role:?}, words {words}"), &tally));
        }
        let tally = tasks::judged(&rows, (linear, &heats), role);
        print!("{}", report::short(&format!("task, {role:?}"), &tally));
    }
    let mixed = language::judged(&langs, model, |row| row.mixed);
    print!("{}", report::short("language, mixed", &mixed));
    println!("mixed: both named {:.4}", mixed.rate("mixed: both named"));
    println!("the whole reading: language {:.4}, task {:.4}", whole(&langs), whole_task(&rows));
    let part = turns::text(&langs);
    print!("{part}");
    let path = folder.join("REPORT.md");
    let report = fs::read_to_string(&path).expect("REPORT.md");
    fs::write(path, with_part(&report, &part)).expect("REPORT.md");
}

/// The report with this part in the place of the one that stands there, or before the sizes.
fn with_part(report: &str, part: &str) -> String {
    let (before, rest) = report.split_once(NEXT).unwrap_or((report, ""));
    let before = before.split_once(PART).map_or(before, |(before, _)| before);
    format!("{before}{part}\n{NEXT}{rest}")
}

/// How often the whole reading, with its floor and its search for the instruction, is right on texts.
fn whole(rows: &[LangRow]) -> f64 {
    let rows = rows.iter().filter(|row| row.role == Role::Develop && !language::is_word(row));
    let right = |row: &LangRow| {
        classify::classify(&classify::Prompt::of(&[&row.text])).language == row.language
    };
    let (all, hits) = rows.fold((0, 0), |(all, hits), row| (all + 1, hits + u32::from(right(row))));
    share(hits, all)
}

fn whole_task(rows: &[TaskRow]) -> f64 {
    let rows = rows.iter().filter(|row| row.role == Role::Develop);
    let right = |row: &TaskRow| {
        let turns: Vec<&str> = row.turns.iter().map(String::as_str).collect();
        classify::classify(&row.prompt(&turns)).task == row.task
    };
    let (all, hits) = rows.fold((0, 0), |(all, hits), row| (all + 1, hits + u32::from(right(row))));
    share(hits, all)
}
