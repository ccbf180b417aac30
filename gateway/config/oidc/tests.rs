use std::path::Path;

use policies::{
    Fault,
    facts::{DataClass as C, TeamIndex},
};

use crate::config::{
    Config, Credential, KeySource, Role, TokenAlgorithm,
    load::{Layer, layered},
    outside::Outside,
};

const BARE: &str = r#"
[[model]]
id = "qwen"
price = "free"
[[model.endpoint]]
url = "http://127.0.0.1:8000/v1/"

[[team]]
name = "retail"
data_class = "internal"
[[team]]
name = "cards"
data_class_max = "confidential"
"#;

const CORP: &str = r#"
[[oidc]]
name = "corp"
issuer = "https://login.example.com/realms/bank"
audience = "signalbox"
team = "default"
"#;

fn read(path: &Path) -> Result<String, String> {
    match path.to_str() {
        Some("/etc/signalbox/keys.json") => Ok("{ \"keys\": [] }".into()),
        Some("/etc/signalbox/page.html") => Ok("<html>".into()),
        _ => Err("No such file".into()),
    }
}

fn load(text: &str) -> Result<Config, Vec<String>> {
    let outside = Outside {
        file: "signalbox.toml",
        folder: Path::new("/etc/signalbox"),
        variables: &[],
        secret: &|_| Err("nothing".into()),
        read: &read,
        ground: &|_| Vec::new(),
        managed: &|_| Ok(Default::default()),
    };
    let none = || Layer::environment(std::iter::empty());
    let loaded = layered(text, none(), Layer::overrides(&[]), &outside);
    loaded.map_err(|faults| {
        let said =
            |it: &Fault| format!("{}: found {}, expected {}", it.path, it.found, it.expected);
        faults.iter().map(said).collect()
    })
}

fn good(text: &str) -> Config {
    load(&format!("{BARE}{text}")).unwrap_or_else(|faults| panic!("{faults:#?}"))
}

/// The issuer with these lines, and with others in place of some of its own.
fn faults(text: &str, replaced: &[(&str, &str)]) -> Vec<String> {
    let corp = replaced.iter().fold(CORP.to_owned(), |text, (from, to)| text.replace(from, to));
    match load(&format!("{BARE}{corp}{text}")) {
        Ok(_) => Vec::new(),
        Err(faults) => faults,
    }
}

#[test]
fn an_issuer_is_a_key_of_its_own_with_a_payer_for_each_team_and_class() {
    let config = good(&format!(
        "{CORP}{}",
        r#"
data_class = "internal"
models = ["qwen"]
limits = { requests_per_minute = 60 }
budget = { amount = "5", window = "day" }
hints = false
[[oidc.rule]]
when = { groups = ["retail", "retail-leads"], "realm_access.roles" = "user" }
team = "retail"
[[oidc.rule]]
when = { groups = ["cards"] }
team = "cards"
data_class = "confidential"
[[oidc.rule]]
when = { groups = ["more"] }
team = "retail"
data_class = "public"
"#
    ));
    let oidc = &config.oidc[0];
    assert_eq!((oidc.leeway.as_secs(), oidc.refresh.as_secs(), &*oidc.user), (60, 300, "sub"));
    assert_eq!(oidc.algorithms, [TokenAlgorithm::Rs256, TokenAlgorithm::Es256]);
    assert_eq!(oidc.source, KeySource::Discovery);
    let payers: Vec<_> = oidc.payers.iter().map(|it| (it.team, it.data_class)).collect();
    let internal = Some(C::Internal);
    let expected = [(1, internal), (2, Some(C::Confidential)), (0, internal)];
    assert_eq!(payers, expected.map(|(team, class)| (TeamIndex(team), class)));
    let rules: Vec<_> = oidc.rules.iter().map(|it| (it.when.len(), it.payer)).collect();
    assert_eq!(rules, [(2, 0), (1, 1), (1, 0), (0, 2)], "its own team comes last");
    for payer in &oidc.payers {
        assert_eq!((&*payer.name, payer.budgets.len(), payer.hints), ("oidc(corp)", 1, false));
        assert_eq!(payer.limits.requests_per_minute, Some(60));
        let Credential::Token(index) = payer.credential else { panic!("{payer:?}") };
        assert_eq!(&*config.policy.fleet().keys[index.get()].name, "oidc(corp)");
    }
    assert_eq!((config.keys.len(), config.payers().len()), (0, 3), "no key is needed beside it");
}

