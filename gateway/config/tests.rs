use std::{fs, path::Path};

use proptest::prelude::*;

use policies::{
    Fault,
    facts::{AliasTarget, DataClass, KeyIndex, Needs, Tokens, Window},
};

use super::{
    load::{Layer, layered},
    outside::Outside,
    *,
};

const BARE: &str = r#"
[server]

[[model]]
id = "qwen"
price = "free"
[[model.endpoint]]
url = "http://127.0.0.1:8000/v1/"

[[key]]
name = "mine"
hash = "hmac-sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
"#;

fn secret(reference: &str) -> Result<String, String> {
    match reference {
        "env:GOOD" | "file:key" => Ok("sk-sb-good-0123456789".into()),
        "env:PEPPER" => Ok("0123456789abcdef0123456789abcdef".into()),
        "env:SHORT" => Ok("pepper".into()),
        "env:NINETEEN" | "file:nineteen" => Ok("123456789abcdef0123".into()),
        "env:TWENTY" => Ok("0123456789abcdef0123".into()),
        "env:ONE" => Ok("x".into()),
        "env:SPACED" => Ok("two words".into()),
        "env:UNSET" => Err("environment variable UNSET, which is not set".into()),
        _ if reference.starts_with("env:") => Ok("sk-secret-value-7788".into()),
        _ => Err("a secret that stands here itself".into()),
    }
}

fn read(path: &Path) -> Result<String, String> {
    match path.to_str() {
        Some("/etc/signalbox/compared.toml") => Ok(COMPARED.to_owned()),
        Some("/etc/signalbox/plain.toml") => {
            let rule = COMPARED.split("experiment = \"ab\"").next();
            Ok(rule.unwrap_or_default().to_owned())
        }
        Some("/etc/signalbox/shadow.toml") => Ok(format!("{COMPARED}{SHADOW}")),
        Some("/etc/signalbox/policy.toml") => {
            Ok("version = \"mine\"\n[default]\nroute = [\"qwen\"]\n".into())
        }
        Some("/etc/signalbox/wrong.toml") => {
            Ok("version = \"mine\"\n[default]\nroute = [\"qwem\"]\n[[ruel]]\n".into())
        }
        _ => Err("No such file".into()),
    }
}

fn loaded(text: &str, environment: &[(&str, &str)], overrides: &[(&str, &str)]) -> Loaded {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let overrides: Vec<_> = overrides.iter().map(owned).collect();
    let outside = Outside {
        file: "",
        variables: &[],
        folder: Path::new("/etc/signalbox"),
        secret: &secret,
        read: &read,
        ground: &|_| Vec::new(),
        managed: &|_| Ok(Managed::default()),
    };
    let environment = Layer::environment(environment.iter().map(owned));
    layered(text, environment, Layer::overrides(&overrides), &outside)
}

type Loaded = Result<Config, Vec<Fault>>;

fn lines(faults: &[Fault]) -> String {
    faults.iter().map(|fault| format!("{fault}\n")).collect()
}

fn good(text: &str) -> Config {
    loaded(text, &[], &[]).unwrap_or_else(|faults| panic!("{}", lines(&faults)))
}

/// The faults of the bare start with these lines more.
fn faults(more: &str) -> String {
    match loaded(&format!("{BARE}{more}"), &[], &[]) {
        Ok(_) => String::new(),
        Err(faults) => lines(&faults),
    }
}

#[test]
fn a_bare_start_is_enough() {
    let config = good(BARE);
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.server.body_bytes_max, 33_554_432);
    assert_eq!(config.server.header_timeout, Duration::from_secs(10));
    assert_eq!(config.server.write_timeout, Duration::from_secs(60));
    assert_eq!(config.server.drain_timeout, Duration::from_secs(120));
    assert_eq!(config.server.drain_grace, Duration::from_secs(5));
    assert_eq!(config.server.body_in_flight_bytes_max, 1_073_741_824);
    assert_eq!(config.server.early_head, Duration::from_secs(15));
    assert_eq!(config.admin.listen.to_string(), "127.0.0.1:9090");
    assert_eq!(&*config.ledger.currency, "USD");
    assert_eq!(config.ledger.sqlite, Path::new("/etc/signalbox/signalbox.db"));
    assert_eq!(
        (config.ledger.durability, config.ledger.wait),
        (Durability::Power, Wait::FirstByte)
    );
    assert_eq!(
        (config.ledger.retention_days, config.ledger.disk_free_bytes_min),
        (400, 268_435_456)
    );
    assert_eq!(config.budget_wait, Duration::from_secs(1));
    assert_eq!((config.queue.wait, config.queue.length_max), (Duration::from_secs(2), 256));
    assert_eq!(config.series_max, 20_000);
    assert_eq!((config.shield.n_max, config.shield.tools_max), (8, 128));
    assert_eq!(config.shield.schema_bytes_max, 65_536);
    assert_eq!((config.shield.logprobs_max, config.shield.grammar_bytes_max), (20, 4_096));
    assert_eq!(&*config.teams[0].name, "default");
    let model = &config.models[0];
    assert_eq!((&*model.id, &*model.upstream_model), ("qwen", "qwen"));
    assert_eq!(model.endpoints[0].url, "http://127.0.0.1:8000/v1");
    assert_eq!(model.pool_idle, Duration::from_secs(4));
    let facts = &config.policy.fleet().models[0];
    assert_eq!(
        (facts.context_tokens_max, facts.output_tokens_default),
        (Tokens(32_768), Tokens(8_192))
    );
    assert_eq!((facts.media_tokens_max, facts.held_tokens_max), (Tokens(4_096), Tokens(256)));
    assert_eq!(facts.timeouts.total_ms, 600_000);
}

#[test]
fn every_fault_is_said_at_once() {
    let faults = loaded(include_str!("tests/faults.toml"), &[], &[]).map(drop).unwrap_err();
    let said = lines(&faults);
    if std::env::var_os("SIGNALBOX_GOLDEN").is_some() {
        fs::write("gateway/config/tests/faults.txt", &said).unwrap();
    }
    let golden = fs::read_to_string("gateway/config/tests/faults.txt").unwrap();
    assert_eq!(said, golden, "\n{said}");
    for value in ["hunter2", "sk-live", "sk-sb", "two words", "pasted"] {
        assert!(!said.contains(value), "{value} must not be repeated");
    }
}

#[test]
fn the_example_is_valid() {
    let text = include_str!("../../deploy/signalbox.toml");
    let config = good(text);
    assert_eq!(config.models.len(), config.policy.fleet().models.len());
    assert!(config.models.len() > 1 && config.teams.len() > 2 && config.keys.len() > 1);
    // What is commented out are values that could stand there.
    for line in text.lines().filter_map(|line| line.strip_prefix("# ")) {
        let setting = line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '));
        assert!(!setting || line.parse::<toml::Table>().is_ok(), "{line}");
    }
}

