//! Mistakes of operators and callers, and the whole of what each is told, as `tests/golden/mistakes.txt` has
//! it for people to read. `SIGNALBOX_GOLDEN=1` writes that file anew.

use std::{fmt::Write, fs, path::Path, process::Command};

use serde_json::{Value, json};

use crate::harness::{
    Gateway, KEY, Reply, Setup, ask, binary::Server, gateway::Folder, wait, with,
};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/mistakes.txt");
const CONFIG: &str = r#"[server]
listen = "127.0.0.1:0"
[admin]
listen = "127.0.0.1:0"
[policy]
file = "policy.toml"

[[model]]
id = "qwen3-32b"
zone = "on_prem"
price = "free"
[[model.endpoint]]
url = "http://127.0.0.1:9/v1"

[[model]]
id = "gemma-4-31b"
zone = "cloud_sg"
price = "free"
[[model.endpoint]]
url = "http://127.0.0.1:9/gemma/v1"

[[key]]
name = "chatbot"
secret = "file:caller.key"
"#;
const POLICY: &str = r#"version = "v1"

[default]
route = ["qwen3-32b", "gemma-4-31b"]

[[rule]]
name = "regional"
when = { language = ["th"] }
route = ["gemma-4-31b", "qwen3-32b"]

[[rule]]
name = "confidential-stays-home"
when = { data_class = ["confidential", "secret"] }
require = { zone = ["on_prem"] }
"#;
const CASES: &str = r#"policy = "policy.toml"
fleet = "signalbox.toml"

[[case]]
name = "Thai is regional"
given = { language = "th" }
expect = { rule = "regional" }
"#;

/// One mistake: what is changed in files that are right, and what is run then.
struct Mistake {
    title: &'static str,
    files: Vec<(&'static str, String)>,
    changes: Vec<String>,
    variables: Vec<(&'static str, &'static str)>,
    command: &'static str,
}

/// A mistake that `check` finds, unless another command is named.
fn mistake(title: &'static str) -> Mistake {
    let files = vec![
        ("signalbox.toml", CONFIG.to_owned()),
        ("policy.toml", POLICY.to_owned()),
        (
            "cases/x.toml",
            CASES.replace("= \"policy", "= \"../policy").replace("= \"sig", "= \"../sig"),
        ),
        ("caller.key", String::from("sk-sb-0123456789abcdef")),
        ("request.json", ask("auto").to_string()),
    ];
    Mistake { title, files, changes: Vec::new(), variables: Vec::new(), command: "check" }
}

impl Mistake {
    /// With this in the place of that.
    fn put(mut self, file: &'static str, (old, new): (&str, &str)) -> Self {
        let (_, text) = self.files.iter_mut().find(|(name, _)| *name == file).expect("a file");
        assert!(text.contains(old), "{old} stands in {file}");
        *text = text.replacen(old, new, 1);
        self.changes
            .extend(new.lines().filter(|it| !it.is_empty()).map(|it| format!("{file} | {it}")));
        self
    }

    fn config(self, old: &str, new: &str) -> Self {
        self.put("signalbox.toml", (old, new))
    }

    fn policy(self, old: &str, new: &str) -> Self {
        self.put("policy.toml", (old, new))
    }

    /// With a file of another content, or without it.
    fn file(mut self, file: &'static str, text: Option<&str>) -> Self {
        self.files.retain(|(name, _)| *name != file);
        match text {
            Some(text) => {
                self.files.push((file, text.to_owned()));
                self.changes.extend(text.lines().map(|it| format!("{file} | {it}")));
            }
            None => self.changes.push(format!("{file} is not there")),
        }
        self
    }

    fn variable(mut self, name: &'static str, value: &'static str) -> Self {
        self.variables.push((name, value));
        self
    }

    fn run(mut self, command: &'static str) -> Self {
        self.command = command;
        self
    }