/// Two roles by groups, the greater one first.
const ROLES: &str = r#"
[[oidc.operator]]
when = { groups = ["gateway-admins"], "realm_access.roles" = "user" }
role = "admin"
[[oidc.operator]]
when = { groups = "staff" }
role = "viewer"
"#;

#[test]
fn an_issuer_makes_operators_beside_callers_or_alone() {
    let operators = |lines: &str| {
        let mut config = good(lines);
        let it = config.oidc.remove(0);
        (it.operators, it.audience, it.payers.len())
    };
    let (beside, _, payers) = operators(&format!("{CORP}{ROLES}"));
    assert_eq!((&*beside.audience, &*beside.name, payers), (&["signalbox".into()][..], "sub", 1));
    let rules: Vec<_> = beside.rules.iter().map(|it| (it.when.len(), it.role)).collect();
    assert_eq!(rules, [(2, Role::Admin), (1, Role::Viewer)]);
    let own = "operator_audience = [\"ops\", \"root\"]\noperator_name = \"email\"";
    let (own, audience, _) = operators(&format!("{CORP}{own}{ROLES}"));
    assert_eq!((&*own.audience, &*own.name), (&["ops".into(), "root".into()][..], "email"));
    assert_eq!(audience, ["signalbox".into()]);
    // Without a team and a rule it lets no caller in, and needs no audience of theirs.
    let alone = CORP.replace("team = \"default\"\n", "");
    assert_eq!(operators(&format!("{alone}{ROLES}")).2, 0);
    let alone = alone.replace("audience =", "operator_audience =");
    let (operators, audience, payers) = operators(&format!("{alone}{ROLES}"));
    assert_eq!((&*operators.audience, &*audience, payers), (&["signalbox".into()][..], &[][..], 0));
    let none = good(CORP).oidc.remove(0).operators;
    assert!(none.rules.is_empty() && !none.have_admin());
}

#[test]
fn an_admin_of_an_issuer_will_do_where_others_can_knock() {
    let open = "[admin]\nlisten = \"0.0.0.0:9090\"\n";
    let told = |text: &str| load(&format!("{open}{BARE}{CORP}{text}")).err().unwrap_or_default();
    assert!(told(ROLES).is_empty());
    for text in ["", &ROLES.replace("\"admin\"", "\"operator\"")] {
        let found = told(text);
        let said = "expected a token, or an [[operator]] or [[oidc.operator]] of the role `admin`";
        assert!(found.len() == 1 && found[0].contains(said), "{text}: {found:#?}");
    }
}

#[test]
fn no_operator_of_the_file_can_be_called_as_one_of_an_issuer_is() {
    for name in ["oidc(corp):ann", "oidc(corp)", "ann@bank.example", "auth0|5f"] {
        let hash = format!("hmac-sha256:{}", "0".repeat(64));
        let text =
            format!("[[operator]]\nname = \"{name}\"\nrole = \"viewer\"\nhash = \"{hash}\"\n");
        let found = load(&format!("{BARE}{text}")).err().unwrap_or_default();
        assert!(found.len() == 1 && found[0].starts_with("operator[0].name: "), "{found:#?}");
    }
}