#[test]
fn a_model_is_read_whole() {
    let config = good(
        r#"
        [[model]]
        id = "coder"
        family = "qwen"
        engine = "vllm"
        dialects = ["openai"]
        upstream_model = "Qwen/Coder"
        context_tokens_max = 1000
        output_tokens_max = 900
        output_tokens_default = 800
        capabilities = ["tools", "json_schema"]
        languages = ["zh-Hans", "en"]
        tags = ["coding"]
        licence = "Apache-2.0"
        zone = "on_prem"
        price = { input_per_mtok = "0.20", cached_input_per_mtok = "0.02", output_per_mtok = "1.50" }
        timeouts = { connect_ms = 5 }
        [[model.endpoint]]
        url = "https://10.0.0.11:8000"
        api_key = "env:GOOD"
        weight = 3
        concurrency_max = 64
        [[key]]
        name = "k"
        secret = "file:key"
        "#,
    );
    let facts = &config.policy.fleet().models[0];
    assert_eq!(facts.capabilities, Needs::TOOLS.with(Needs::JSON_SCHEMA));
    assert_eq!((facts.zone.as_deref(), facts.family.as_deref()), (Some("on_prem"), Some("qwen")));
    assert_eq!((facts.output_tokens_max, facts.output_tokens_default), (Tokens(900), Tokens(800)));
    let price = facts.price.unwrap();
    assert_eq!(price.cached_input.to_string(), "0.02");
    assert_eq!((price.cache_write, price.reasoning), (price.input, price.output));
    assert_eq!((facts.timeouts.connect_ms, facts.timeouts.idle_ms), (5, 15_000));
    let endpoint = &config.models[0].endpoints[0];
    assert_eq!(endpoint.api_key.as_ref().unwrap().expose(), "sk-sb-good-0123456789");
    assert_eq!((endpoint.weight, endpoint.concurrency_max), (3, 64));
    assert_eq!(config.keys[0].credential, Credential::Secret(Secret::new("sk-sb-good-0123456789")));
    assert!(!format!("{config:?}").contains("sk-sb-good-0123456789"), "a secret is never printed");
}

