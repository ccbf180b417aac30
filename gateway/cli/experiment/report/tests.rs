use std::path::Path;

use super::{markdown::markdown, table::table};
use crate::experiment::report::{picture::picture, tests::golden};

#[test]
fn reports_are_as_they_are_held() {
    let report = golden();
    let files = [
        ("experiment.txt", table(&report)),
        ("experiment.json", format!("{}\n", serde_json::to_string_pretty(&report).unwrap())),
        ("experiment.md", markdown(&report, Some("experiment.svg"))),
        ("experiment.svg", picture(&report)),
    ];
    for (name, text) in files {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
        if std::env::var_os("SIGNALBOX_GOLDEN").is_some() {
            std::fs::write(&file, &text).unwrap();
        }
        assert!(
            text == std::fs::read_to_string(&file).unwrap_or_default(),
            "{name} differs:\n{text}"
        );
    }
}