#[test]
fn keys_come_from_exactly_one_place_and_never_in_the_clear() {
    let source = |lines: &str| good(&format!("{CORP}{lines}")).oidc[0].source.clone();
    let url = |it: &str| source(&format!("jwks_url = \"{it}\""));
    assert_eq!(url("https://a.example/c?p=1"), KeySource::Url("https://a.example/c?p=1".into()));
    assert_eq!(url("http://127.0.0.1:1/c"), KeySource::Url("http://127.0.0.1:1/c".into()));
    let file = KeySource::File("/etc/signalbox/keys.json".into());
    assert_eq!(source("jwks = \"file:keys.json\""), file);
    for (lines, said) in [
        ("jwks_url = \"https://a.example\"\njwks = \"file:keys.json\"", "found both"),
        ("jwks_url = \"http://a.example/c\"", "expected an https URL"),
        ("jwks_url = \"ftp://a.example/c\"", "expected an https URL"),
        ("jwks_url = \"https://u:secret-77@a.example/c\"", "found a URL with credentials"),
        ("jwks_url = 7", "expected an https URL"),
        ("jwks = \"keys.json\"", "expected a file by reference"),
        ("jwks = \"file:absent.json\"", "No such file"),
        ("jwks = \"file:page.html\"", "expected a JSON Web Key Set"),
    ] {
        let found = faults(lines, &[]);
        assert_eq!(found.len(), 1, "{lines}: {found:#?}");
        assert!(found[0].contains("oidc[0].jwks") && found[0].contains(said), "{found:#?}");
        assert!(!found[0].contains("secret-77"), "{found:#?}");
    }
    let named = [("https://login.example.com/realms/bank", "accounts.example.com")];
    assert!(faults("", &named)[0].contains("oidc[0].issuer"), "it cannot be asked");
    assert!(faults("jwks = \"file:keys.json\"", &named).is_empty());
}

#[test]
fn every_fault_is_said_with_its_path() {
    for (lines, replaced, said) in [
        ("", ("name = \"corp\"", ""), "oidc[0].name: found nothing"),
        ("", ("name = \"corp\"", "name = \"a(b)\""), "oidc[0].name"),
        (
            "",
            ("issuer = \"https://login.example.com/realms/bank\"", ""),
            "oidc[0].issuer: found nothing",
        ),
        ("", ("audience = \"signalbox\"", ""), "oidc[0].audience: found nothing"),
        ("", ("\"signalbox\"", "[]"), "oidc[0].audience: found nothing"),
        ("", ("\"signalbox\"", "[\"\"]"), "oidc[0].audience[0]"),
        ("", ("team = \"default\"", ""), "oidc[0].team: found nothing"),
        ("", ("\"default\"", "\"retial\""), "did you mean `retail`?"),
        ("algorithms = [\"HS256\"]", ("", ""), "oidc[0].algorithms[0]"),
        ("algorithms = [\"none\"]", ("", ""), "oidc[0].algorithms[0]"),
        ("algorithms = [\"rs256\"]", ("", ""), "did you mean `RS256`?"),
        ("algorithms = []", ("", ""), "oidc[0].algorithms: found nothing"),
        ("leeway_seconds = 301", ("", ""), "from 0 to 300"),
        ("refresh_seconds = 9", ("", ""), "from 10 to 86400"),
        ("user = \"\"", ("", ""), "oidc[0].user"),
        ("secret = \"env:X\"", ("", ""), "oidc[0].secret"),
        ("[[oidc.rule]]\nteam = \"retail\"", ("", ""), "oidc[0].rule[0].when: found nothing"),
        ("[[oidc.rule]]\nteam = \"retail\"\nwhen = {}", ("", ""), "rule[0].when: found nothing"),
        (
            "[[oidc.rule]]\nteam = \"retail\"\nwhen = { a = [] }",
            ("", ""),
            "rule[0].when.a: found nothing",
        ),
        ("[[oidc.rule]]\nteam = \"retail\"\nwhen = { a = [7] }", ("", ""), "rule[0].when.a[0]"),
        ("[[oidc.rule]]\nwhen = { a = \"b\" }", ("", ""), "rule[0].team: found nothing"),
        ("[[oidc.rule]]\nwhen = { a = \"b\" }\nteam = \"x\"", ("", ""), "expected a team"),
        ("[[oidc.rule]]\nwhen = { a = \"b\" }\nteam = \"cards\"\nif = 1", ("", ""), "rule[0].if"),
        (
            "[[oidc.rule]]\nwhen = { a = \"b\" }\nteam = \"cards\"\ndata_class = \"secret\"",
            ("", ""),
            "rule[0].data_class: found requests of class secret, and a ceiling of confidential",
        ),
        (
            "data_class_max = \"public\"\n[[oidc.rule]]\nwhen = { a = \"b\" }\nteam = \"retail\"",
            ("", ""),
            "rule[0].team: found requests of class internal",
        ),
        ("models = [\"qwem\"]", ("", ""), "oidc[0].models"),
        (CORP, ("", ""), "oidc[1].name: found `corp` for the second time"),
        (
            CORP,
            ("", ""),
            "oidc[1].issuer: found `https://login.example.com/realms/bank` for the second",
        ),
    ] {
        let found = faults(lines, &[replaced]);
        assert!(found.iter().any(|it| it.contains(said)), "{lines} {replaced:?}: {found:#?}");
    }
    assert!(load(BARE).is_ok(), "whoever may ask can be let in while it serves");
}

