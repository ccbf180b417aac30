//! What a rule's models cannot serve: the next rule, the default, or a refusal that says why.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::result_large_err,
    clippy::unwrap_used,
    reason = "helpers of tests are tests"
)]

use std::sync::Arc;

use policies::{
    Matched, Plan, Policy, Reason, Refusal, Skip, catalogue, compile, decide, explain,
    facts::{
        DataClass, Draw, FleetFacts, FleetView, KeyFacts, KeyIndex, ModelFacts, ModelView, Needs,
        RuleIndex, Signals, Task, Tokens,
    },
    left_out,
    lint::{Finding, Kind, Severity, diff, judge, lint},
};

/// Two that read text only, at home and in a cloud, and two that see: one at home, one in a cloud, which has
/// more room.
fn fleet() -> FleetFacts {
    let model = |id: &str, zone: &str, sees: bool, context: u32| {
        let tools = Needs::TOOLS;
        ModelFacts {
            id: Arc::from(id),
            family: None,
            tags: Vec::new(),
            zone: Some(Arc::from(zone)),
            capabilities: if sees { tools.with(Needs::VISION) } else { tools },
            context_tokens_max: Tokens(context),
            output_tokens_max: Tokens(2_000),
            output_tokens_default: Tokens(1_000),
            ..catalogue().models[0].clone()
        }
    };
    let key = |name: &str, models: &[&str]| KeyFacts {
        name: name.into(),
        models: models.iter().map(|it| Box::from(*it)).collect(),
    };
    FleetFacts {
        models: vec![
            model("text", "on_prem", false, 8_000),
            model("eyes", "on_prem", true, 8_000),
            model("far-text", "cloud", false, 8_000),
            model("far-eyes", "cloud", true, 100_000),
        ],
        teams: Vec::new(),
        keys: vec![key("all", &["*"]), key("eyes-only", &["eyes"]), key("far", &["far-text"])],
        aliases: Vec::new(),
    }
}

fn policy(rules: &str, default: &str) -> Policy {
    let document = format!("version = \"1\"\n{rules}\n[default]\nroute = {default}\n");
    compile(&document, &fleet()).unwrap_or_else(|faults| panic!("{}", faults[0]))
}

fn chat(needs: Needs) -> Signals {
    let mut signals = Signals::chat("auto");
    signals.task = Task::Chat;
    signals.needs = needs;
    signals.input_tokens = Tokens(100);
    signals.input_tokens_bound = Tokens(100);
    signals
}

fn now(policy: &Policy, signals: &Signals) -> Result<Plan, Refusal> {
    let view = FleetView { version: 0, models: vec![ModelView::default(); 4] };
    decide(policy, signals, &view, Draw(1))
}

fn served(policy: &Policy, signals: &Signals) -> (String, Vec<String>) {
    let plan = now(policy, signals).unwrap();
    let id = |at: usize| policy.fleet().models[at].id.to_string();
    (plan.rule.to_string(), plan.attempts.iter().map(|it| id(it.model.get())).collect())
}

const CHAT: &str = "[[rule]]\nname = \"chat\"\nwhen = { task = [\"chat\"] }\nroute = [\"text\"]\n";

#[test]
fn an_image_under_a_chat_rule_goes_on_to_the_next_and_at_last_to_the_default() {
    let to = |rules: &str, default| served(&policy(rules, default), &chat(Needs::VISION));
    assert_eq!(to(CHAT, "[\"eyes\"]"), ("default".into(), vec!["eyes".into()]));
    let more = format!(
        "{CHAT}[[rule]]\nname = \"no-match\"\nwhen = {{ task = [\"math\"] }}\nroute = [\"eyes\"]\n\
         [[rule]]\nname = \"blind\"\nroute = [\"far-text\"]\n\
         [[rule]]\nname = \"seeing\"\nwhen = {{ needs = [\"vision\"] }}\nroute = [\"far-eyes\"]\n"
    );
    assert_eq!(to(&more, "[\"eyes\"]"), ("seeing".into(), vec!["far-eyes".into()]));
    let plan = now(&policy(&more, "[\"eyes\"]"), &chat(Needs::VISION)).unwrap();
    assert_eq!(plan.why.passed[..], [RuleIndex(0), RuleIndex(2)]);
    assert_eq!(plan.matched, Matched::Rule(RuleIndex(3)));
    // What the first can serve never gets further.
    let plan = now(&policy(&more, "[\"eyes\"]"), &chat(Needs::NONE)).unwrap();
    assert_eq!((&*plan.rule, plan.why.passed.len()), ("chat", 0));
}

