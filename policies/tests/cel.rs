//! `cel`: what it can say, what is refused and why, and how long it can take.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests are tests"
)]

use std::time::{Duration, Instant};

use policies::{
    Matched, Policy, catalogue, compile, decide,
    facts::{
        CivilTime, DataClass, Draw, FleetFacts, FleetView, KeyFacts, KeyIndex, Language, ModelView,
        Needs, Signals, Task, TeamFacts, TeamIndex, Tokens,
    },
    lint::{Kind, lint},
};

fn fleet() -> FleetFacts {
    let team =
        |name: &str, parent| TeamFacts { name: name.into(), parent, models: ["*".into()].into() };
    FleetFacts {
        teams: vec![team("bank", None), team("retail", Some(TeamIndex(0)))],
        keys: vec![KeyFacts { name: "chatbot".into(), models: ["*".into()].into() }],
        ..catalogue()
    }
}

fn request() -> Signals {
    Signals {
        language: Language::Ms,
        languages: [(Language::Ms, 0.7), (Language::En, 0.3)].into_iter().collect(),
        language_confidence: 0.6,
        task: Task::Banking,
        task_confidence: 0.9,
        needs: Needs::TOOLS,
        input_tokens: Tokens(120),
        data_class: DataClass::Internal,
        team_path: [TeamIndex(1), TeamIndex(0)].into_iter().collect(),
        key: KeyIndex(0),
        tags: [("app".into(), "kiosk-7".into())].into_iter().collect(),
        at: CivilTime { weekday: 4, minute: 17 * 60 + 45 },
        ..Signals::chat("auto")
    }
}

fn rule(cel: &str, rest: &str) -> String {
    format!("[[rule]]\nname = \"it\"\nwhen = {{ cel = '''{cel}''' }}\n{rest}\n")
}

fn compiled(rules: &str) -> Policy {
    let document = format!("version = \"1\"\n{rules}\n[default]\nroute = [\"*\"]\n");
    compile(&document, &fleet()).unwrap_or_else(|faults| panic!("{rules}: {faults:?}"))
}

fn view() -> FleetView {
    FleetView { version: 1, models: vec![ModelView::default(); fleet().models.len()] }
}

/// Whether a rule with this expression routes the request.
fn routes(cel: &str, signals: &Signals) -> bool {
    let policy = compiled(&rule(cel, "route = [\"glm-5.2\"]"));
    let plan = decide(&policy, signals, &view(), Draw(0)).unwrap();
    matches!(plan.matched, Matched::Rule(_))
}

#[test]
fn every_signal_can_be_asked_for() {
    for (cel, holds) in [
        ("language == 'ms' && task == 'banking'", true),
        ("coarse_task != 'banking'", false),
        ("languages.exists(it, it == 'en') && size(languages) == 2", true),
        ("languages.all(it, it == 'en')", false),
        ("languages.exists_one(it, it == 'en')", true),
        ("'en' in languages ? input_tokens > 100 : stream", true),
        ("language_confidence >= 0.6", true),
        ("confidence > 0.6", false),
        ("task_confidence * 100.0 > 89.0 && confidence < 1", true),
        ("data_class == 'internal' && operation == 'chat' && dialect == 'openai'", true),
        ("!stream && model == 'auto'", true),
        ("team == 'retail' && 'bank' in teams && key == 'chatbot'", true),
        ("team.startsWith('ret') && team.endsWith('ail') && team.contains('tai')", true),
        ("tags['app'].startsWith('kiosk-')", true),
        ("has(tags.app) && tags.app == 'kiosk-7'", true),
        ("has(tags.unit) && tags.unit == 'x'", false),
        ("'unit' in tags || size(tags) == 1", true),
        ("'tools' in needs && !('vision' in needs)", true),
        ("input_tokens + output_tokens_max * 2 - 20 == 100", true),
        ("-input_tokens < 0", true),
        ("weekday in ['fri', 'sat'] && (hour > 17 || hour == 17 && minute >= 45)", true),
        ("(stream ? language : task) == 'banking' && contains.all(k, k != 'secret')", true),
        ("[1, 2, 3].exists(it, it * 40 == input_tokens)", true),
    ] {
        assert_eq!(routes(cel, &request()), holds, "{cel}");
    }
}