#[test]
fn every_fault_of_its_operators_is_said_with_its_path() {
    let when = "when = { a = \"b\" }";
    let admin = "role = \"admin\"";
    let nobody = ("audience = \"signalbox\"", "");
    for (lines, rule, replaced, said) in [
        ("operator_audience = \"ops\"", None, ("", ""), "oidc[0].operator_audience: found a value"),
        ("operator_name = \"email\"", None, ("", ""), "expected an [[oidc.operator]] beside it"),
        ("", Some([admin, ""]), ("", ""), "operator[0].when: found nothing"),
        ("", Some([admin, "when = {}"]), ("", ""), "operator[0].when: found nothing"),
        ("", Some([admin, "when = { a = [] }"]), ("", ""), "operator[0].when.a: found nothing"),
        ("", Some([admin, "when = { a = [7] }"]), ("", ""), "oidc[0].operator[0].when.a[0]"),
        ("", Some([admin, "when = \"all\""]), ("", ""), "operator[0].when: found `all`"),
        ("", Some([when, ""]), ("", ""), "oidc[0].operator[0].role: found nothing"),
        ("", Some([when, "role = \"admn\""]), ("", ""), "did you mean `admin`?"),
        (
            "",
            Some([when, "role = \"admin\"\nteam = \"cards\""]),
            ("", ""),
            "oidc[0].operator[0].team",
        ),
        ("operator = \"all\"", None, ("", ""), "oidc[0].operator: found"),
        (
            "operator_audience = []",
            Some([when, admin]),
            ("", ""),
            "operator_audience: found nothing",
        ),
        ("operator_audience = \"\"", Some([when, admin]), ("", ""), "oidc[0].operator_audience"),
        (
            "operator_name = \"\"",
            Some([when, admin]),
            ("", ""),
            "oidc[0].operator_name: found nothing",
        ),
        ("operator_name = 7", Some([when, admin]), ("", ""), "oidc[0].operator_name: found"),
        ("", Some([when, admin]), nobody, "oidc[0].audience: found nothing"),
        (
            "operator_audience = \"x\"",
            Some([when, admin]),
            nobody,
            "oidc[0].audience: found nothing",
        ),
    ] {
        let rule = rule.map(|it| format!("\n[[oidc.operator]]\n{}", it.join("\n")));
        let found = faults(&format!("{lines}{}", rule.unwrap_or_default()), &[replaced]);
        assert!(found.iter().any(|it| it.contains(said)), "{lines} {said}: {found:#?}");
    }
}

#[test]
fn all_faults_of_its_operators_are_said_at_once() {
    let all =
        "operator_name = \"\"\n[[oidc.operator]]\nrole = \"x\"\n[[oidc.operator]]\nwhen = {}\n";
    let found = faults(all, &[]);
    for path in [
        "operator_name",
        "operator[0].when",
        "operator[0].role",
        "operator[1].when",
        "operator[1].role",
    ] {
        assert!(found.iter().any(|it| it.starts_with(&format!("oidc[0].{path}: "))), "{found:#?}");
    }
}