    /// What is typed, and all that is said.
    fn told(&self) -> String {
        let folder = Setup::new().write();
        fs::create_dir_all(folder.0.join("cases")).expect("a folder");
        fs::remove_file(folder.config()).expect("it was there");
        for (name, text) in &self.files {
            fs::write(folder.0.join(name), text).expect("a file");
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_signalbox"));
        command.args(self.command.split(' ')).current_dir(&folder.0);
        let ours = |name: &std::ffi::OsString| name.to_string_lossy().starts_with("SIGNALBOX");
        for (name, _) in std::env::vars_os().filter(|(name, _)| ours(name)) {
            command.env_remove(name);
        }
        let out = command.envs(self.variables.iter().copied()).output().expect("it runs");
        let mut text = String::new();
        for change in &self.changes {
            let _ = writeln!(text, "    {}", change.trim_end());
        }
        let variables = self.variables.iter().map(|(name, value)| format!("{name}={value} "));
        let variables: String = variables.collect();
        let _ = writeln!(text, "    $ {variables}signalbox {}", self.command);
        let indented = |bytes: &[u8]| {
            let said = String::from_utf8_lossy(bytes);
            said.lines().map(|line| format!("    {}\n", masked(line, &folder))).collect::<String>()
        };
        text += &indented(&out.stdout);
        text += &indented(&out.stderr);
        let _ = writeln!(text, "    exit code {}", out.status.code().expect("a code"));
        text
    }
}

/// A line without what differs from run to run.
fn masked(line: &str, folder: &Folder) -> String {
    let line = line.replace(&folder.0.display().to_string(), "FOLDER");
    let random = |(before, rest): (&str, &str)| {
        let end = rest.find(|it: char| !it.is_ascii_alphanumeric() && !"-_".contains(it));
        let rest = end.map_or("", |end| &rest[end..]);
        format!("{before}…{rest}")
    };
    let moment = line.find("it is 20").map(|at| at + "it is ".len());
    if let Some((at, end)) = moment.and_then(|at| Some((at, at + line[at..].find(' ')?))) {
        return format!("{}NOW{}", &line[..at], &line[end..]);
    }
    for head in ["sk-sb-", "hmac-sha256:", "policy v1 (", "policy   v1 ("] {
        if let Some((before, rest)) = line.split_once(head).filter(|(_, rest)| rest.len() > 15) {
            return random((&format!("{before}{head}"), rest));
        }
    }
    line.trim_end().to_owned()
}

fn of_files() -> Vec<Mistake> {
    let yaml =
        "model_list:\n  - model_name: gpt-4o\n    litellm_params:\n      model: azure/gpt-4o\n";
    let url = "url = \"http://127.0.0.1:9/v1\"";
    vec![
        mistake("Nothing is wrong"),
        mistake("There is no configuration").file("signalbox.toml", None),
        mistake("A quote is not closed")
            .config("listen = \"127.0.0.1:0\"", "listen = \"127.0.0.1:0"),
        mistake("The configuration of another gateway").file("signalbox.toml", Some(yaml)),
        mistake("A key is misspelt").config("listen", "lisen"),
        mistake("A key of another section")
            .config("price = \"free\"", "price = \"free\"\nweight = 2"),
        mistake("Two models of one name").config("gemma-4-31b", "qwen3-32b"),
        mistake("A model without a price").config("price = \"free\"\n", ""),
        mistake("A URL without /v1").config(url, "url = \"http://127.0.0.1:9\""),
        mistake("The URL of an operation")
            .config(url, "url = \"http://127.0.0.1:9/v1/chat/completions\""),
        mistake("A password in a URL").config(url, "url = \"http://me:hunter2@127.0.0.1:9/v1\""),
        mistake("The policy's file is not there").file("policy.toml", None),
        mistake("A preset is misspelt").config("file = \"policy.toml\"", "preset = \"banc\""),
        mistake("The first of several tables is misspelt").config("[[model]]", "[[models]]"),
        mistake("One bracket too few").config("[[key]]", "[key]\nname = \"a\"\n[[key]]"),
        mistake("A section twice").config("[policy]", "[server]\nearly_head_ms = 9\n[policy]"),
        mistake("A number in quotes").config("[policy]", "[log]\naccess = \"true\"\n[policy]"),
        mistake("A number for a table").policy("route = [\"gemma", "hedge = 800\nroute = [\"gemma"),
        mistake("A key of another gateway")
            .config("price = \"free\"", "price = \"free\"\nmax_output_tokens = 100\nrpm = 5"),
        mistake("An alias to an alias")
            .config("[policy]", "[alias]\na = \"qwen3-32b\"\nb = \"a\"\n[policy]"),
        mistake("A ledger in another database")
            .config("[policy]", "[ledger]\nsqlite = \"postgres://me:pw@db/x\"\n[policy]"),
        mistake("A level of another log")
            .config("[policy]", "[log]\nlevel = \"warning\"\n[policy]"),
        mistake("One sign of equality")
            .policy("when = { language = [\"th\"] }", "when = { cel = \"task = 'coding'\" }"),
    ]
}

fn of_secrets() -> Vec<Mistake> {
    let url = "url = \"http://127.0.0.1:9/v1\"";
    let secret = "secret = \"file:caller.key\"";
    let other =
        "secret = \"file:caller.key\"\n[[key]]\nname = \"other\"\nsecret = \"file:caller.key\"";
    vec![
        mistake("A key in the file itself")
            .config(url, "url = \"http://127.0.0.1:9/v1\"\napi_key = \"sk-live-0123456789\""),
        mistake("A variable that is not set")
            .config(url, "url = \"http://127.0.0.1:9/v1\"\napi_key = \"env:VLLM_KEY\""),
        mistake("A secret that can be guessed").file("caller.key", Some("letmein")),
        mistake("Two keys of one secret").config(secret, other),
        mistake("A key without a secret").config(secret, ""),
        mistake("A key of no team")
            .config(secret, "secret = \"file:caller.key\"\nteam = \"retail\""),
        mistake("A variable with one underscore").variable("SIGNALBOX_SERVER_LISTEN", "0.0.0.0:80"),
        mistake("A variable with a secret")
            .variable("SIGNALBOX_ADMIN_TOKEN", "0123456789abcdef0123"),
        mistake("A variable of a misspelt section")
            .variable("SIGNALBOX__SERVR__LISTEN", "0.0.0.0:80"),
        mistake("A variable of the wrong kind").variable("SIGNALBOX__QUEUE__WAIT_MS", "2s"),
    ]
}

fn of_words() -> Vec<Mistake> {
    let language = "language = [\"th\"]";
    let facts = "zone = \"on_prem\"";
    vec![
        mistake("A language by its name").policy(language, "language = [\"thai\"]"),
        mistake("A language of two ways to write")
            .policy(language, "language = [\"en\", \"chinese\"]"),
        mistake("A language with its region").policy(language, "language = [\"zh_TW\"]"),
        mistake("A task in another word").policy(language, "task = [\"code\", \"qa\", \"agent\"]"),
        mistake("A need in another word").policy(language, "needs = [\"images\", \"functions\"]"),
        mistake("A data class of another bank").policy("\"confidential\", ", "\"restricted\", "),
        mistake("An operation by its path").policy(language, "operation = [\"chat/completions\"]"),
        mistake("A day in full").policy(language, "weekday = [\"monday\"]"),
        mistake("What a model knows in other words").config(
            facts,
            "zone = \"on_prem\"\nlanguages = [\"english\", \"bahasa\"]\ncapabilities = [\"json\"]",
        ),
        mistake("A model is misspelt").policy("[\"gemma-4-31b\"", "[\"gema-4-31b\""),
        mistake("A zone in which nothing runs").policy("[\"on_prem\"]", "[\"onprem\"]"),
        mistake("A rule that does nothing").policy("require = { zone = [\"on_prem\"] }\n", ""),
        mistake("Two rules of one name").policy("\"confidential-stays-home\"", "\"regional\""),
        mistake("A policy that is no TOML")
            .policy("when = { language = [\"th\"] }", "when = { language = [\"th\"]"),
    ]
}

fn of_commands() -> Vec<Mistake> {
    let thai = |title| mistake(title).policy("[\"th\"]", "[\"thai\"]");
    vec![
        thai("A wrong policy to lint").run("policy lint policy.toml"),
        thai("A wrong policy to compare").run("policy diff policy.toml bank"),
        thai("A wrong policy to rehearse").run("policy replay --policy policy.toml"),
        thai("A wrong policy under a table of cases").run("policy test cases/x.toml"),
        mistake("A wrong word in a table of cases")
            .put("cases/x.toml", ("\"th\"", "\"thai\""))
            .run("policy test cases"),
        mistake("A table of cases that tests nothing")
            .put("cases/x.toml", ("{ rule = \"regional\" }", "{}"))
            .run("policy test cases"),
        mistake("A case that comes out otherwise")
            .put("cases/x.toml", ("{ rule = \"regional\" }", "{ rule = \"default\" }"))
            .run("policy test cases"),
        mistake("A model that there is not, explained")
            .put("request.json", ("\"auto\"", "\"gemma-4-31\""))
            .run("explain request.json"),
        mistake("A model that is down and that there is not, explained")
            .run("explain request.json --down qwen3-32"),
        mistake("A key that there is not, explained").run("explain request.json --key chatbto"),
        mistake("A hint in another word, explained")
            .run("explain request.json --header x-signalbox-language:thai"),
    ]
}

fn of_keys() -> Vec<Mistake> {
    vec![
        mistake("A key is made").run("key create --name teller --lines"),
        mistake("A key is made before there is a configuration")
            .file("signalbox.toml", None)
            .run("key create --name teller --team retail"),
        mistake("A key is made while the configuration is not whole")
            .config("secret = \"file:caller.key\"", "")
            .run("key create --name teller --lines"),
        mistake("A key is to be kept while the configuration is not whole")
            .config("secret = \"file:caller.key\"", "")
            .run("key create --name teller"),
        mistake("A key of a name that stands there").run("key create --name chatbot"),
        mistake("A key of a name that is none").run("key create --name über"),
        mistake("A key of a team that is not there").run("key create --name teller --team defualt"),
        mistake("A key with a budget that is none")
            .run("key create --name teller --budget 50/fortnight"),
        mistake("A key with a field that there is not")
            .run("key create --name teller --set colour=1"),
        mistake("A key with a model that there is not")
            .run("key create --name teller --models qwem"),
        mistake("A key with an expiry that is none").run("key create --name teller --expires soon"),
    ]
}

fn of_fields() -> Vec<Mistake> {
    vec![
        mistake("A key that is to expire at once").run("key create --name teller --expires 0d"),
        mistake("A key that is to expire before now").run("key create --name teller --expires -1d"),
        mistake("A key with a debt for a budget").run("key create --name teller --budget -5/day"),
        mistake("A key with an amount that is too fine")
            .run("key create --name teller --budget 0.0000000001/day"),
        mistake("A key with an amount that is too large")
            .run("key create --name teller --budget 99999999999/day"),
        mistake("A key with fewer requests than none")
            .run("key create --name teller --requests-per-minute -5"),
        mistake("A key with a budget of two amounts")
            .run("key create --name teller --set budget={\"amount\":\"1\",\"amount\":\"9\"}"),
        mistake("A key with shares that fall").run(
            "key create --name teller --set budget={\"amount\":\"1\",\"alerts\":[0.5,0.9,0.8]}",
        ),
        mistake("A key whose secret is said").run("key create --name teller --set secret=\"x\""),
        mistake("Keys of which a line says a field twice")
            .file(
                "keys.jsonl",
                Some("{\"name\":\"a\",\"limits\":{\"concurrent\":1,\"concurrent\":9}}"),
            )
            .run("key import keys.jsonl"),
        mistake("Keys of which a line has a fault")
            .file("keys.jsonl", Some("{\"name\":\"a\"}\n\n{\"name\":\"b\",\"team\":\"defualt\"}"))
            .run("key import keys.jsonl"),
        mistake("A key that stands in the file is revoked").run("key revoke chatbot"),
        mistake("A key that there is not is rotated").run("key rotate nobody"),
        mistake("A key is changed in nothing").run("key set chatbot"),
        mistake("A field is set and taken away").run("key set chatbot --budget 7 --unset budget"),
        mistake("A field is set by two options")
            .run("team set cards --concurrent 5 --set limits={\"concurrent\":6}"),
        mistake("A field that there is not is taken away").run("team set cards --unset bugdet"),
        mistake("A team is given another name").run("team set cards --set name=\"loans\""),
        mistake("An old secret is to open for years").run("key rotate chatbot --overlap 1000d"),
        mistake("An operator is called as commands are").config(
            "[policy]",
            "[[operator]]\nname = \"cli:mei\"\nrole = \"viewer\"\ntoken = \"file:caller.key\"\n[policy]",
        ),
        mistake("A team below one that there is not").run("team set cards --parent bnak"),
        mistake("A team below one of nearly this name").run("team set cards --parent defaut"),
        mistake("The team of keys without one is set").run("team set default --budget 5/day"),
        mistake("A team that there is not is removed").run("team remove cards"),
    ]
}

/// A request, and what its caller is told.
async fn asked(
    gateway: &Gateway,
    title: &str,
    body: &Value,
    header: Option<(&str, &str)>,
) -> String {
    let mut request = gateway.post(body);
    let mut typed = format!("POST /v1/chat/completions, model {}", body["model"]);
    if let Some((name, value)) = header {
        request = request.header(name, value);
        let _ = write!(typed, ", {name}: {value}");
    }
    let reply = Reply::of(request).await;
    let error = reply.json()["error"].clone();
    let text = |key: &str| error[key].as_str().unwrap_or_default().to_owned();
    format!(
        "{title}\n    {typed}\n    {} {}\n    {}\n",
        reply.status,
        text("code"),
        text("message")
    )
}

async fn of_requests() -> Vec<String> {
    let url = |path: &str| vec![format!("http://127.0.0.1:9/{path}/v1")];
    let setup =
        Setup::new().model_with("qwen3-32b", &url("qwen"), "zone = \"on_prem\"\n").model_with(
            "gemma-4-31b",
            &url("gemma"),
            "zone = \"cloud_sg\"\ncontext_tokens_max = 4000\n",
        );
    let setup = setup.and("[policy]\nfile = \"policy.toml\"\n").file("policy.toml", POLICY);
    let gateway = setup.start().await;
    let pin = ask("gemma-4-31b");
    let png = json!({ "type": "image_url", "image_url": { "url": "data:image/png;base64,iVBORw0KGgo=" } });
    let image = with(pin.clone(), json!({ "messages": [{ "role": "user", "content": [png] }] }));
    let tool = json!({ "type": "function", "function": { "name": "f" } });
    let long = json!({ "messages": [{ "role": "user", "content": "many words ".repeat(3_000) }] });
    let say = |name, value| Some((name, value));
    let class = say("x-signalbox-data-class", "confidential");
    let mut told = Vec::new();
    for (title, body, header) in [
        ("A model that a guard forbids", pin.clone(), class),
        ("A picture for a model that sees none", image, None),
        ("Tools for a model that calls none", with(pin.clone(), json!({ "tools": [tool] })), None),
        ("More words than a model takes", with(pin.clone(), long), None),
        ("A model is misspelt by a caller", ask("gemma-4-31"), None),
        ("A language by its name in a hint", pin.clone(), say("x-signalbox-language", "thai")),
        ("A task in another word in a hint", pin.clone(), say("x-signalbox-task", "code")),
        ("A class in another word", pin.clone(), say("x-signalbox-data-class", "restricted")),
        ("A header is misspelt", pin.clone(), say("x-signalbox-dataclass", "confidential")),
    ] {
        told.push(asked(&gateway, title, &body, header).await);
    }
    let route = gateway.client.post(gateway.url("/v1/route")).bearer_auth(KEY);
    let reply = Reply::of(route.body(ask("gemma-4-31").to_string())).await;
    told.push(format!(
        "A model is misspelt by a caller who asks where it would go\n    POST /v1/route, model \
         \"gemma-4-31\"\n    {}\n    refusal: {}\n",
        reply.status,
        reply.json()["decision"]["refusal"].as_str().unwrap_or_default(),
    ));
    gateway.close().await;
    told
}

#[tokio::test]
async fn each_mistake_is_told_as_the_golden_file_has_it() {
    let files = [of_files(), of_secrets(), of_words(), of_commands(), of_keys(), of_fields()];
    let files = files.into_iter().flatten();
    let mut told: Vec<String> = files.map(|it| format!("{}\n{}", it.title, it.told())).collect();
    told.extend(of_requests().await);
    let mut text = String::from(
        "What is said to mistakes. Each begins with what is changed in files that are right: those at the\n\
         beginning of tests/scenarios/mistakes.rs. SIGNALBOX_GOLDEN=1 writes this file anew.\n",
    );
    for (number, told) in (1..).zip(&told) {
        let _ = write!(text, "\n{number}. {told}");
    }
    if std::env::var_os("SIGNALBOX_GOLDEN").is_some() {
        fs::write(GOLDEN, &text).expect("it is written");
    }
    let golden = fs::read_to_string(Path::new(GOLDEN)).expect("the golden file");
    let (said, kept): (Vec<_>, Vec<_>) = (text.lines().collect(), golden.lines().collect());
    let differ = said.iter().zip(&kept).find(|(said, kept)| said != kept);
    assert_eq!((differ, said.len()), (None, kept.len()), "SIGNALBOX_GOLDEN=1 writes it anew");
    for secret in ["hunter2", "sk-live", "letmein"] {
        // Only what was typed has it.
        let repeated = text.lines().filter(|it| it.contains(secret) && !it.contains(" | "));
        assert_eq!(repeated.count(), 0, "{secret}");
    }
}

#[tokio::test]
async fn a_policy_that_is_wrong_at_a_reload_is_told_in_the_log_with_file_and_line() {
    let url = || vec![String::from("http://127.0.0.1:9/v1")];
    let models = |setup: Setup| {
        let setup = setup.model_with("qwen3-32b", &url(), "zone = \"on_prem\"\n");
        setup.model_with("gemma-4-31b", &url(), "zone = \"cloud_sg\"\n")
    };
    let setup = models(Setup::new()).and("[policy]\nfile = \"policy.toml\"\n");
    let folder = setup.file("policy.toml", POLICY).write();
    let server = Server::start(&folder.config()).await;
    fs::write(folder.0.join("policy.toml"), POLICY.replace("\"th\"", "\"thai\"")).expect("a file");
    server.hangup().await;
    let said = format!(
        "{}:8: rule[0] \"regional\".when.language[0]: found `thai`, expected a language; did you mean `th`?",
        folder.0.join("policy.toml").display(),
    );
    let logged = || {
        let says = |line: &Value| line["message"].as_str().is_some_and(|it| it.ends_with(&said));
        server.log().iter().any(says)
    };
    wait::until("the fault in the log", logged).await;
    server.terminate().await;
}