fn refused(cel: &str, found: &str, expected: &str) {
    let document =
        format!("version = \"1\"\n{}\n[default]\nroute = [\"*\"]\n", rule(cel, "route = [\"*\"]"));
    let faults = compile(&document, &fleet()).err().unwrap_or_else(|| panic!("{cel} is fine"));
    let [fault] = &faults[..] else { panic!("{cel}: {faults:?}") };
    assert_eq!(fault.path, "rule[0].when.cel", "{cel}");
    assert_eq!(fault.line, Some(4), "{cel}");
    assert!(fault.found.contains(found), "{cel}: {fault}");
    assert!(fault.expected.contains(expected), "{cel}: {fault}");
}

#[test]
fn a_label_that_is_none_is_refused_wherever_it_is_compared() {
    for (cel, found, expected) in [
        ("complexity == 'hrad'", "`hrad`", "a complexity; did you mean `hard`?"),
        ("'hrad' != complexity", "`hrad`", "did you mean `hard`?"),
        ("complexity in ['easy', 'hrad']", "`hrad`", "did you mean `hard`?"),
        ("'secrt' in contains", "`secrt`", "a kind of content; did you mean `secret`?"),
        ("contains.exists(k, k == 'secrt')", "`secrt`", "did you mean `secret`?"),
        ("contains.all(k, 'secret' == k || k != 'secrt')", "`secrt`", "did you mean `secret`?"),
        ("contains.exists_one(k, k in ['phone', 'secrt'])", "`secrt`", "did you mean `secret`?"),
        ("['phone', 'secrt'].exists(k, k in contains)", "`secrt`", "did you mean `secret`?"),
        ("['hard', 'hrad'].exists(k, complexity == k)", "`hrad`", "did you mean `hard`?"),
        ("complexity == (stream ? 'hrad' : 'easy')", "`hrad`", "did you mean `hard`?"),
        ("(stream ? task : language) == 'chatt'", "`chatt`", "a task; did you mean `chat`?"),
        ("'hrad' in [complexity, 'hard']", "`hrad`", "did you mean `hard`?"),
        ("languages.exists(l, l == 'mss')", "`mss`", "a language; did you mean `ms`?"),
        ("needs.exists(n, n == 'visio')", "`visio`", "a need; did you mean `vision`?"),
        ("['mss'].exists(l, l in languages)", "`mss`", "a language; did you mean `ms`?"),
        ("operation == 'chatt'", "`chatt`", "an operation; did you mean `chat`?"),
    ] {
        refused(cel, found, expected);
    }
}

