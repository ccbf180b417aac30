use super::*;

use policies::document::Faults;

/// What is read of one budget, and the faults.
fn read(text: &str) -> (Vec<Budget>, String) {
    let table: toml::Table = format!("budget = {text}").parse().unwrap();
    let mut faults = Faults::new();
    let mut root = Section::root(&table);
    let budgets = budgets(&mut root, &mut faults);
    root.close(&mut faults);
    (budgets, faults.into_vec().iter().map(|fault| format!("{fault}\n")).collect())
}

fn good(text: &str) -> Budget {
    let (budgets, faults) = read(text);
    assert_eq!(faults, "", "{text}");
    budgets.into_iter().next().unwrap()
}

#[test]
fn every_window_is_known_and_stands_once() {
    let all = Window::ALL.iter().map(|it| format!("{{ amount = \"1\", window = \"{it}\" }}"));
    let (budgets, faults) = read(&format!("[{}]", all.collect::<Vec<_>>().join(", ")));
    assert_eq!(faults, "");
    assert!(budgets.iter().map(|it| it.window).eq(Window::ALL.iter().copied()));
    let twice = "[{ amount = \"1\", window = \"hour\" }, { amount = \"2\", window = \"hour\" }]";
    assert!(read(twice).1.contains("`hour` for the second time"));
}

#[test]
fn a_fiscal_year_begins_on_a_day_that_every_year_has() {
    for window in ["quarter", "year"] {
        let text =
            format!("{{ amount = \"1\", window = \"{window}\", fiscal_year_start = \"04-01\" }}");
        assert_eq!(good(&text).fiscal_year_start, MonthDay { month: 4, day: 1 });
        for wrong in ["02-29", "13-01", "04-31", "4-1", "+4-01", "04/01", "00-01", "", "04-01-01"] {
            let (_, faults) = read(&text.replace("04-01", wrong));
            assert!(faults.contains("fiscal_year_start: found"), "{wrong}: {faults}");
            assert!(faults.contains("every year has"), "{wrong}: {faults}");
        }
    }
    assert_eq!(
        good("{ amount = \"1\", window = \"year\" }").fiscal_year_start.to_string(),
        "01-01"
    );
    for window in ["hour", "day", "week", "month", "total"] {
        let text = "fiscal_year_start = \"04-01\"";
        let (_, faults) = read(&format!("{{ amount = \"1\", window = \"{window}\", {text} }}"));
        assert!(faults.contains(&format!("beside the window `{window}`")), "{faults}");
    }
}

#[test]
fn a_grace_lies_above_the_amount_of_a_hard_budget() {
    let text = "{ amount = \"500.00\", soft_until = \"550.00\" }";
    assert_eq!(good(text).soft_until.unwrap().to_string(), "550");
    assert_eq!(good("{ amount = \"500.00\" }").soft_until, None);
    assert!(good("{ amount = \"5\", soft_until = \"5\" }").soft_until.is_some(), "none is one too");
    for (wrong, said) in [
        ("{ amount = \"500.00\", soft_until = \"499.99\" }", "expected at least `amount`, \"500\""),
        ("{ amount = \"5\", soft_until = \"6\", hard = false }", "refuses nobody"),
        ("{ amount = \"5\", soft_until = \"110%\" }", "a decimal in text"),
        ("{ amount = \"5\", soft_until = 6 }", "a decimal in text"),
        ("{ amount = \"5\", soft_until = \"5000000000\" }", "at most 4000000000"),
    ] {
        let (_, faults) = read(wrong);
        assert!(faults.contains("soft_until: found") && faults.contains(said), "{wrong}: {faults}");
    }
}

#[test]
fn alerts_are_a_few_shares_that_rise() {
    let shares = |text: &str| {
        let budget = good(&format!("{{ amount = \"1\", alerts = {text} }}"));
        budget.alerts.iter().map(Share::to_string).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(shares("[0.5, 0.8, 1.0]"), "0.5 0.8 1");
    assert_eq!(shares("[1, 1.5, 2]"), "1 1.5 2");
    assert_eq!(shares("[0.0001, 0.3333]"), "0.0001 0.3333");
    assert_eq!(shares("[]"), "");
    for (wrong, told) in [
        ("[0.8, 0.5]", "alerts[1]: found 0.5, expected more than 0.8"),
        ("[0.5, 0.5]", "alerts[1]: found 0.5, expected more than 0.5"),
        ("[0.2, 0.5, 0.4, 1]", "alerts[2]: found 0.4, expected more than 0.5"),
        ("[0]", "alerts[0]: found 0, expected a share"),
        ("[0.0]", "alerts[0]: found 0, expected a share"),
        ("[0.5, -0.5]", "alerts[1]: found -0.5, expected a share"),
        ("[2.1]", "alerts[0]: found 2.1, expected a share"),
        ("[3]", "alerts[0]: found 3, expected a share"),
        ("[nan]", "alerts[0]: found NaN, expected a share"),
        ("[inf]", "alerts[0]: found inf, expected a share"),
        ("[\"0.5\"]", "alerts[0]: found `0.5`, expected a share"),
        ("0.5", "alerts: found 0.5, expected a list"),
        ("[0.33333]", "alerts[0]: found 0.33333, expected a share"),
        (
            "[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]",
            "alerts: found 9 shares, expected at most 8",
        ),
    ] {
        let (_, faults) = read(&format!("{{ amount = \"1\", alerts = {wrong} }}"));
        assert!(faults.contains(told), "{wrong}: {faults}");
    }
}

#[test]
fn a_share_is_reached_by_what_is_spent_and_never_by_nothing() {
    let share = Share::read(&0.8.into()).unwrap();
    let reached =
        |spent, amount| share.is_reached(Money::from_nano(spent), Money::from_nano(amount));
    assert!(!reached(79, 100) && reached(80, 100) && reached(81, 100));
    assert!(!reached(0, 0) && reached(1, 0));
    assert!(reached(i64::MAX, i64::MAX) && !reached(i64::MAX / 2, i64::MAX));
}

#[test]
fn an_amount_that_is_none_is_told_with_the_limits_of_amounts() {
    for wrong in [
        "\"-1\"",
        "\"0.0000000001\"",
        "\"99999999999999999999\"",
        "\"9000000000\"",
        "\"1e3\"",
        "\"\"",
        "5",
        "-5",
    ] {
        for key in ["amount", "soft_until"] {
            let budget = match key {
                "amount" => format!("{{ amount = {wrong} }}"),
                _ => format!("{{ amount = \"1\", soft_until = {wrong} }}"),
            };
            let (_, faults) = read(&budget);
            assert!(faults.contains(&format!("{key}: found")), "{wrong}: {faults}");
            assert!(faults.contains("4000000000"), "{wrong}: {faults}");
        }
    }
    assert!(DECIMAL.contains(&BUDGET_UNITS_MAX.to_string()));
}