#[test]
fn teams_come_parents_first_and_default_before_all() {
    let config = good(&format!(
        "{BARE}team = \"cards\"\nhints = false\nexpires = 2027-01-31T00:00:00+08:00\n
        [[team]]\nname = \"cards\"\nparent = \"bank\"\ndata_class = \"internal\"\nmodels = [\"qwen\"]
        limits = {{ requests_per_minute = 600, tokens_per_minute = 9, concurrent = 3 }}\n
        [[team]]\nname = \"bank\"\nparent = \"default\"\ndata_class_max = \"confidential\"
        budget = {{ amount = \"500.00\", window = \"month\", timezone = \"Asia/Singapore\" }}\n"
    ));
    let names: Vec<_> = config.teams.iter().map(|team| &*team.name).collect();
    assert_eq!(names, ["default", "bank", "cards"]);
    let parents: Vec<_> = config.teams.iter().map(|team| team.parent).collect();
    assert_eq!(parents, [None, Some(TeamIndex(0)), Some(TeamIndex(1))]);
    let facts = &config.policy.fleet().teams;
    assert_eq!((&*facts[2].name, facts[2].parent), ("cards", Some(TeamIndex(1))));
    assert_eq!((&*facts[2].models[0], &*facts[1].models[0]), ("qwen", "*"));
    let budget = &config.teams[1].budgets[0];
    assert_eq!((budget.amount.to_string().as_str(), budget.window), ("500", Window::Month));
    assert!(budget.hard, "a budget binds unless it says otherwise");
    let limits = config.teams[2].limits;
    assert_eq!((limits.requests_per_minute, limits.concurrent), (Some(600), Some(3)));
    let key = &config.keys[KeyIndex(0).get()];
    assert_eq!((key.team, key.hints), (TeamIndex(2), false));
    assert_eq!(key.expires.unwrap().to_string(), "2027-01-30T16:00:00Z");
    let classes = (config.teams[2].data_class, config.teams[1].data_class_max);
    assert_eq!(classes, (DataClass::Internal, DataClass::Confidential));
}

#[test]
fn who_answers_for_a_key_and_its_tags_are_read_of_both_lists() {
    let config = good(&format!(
        "{BARE}owner = \"Ann, ext. 7\"\ntags = [\"project=loans\", \"env = prod\"]\nfrontend = true\n
        [[team]]\nname = \"bank\"\nowner = \"銀行\"\ntags = [\"floor=3\"]\n"
    ));
    let key = &config.keys[0];
    assert_eq!((key.owner.as_deref(), key.frontend), (Some("Ann, ext. 7"), true));
    let tags: Vec<_> = key.tags.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(tags, [("project", "loans"), ("env ", " prod")], "as a header would have it");
    let teams: Vec<_> =
        config.teams.iter().map(|it| (it.owner.as_deref(), it.tags.len())).collect();
    assert_eq!(teams, [(None, 0), (Some("銀行"), 1)]);
    let plain = good(BARE);
    let key = &plain.keys[0];
    assert_eq!((key.owner.as_deref(), key.tags.len(), key.frontend), (None, 0, false));
}

#[test]
fn a_tag_that_no_request_could_have_is_a_fault() {
    let long = "v".repeat(65);
    for (tag, found) in [
        ("loans", "`loans`"),
        ("=loans", "`=loans`"),
        ("project=", "`project=`"),
        (&format!("project={long}"), &format!("`project={long}`")),
        ("a=b,c=d", "`a=b,c=d`"),
        (" a=b", "` a=b`"),
        ("a=\\u0007", "`a=\\u{7}`"),
        ("städte=b", "`städte=b`"),
    ] {
        let said = faults(&format!("[[team]]\nname = \"t\"\ntags = [\"x=y\", \"{tag}\"]\n"));
        assert!(said.contains("\"t\".tags[1]"), "{said}");
        assert!(said.contains(&format!("found {found}, expected `name=value`")), "{said}");
    }
    let said = faults("[[team]]\nname = \"t\"\ntags = [\"a=b\", \"a=c\"]\n");
    assert!(said.contains("found `a` for the second time, expected one value"), "{said}");
    let many: Vec<_> = (0..17).map(|at| format!("\"n{at}=v\"")).collect();
    let said = faults(&format!("[[team]]\nname = \"t\"\ntags = [{}]\n", many.join(", ")));
    assert!(said.contains("found 17 tags, expected at most 16"), "{said}");
    let said = faults("[[team]]\nname = \"t\"\ntags = { a = \"b\" }\n");
    assert!(said.contains("expected a text"), "{said}");
    for owner in ["\"\"", "7", "\"a\\nb\"", &format!("\"{}\"", "x".repeat(201))] {
        let said = faults(&format!("[[team]]\nname = \"t\"\nowner = {owner}\n"));
        assert!(said.contains("expected a text of 1 to 200 characters"), "{said}");
    }
}

#[test]
fn environment_is_over_the_file_and_the_command_line_over_both() {
    let text = BARE.replace("[server]", "[server]\nlisten = \"127.0.0.1:1\"\n");
    let environment = [
        ("SIGNALBOX__SERVER__LISTEN", "127.0.0.1:2"),
        ("signalbox__queue__length_max", "7"),
        ("SIGNALBOX__MEDIA__HOSTS", "[\"a.example.com\", \"b.example.com\"]"),
        ("SIGNALBOX__ALIAS__GPT-4.1", "auto"),
        ("SIGNALBOX_ADMIN_TOKEN", "not one of ours"),
    ];
    let overrides = [("ledger.currency", "SGD"), ("queue.length_max", "9")];
    let config = loaded(&text, &environment, &overrides).unwrap();
    assert_eq!(config.server.listen.port(), 2);
    assert_eq!(config.queue.length_max, 9);
    assert_eq!(&*config.ledger.currency, "SGD");
    assert_eq!(config.media_hosts.len(), 2);
    assert_eq!(config.policy.fleet().aliases, [("gpt-4.1".into(), AliasTarget::Auto)]);
}

/// What a value is, the key says, not how it looks.
#[test]
fn a_text_from_outside_is_a_text_where_one_is_wanted() {
    let more = "zone = \"on_prem\"\nprice =";
    let text = BARE.replace("price =", more);
    for text_of in
        ["2026", "true", "1e3", "-1", "0x10", "nan", "inf", "[x]", "{a = 1}", "a b", "1.50"]
    {
        let environment = [("SIGNALBOX__LEDGER__SQLITE", text_of)];
        let config = loaded(&text, &environment, &[]).unwrap_or_else(|it| panic!("{}", lines(&it)));
        assert_eq!(config.ledger.sqlite, Path::new("/etc/signalbox").join(text_of));
        let config = loaded(&text, &[], &[("ledger.sqlite", text_of)]).unwrap();
        assert_eq!(config.ledger.sqlite, Path::new("/etc/signalbox").join(text_of));
    }
    let environment = [
        ("SIGNALBOX__LEDGER__CURRENCY", "INF"),
        ("SIGNALBOX__LEDGER__RETENTION_DAYS", "30"),
        ("SIGNALBOX__MEDIA__HOSTS", "[1.5, true, a.example.com]"),
        ("SIGNALBOX__SERVER__CORS_ORIGINS", "https://a.example.com"),
        ("SIGNALBOX__ALIAS__2026", "qwen"),
        ("SIGNALBOX__ALIAS__BOTH", "[qwen]"),
        ("SIGNALBOX__QUEUE", "{wait_ms = 7}"),
    ];
    let config = loaded(&text, &environment, &[]).unwrap_or_else(|it| panic!("{}", lines(&it)));
    assert_eq!((&*config.ledger.currency, config.ledger.retention_days), ("INF", 30));
    assert_eq!(config.media_hosts, ["1.5", "true", "a.example.com"].map(Box::from));
    assert_eq!(config.queue.wait, Duration::from_millis(7));
    assert_eq!(config.server.cors_origins.len(), 1);
    let route = || AliasTarget::Route(vec!["qwen".into()]);
    let aliases = [("2026".into(), route()), ("both".into(), route())];
    assert_eq!(config.policy.fleet().aliases, aliases);
    for (number, found) in
        [("1e3", "`1e3`"), ("true", "true"), ("[1]", "a list"), ("soon", "`soon`")]
    {
        let faults = loaded(&text, &[("SIGNALBOX__QUEUE__LENGTH_MAX", number)], &[]).unwrap_err();
        assert!(
            lines(&faults).starts_with(&format!("queue.length_max: found {found} (")),
            "{faults:?}"
        );
    }
}

#[test]
fn files_may_begin_with_a_mark_and_end_lines_as_they_like() {
    let folder = std::env::temp_dir().join(format!("signalbox-marks-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let marked = |name: &str, text: &str| {
        fs::write(folder.join(name), format!("\u{feff}{}", text.replace('\n', "\r\n"))).unwrap();
    };
    marked("token", "a-token-from-the-file\n");
    marked("mine.toml", "version = \"m\"\n\n[default]\nroute = [\"*\"]\n");
    let more = "[admin]\ntoken = \"file:token\"\n[policy]\nfile = \"mine.toml\"\n";
    marked("signalbox.toml", &format!("{BARE}{more}"));
    let config = load(Some(&folder.join("signalbox.toml"))).unwrap();
    assert_eq!(config.admin.token.unwrap().expose(), "a-token-from-the-file");
    assert_eq!(config.policy.version(), "m");
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_fault_says_which_layer_it_came_from() {
    let environment = [("SIGNALBOX__SERVER__LISTN", "x"), ("SIGNALBOX__QUEUE__WAIT_MS", "-1")];
    let faults = loaded(BARE, &environment, &[("admin.listen", "here")]).unwrap_err();
    assert_eq!(
        lines(&faults),
        "server.listn: found `listn` (SIGNALBOX__SERVER__LISTN), expected a known key; did you mean \
         `listen`?\n\
         admin.listen: found `here` (command line, admin.listen), expected an address and a port, \
         such as \"127.0.0.1:8080\"\n\
         queue.wait_ms: found -1 (SIGNALBOX__QUEUE__WAIT_MS), expected a whole number from 0 to \
         86400000\n"
    );
}

#[test]
fn a_layer_cannot_reach_into_a_list() {
    let environment = [("SIGNALBOX__MODEL__0__ID", "x"), ("SIGNALBOX__QUEUE__WAIT_MS", "soon")];
    let faults = loaded(BARE, &environment, &[("key.0.name", "y")]).unwrap_err();
    assert_eq!(
        lines(&faults),
        "model.0.id: found a key of `model` (SIGNALBOX__MODEL__0__ID), expected `model` as a whole: it \
         is not a table\n\
         key.0.name: found a key of `key` (command line, key.0.name), expected `key` as a whole: it is \
         not a table\n\
         queue.wait_ms: found `soon` (SIGNALBOX__QUEUE__WAIT_MS), expected a whole number from 0 to \
         86400000\n"
    );
}

#[test]
fn a_policy_is_compiled_against_the_fleet() {
    assert_eq!(good(&format!("{BARE}[policy]\nfile = \"policy.toml\"")).policy.version(), "mine");
    let at_home = BARE.replace("price =", "zone = \"on_prem\"\nprice =");
    for preset in policies::preset::NAMES {
        // `bank` names a zone.
        let config = good(&format!("{at_home}[policy]\npreset = \"{preset}\""));
        assert_eq!(config.policy.fleet().models.len(), 1);
    }
    let wrong = faults("[policy]\nfile = \"wrong.toml\"");
    assert!(wrong.contains("/etc/signalbox/wrong.toml:3: default.route"), "{wrong}");
    assert!(wrong.contains("did you mean `qwen`?"), "{wrong}");
    assert!(wrong.contains("/etc/signalbox/wrong.toml:4: ruel: found `ruel`"), "{wrong}");
    assert!(faults("[policy]\nfile = \"none.toml\"").contains("none.toml: No such file"));
    assert!(faults("[policy]\nfile = \"policy.toml\"\npreset = \"bank\"").contains("only one"));
}

#[test]
fn aliases_lead_to_models_that_exist() {
    let aliases = "[alias]\n\"gpt-4o\" = \"auto\"\n\"claude-*\" = [\"qwen\"]\nmini = \"qwen\"\n";
    let config = good(&format!("{BARE}{aliases}"));
    let route = || AliasTarget::Route(vec!["qwen".into()]);
    let targets = [("claude-*", route()), ("gpt-4o", AliasTarget::Auto), ("mini", route())];
    for (name, target) in targets {
        assert!(config.policy.fleet().aliases.contains(&(name.into(), target)), "{name}");
    }
    let wrong = faults("[alias]\nmini = [\"qwem\"]");
    assert!(wrong.contains("alias.mini") && wrong.contains("did you mean `qwen`?"), "{wrong}");
    for name in ["", "a*b", "**", "*-mini"] {
        let wrong = faults(&format!("[alias]\n\"{name}\" = \"qwen\""));
        assert!(wrong.contains("and one `*`"), "{name}: {wrong}");
    }
    assert_eq!(faults("[alias]\n\"*\" = \"qwen\""), "");
}

#[test]
fn operators_on_any_other_address_need_a_token() {
    let open = "[admin]\nlisten = \"0.0.0.0:9090\"\n";
    assert!(faults(open).starts_with("admin.token (line 13): found nothing"), "{}", faults(open));
    assert_eq!(faults(&format!("{open}token = \"env:GOOD\"")), "");
    let operator = |role: &str| {
        faults(&format!(
            "{open}[[operator]]\nname = \"mei\"\nrole = \"{role}\"\ntoken = \"env:GOOD\"\n"
        ))
    };
    assert_eq!(operator("admin"), "");
    assert!(operator("operator").starts_with("admin.token (line 13): found nothing"));
    let unset = faults(&format!("{open}token = \"env:UNSET\""));
    assert_eq!(unset.lines().count(), 1, "one cause, one fault: {unset}");
    assert_eq!(faults("[admin]\nlisten = \"[::1]:9090\""), "");
    for same in ["127.0.0.1:8080", "0.0.0.0:8080", "[::]:8080", "[::ffff:127.0.0.1]:8080"] {
        let faults = faults(&format!("[admin]\nlisten = \"{same}\"\ntoken = \"env:GOOD\""));
        assert!(faults.contains("another address"), "{same}: {faults}");
    }
    assert_eq!(faults("[admin]\nlisten = \"[::1]:8080\""), "");
}

#[test]
fn an_operator_has_a_name_a_role_and_a_credential_of_his_own() {
    let hash = BARE.split("hash = ").nth(1).unwrap_or_default().trim();
    let all = format!(
        "[admin]\ntoken = \"env:TWENTY\"\n\
         [[operator]]\nname = \"mei.tan\"\nrole = \"operator\"\ntoken = \"env:GOOD\"\n\
         expires = \"2027-01-31T00:00:00Z\"\n\
         [[operator]]\nname = \"raj\"\nrole = \"viewer\"\nhash = {hash}\n"
    );
    let operators = good(&format!("{BARE}{all}")).admin.operators;
    let said: Vec<_> = operators.iter().map(|it| (&*it.name, it.role.name())).collect();
    assert_eq!(said, [("mei.tan", "operator"), ("raj", "viewer")]);
    assert!(matches!(operators[0].credential, Credential::Secret(_)));
    assert!(matches!(operators[1].credential, Credential::Hash(_)));
    assert_eq!(operators[0].expires.unwrap().to_string(), "2027-01-31T00:00:00Z");

    let operator = |name: &str, credential: &str| {
        format!("[[operator]]\nname = \"{name}\"\nrole = \"admin\"\n{credential}\n")
    };
    let (token, guarded) = ("token = \"env:GOOD\"", "[admin]\ntoken = \"env:TWENTY\"\n");
    assert_eq!(faults(&operator("admin", token)), "", "nobody else is called so");
    for (text, told) in [
        (
            format!("{guarded}{}", operator("admin", token)),
            "operator[0] \"admin\".name (line 16): found `admin`, expected another name: `admin` is the \
             operator of `admin.token`\n",
        ),
        (
            format!("{guarded}{}", operator("a", "token = \"env:TWENTY\"")),
            "operator[0] \"a\".token (line 18): found that of `admin.token`, expected a token of his own\n",
        ),
        (
            operator("a", token) + &operator("b", token),
            "operator[1] \"b\".token (line 20): found that of operator `a`, expected a token of his own\n",
        ),
        (
            operator("a", &format!("hash = {hash}")) + &operator("b", &format!("hash = {hash}")),
            "operator[1] \"b\".hash (line 20): found that of operator `a`, expected a hash of his own\n",
        ),
        (
            operator("a", "token = \"env:ONE\""),
            "operator[0] \"a\".token (line 16): found a secret of 1 character, expected at least 20 \
             characters that nobody can guess, such as `signalbox key create` makes\n",
        ),
    ] {
        assert_eq!(faults(&text), told);
    }
}

#[test]
fn a_secret_that_lets_somebody_in_is_no_short_one() {
    let key = |secret: &str| {
        let text = BARE.split("hash =").next().unwrap_or_default();
        let text = format!("{text}secret = \"{secret}\"\n");
        loaded(&text, &[], &[]).map(|_| ()).map_err(|faults| lines(&faults))
    };
    assert_eq!(key("env:TWENTY"), Ok(()));
    let said = |found: &str| {
        Err(format!(
            "key[0] \"mine\".secret (line 12): found {found}, expected at least 20 characters that nobody \
             can guess, such as `signalbox key create` makes\n"
        ))
    };
    assert_eq!(key("env:ONE"), said("a secret of 1 character"));
    assert_eq!(key("env:NINETEEN"), said("a secret of 19 characters"));
    assert_eq!(key("file:nineteen"), said("a secret of 19 characters"));
    for name in ["token", "metrics_token"] {
        let wrong = faults(&format!("[admin]\n{name} = \"env:ONE\"\n"));
        assert!(
            wrong.starts_with(&format!("admin.{name} (line 14): found a secret of 1")),
            "{wrong}"
        );
        assert_eq!(wrong.lines().count(), 1, "{wrong}");
    }
    // A backend's credential is what its operator has chosen.
    let backend = BARE.replace("/v1/\"\n", "/v1/\"\napi_key = \"env:ONE\"\n");
    assert_eq!(good(&backend).models[0].endpoints.len(), 1);
}

#[test]
fn what_takes_a_restart_is_named_by_key_with_both_values_and_no_secret() {
    let changes = |before: &str, after: &str| {
        let config = |lines: &str| good(&BARE.replace("[server]\n", lines));
        let changes = fixed_changes(&config(before), &config(after));
        changes.iter().map(|it| format!("{it}\n")).collect::<String>()
    };
    assert_eq!(changes("", "[queue]\nwait_ms = 1\n"), "");
    let before = "[server]\nlisten = \"127.0.0.1:1\"\n[admin]\ntoken = \"env:GOOD\"\n";
    let after = "[server]\nlisten = \"127.0.0.1:2\"\ncors_origins = [\"https://a.b\"]\n
                 drain_grace_ms = 7\n[admin]\ntoken = \"env:TWENTY\"\nmetrics_token = \"env:GOOD\"\n
                 [ledger]\nsqlite = \"b.db\"\nwait = \"dispatch\"\n[budget]\nwait_ms = 3\n";
    assert_eq!(
        changes(before, after),
        "server.listen: \"127.0.0.1:1\" -> \"127.0.0.1:2\"\n\
         server.drain_grace_ms: 5000 -> 7\n\
         server.cors_origins: [] -> [\"https://a.b\"]\n\
         ledger.sqlite: \"/etc/signalbox/signalbox.db\" -> \"/etc/signalbox/b.db\"\n\
         ledger.wait: \"first_byte\" -> \"dispatch\"\n\
         budget.wait_ms: 1000 -> 3\n"
    );
}

/// Every key of these sections is looked at: each in turn is given another value.
#[test]
fn no_key_that_takes_a_restart_is_overlooked() {
    for (path, value) in [
        ("server.body_bytes_max", "2048"),
        ("server.header_timeout_ms", "7"),
        ("server.body_timeout_ms", "7"),
        ("server.write_timeout_ms", "7"),
        ("server.drain_timeout_ms", "7"),
        ("server.body_in_flight_bytes_max", "2097152"),
        ("server.early_head_ms", "7"),
        ("server.why_header", "true"),
        ("server.connections_max", "7"),
        ("admin.listen", "127.0.0.1:7"),
        ("ledger.currency", "SGD"),
        ("ledger.durability", "process"),
        ("ledger.retention_days", "7"),
        ("ledger.disk_free_bytes_min", "7"),
        ("identity.pepper", "env:PEPPER"),
        ("cache.bytes_max", "7"),
        ("cache.wait_ms", "7"),
        ("metrics.series_max", "1007"),
    ] {
        let after = loaded(BARE, &[], &[(path, value)]).unwrap_or_else(|it| panic!("{it:?}"));
        let paths: Vec<String> =
            fixed_changes(&good(BARE), &after).into_iter().map(|it| it.path).collect();
        assert_eq!(paths, [path]);
    }
}

#[test]
fn two_keys_of_one_credential_are_both_named_as_they_were_written() {
    let hash = BARE.split("hash = ").nth(1).unwrap_or_default();
    let wrong = faults(&format!("[[key]]\nname = \"other\"\nhash = {hash}"));
    assert_eq!(
        wrong,
        "key[1] \"other\".hash (line 15): found that of key `mine`, expected a hash of its own\n"
    );
    let key = |name: &str| format!("[[key]]\nname = \"{name}\"\nsecret = \"env:GOOD\"\n");
    let wrong = faults(&format!("{}{}", key("a"), key("b")));
    assert_eq!(
        wrong,
        "key[2] \"b\".secret (line 18): found that of key `a`, expected a secret of its own\n"
    );
}

#[test]
fn a_mistake_that_a_long_list_repeats_is_told_ten_times_and_counted() {
    const MANY: usize = 2_000;
    let list = |item: &dyn Fn(usize) -> String| (0..MANY).map(item).collect::<String>();
    let key = |rest: &'static str| {
        list(&|at| format!("[[key]]\nname = \"k{at}\"\nsecret = \"env:{at}\"\n{rest}\n"))
    };
    let teams = (0..500).map(|at| format!("[[team]]\nname = \"team-{at}\"\n")).collect::<String>();
    let team = |at: usize| {
        format!("[[key]]\nname = \"k{at}\"\nsecret = \"env:{at}\"\nteam = \"taem-{at}\"\n")
    };
    for (what, text) in [
        ("an unknown team", list(&team) + &teams),
        ("an unknown model", key("models = [\"qwem\"]")),
        ("a bad amount", key("budget = { amount = \"much\" }")),
        ("an unknown zone", key("budget = { amount = \"1\", timezone = \"Asia/Singapur\" }")),
        ("no credential", list(&|at| format!("[[key]]\nname = \"k{at}\"\n"))),
        ("a key for the second time", list(&|_| "[[key]]\nname = \"mine\"\n".into())),
        ("an unknown key", list(&|at| format!("[[key]]\nx{at} = {at}\n"))),
        ("unknown keys", format!("[queue]\n{}", list(&|at| format!("x{at} = {at}\n")))),
        ("a bad alias", format!("[alias]\n{}", list(&|at| format!("\"*{at}\" = {at}\n")))),
        (
            "a circle",
            list(&|at| format!("[[team]]\nname = \"t{at}\"\nparent = \"t{}\"\n", (at + 1) % MANY)),
        ),
        ("a parent", list(&|at| format!("[[team]]\nname = \"t{at}\"\nparent = \"u{at}\"\n"))),
    ] {
        let found = loaded(&format!("{BARE}{text}"), &[], &[]).unwrap_err();
        assert!((10..60).contains(&found.len()), "{what}: {}", lines(&found));
        let most = found.iter().map(|it| it.more).max();
        assert!(most >= Some(MANY - 11), "{what}: {}", lines(&found));
        assert!(lines(&found).len() < 20_000, "{what}: {} bytes", lines(&found).len());
        assert!(found.iter().all(|it| it.path != "configuration" && it.line.is_some()), "{what}");
    }
}

#[test]
fn classes_that_would_refuse_every_request_are_faults() {
    let tree = |more: &str| {
        faults(&format!(
            "team = \"cards\"\n{more}\n[[team]]\nname = \"bank\"\ndata_class = \"confidential\"\n
            [[team]]\nname = \"cards\"\nparent = \"bank\"\n"
        ))
    };
    assert_eq!(tree("data_class_max = \"confidential\""), "");
    let wrong = tree("data_class_max = \"internal\"");
    assert!(
        wrong.starts_with(
            "key[0] \"mine\".data_class_max (line 14): found requests of class confidential"
        ),
        "{wrong}"
    );
    assert_eq!(wrong.lines().count(), 1, "{wrong}");
}

#[test]
fn files_are_found_beside_the_configuration() {
    let folder = std::env::temp_dir().join(format!("signalbox-config-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("signalbox.toml");
    fs::write(folder.join("token"), "a-token-from-the-file\n").unwrap();
    fs::write(folder.join("mine.toml"), "version = \"m\"\n[default]\nroute = [\"*\"]\n").unwrap();
    let more = "[admin]\ntoken = \"file:token\"\n[policy]\nfile = \"mine.toml\"\n";
    fs::write(&file, format!("{BARE}{more}")).unwrap();
    let overrides = [("server.listen".to_owned(), "127.0.0.1:0".to_owned())];
    let config = load_with(Some(&file), &overrides).unwrap();
    assert_eq!(config.admin.token.unwrap().expose(), "a-token-from-the-file");
    assert_eq!(config.policy.version(), "m");
    assert_eq!(config.ledger.sqlite, folder.join("signalbox.db"));
    assert_eq!(config.server.listen.port(), 0);
    fs::write(&file, "[server\n").unwrap();
    assert!(lines(&load(Some(&file)).unwrap_err()).contains("signalbox.toml:1:"));
    fs::remove_dir_all(&folder).unwrap();
    let missing = load(Some(&file)).unwrap_err();
    assert!(missing[0].expected.contains("`signalbox init` writes one"), "{missing:?}");
}

#[test]
fn the_hash_is_of_all_that_is_in_force() {
    let hash = |text: &str| good(text).hash;
    let more = |lines: &str| hash(&format!("{BARE}{lines}"));
    let plain = hash(BARE);
    assert_eq!(plain.len(), 16);
    assert_eq!(plain, hash(BARE), "the same at every start");
    assert_eq!(plain, more("\n# a word\n"), "a comment changes nothing");
    for lines in
        ["[queue]\nwait_ms = 3\n", "[shield]\nn_max = 2\n", "[policy]\npreset = \"bank\"\n"]
    {
        assert_ne!(plain, more(lines), "{lines}");
    }
    let laid = |value: &str| {
        loaded(BARE, &[("SIGNALBOX__QUEUE__WAIT_MS", value)], &[])
            .unwrap_or_else(|it| panic!("{it:?}"))
    };
    assert_ne!(plain, laid("3").hash, "the environment is part of it");
    assert_eq!(more("[queue]\nwait_ms = 3\n"), laid("3").hash, "wherever a value comes from");
}

#[test]
fn what_would_be_of_no_effect_is_refused() {
    for (lines, path) in [
        ("[audit]\non_failure = \"stop\"\n", "audit.on_failure"),
        ("[audit]\non_failure = \"alarm\"\n", "audit.on_failure"),
    ] {
        assert!(faults(lines).contains(path), "{lines}: {}", faults(lines));
    }
    assert_eq!(faults("[audit]\non_failure = \"refuse_changes\"\n"), "");
}

#[test]
fn price_tables_are_told_apart() {
    let version = |text: &str| price_version(&good(text).policy.fleet().models);
    let priced = |input: &str| {
        let price = format!("{{ input_per_mtok = \"{input}\", output_per_mtok = \"1\" }}");
        version(&BARE.replace("\"free\"", &price))
    };
    assert_eq!(priced("0.2"), priced("0.20"));
    assert_ne!(priced("0.2"), priced("0.3"));
    assert_ne!(priced("0.2"), version(BARE));
    assert_eq!(priced("0.2").len(), 16);
}

#[test]
fn machines_are_paid_by_the_hour_beside_the_running_rates() {
    let rates = "input_per_mtok = \"0.2\", output_per_mtok = \"1\"";
    let with = |more: &str| {
        let second = "[[model.endpoint]]\nurl = \"http://127.0.0.1:8001/v1\"\n[[model.endpoint]]";
        let text = BARE.replace("[[model.endpoint]]", second);
        loaded(&text.replace("\"free\"", &format!("{{ {more} }}")), &[], &[])
    };
    let paid = |more: &str| {
        let config = with(&format!("{more}, {rates}")).unwrap();
        config.models[0].by_hour.map(|it| (it.per_hour.to_string(), it.replicas))
    };
    assert_eq!(paid("per_hour = \"31.20\", replicas = 1"), Some(("31.2".into(), 1)));
    assert_eq!(paid("per_hour = \"31.20\""), Some(("31.2".into(), 2)), "as many as endpoints");
    assert_eq!(paid("per_hour = \"1\", replicas = \"endpoints\""), Some(("1".into(), 2)));
    assert_eq!(paid("cached_input_per_mtok = \"0.1\""), None);
    for (more, path, words) in [
        ("per_hour = \"1\"", "input_per_mtok", "the running rate that requests are charged by"),
        ("per_hour = \"0\", RATES", "per_hour", "found 0, expected what an hour of one replica"),
        ("per_hour = \"1,5\", RATES", "per_hour", "expected a decimal in text"),
        ("per_hour = \"-1\", RATES", "per_hour", "an amount that is not negative"),
        ("per_hour = \"100000001\", RATES", "per_hour", "at most 100000000"),
        ("per_hour = \"1\", replicas = 0, RATES", "replicas", "a whole number from 1 to 10000"),
        ("per_hour = \"1\", replicas = \"all\", RATES", "replicas", "or \"endpoints\""),
        ("replicas = 2, RATES", "replicas", "expected per_hour beside it"),
    ] {
        let said = lines(&with(&more.replace("RATES", rates)).map(drop).unwrap_err());
        let path = format!("model[0] \"qwen\".price.{path} (line 6)");
        assert!(said.contains(&path) && said.contains(words), "{more}: {said}");
    }
}

#[test]
fn a_url_leads_where_it_says_or_is_a_fault() {
    let with = |url: &str| {
        let text = BARE.replace("http://127.0.0.1:8000/v1/", url);
        loaded(&text, &[], &[]).map(|it| it.models[0].endpoints[0].url.to_string())
    };
    for (url, taken) in [
        ("http://h", "http://h/"),
        ("https://engine.example.com.:443/v1/", "https://engine.example.com.:443/v1"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1"),
        ("http://vllm_0.ns.svc:65535/openai/v1", "http://vllm_0.ns.svc:65535/openai/v1"),
        ("http://h/v1/completions-pool", "http://h/v1/completions-pool"),
    ] {
        assert_eq!(with(url).unwrap(), taken);
    }
    for (url, expected) in [
        ("http://127.0.0.1:99999/v1", "a port from 1 to 65535"),
        ("http://127.0.0.1:65536/v1", "a port from 1 to 65535"),
        ("http://127.0.0.1:0/v1", "a port from 1 to 65535"),
        ("http://127.0.0.1:+80/v1", "a port from 1 to 65535"),
        ("http://127.0.0.1:/v1", "a port from 1 to 65535"),
        ("http://[::1]:99999/v1", "a port from 1 to 65535"),
        ("http://127.0.0.256:8000/v1", "host is a name"),
        ("http://10.0.0:8000/v1", "host is a name"),
        ("http://a..b/v1", "host is a name"),
        ("http://[::g]/v1", "host"),
        ("http://h/v1/chat/completions", "without `/chat/completions`"),
        ("http://h/v1/chat/completions/", "without `/chat/completions`"),
        ("http://h/chat/completions", "without `/chat/completions`"),
        ("http://h/v1/Completions", "without `/completions`"),
        ("http://h/v1/models", "without `/models`"),
        ("http://h//v1", "one `/`"),
        ("", "an http or https URL"),
        (" ", "an http or https URL"),
        (" http://h/v1", "an http or https URL"),
        ("http://h/v 1", "an http or https URL"),
        ("h:8000/v1", "an http or https URL"),
        ("http://", "an http or https URL"),
        ("http://:8000/v1", "an http or https URL"),
        ("ws://h/v1", "an http or https URL"),
        ("http://user:password@h/v1", "without query and credentials"),
        ("http://h/v1?key=1", "without query and credentials"),
        ("http://h/v1#here", "without query and credentials"),
    ] {
        let faults = lines(&with(url).unwrap_err());
        assert!(
            faults.starts_with("model[0] \"qwen\".endpoint[0].url (line 8)"),
            "{url}: {faults}"
        );
        assert!(faults.contains(expected), "{url}: {faults}");
        assert_eq!(faults.lines().count(), 1, "{url}: {faults}");
        assert!(!faults.contains("password"), "{faults}");
    }
}

#[test]
fn an_origin_is_one_page_s_and_never_every_page_s() {
    let with = |origin: &str| {
        let lines = format!("[server]\ncors_origins = [\"{origin}\"]\n");
        loaded(&BARE.replace("[server]", &lines), &[], &[])
    };
    for origin in ["https://chat.example.com", "http://localhost:3000", "HTTPS://A.b:8443"] {
        let config = with(origin).unwrap();
        assert_eq!(*config.server.cors_origins[0], *origin.to_ascii_lowercase());
    }
    for origin in [
        "*",
        "null",
        "",
        "https://*.example.com",
        "chat.example.com",
        "https://a.b/",
        "https://a.b/x",
        "https://a.b:443",
        "https://a.b?x",
        "https://u@a.b",
        "file:///x",
        "https://a.b:99999",
    ] {
        let faults = lines(&with(origin).unwrap_err());
        assert!(faults.starts_with("server.cors_origins[0] (line 3)"), "{origin}: {faults}");
    }
}

#[test]
fn the_machine_is_asked_whatever_else_is_wrong() {
    let found = |ground: &Ground<'_>| {
        assert_eq!(ground.ledger.sqlite, Path::new("/etc/signalbox/gone/a.db"));
        vec![
            Fault::new("ledger.sqlite", "no folder", "a folder"),
            Fault::new("server.listen", "a default", "nothing: it is a fault already"),
        ]
    };
    let outside = Outside {
        file: "",
        variables: &[],
        folder: Path::new("/etc/signalbox"),
        secret: &secret,
        read: &read,
        ground: &found,
        managed: &|_| Ok(Managed::default()),
    };
    let text =
        BARE.replace("[server]", "[ledger]\nsqlite = \"gone/a.db\"\n[server]\nlisten = \"x\"");
    let layers = || (Layer::environment(std::iter::empty()), Layer::overrides(&[]));
    let (environment, overrides) = layers();
    let faults = lines(&layered(&text, environment, overrides, &outside).unwrap_err());
    assert_eq!(
        faults,
        "ledger.sqlite (line 3): found no folder, expected a folder\n\
         server.listen (line 5): found `x`, expected an address and a port, such as \
         \"127.0.0.1:8080\"\n"
    );
}

#[test]
fn the_engines_name_of_a_model_is_a_name() {
    for name in ["", " ", " qwen", "qwen\\n", "\\t"] {
        let text = BARE.replace("price", &format!("upstream_model = \"{name}\"\nprice"));
        let faults = lines(&loaded(&text, &[], &[]).unwrap_err());
        assert!(
            faults.starts_with("model[0] \"qwen\".upstream_model (line 6)"),
            "{name}: {faults}"
        );
    }
    let text = BARE.replace("price", "upstream_model = \"Qwen/Qwen 3 (fp8)\"\nprice");
    assert_eq!(&*good(&text).models[0].upstream_model, "Qwen/Qwen 3 (fp8)");
}

#[test]
fn an_engine_that_is_stated_says_what_is_usual_and_what_cannot_be() {
    let model = |lines: &str| BARE.replace("price", &format!("{lines}price"));
    for (engine, dialect, fine) in [
        ("vllm", "anthropic", true),
        ("vllm", "responses", true),
        ("sglang", "anthropic", true),
        ("llama_cpp", "anthropic", true),
        ("ollama", "anthropic", true),
        ("ollama", "responses", true),
        ("tgi", "anthropic", false),
        ("tgi", "responses", false),
        ("openai", "anthropic", false),
        ("openai", "responses", true),
    ] {
        let lines = format!("engine = \"{engine}\"\ndialects = [\"openai\", \"{dialect}\"]\n");
        match loaded(&model(&lines), &[], &[]) {
            Ok(config) => {
                assert!(fine, "{engine}, {dialect}");
                assert_eq!(config.models[0].engine.unwrap().name, engine);
            }
            Err(faults) => {
                let faults = self::lines(&faults);
                let expected = format!("an API that `{engine}` serves: it has none such");
                assert!(!fine && faults.contains("dialects[1]"), "{engine}, {dialect}: {faults}");
                assert!(faults.contains(&expected), "{faults}");
            }
        }
    }
    let bound = |lines: &str| good(&model(lines)).models[0].output_bound;
    for engine in &ENGINES {
        let stated = format!("engine = \"{}\"\n", engine.name);
        assert_eq!(bound(&stated), engine.output_bound, "{}", engine.name);
        assert_eq!(good(&model(&stated)).models[0].stream_usage, engine.stream_usage);
        let configured = format!("{stated}output_bound = \"max_completion_tokens\"\n");
        assert_eq!(bound(&configured), BoundNames::MAX_COMPLETION_TOKENS, "{}", engine.name);
    }
    assert_eq!(bound(""), BoundNames::MAX_TOKENS);
    assert!(good(BARE).models[0].engine.is_none());
    let faults = lines(&loaded(&model("engine = \"vlm\"\n"), &[], &[]).unwrap_err());
    assert!(faults.contains("vllm"), "{faults}");
}

#[test]
fn a_time_zone_that_is_none_is_a_fault_wherever_it_stands() {
    let budget =
        |zone: &str| faults(&format!("budget = {{ amount = \"1\", timezone = \"{zone}\" }}\n"));
    for zone in ["Asia/Singapore", "asia/singapore", "UTC", "Europe/Kyiv", "Etc/GMT-8"] {
        assert_eq!(budget(zone), "", "{zone}");
    }
    for zone in ["Asia/Singapur", "", " ", "Etc/Unknown", "local", "+08:00", "SGT", "../UTC"] {
        let faults = budget(zone);
        assert!(faults.contains("timezone (line 13): found"), "{zone}: {faults}");
        assert!(faults.contains("expected a time zone"), "{zone}: {faults}");
    }
}

#[test]
fn faults_of_teams_stand_where_the_file_has_them() {
    // The tree is compiled as default, bank, cards.
    let wrong = faults(
        "[[team]]\nname = \"cards\"\nparent = \"bank\"\nmodels = [\"gone\"]\n[[team]]\nname = \"bank\"\n",
    );
    assert!(wrong.starts_with("team[0] \"cards\".models[0] (line 16): found `gone`"), "{wrong}");
    let wrong = faults("models = [\"gone\"]\n");
    assert!(wrong.starts_with("key[0] \"mine\".models[0] (line 13): found `gone`"), "{wrong}");
}

proptest! {
    /// Whatever is cut out of the example or put into it: a configuration or faults, never a panic.
    #[test]
    fn any_change_is_read_or_told(at in 0..8_000_usize, cut in 0..30_usize, put in "[ -~]{0,12}") {
        let text = include_str!("../../deploy/signalbox.toml");
        let at = text.floor_char_boundary(at % text.len());
        let changed = [&text[..at], &put, &text[text.ceil_char_boundary(at + cut)..]].concat();
        if let Err(faults) = loaded(&changed, &[], &[]) {
            prop_assert!(!faults.is_empty());
        }
    }
}

/// What a whole document is refused for.
fn of(text: &str) -> String {
    loaded(text, &[], &[]).map(drop).map_err(|faults| lines(&faults)).err().unwrap_or_default()
}

#[test]
fn a_key_of_another_section_is_told_where_it_belongs() {
    let at = |before: &str, line: &str| of(&BARE.replacen(before, &format!("{before}{line}\n"), 1));
    for (before, line, expected) in [
        ("[[model]]\n", "weight = 2", "`weight` to stand in [[model.endpoint]]"),
        ("[[model.endpoint]]\n", "zone = \"cloud\"", "`zone` to stand in [[model]]"),
        ("[server]\n", "token = \"env:GOOD\"", "`token` to stand in [admin]"),
    ] {
        let said = at(before, line);
        assert!(said.contains(expected), "{line}: {said}");
        assert_eq!(said.lines().count(), 1, "{line}: {said}");
    }
    let said = at("[[model]]\n", "wieght = 2");
    assert!(said.contains("a known key"), "{said}");
}

#[test]
fn a_document_of_another_kind_is_known() {
    for (text, kind) in [
        ("model_list:\n  - model_name: gpt\n    litellm_params:\n      model: x\n", "LiteLLM"),
        ("---\nservices:\n  a:\n", "a YAML document"),
        ("{ \"model\": [] }\n", "a JSON document"),
    ] {
        let said = of(text);
        assert!(said.contains(kind) && said.contains("docs/CONFIG.md"), "{said}");
    }
    let said = of("[server]\nlisten = \"127.0.0.1:1\n");
    assert!(said.starts_with("line 2, column") && said.contains("expected `\"`"), "{said}");
}

#[test]
fn a_secret_that_is_not_there_says_what_to_do() {
    let endpoint =
        |line: &str| BARE.replace("[[model.endpoint]]\n", &format!("[[model.endpoint]]\n{line}\n"));
    let said = of(&endpoint("api_key = \"env:UNSET\""));
    assert!(
        said.contains("UNSET, which is not set") && said.contains("in the environment of"),
        "{said}"
    );
    let said = of(&endpoint("api_key = \"sk-live\""));
    assert!(said.contains("`env:NAME`") && !said.contains("sk-live"), "{said}");
}

/// A configuration of so many teams with a key each, and so many models.
fn crowd(teams: usize, models: usize, lists: &str) -> String {
    let team = |at: usize| {
        format!(
            "[[team]]\nname = \"t{at}\"\nbudget = {{ amount = \"1\" }}\n\
             [[key]]\nname = \"k{at}\"\nteam = \"t{at}\"\n{lists}\
             hash = \"hmac-sha256:{at:064x}\"\n"
        )
    };
    let model = |at: usize| {
        format!(
            "[[model]]\nid = \"m{at}\"\nprice = \"free\"\n\
             [[model.endpoint]]\nurl = \"http://127.0.0.1:8000/v1/{at}\"\n"
        )
    };
    (1..=teams).map(team).chain((1..=models).map(model)).collect()
}

#[test]
fn a_configuration_that_alone_would_pass_the_cap_of_metrics_is_refused_with_the_number() {
    let lines = |teams, models, lists: &str| {
        series_alone(&good(&format!(
            "{}[metrics]\nseries_max = 10000000\n",
            crowd(teams, models, lists)
        )))
    };
    // 300 teams and 10 models: 6 lines for each pair, and some for each of both.
    let alone = lines(300, 10, "");
    assert!((300 * 10 * 6..300 * 10 * 6 + 300 * 6 + 10 * 150 + 400).contains(&alone), "{alone}");
    let wrong = loaded(&crowd(300, 10, ""), &[], &[]).unwrap_err();
    let [fault] = &*wrong else { panic!("{wrong:?}") };
    assert_eq!((&*fault.path, &*fault.found), ("metrics.series_max", "20000"));
    let told = format!("at least {alone}, for what never folds into `other`: 18000 for teams");
    assert!(fault.expected.starts_with(&told), "{fault:?}");
    let enough = alone.to_string();
    loaded(&crowd(300, 10, ""), &[], &[("metrics.series_max", &enough)]).expect("just enough");
    let less = (alone - 1).to_string();
    loaded(&crowd(300, 10, ""), &[], &[("metrics.series_max", &less)]).expect_err("one too few");
    // What the keys of a team may not use makes no lines.
    assert_eq!(alone - lines(300, 10, "models = [\"m1\"]\n"), 300 * 9 * 6);
}

/// A rule for all, in two arms: the rule's own model and another.
const COMPARED: &str = "[default]\nroute = [\"m1\"]\n\
    [[rule]]\nname = \"r\"\nwhen = { operation = [\"chat\"] }\nroute = [\"m1\"]\nexperiment = \"ab\"\n\
    [[experiment]]\nname = \"ab\"\nunit = \"user\"\nprimary = \"error\"\n\
    arms = [{ name = \"a\", share = 0.5 }, { name = \"b\", share = 0.5, route = [\"m2\"] }]\n";

/// A model that is asked beside.
const SHADOW: &str =
    "shadow = { model = \"m2\", share = 0.1, bill_to = \"t1\", cost_per_day_max = \"1\" }\n";

#[test]
fn what_a_shadow_may_cost_is_the_budget_of_a_key_that_nobody_has() {
    let models = crowd(2, 2, "");
    let config = good(&format!("{models}[policy]\nfile = \"shadow.toml\"\n"));
    let [key] = config.shadow_keys.as_slice() else { panic!("{:?}", config.shadow_keys) };
    assert_eq!((&*key.name, &key.credential), ("shadow(ab)", &Credential::Nobody));
    assert_eq!(config.teams[key.team.get()].name, "t1".into());
    assert_eq!(key.limits.concurrent, Some(4));
    let [budget] = key.budgets.as_slice() else { panic!("{:?}", key.budgets) };
    assert_eq!((budget.amount.to_string(), budget.hard), ("1".into(), true));
    assert_eq!(config.payers().len(), config.keys.len() + 1);
    let without = good(&format!("{models}[policy]\nfile = \"compared.toml\"\n"));
    assert_eq!(without.payers().len(), without.keys.len());
    assert_eq!(series_alone(&config) - series_alone(&without), 17 + 6);
}

#[test]
fn the_lines_of_arms_count_among_those_that_never_fold() {
    let models = crowd(20, 20, "");
    let compared = format!("{models}[policy]\nfile = \"compared.toml\"\n");
    let alone = series_alone(&good(&compared));
    let without = format!("{models}[policy]\nfile = \"plain.toml\"\n");
    // Two arms by four outcomes, units and two names of feedback; those without a unit; and the rule deciding
    // for the other arm's model.
    assert_eq!(alone - series_alone(&good(&without)), 2 * (4 + 1 + 2) + 1 + 1);
    let less = (alone - 1).to_string();
    let wrong = loaded(&compared, &[], &[("metrics.series_max", &less)]).unwrap_err();
    assert!(wrong[0].expected.contains("15 for the arms of experiments (2), "), "{wrong:?}");
}

#[test]
fn who_is_asked_for_contents_is_read_whole_or_not_at_all() {
    let of = |lines: &str| loaded(&format!("{BARE}{lines}"), &[], &[]).unwrap().content.check;
    assert_eq!(of(""), None);
    assert_eq!(of("[content]\n"), None);
    assert_eq!(of("[content]\ntimeout_ms = 100\n"), None);
    let http = "[content]\nhttp = \"http://127.0.0.1:8085/contains\"\n";
    let plain = ContentCheck {
        url: "http://127.0.0.1:8085/contains".into(),
        timeout: Duration::from_millis(200),
        on_failure: OnFailure::Closed,
        bytes_max: 65_536,
        cache_entries: 10_000,
        concurrent_max: 64,
        credential: None,
    };
    assert_eq!(of(http).as_ref(), Some(&plain));
    let all = "timeout_ms = 50\non_failure = \"open\"\nbytes_max = 2048\ncache_entries = 0\n\
               concurrent_max = 2\ncredential = \"env:GOOD\"\n";
    let other = ContentCheck {
        timeout: Duration::from_millis(50),
        on_failure: OnFailure::Open,
        bytes_max: 2_048,
        cache_entries: 0,
        concurrent_max: 2,
        credential: Some(Secret::new("sk-sb-good-0123456789")),
        ..plain
    };
    assert_eq!(of(&format!("{http}{all}")), Some(other));
}

#[test]
fn every_fault_of_who_is_asked_for_contents_is_said_with_its_path() {
    for (line, path) in [
        ("http = \"127.0.0.1:8085\"", "content.http"),
        ("http = \"ftp://127.0.0.1/contains\"", "content.http"),
        ("http = \"http://me:word@127.0.0.1/contains\"", "content.http"),
        ("http = \"http://127.0.0.1/contains?key=1\"", "content.http"),
        ("http = \"\"", "content.http"),
        ("http = 8085", "content.http"),
        ("timeout_ms = 0", "content.timeout_ms"),
        ("timeout_ms = 60001", "content.timeout_ms"),
        ("on_failure = \"ajar\"", "content.on_failure"),
        ("on_failure = true", "content.on_failure"),
        ("bytes_max = 1023", "content.bytes_max"),
        ("bytes_max = \"64KiB\"", "content.bytes_max"),
        ("cache_entries = -1", "content.cache_entries"),
        ("concurrent_max = 0", "content.concurrent_max"),
        ("credential = \"sk-plain\"", "content.credential"),
        ("credential = \"env:UNSET\"", "content.credential"),
        ("credential = \"env:SPACED\"", "content.credential"),
        ("url = \"http://127.0.0.1:8085\"", "content.url"),
    ] {
        let said = faults(&format!("[content]\n{line}\n"));
        assert!(said.contains(path), "{line}: {said}");
        assert!(!said.contains("me:word") && !said.contains("sk-plain"), "{line}: {said}");
    }
    let all = faults("[content]\nhttp = 1\ntimeout_ms = 0\non_failure = \"ajar\"\n");
    assert_eq!(all.lines().filter(|line| line.contains("content.")).count(), 3, "{all}");
}
