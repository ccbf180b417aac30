//! What a value should look like, in words, where it does not.

/// Tables, and how one is written.
const TABLES: &[(&str, &str)] = &[
    ("cache", "{ ttl_s = 3600 }"),
    ("hedge", "{ after_ms = 800 }"),
    ("slow_stream", "{ hold_ms = 300, output_tokens_per_second_min = 5 }"),
    ("input_tokens", "{ min = 1000, max = 30000 }, either of them or both"),
    ("output_tokens_max", "{ min = 100, max = 4000 }, either of them or both"),
    ("confidence", "{ min = 0.7, max = 1.0 }, either of them or both"),
    ("budget_left", "{ min = \"1.00\", max = \"10.00\" }, either of them or both"),
    ("when", "{ language = [\"th\"], task = [\"coding\"] }"),
    ("require", "{ zone = [\"on_prem\"] }"),
    ("avoid", "{ zone = [\"cloud\"] }"),
    ("timeouts", "{ first_token_ms = 30000, idle_ms = 60000 }"),
    ("limits", "{ requests_per_minute = 60, concurrent = 4 }"),
    ("given", "{ language = \"th\", task = \"coding\" }"),
    ("expect", "{ rule = \"default\", model = \"the-first\" }"),
    ("first_token_ms", "{ \"a-model\" = 250 }"),
    ("in_flight", "{ \"a-model\" = 3 }"),
    ("alias", "[alias], with names = \"a-model\" below it"),
    ("default", "[default], with route = [\"a-model\"] below it"),
];

/// What is expected at this path, where a table is.
pub(super) fn table(path: &str) -> String {
    let (above, last) = path.rsplit_once('.').unwrap_or(("", path));
    match TABLES.iter().find(|(key, _)| *key == last) {
        Some((_, shape)) => format!("a table: {shape}"),
        None if above.is_empty() && !last.contains('[') && !last.is_empty() => {
            format!("a table: [{last}], with its keys below it")
        }
        None => String::from("a table"),
    }
}

/// Whether a text would be what is expected if it stood there without its quotes.
pub(super) fn needs_no_quotes(text: &str, expected: &str) -> bool {
    let is_number = text.starts_with(|it: char| it.is_ascii_digit())
        && text.bytes().all(|it| it.is_ascii_digit() || it == b'.');
    let number =
        ["number", "milliseconds", "tokens a second"].iter().any(|it| expected.contains(it));
    matches!(text, "true" | "false") && expected.contains("true or false") || is_number && number
}