#[test]
fn room_and_the_keys_list_pass_on_alike() {
    let policy = policy(CHAT, "[\"eyes\", \"far-eyes\"]");
    let mut long = chat(Needs::NONE);
    long.input_tokens = Tokens(20_000);
    assert_eq!(served(&policy, &long), ("default".into(), vec!["far-eyes".into()]));
    let mut answer = chat(Needs::NONE);
    (answer.input_tokens, answer.output_tokens_asked) = (Tokens(7_000), Some(Tokens(1_500)));
    assert_eq!(served(&policy, &answer), ("default".into(), vec!["far-eyes".into()]));
    let mut narrow = chat(Needs::NONE);
    narrow.key = KeyIndex(1);
    assert_eq!(served(&policy, &narrow), ("default".into(), vec!["eyes".into()]));
}

#[test]
fn neither_a_guard_nor_an_outage_moves_a_request_to_another_rule() {
    let both = "[[rule]]\nname = \"chat\"\nwhen = { task = [\"chat\"] }\n\
                route = [\"far-text\", \"far-eyes\"]\n\
                [[rule]]\nname = \"home\"\nwhen = { data_class = [\"confidential\", \"secret\"] }\n\
                require = { zone = [\"on_prem\"] }\n";
    let policy = policy(both, "[\"text\", \"eyes\"]");
    let mut signals = chat(Needs::VISION);
    signals.data_class = DataClass::Secret;
    let refusal = now(&policy, &signals).unwrap_err();
    assert_eq!((&*refusal.rule, refusal.why.passed.len()), ("chat", 0));
    // What none of its models can do passes on, guard or not: and the guard binds there as well.
    signals.needs = Needs::VISION.with(Needs::TOOLS);
    assert_eq!(&*now(&policy, &signals).unwrap_err().rule, "chat");
    let mut down = vec![ModelView::default(); 4];
    down[3].available = false;
    let view = FleetView { version: 0, models: down };
    let refusal = decide(&policy, &chat(Needs::VISION), &view, Draw(0)).unwrap_err();
    assert_eq!((&*refusal.rule, refusal.reason), ("chat", Reason::NoneAvailable));
}

#[test]
fn a_rule_of_a_data_class_or_with_limits_of_its_own_refuses_unless_it_says_next() {
    let rule = |when: &str, more: &str| {
        format!("[[rule]]\nname = \"own\"\nwhen = {{ {when} }}\nroute = [\"text\"]\n{more}\n")
    };
    let public = "data_class = [\"public\"]";
    let bound = [
        (public, ""),
        ("data_class = { not = [\"secret\"] }", ""),
        ("cel = \"data_class == 'public'\"", ""),
        ("cel = \"task == 'chat' || data_class != 'secret'\"", ""),
        ("task = [\"chat\"]", "require = { zone = [\"on_prem\"] }"),
        ("task = [\"chat\"]", "avoid = { zone = [\"cloud\"] }"),
    ];
    for (when, more) in bound {
        let refusal =
            now(&policy(&rule(when, more), "[\"eyes\"]"), &chat(Needs::VISION)).unwrap_err();
        assert_eq!(refusal.matched, Some(Matched::Rule(RuleIndex(0))), "{when} {more}");
        assert_eq!(refusal.reason, Reason::NoCapableModel(Needs::VISION));
        let next = rule(when, &format!("{more}\non_unservable = \"next\""));
        assert_eq!(served(&policy(&next, "[\"eyes\"]"), &chat(Needs::VISION)).0, "default");
    }
    let refuse = rule("task = [\"chat\"]", "on_unservable = \"refuse\"");
    let refusal = now(&policy(&refuse, "[\"eyes\"]"), &chat(Needs::VISION)).unwrap_err();
    assert_eq!(&*refusal.rule, "own");
}

/// With `next`, the models that its own limits keep out are none of the rule's.
#[test]
fn a_rule_that_passes_on_counts_only_the_models_that_its_own_limits_let_through() {
    let own = "[[rule]]\nname = \"own\"\nroute = [\"text\", \"far-eyes\"]\n\
               require = { zone = [\"on_prem\"] }\n";
    let refusal = now(&policy(own, "[\"eyes\"]"), &chat(Needs::VISION)).unwrap_err();
    assert_eq!(&*refusal.rule, "own");
    let next = format!("{own}on_unservable = \"next\"\n");
    assert_eq!(served(&policy(&next, "[\"eyes\"]"), &chat(Needs::VISION)).0, "default");
}

