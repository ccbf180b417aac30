//! Frames as somebody sees them: two reads and keys in, text out.

use std::path::Path;

use proptest::prelude::*;
use ratatui::{
    Terminal,
    backend::TestBackend,
    crossterm::event::{KeyCode, KeyEvent, KeyModifiers},
};

use super::{
    super::operator::{bearer, url},
    live::{Readings, take},
    no_screen,
    reading::{Reading, rise},
    screen,
    source::Trouble,
    state::{After, By, State},
    table::COLUMNS,
};

const BEFORE: &str = r#"
signalbox_build_info{version="0.1.0",hash="ab"} 1
signalbox_policy_info{version="7",hash="cd"} 1
process_start_time_seconds 1000
signalbox_ready{check="ledger"} 1
signalbox_ready{check="models"} 1
signalbox_refusals_total{stage="limit",kind="rate_limited"} 4
signalbox_ledger_pending 0
signalbox_model_info{model="qwen3.5-397b",family="",zone="",licence=""} 1
signalbox_model_info{model="gpt-oss-20b",family="",zone="",licence=""} 1
signalbox_model_info{model="模型\u{1b}[2J",family="",zone="",licence=""} 1
signalbox_requests_total{model="qwen3.5-397b",task="chat",language="en",outcome="ok"} 100
signalbox_requests_total{model="gpt-oss-20b",task="chat",language="en",outcome="ok"} 7
signalbox_cost_total{team="bank",model="qwen3.5-397b",task="chat",language="en",currency="USD"} 1.5
signalbox_tokens_total{team="bank",model="qwen3.5-397b",type="output"} 1000
signalbox_tokens_total{team="bank",model="qwen3.5-397b",type="input"} 5000
signalbox_endpoint_up{model="qwen3.5-397b",endpoint="0"} 1
signalbox_endpoint_in_flight{model="qwen3.5-397b",endpoint="0"} 0
signalbox_endpoint_in_flight{model="qwen3.5-397b",endpoint="1"} 0
"#;

const NOW: &str = r#"
signalbox_build_info{version="0.1.0",hash="ab"} 1
signalbox_policy_info{version="7",hash="cd"} 1
process_start_time_seconds 1000
signalbox_ready{check="ledger"} 1
signalbox_ready{check="models"} 1
signalbox_refusals_total{stage="limit",kind="rate_limited"} 9
signalbox_ledger_pending 2
signalbox_model_info{model="qwen3.5-397b",family="",zone="",licence=""} 1
signalbox_model_info{model="gpt-oss-20b",family="",zone="",licence=""} 1
signalbox_model_info{model="模型\u{1b}[2J",family="",zone="",licence=""} 1
signalbox_requests_total{model="qwen3.5-397b",task="chat",language="en",outcome="ok"} 120
signalbox_requests_total{model="qwen3.5-397b",task="chat",language="en",outcome="failed"} 3
signalbox_requests_total{model="qwen3.5-397b",task="code",language="en",outcome="cut"} 1
signalbox_requests_total{model="qwen3.5-397b",task="code",language="en",outcome="cancelled"} 1
signalbox_requests_total{model="gpt-oss-20b",task="chat",language="en",outcome="ok"} 57
signalbox_cost_total{team="bank",model="qwen3.5-397b",task="chat",language="en",currency="USD"} 1.75
signalbox_cost_total{team="kiosk",model="gpt-oss-20b",task="chat",language="en",currency="USD"} 0.01
signalbox_tokens_total{team="bank",model="qwen3.5-397b",type="output"} 3000
signalbox_tokens_total{team="bank",model="qwen3.5-397b",type="reasoning"} 500
signalbox_tokens_total{team="bank",model="qwen3.5-397b",type="input"} 99000
signalbox_tokens_total{team="kiosk",model="gpt-oss-20b",type="output"} 420
gen_ai_server_time_to_first_token_seconds_bucket{gen_ai_request_model="qwen3.5-397b",le="0.1"} 10
gen_ai_server_time_to_first_token_seconds_bucket{gen_ai_request_model="qwen3.5-397b",le="0.2"} 20
gen_ai_server_time_to_first_token_seconds_bucket{gen_ai_request_model="qwen3.5-397b",le="+Inf"} 20
signalbox_stage_seconds_bucket{stage="decide",le="0.00005"} 75
signalbox_stage_seconds_bucket{stage="decide",le="0.0001"} 75
signalbox_stage_seconds_bucket{stage="decide",le="+Inf"} 75
signalbox_endpoint_up{model="qwen3.5-397b",endpoint="0"} 1
signalbox_endpoint_up{model="qwen3.5-397b",endpoint="1"} 0
signalbox_endpoint_up{model="gpt-oss-20b",endpoint="0"} 1
signalbox_endpoint_in_flight{model="qwen3.5-397b",endpoint="0"} 12
signalbox_endpoint_in_flight{model="qwen3.5-397b",endpoint="1"} 0
signalbox_endpoint_in_flight{model="gpt-oss-20b",endpoint="0"} 1
signalbox_queue_waiting{model="qwen3.5-397b"} 3
signalbox_budget_limit{team="bank",window="day",currency="USD"} 10
signalbox_budget_spent{team="bank",window="day",currency="USD"} 2.5
signalbox_budget_limit{team="bank",window="month",currency="USD"} 100
signalbox_budget_spent{team="bank",window="month",currency="USD"} 91
"#;