#[test]
fn a_mistake_is_refused_with_what_would_do() {
    for (cel, found, expected) in [
        ("langage == 'ms'", "`langage`", "did you mean `language`?"),
        ("language == 'mss'", "`mss`", "did you mean `ms`?"),
        ("'visio' in needs", "`visio`", "did you mean `vision`?"),
        ("task in ['chat', 'code']", "`code`", "a task"),
        ("language.startWith('z')", "`startWith`", "did you mean `startsWith`?"),
        ("language.matches('z.*')", "`matches`", "a function"),
        ("input_tokens", "a whole number", "true or false"),
        ("input_tokens > '5'", "a whole number and a text", "types that go together"),
        ("stream && 1", "true or false and a whole number", "types that go together"),
        ("languages == ['ms']", "a list and a list", "types that go together"),
        ("size([]) == 0", "an empty list", "at least one"),
        ("1 in [1, 'a']", "different types", "one type"),
        ("team.name == 'x'", "`.name` of a text", "nothing else has fields"),
        ("has(team.name)", "`has` of a text", "has(tags.name)"),
        ("{'a': 1}['a'] == 1", "a map", "lists"),
        ("languages.map(it, it)[0] == 'ms'", "`map` or `filter`", "exists, all or exists_one"),
        ("languages.exists(a, teams.exists(b, a == b))", "within another", "side by side"),
        ("null == null", "null", "a text"),
        ("language ==", "at character 12 mismatched input its end", "a CEL expression"),
        ("", "at character 1", "a CEL expression"),
        ("stream &&\n ) stream", "at line 2, character 2", "a CEL expression"),
        ("task = 'coding'", "`=` at character 6, in `task = 'coding'`", "`==`"),
        ("task === 'coding' || a = 1", "`=` at character 24", "`==`"),
        ("stream & stream", "`&` at character 8", "`&&`"),
        ("stream | stream", "`|` at character 8", "`||`"),
        ("task == 'a and b' and stream", "`and` at character 19", "`&&`"),
        ("stream or stream", "`or` at character 8", "`||`"),
        ("not stream", "`not` at character 1", "`!`"),
        ("task <> 'coding'", "`<>` at character 6", "`!=`"),
        ("task ==\n'x' and stream", "`and` at line 2, character 5", "`&&`"),
        ("confidence > 1.5", "`confidence` compared with 1.5", "a number from 0 to 1"),
        ("60 <= task_confidence", "`task_confidence` compared with 60", "a number from 0 to 1"),
        ("language_confidence != -0.1", "compared with -0.1", "a number from 0 to 1"),
        ("confidence in [0.5, 2.0]", "`confidence` compared with 2", "a number from 0 to 1"),
        ("stream || !(confidence < -(1.0))", "compared with -1", "a number from 0 to 1"),
        ("stream ? confidence == 7 : stream", "compared with 7", "a number from 0 to 1"),
        ("input_tokens / 2 > 3", "`/`", "types that go together"),
    ] {
        refused(cel, found, expected);
    }
}

#[test]
fn whatever_stands_there_loads_or_fails_at_once() {
    let texts = [
        "(".repeat(900),
        format!("{}true{}", "(".repeat(400), ")".repeat(400)),
        format!("{}true", "!".repeat(900)),
        format!("{}1 < 0", "-".repeat(900)),
        format!("1{} > 0", "+1".repeat(480)),
        format!("true{}", "||true".repeat(160)),
        format!("{}true{}", "true?".repeat(100), ":true".repeat(100)),
        format!("{}true", "true?true:".repeat(90)),
        format!("team{} == 'x'", ".contains(team)".repeat(60)),
        format!("tags{} == 'x'", "['a']".repeat(150)),
        format!("{}.exists(it, it in {0})", format!("[{}1]", "1,".repeat(220))),
        "true || ".repeat(5_000),
        "\u{0}'\\u12".to_owned(),
        "'".repeat(600),
        "))))((((]]]".repeat(80),
    ];
    for text in texts {
        let cel = serde_json::to_string(&text).unwrap();
        let document = format!(
            "[[rule]]\nname = \"it\"\nwhen = {{ cel = {cel} }}\nroute = [\"*\"]\n\
             [default]\nroute = [\"*\"]\n"
        );
        let from = Instant::now();
        let policy = compile(&document, &fleet());
        if let Ok(policy) = &policy {
            let _ = decide(policy, &request(), &view(), Draw(0));
        }
        let most = Duration::from_secs(1);
        assert!(from.elapsed() < most, "{:?} for {text:.40}", from.elapsed());
    }
}

#[test]
fn expressions_of_a_policy_are_bounded_together() {
    let long = "[1,2,3,4,5,6,7,8].exists(it, it * it + it > input_tokens && it in [1,2,3,4,5,6,7])";
    let rules = |count: usize| -> String {
        (0..count)
            .map(|at| {
                format!(
                    "[[rule]]\nname = \"r{at}\"\nwhen = {{ cel = \"{long}\" }}\n\
                     require = {{ family = [\"*\"] }}\n"
                )
            })
            .map(|rule| rule.replace("family = [\"*\"]", "context_min = 1"))
            .collect()
    };
    let document = |count| format!("{}[default]\nroute = [\"*\"]\n", rules(count));
    let faults = compile(&document(500), &fleet()).unwrap_err();
    assert!(
        faults.iter().any(|it| it.path == "rule" && it.found.contains("steps")),
        "{:?}",
        &faults[..1]
    );
    let policy = compile(&document(60), &fleet()).unwrap();
    let from = Instant::now();
    decide(&policy, &request(), &view(), Draw(0)).unwrap();
    assert!(from.elapsed() < Duration::from_millis(500), "{:?}", from.elapsed());
}