#[test]
fn a_rule_whose_optional_models_are_not_there_passes_on_or_refuses_as_it_says() {
    let rule = |when: &str| {
        format!("[[rule]]\nname = \"maybe\"\nwhen = {{ {when} }}\nroute = [\"nobody?\"]\n")
    };
    let free = policy(&rule("task = [\"chat\"]"), "[\"eyes\"]");
    assert_eq!(served(&free, &chat(Needs::NONE)).0, "default");
    let bound = policy(&rule("data_class = [\"public\"]"), "[\"eyes\"]");
    let refusal = now(&bound, &chat(Needs::NONE)).unwrap_err();
    assert_eq!((&*refusal.rule, refusal.reason), ("maybe", Reason::NoModel));
    let found = lint(&bound);
    assert_eq!((found[0].kind, found[0].severity), (Kind::Gap, Severity::Warning), "{found:#?}");
}

#[test]
fn the_word_is_read_strictly_and_belongs_to_rules_that_route() {
    let faults = |rule: &str| {
        let document = format!("version = \"1\"\n[default]\nroute = \"*\"\n[[rule]]\n{rule}\n");
        let faults = compile(&document, &fleet()).unwrap_err();
        faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    let said = faults("name = \"a\"\nroute = \"*\"\non_unservable = \"default\"");
    assert!(
        said.contains("rule[0] \"a\".on_unservable") && said.contains("\"next\" or \"refuse\"")
    );
    let said = faults("name = \"a\"\nrequire = { zone = \"cloud\" }\non_unservable = \"next\"");
    assert!(said.contains("rule[0] \"a\".on_unservable") && said.contains("guard"), "{said}");
}

#[test]
fn a_refusal_counts_every_model_that_was_considered() {
    let policy = policy(CHAT, "[\"far-text\", \"eyes\"]");
    let mut signals = chat(Needs::VISION);
    signals.key = KeyIndex(2);
    // The key may use neither the rule's model nor the one that sees.
    let refusal = now(&policy, &signals).unwrap_err();
    assert_eq!(
        (&*refusal.rule, &refusal.reason),
        ("default", &Reason::NoCapableModel(Needs::VISION))
    );
    let said = left_out(&policy, &signals, &refusal.why);
    let said: Vec<_> = said.iter().map(|it| (&*it.model, &*it.reason)).collect();
    let forbidden = "key or team may not use it";
    assert_eq!(
        said,
        [("text", forbidden), ("far-text", "cannot read images"), ("eyes", forbidden)]
    );
    // The rule's model came further than those of the default route.
    signals.key = KeyIndex(0);
    signals.input_tokens = Tokens(7_900);
    let policy = self::policy(&CHAT.replace("text", "eyes"), "[\"text\"]");
    let reason = now(&policy, &signals).unwrap_err().reason;
    let (needed, largest) = (Tokens(8_156), Tokens(8_000));
    assert_eq!(reason, Reason::ContextTooLong { needed, largest });
}

#[test]
fn an_explanation_names_the_rules_that_were_passed_over_and_why() {
    let policy = policy(CHAT, "[\"eyes\"]");
    let view = FleetView { version: 0, models: vec![ModelView::default(); 4] };
    let said = explain(&policy, &chat(Needs::VISION), &view, Draw(0));
    assert_eq!(said.rule.as_deref(), Some("default"));
    assert_eq!((said.passed.len(), &*said.passed[0].rule), (1, "chat"));
    assert_eq!(said.passed[0].models[0].reason, "cannot read images");
    let text = said.to_string();
    assert!(text.contains("passed   chat               text cannot read images\n"), "{text}");
    let json = serde_json::to_value(&said).unwrap();
    assert_eq!(json["passed"][0]["models"][0]["model"], "text");
    assert!(explain(&policy, &chat(Needs::NONE), &view, Draw(0)).passed.is_empty());
    // A refusal shows them too.
    let blind = self::policy(CHAT, "[\"far-text\"]");
    let said = explain(&blind, &chat(Needs::VISION), &view, Draw(0));
    assert_eq!((said.rule.as_deref(), said.passed.len()), (Some("default"), 1));
    assert_eq!(said.skipped[0].reason, "cannot read images");
    assert!(matches!(
        now(&blind, &chat(Needs::VISION)).unwrap_err().why.skipped[..],
        [(_, Skip::Lacks(Needs::VISION))]
    ));
}

fn gaps(policy: &Policy) -> Vec<Finding> {
    judge(policy).unwrap_or_else(|faults| panic!("{}", faults[0]))
}

#[test]
fn what_ends_nowhere_is_told_where_it_ends_with_a_request() {
    assert!(gaps(&policy(CHAT, "[\"*\"]")).is_empty());
    let blind = gaps(&policy(CHAT, "[\"far-text\"]"));
    let vision: Vec<_> = blind.iter().filter(|it| it.says.contains("vision")).collect();
    assert_eq!(vision.len(), 1, "{blind:#?}");
    assert_eq!((vision[0].kind, &*vision[0].rule), (Kind::Gap, "default"));
    assert!(vision[0].example.as_deref().unwrap().contains("needs = [\"vision\"]"));
    // A rule that refuses is where it ends.
    let refuse = format!("{CHAT}on_unservable = \"refuse\"\n");
    let found = gaps(&policy(&refuse, "[\"eyes\", \"far-eyes\"]"));
    assert!(found.iter().any(|it| it.rule == "chat" && it.says.contains("vision")), "{found:#?}");
    let elsewhere = found.iter().filter(|it| it.rule != "chat");
    assert!(elsewhere.into_iter().all(|it| it.says.contains("key `far`")), "{found:#?}");
    // No model that sees for a data class.
    let guard = "[[rule]]\nname = \"home\"\nwhen = { data_class = [\"confidential\", \"secret\"] }\n\
                 require = { zone = [\"on_prem\"] }\n";
    let found = gaps(&policy(&format!("{CHAT}{guard}"), "[\"text\", \"far-eyes\"]"));
    let home = found.iter().find(|it| it.kind == Kind::EmptyRoute && it.rule == "default");
    let home = home.unwrap_or_else(|| panic!("{found:#?}"));
    assert!(home.says.contains("`home`") && home.says.contains("vision"), "{home}");
    let example = home.example.as_deref().unwrap();
    assert!(example.contains("confidential") && example.contains("vision"), "{example}");
}

#[test]
fn a_key_for_which_there_is_no_model_at_last_is_told() {
    let found = gaps(&policy(CHAT, "[\"eyes\", \"text\", \"far-eyes\"]"));
    let key = found.iter().find(|it| it.says.contains("key `far`"));
    let key = key.unwrap_or_else(|| panic!("{found:#?}"));
    assert!(key.example.as_deref().unwrap().contains("key = \"far\""), "{key}");
    assert!(!found.iter().any(|it| it.says.contains("eyes-only")), "{found:#?}");
    let all = "[[rule]]\nname = \"all\"\nroute = [\"far-text\"]\n";
    let found = gaps(&policy(all, "[\"eyes\", \"text\", \"far-eyes\"]"));
    assert!(!found.iter().any(|it| it.says.contains("key `far`")), "{found:#?}");
}

#[test]
fn a_rule_lives_behind_one_that_passes_on_what_only_it_can_serve() {
    let two = |first: &str, second: &str| {
        let rules = format!(
            "[[rule]]\nname = \"one\"\nroute = [\"{first}\"]\n\
             [[rule]]\nname = \"two\"\nwhen = {{ task = [\"chat\"] }}\nroute = [\"{second}\"]\n"
        );
        let found = lint(&policy(&rules, "[\"*\"]"));
        found.iter().any(|it| it.kind == Kind::Dead && it.rule == "two")
    };
    // By sight, by the key's list, by room.
    assert!(!two("text", "eyes"));
    assert!(!two("text", "far-text"), "key `far` may use only the second");
    assert!(!two("eyes", "far-eyes"));
    // Whoever may use the second may use the first, which can do as much and has as much room.
    assert!(two("far-eyes", "text"));
    assert!(two("text", "text") && two("far-text", "text"));
    assert!(!two("far-eyes", "eyes"), "key `eyes-only` may use only the second");
    let refuse = "[[rule]]\nname = \"one\"\nroute = [\"text\"]\non_unservable = \"refuse\"\n\
                  [[rule]]\nname = \"two\"\nwhen = { task = [\"chat\"] }\nroute = [\"eyes\"]\n";
    assert!(lint(&policy(refuse, "[\"*\"]")).iter().any(|it| it.kind == Kind::Dead));
}

#[test]
fn a_comparison_knows_what_is_passed_on() {
    let both = |rules: &str, default: &str| policy(rules, default);
    let found = diff(&both(CHAT, "[\"eyes\"]"), &both(CHAT, "[\"far-eyes\"]")).changes;
    let mut conditions = found.iter().flat_map(|it| &it.conditions);
    assert!(conditions.any(|it| it.starts_with("task chat")), "{found:#?}");
    let refuse = format!("{CHAT}on_unservable = \"refuse\"\n");
    let found = diff(&both(CHAT, "[\"eyes\"]"), &both(&refuse, "[\"eyes\"]")).changes;
    assert!(found.iter().any(|it| it.after.contains("nothing passed on")), "{found:#?}");
}