fn reading(text: &str, at: f64) -> Reading {
    // The name of one model holds what would clear a terminal.
    Reading::of(&text.replace("\\u{1b}", "\u{1b}"), at).unwrap()
}

/// A screen after two reads ten seconds apart.
fn state() -> State {
    let mut state = State::new("http://127.0.0.1:9090".to_owned(), By::Model, false);
    let mut readings = Readings::default();
    take(&mut state, &mut readings, Ok(reading(BEFORE, 100.0)));
    take(&mut state, &mut readings, Ok(reading(NOW, 110.0)));
    (state.at, state.wall) = (110.0, 1000.0 + 3_725.0);
    state
}

fn press(state: &mut State, keys: &[KeyCode]) {
    for key in keys {
        let columns = COLUMNS[usize::from(state.by == By::Team)];
        assert_eq!(state.press(KeyEvent::new(*key, KeyModifiers::NONE), columns), After::On);
    }
}

/// What a terminal of this size shows.
fn frame(state: &State, (width, height): (u16, u16)) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| screen::draw(state, frame.buffer_mut())).unwrap();
    screen::lines(terminal.backend().buffer()).join("\n")
}

/// The frames that are held, by what they show.
fn frames() -> Vec<(&'static str, String)> {
    let with = |keys: &[KeyCode]| {
        let mut state = state();
        press(&mut state, keys);
        state
    };
    let typed = "/GPT".chars().map(KeyCode::Char).chain([KeyCode::Enter]).collect::<Vec<_>>();
    let sorted = [KeyCode::Char('s'); 5];
    let reversed = [KeyCode::Left, KeyCode::Char('r')];
    let mut away = state();
    take(&mut away, &mut Readings::default(), Err(Trouble::Away("connection refused".into())));
    away.at += 12.0;
    let mut never = State::new("http://127.0.0.1:9090".to_owned(), By::Model, false);
    take(&mut never, &mut Readings::default(), Err(Trouble::Token { sent: false }));
    let mut first = State::new("http://127.0.0.1:9090".to_owned(), By::Model, false);
    take(&mut first, &mut Readings::default(), Ok(reading(NOW, 1.0)));
    let mut unready = state();
    if let Some(figures) = &mut unready.figures {
        figures.now.failing = vec!["ledger".to_owned(), "models".to_owned()];
    }
    let empty = State::new("http://127.0.0.1:9090".to_owned(), By::Model, false);
    vec![
        ("80 x 24", frame(&state(), (80, 24))),
        ("120 x 16", frame(&state(), (120, 16))),
        ("narrow and low", frame(&state(), (40, 11))),
        ("low", frame(&state(), (80, 8))),
        ("low, teams in front", frame(&with(&[KeyCode::Tab]), (80, 7))),
        ("hardly anything", frame(&state(), (12, 6))),
        ("as text", screen::text(&state(), 100)),
        ("as text, teams first", screen::text(&State { by: By::Team, ..state() }, 100)),
        ("before the first answer", frame(&empty, (80, 8))),
        ("after the first answer", frame(&first, (80, 13))),
        ("filtered", frame(&with(&typed), (80, 13))),
        ("a filter is typed", frame(&with(&typed[..4]), (80, 13))),
        ("sorted by ttft p95", frame(&with(&sorted[..4]), (100, 13))),
        ("by the last column, the other way round", frame(&with(&reversed), (100, 13))),
        ("paused", frame(&with(&[KeyCode::Char('p')]), (80, 13))),
        ("help", frame(&with(&[KeyCode::Char('?')]), (80, 19))),
        ("teams in front", frame(&with(&[KeyCode::Tab]), (80, 9))),
        ("not ready", frame(&unready, (80, 13))),
        ("away for a while", frame(&away, (80, 13))),
        ("away for a while, low", frame(&away, (80, 8))),
        ("never let in", frame(&never, (80, 8))),
    ]
}

