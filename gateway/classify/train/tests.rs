//! The trainer on a part of our own material alone: what a machine without the data sets can check.

use std::path::Path;

use classify::model::{lang, linear::Linear};

use crate::{
    data, fill, language, overlap,
    own::{self, Own},
    rows::Role,
    task,
};

fn material() -> Vec<Own> {
    own::material(&Path::new(env!("CARGO_MANIFEST_DIR")).join("material"))
}

/// Every third line, for speed.
fn third() -> Vec<Own> {
    material().into_iter().step_by(3).collect()
}

/// Some of the lines between.
fn unseen() -> Vec<Own> {
    let between = material().into_iter().enumerate().filter(|(at, _)| at % 3 != 0 && at % 31 == 1);
    between.map(|(_, own)| own).collect()
}

#[test]
fn the_same_material_gives_the_same_bytes_and_they_read_what_they_never_saw() {
    let own = third();
    let rows = data::own_langs(&own);
    let bytes = language::small(&rows);
    assert!(bytes == language::small(&rows), "two runs differ");
    let model = lang::Model::read(&bytes).unwrap();
    let unseen = unseen();
    let right = data::own_langs(&unseen)
        .iter()
        .filter(|row| crate::measure::language(&row.text, &model).0 == row.language)
        .count();
    assert!(right * 100 > data::own_langs(&unseen).len() * 80, "{right} of {}", unseen.len());
}

#[test]
fn tasks_are_learned_from_our_own_lines() {
    let own = third();
    let rows = fill::rows(&own, &[]);
    assert!(rows.iter().all(|row| row.role == Role::Train));
    let bytes = task::small(&rows);
    assert!(bytes == task::small(&rows), "two runs differ");
    let linear = Linear::read(&bytes).unwrap();
    let unseen = fill::rows(&unseen(), &[]);
    let right = unseen.iter().filter(|row| task::found(row, &linear) == row.task).count();
    assert!(right * 100 > unseen.len() * 55, "{right} of {}", unseen.len());
}

#[test]
fn a_line_of_a_data_set_is_found_and_one_of_ours_is_not() {
    let line = |text: &str| Own {
        language: classify::Language::En,
        task: None,
        system: String::new(),
        tools: String::new(),
        turns: vec![text.to_owned()],
        hand: None,
    };
    let set = vec!["Please tell me how long the ferry to the island takes on Sundays.".to_owned()];
    let ours = [
        line("how long the ferry to the island takes"),
        line("How long does the bus to the airport take on a weekday?"),
    ];
    assert_eq!(overlap::too_close(&ours, &set), [ours[0].text()]);
}