#[test]
fn in_doubt_a_guard_binds_and_a_route_does_not() {
    let doubtful = "tags['unit'] == 'x'";
    assert!(!routes(doubtful, &request()));
    let policy = compiled(&rule(doubtful, "require = { family = [\"glm\"] }"));
    let plan = decide(&policy, &request(), &view(), Draw(0)).unwrap();
    assert!(
        plan.attempts
            .iter()
            .all(|it| { policy.fleet().models[it.model.get()].family.as_deref() == Some("glm") })
    );
    let overflow = "input_tokens * 9223372036854775807 > 0";
    assert!(!routes(overflow, &request()));
}

#[test]
fn a_proof_tells_expressions_apart_and_never_guesses() {
    let routed = |name: &str, when: &str| {
        format!(
            "[[rule]]\nname = \"{name}\"\nwhen = {{ {when} }}\nroute = [\"glm-5.2\", \"qwen3.5-397b\"]\n"
        )
    };
    let kinds = |rules: &[String]| -> Vec<(Kind, String)> {
        lint(&compiled(&rules.concat())).into_iter().map(|it| (it.kind, it.rule)).collect()
    };
    let some = routed("some", "cel = \"hour > 20\"");
    // An expression takes nothing from a rule without it, and all from one that asks for more.
    assert_eq!(kinds(&[some.clone(), routed("all", "stream = true")]), []);
    let more = routed("more", "stream = true, cel = \"hour > 20\"");
    assert_eq!(kinds(&[some.clone(), more]), [(Kind::Dead, "more".into())]);
    let again = routed("again", "cel = \"hour > 20\"");
    assert_eq!(kinds(&[some.clone(), again]), [(Kind::SameConditions, "again".into())]);
    let other = routed("other", "cel = \"hour > 21\"");
    assert_eq!(kinds(&[some, other]), []);
    // More of them than can be told apart: still nothing is guessed.
    let many: Vec<String> =
        (0..12).map(|at| routed(&format!("r{at}"), &format!("cel = \"hour > {at}\""))).collect();
    assert_eq!(kinds(&many), []);
    let guard = "[[rule]]\nname = \"g\"\nwhen = { cel = \"language == 'ms'\" }\n\
                 avoid = { zone = [\"abroad?\"] }\n";
    let found = lint(&compiled(guard));
    assert!(found.iter().any(|it| it.kind == Kind::Hintable), "{found:?}");
}

/// Run by hand: `cargo test -p policies --release --test cel -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn how_long_expressions_take() {
    let measure = |rules: &str| {
        let policy = compiled(rules);
        let (mut took, view, request) = (Vec::new(), view(), request());
        for round in 0..2_000_u64 {
            let begun = Instant::now();
            let decided = decide(&policy, &request, &view, Draw(round));
            took.push(begun.elapsed());
            assert!(std::hint::black_box(decided).is_ok());
        }
        took.sort_unstable();
        took[took.len() / 2]
    };
    let one = "language == 'ms' && input_tokens > 100 && tags['app'].startsWith('kiosk-')";
    println!("none {:?}", measure(""));
    println!("one  {:?}", measure(&rule(one, "route = [\"glm-5.2\"]")));
    let long = "[1,2,3,4,5,6,7,8].exists(it, it * it + it > input_tokens && it in [1,2,3,4,5,6,7])";
    let mut rules = String::new();
    let mut count = 0;
    let document = |rules: &str| format!("{rules}[default]\nroute = [\"*\"]\n");
    loop {
        let next = format!(
            "{rules}[[rule]]\nname = \"r{count}\"\nwhen = {{ cel = \"{long}\" }}\n\
             require = {{ context_min = 1 }}\n"
        );
        if compile(&document(&next), &fleet()).is_err() {
            break;
        }
        rules = next;
        count += 1;
    }
    println!("{count} guards, all that a policy may have of these: {:?}", measure(&rules));
}