#[test]
fn frames_are_as_they_are_held() {
    let page = |(name, text): (&str, String)| format!("== {name}\n{text}\n");
    let text: String = frames().into_iter().map(page).collect();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/top.txt");
    if std::env::var_os("SIGNALBOX_GOLDEN").is_some() {
        std::fs::write(&file, &text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(&file).unwrap());
}

#[test]
fn a_process_that_counts_anew_gives_no_negative_rates() {
    let mut state = state();
    let mut readings = Readings::default();
    take(&mut state, &mut readings, Ok(reading(NOW, 110.0)));
    let anew = BEFORE.replace("process_start_time_seconds 1000", "process_start_time_seconds 1109");
    take(&mut state, &mut readings, Ok(reading(&anew, 120.0)));
    let figures = state.figures.as_ref().unwrap();
    let qwen = figures.models.iter().find(|it| it.name.starts_with("qwen")).unwrap();
    // All that the new one has counted was counted since the old one was read.
    assert_eq!((qwen.requests, qwen.errors), (Some(10.0), Some(0.0)));
    assert_eq!(state.note.as_deref(), Some("another process answers than before: it counts anew"));
    // The next read is of one process again, and says nothing of it.
    take(&mut state, &mut readings, Ok(reading(&anew, 130.0)));
    assert!(state.note.is_none());
}

#[test]
fn who_answers_no_more_is_not_said_to_be_ready_or_up() {
    let mut state = state();
    let shown = frame(&state, (100, 24));
    assert!(shown.contains("\nready ") && shown.contains("   up 1 h"), "{shown}");
    take(&mut state, &mut Readings::default(), Err(Trouble::Away("connection refused".into())));
    let shown = frame(&state, (100, 24));
    assert!(!shown.contains("ready") && !shown.contains("   up 1 h"), "{shown}");
    assert!(shown.contains("\nas of 0 s ago: no answer: connection refused\n"), "{shown}");
}

#[test]
fn a_low_screen_shows_the_first_rows_of_the_table_in_front() {
    let mut state = state();
    let shown = |state: &State| frame(state, (80, 8));
    assert!(shown(&state).contains("\ngpt-oss-20b ") && shown(&state).contains("\nqwen3.5-397b "));
    press(&mut state, &[KeyCode::Tab]);
    assert!(shown(&state).contains("\nbank "), "{}", shown(&state));
    // Where one row has room, the heading says how many more there are.
    let shown = frame(&state, (80, 6));
    assert!(shown.contains("\nteam +1 ") && shown.contains("\nbank "), "{shown}");
}

#[test]
fn a_table_stands_first_by_its_own_name() {
    for (by, first, second) in
        [(By::Team, "\nteam ", "\nmodel "), (By::Model, "\nmodel ", "\nteam ")]
    {
        let text = screen::text(&State { by, ..state() }, 100);
        assert!(text.find(first).unwrap() < text.find(second).unwrap(), "{text}");
    }
}

#[test]
fn what_cannot_be_a_token_is_said_before_it_is_sent() {
    let read = |text: &str| bearer(text).map(|it| it.expose().to_owned());
    assert_eq!(read("\u{feff} sk-1\r\n").as_deref(), Ok("sk-1"));
    for (text, fault) in [
        ("root:x:0:0::/root:/bin/sh\nbin:x:1:1::/:/bin/sh\n", "visible ASCII"),
        ("two words", "visible ASCII"),
        ("schlüssel", "visible ASCII"),
        ("a\0b", "visible ASCII"),
        (" \n", "nothing stands there"),
        (&"x".repeat(16_385), "at most 16384 bytes"),
    ] {
        assert!(read(text).unwrap_err().contains(fault), "{text}");
    }
    assert!(url("https://127.0.0.1:9090").unwrap_err().contains("plain http"));
    assert_eq!(url("http://127.0.0.1:9090/").as_deref(), Ok("http://127.0.0.1:9090"));
}

#[test]
fn a_terminal_that_cannot_be_drawn_on_is_told_of_once() {
    for term in [None, Some(""), Some("dumb")] {
        assert!(no_screen(term).unwrap().contains("`signalbox top --once`"), "{term:?}");
    }
    assert_eq!(no_screen(Some("xterm-256color")), None);
}

#[test]
fn rates_are_of_the_last_ten_seconds() {
    let mut readings = Readings::default();
    for at in 0..30 {
        readings.push(reading(BEFORE, f64::from(at)));
    }
    assert_eq!(readings.figures().unwrap().seconds, 10.0);
}

#[test]
fn keys_end_it_or_do_what_they_say() {
    let mut state = state();
    let key = |code, modifiers| KeyEvent::new(code, modifiers);
    assert_eq!(state.press(key(KeyCode::Char('q'), KeyModifiers::NONE), 3), After::Quit);
    assert_eq!(state.press(key(KeyCode::Char('c'), KeyModifiers::CONTROL), 3), After::Quit);
    // A filter may have any letter in it; Ctrl-C still ends it.
    press(&mut state, &"/qp?".chars().map(KeyCode::Char).collect::<Vec<_>>());
    assert!(state.filter == "qp?" && !state.paused && !state.help);
    assert_eq!(state.press(key(KeyCode::Char('c'), KeyModifiers::CONTROL), 3), After::Quit);
    press(&mut state, &[KeyCode::Backspace, KeyCode::Enter]);
    assert!(state.filter == "qp" && !state.typing);
    press(&mut state, &[KeyCode::Esc, KeyCode::Tab, KeyCode::Char('p')]);
    assert!(state.filter.is_empty() && state.by == By::Team && state.paused);
    // What stands still does so, and a failure is told all the same.
    let figures = state.figures.clone();
    take(&mut state, &mut Readings::default(), Ok(reading(BEFORE, 140.0)));
    assert_eq!(state.figures, figures);
}

fn any_key() -> impl Strategy<Value = KeyCode> {
    let keys = [
        KeyCode::Tab,
        KeyCode::Left,
        KeyCode::Right,
        KeyCode::Up,
        KeyCode::Down,
        KeyCode::Esc,
        KeyCode::Enter,
        KeyCode::Backspace,
        KeyCode::Home,
    ];
    let typed = "srpkj?/ x".chars().map(KeyCode::Char);
    prop::sample::select(keys.into_iter().chain(typed).collect::<Vec<_>>())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// No key and no size makes it fall over, and nothing that moves a terminal comes out.
    #[test]
    fn whatever_is_pressed_is_drawn(
        keys in prop::collection::vec(any_key(), 0..20), width in 1..160_u16, height in 1..40_u16,
    ) {
        let mut state = state();
        press(&mut state, &keys);
        let text = frame(&state, (width, height));
        let escape = '\u{1b}';
        prop_assert!(!text.contains(escape));
        prop_assert_eq!(text.split('\n').count(), usize::from(height));
    }

    /// A counter that grows has grown by the difference, and none ever by less than nothing.
    #[test]
    fn no_rate_is_negative(before in 0.0..1e9_f64, now in 0.0..1e9_f64) {
        prop_assert!(rise(before, now) >= 0.0);
        prop_assert_eq!(rise(before, before + now), before + now - before);
    }
}
