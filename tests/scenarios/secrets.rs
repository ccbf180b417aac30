//! No secret and no word of a prompt is anywhere but where it belongs: marks are planted wherever one stands,
//! a real process at its most talkative goes through good and bad moments, and then all that somebody could
//! read is searched, in every spelling.
//!
//! Not searched: the arguments and variables of processes in `/proc`, which only their user and root read,
//! and which hold what an operator puts there (`env:NAME`); memory and cores (docs/SECURITY.md). Tags, names
//! of models, `x-request-id` and the reasons of operators are recorded by design, and are no marks.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::Stdio,
};

use http::Method;
use rusqlite::{Connection, MAIN_DB};
use serde_json::{Value, json};
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    process::{Child, Command},
};

use crate::harness::{
    Reply,
    binary::run_with,
    collector::Collector,
    gateway::Folder,
    raw, wait,
    wiretap::{Answers, Mark, Sinks, Wiretap, json as answer},
};

type Kept = &'static [(&'static str, &'static str)];

/// What is planted: its name, how it begins, and where it stands by design, with the reason.
const MARKS: [(&str, &str, Kept); 23] = [
    ("a caller's key", "sk-", &[]),
    ("a key that is refused for its limits", "sk-", &[]),
    ("the operators' token", "op-", &[]),
    ("the token of the metrics", "me-", &[]),
    ("the backend's key", "be-", &[("backend", "it is the backend's own")]),
    ("the pepper", "", &[]),
    ("headers for the collector", "", &[("collector", "they are meant for it")]),
    ("the system prompt", "", PROMPT),
    ("the user's prompt", "", PROMPT),
    ("a tool call", "", &[("backend", "prompts are sent there")]),
    ("an image", "", &[("backend", "prompts are sent there")]),
    ("an answer", "", &[("caller: served", "who asked is answered")]),
    ("reasoning", "", &[("caller: served", "who asked is answered")]),
    ("what a backend says of a 400", "", &[("caller: called wrong", "it is his mistake")]),
    ("what a backend says of a failure", "", &[]),
    ("a user", "", &[("backend", "fields of a body pass as they are")]),
    ("a session", "", &[]),
    ("a comment", "", &[]),
    ("a header", "", &[]),
    ("a query", "", &[]),
    ("a body that is wrong", "", &[]),
    ("a credential of another kind", "", &[]),
    ("a secret at the wrong place", "", &[]),
];
const PROMPT: Kept = &[
    ("backend", "prompts are sent there"),
    ("caller: called wrong", "the backend repeats it to who has asked"),
];

/// A scene: the marks, and what somebody could read.
struct Scene {
    marks: Vec<Mark>,
    sinks: Sinks,
    folder: Folder,
    out: Folder,
    up: Wiretap,
    collector: Collector,
    client: reqwest::Client,
    processes: usize,
    /// Statuses other than expected.
    odd: Vec<String>,
}

/// A gateway that serves, its output kept in a file.
struct Serving {
    child: Child,
    callers: String,
    operators: String,
}

impl Scene {
    async fn new() -> Self {
        let marks: Vec<Mark> =
            MARKS.iter().map(|(name, begins, kept)| Mark::new(name, begins, kept)).collect();
        let up = Wiretap::start(answers(&marks)).await;
        let collector = Collector::start().await;
        let (folder, out) = (Folder::empty(), Folder::empty());
        let mark = |name: &str| value(&marks, name);
        for (file, name) in [
            ("caller.key", "a caller's key"),
            ("tight.key", "a key that is refused for its limits"),
            ("admin.key", "the operators' token"),
            ("metrics.key", "the token of the metrics"),
            ("backend.key", "the backend's key"),
            ("pepper", "the pepper"),
        ] {
            std::fs::write(folder.0.join(file), mark(name)).expect("a file");
        }
        std::fs::write(folder.config(), configuration(&up, &collector)).expect("a file");
        let (sinks, client) = (Sinks::default(), unpooled());
        Self { marks, sinks, folder, out, up, collector, client, processes: 0, odd: Vec::new() }
    }

    fn mark(&self, name: &str) -> &str {
        value(&self.marks, name)
    }

    fn variables(&self) -> [(&'static str, String); 1] {
        let headers = format!("authorization=Bearer%20{}", self.mark("headers for the collector"));
        [("OTLP_HEADERS", headers)]
    }

    /// Files for what the next process says.
    fn output(&mut self, name: &str) -> (PathBuf, Stdio, Stdio) {
        self.processes += 1;
        let file = self.out.0.join(format!("{} {name}", self.processes));
        let out = File::create(&file).expect("a file");
        let err = out.try_clone().expect("a file");
        (file, out.into(), err.into())
    }

    async fn serve(&mut self, format: &str) -> Serving {
        let (said, out, err) = self.output("serve");
        let mut command = self.command(&["serve"]);
        command.env("SIGNALBOX__LOG__FORMAT", format);
        let child = command.stdout(out).stderr(err).spawn().expect("it starts");
        let between = |text: &str, from: &str, to: &str| {
            let rest = text.split(from).nth(1)?;
            rest.split_once(to).map(|(it, _)| it.to_owned())
        };
        let look = async || {
            let text = std::fs::read_to_string(&said).expect("its log");
            let (callers, operators) = match format {
                "json" => {
                    (between(&text, "\"addr\":\"", "\""), between(&text, "\"admin\":\"", "\""))
                }
                _ => {
                    let operators = between(&text, "operators at ", "\n");
                    (between(&text, "callers at ", ","), operators)
                }
            };
            callers.zip(operators).ok_or(text)
        };
        let (callers, operators) = wait::found("where it serves", look).await;
        Serving { child, callers, operators: operators.trim().to_owned() }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_signalbox"));
        command.args(arguments).arg("--config").arg(self.folder.config());
        command.env_remove("RUST_LOG").envs(self.variables()).kill_on_drop(true);
        command
    }

    /// Runs a command to its end and keeps what it says; gives its standard output.
    async fn run(&mut self, arguments: &[&str]) -> String {
        let variables = self.variables();
        let variables = [(variables[0].0, &*variables[0].1)];
        let input = prompt(&self.marks, "good").to_string();
        let config = self.folder.config();
        let done = run_with(&config, arguments, &variables, input.as_bytes()).await;
        let name = arguments.join(" ");
        self.sinks.add(format!("command: {name}"), [&done.stdout[..], &done.stderr].concat());
        String::from_utf8(done.stdout).expect("text")
    }

    /// Sends a request and keeps its answer.
    async fn send(&mut self, sink: &str, request: reqwest::RequestBuilder) -> Reply {
        let reply = Reply::of(request).await;
        let head = format!("{:?}\n", reply.headers).into_bytes();
        self.sinks.add(sink, [&head[..], &reply.body].concat());
        reply
    }

    /// A request of a caller with all that callers say, and its status.
    async fn ask(&mut self, sink: &str, to: &Serving, body: &Value, status: u16) -> Reply {
        let query = self.mark("a query");
        let url = format!("http://{}/v1/chat/completions?api_key={query}", to.callers);
        let request = self.client.post(url).bearer_auth(self.mark("a caller's key"));
        let request = request
            .header("x-signalbox-session", self.mark("a session"))
            .header("x-own", self.mark("a header"))
            .header("cookie", format!("it={}", self.mark("a header")))
            .header("traceparent", self.mark("a header"))
            .body(body.to_string());
        let reply = self.send(&format!("caller: {sink}"), request).await;
        self.expect(sink, &reply, status);
        reply
    }

    /// Notes a status that is another than this; any will do for 0.
    fn expect(&mut self, what: &str, reply: &Reply, status: u16) {
        if status != 0 && reply.status != status {
            self.odd.push(format!("{what}: {} and not {status}: {}", reply.status, reply.text()));
        }
    }

    /// A request of an operator.
    async fn operate(&mut self, to: &Serving, method: Method, path: &str, body: Value) -> Reply {
        let sink = format!("operator: {method} {}", path.split(['?', '=']).next().expect("a path"));
        let url = format!("http://{}/{path}", to.operators);
        let request =
            self.client.request(method, url).bearer_auth(self.mark("the operators' token"));
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send(&sink, request.body(body)).await
    }
}

fn value<'a>(marks: &'a [Mark], name: &str) -> &'a str {
    &marks.iter().find(|it| it.name == name).unwrap_or_else(|| panic!("no {name}")).value
}

fn configuration(up: &Wiretap, collector: &Collector) -> String {
    let mut text = String::from(
        "[server]\nlisten = \"127.0.0.1:0\"\ndrain_grace_ms = 0\nbody_bytes_max = 65536\n\
         [admin]\nlisten = \"127.0.0.1:0\"\ntoken = \"file:admin.key\"\n\
         metrics_token = \"file:metrics.key\"\n[ledger]\ndurability = \"process\"\n\
         [log]\nlevel = \"trace\"\naccess = true\n[feedback]\ncomments = false\n\
         [alias]\nboth = [\"failing\", \"good\"]\n\
         [[key]]\nname = \"filed\"\nsecret = \"file:caller.key\"\n\
         [[key]]\nname = \"tight\"\nsecret = \"file:tight.key\"\nmodels = [\"good\"]\n\
         limits = { requests_per_minute = 2 }\n",
    );
    let section = collector.section("1.0");
    text += &format!("{section}headers = \"env:OTLP_HEADERS\"\n");
    for model in ["good", "failing", "refusing", "telling", "broken", "cut", "silent"] {
        text += &format!(
            "[[model]]\nid = \"{model}\"\nupstream_model = \"scripted\"\n\
             capabilities = [\"tools\", \"vision\", \"reasoning\"]\n\
             price = {{ input_per_mtok = \"1.00\", output_per_mtok = \"2.00\" }}\n\
             [[model.endpoint]]\nurl = \"http://{}/{model}/v1\"\napi_key = \"file:backend.key\"\n",
            up.addr
        );
    }
    text
}

/// What the models answer: each as badly as its name says, and with every secret that it knows.
fn answers(marks: &[Mark]) -> Vec<Answers> {
    let mark = |name: &str| value(marks, name);
    let (text, reasoning) = (mark("an answer"), mark("reasoning"));
    let usage = json!({ "prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14 });
    let message = json!({ "role": "assistant", "content": text, "reasoning_content": reasoning });
    let choice = json!({ "index": 0, "message": message, "finish_reason": "stop" });
    let good = answer(200, &json!({ "choices": [choice], "usage": usage }).to_string());
    let event = |delta: Value, end: Value| {
        let choice = json!({ "index": 0, "delta": delta, "finish_reason": end });
        format!("data: {}\n\n", json!({ "choices": [choice] }))
    };
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    let begun = format!(
        "{head}{}{}",
        event(json!({ "reasoning_content": reasoning }), Value::Null),
        event(json!({ "content": text }), Value::Null)
    );
    let ended = format!("{begun}{}data: [DONE]\n\n", event(json!({}), "stop".into()));
    let told = |name: &str, prompts: bool| {
        let mut said = format!("{} Bearer {} ", mark(name), mark("the backend's key"));
        if prompts {
            said += &format!("{} {}", mark("the system prompt"), mark("the user's prompt"));
        }
        json!({ "error": { "message": said, "type": mark(name) } }).to_string()
    };
    let (failed, wrong) = ("what a backend says of a failure", "what a backend says of a 400");
    let failure = told(failed, true);
    let same = |path, all: String| Answers { path, plain: all.clone(), stream: all };
    vec![
        Answers { path: "/good/", plain: good.clone(), stream: ended },
        same("/failing/", answer(500, &failure)),
        same("/refusing/", answer(400, &told(wrong, true))),
        same("/telling/", answer(200, &failure)),
        same("/broken/", answer(200, mark(failed)).replace("application/json", mark(failed))),
        Answers {
            path: "/cut/",
            plain: good[..good.len() - 9].into(),
            stream: begun.clone() + "data: " + &failure + "\n\n",
        },
        same("/silent/", String::new()),
    ]
}

/// A request with all that a prompt can be made of.
fn prompt(marks: &[Mark], model: &str) -> Value {
    let mark = |name: &str| value(marks, name);
    let image = format!("data:image/png;base64,{}", mark("an image"));
    let call = json!({ "q": mark("a tool call") }).to_string();
    json!({
        "model": model,
        "user": mark("a user"),
        "max_tokens": 64,
        "tools": [{ "type": "function", "function": { "name": "find", "parameters": {},
            "description": mark("a tool call") } }],
        "messages": [
            { "role": "system", "content": mark("the system prompt") },
            { "role": "user", "content": [{ "type": "text", "text": mark("the user's prompt") },
                { "type": "image_url", "image_url": { "url": image } }] },
            { "role": "assistant", "content": null, "tool_calls": [{ "id": "call_1",
                "type": "function", "function": { "name": "find", "arguments": call } }] },
            { "role": "tool", "tool_call_id": "call_1", "content": mark("a tool call") },
        ],
    })
}

/// Good moments and bad ones of callers; the ids of two requests.
async fn callers(scene: &mut Scene, to: &Serving) -> Vec<String> {
    let with = |mut body: Value, stream: bool| {
        body["stream"] = stream.into();
        body
    };
    let mut ids = Vec::new();
    for (model, sink, plain, streamed) in [
        ("good", "served", 200, 200),
        ("both", "served", 200, 200),
        ("failing", "failed", 502, 502),
        ("refusing", "called wrong", 400, 400),
        ("telling", "failed", 502, 502),
        ("broken", "failed", 502, 502),
        ("cut", "served in part", 0, 0),
        ("nobody", "no such model", 404, 404),
    ] {
        for (stream, status) in [(false, plain), (true, streamed)] {
            let body = with(prompt(&scene.marks, model), stream);
            let reply = scene.ask(sink, to, &body, status).await;
            ids.push(reply.header("x-signalbox-id").to_owned());
        }
    }
    ids
}

/// Callers who are turned away.
async fn refusals(scene: &mut Scene, to: &Serving) {
    let url = format!("http://{}/v1/chat/completions", to.callers);
    let body = prompt(&scene.marks, "good").to_string();
    let other = scene.mark("a credential of another kind").to_owned();
    for header in [
        ("authorization", format!("Bearer eyJhbGciOi.{other}.sig")),
        ("authorization", format!("Basic {other}")),
        ("authorization", other.clone()),
        ("x-api-key", other.clone()),
    ] {
        let request = scene.client.post(&url).header(header.0, header.1).body(body.clone());
        let reply = scene.send("caller: unknown", request).await;
        scene.expect("caller: unknown", &reply, 401);
    }
    let key = scene.mark("a caller's key").to_owned();
    let request = scene.client.post(&url).bearer_auth(&key).header("x-api-key", &other);
    let reply = scene.send("caller: two keys", request.body(body.clone())).await;
    scene.expect("caller: two keys", &reply, 400);
    let tight = scene.mark("a key that is refused for its limits").to_owned();
    let limited = prompt(&scene.marks, "refusing").to_string();
    for (body, status) in [(limited, 403), (body.clone(), 200), (body.clone(), 429)] {
        let request = scene.client.post(&url).bearer_auth(&tight).body(body);
        let sink = if status == 200 { "caller: served" } else { "caller: refused" };
        let reply = scene.send(sink, request).await;
        scene.expect(sink, &reply, status);
    }
    let long = scene.mark("the user's prompt").repeat(65_536 / 36 + 1);
    let request = scene.client.post(&url).bearer_auth(&key).body(long);
    let reply = scene.send("caller: too long", request).await;
    scene.expect("caller: too long", &reply, 413);
    let query = scene.mark("a query").to_owned();
    for path in ["files", "models", "key", "nowhere"] {
        let url = format!("http://{}/v1/{path}?key={query}", to.callers);
        let request = scene.client.get(url).bearer_auth(&key);
        scene.send("caller: other pages", request).await;
    }
}

/// Bodies, heads and bytes that are wrong, each around a mark.
async fn wrong(scene: &mut Scene, to: &Serving) {
    let url = format!("http://{}/v1/chat/completions", to.callers);
    let key = scene.mark("a caller's key").to_owned();
    let it = scene.mark("a body that is wrong").to_owned();
    for body in [
        format!("{{\"model\": {it}"),
        format!("{{\"model\": \"good\", \"messages\": \"{it}\"}}"),
        format!("{{\"model\": \"good\", \"messages\": [{{\"role\": \"{it}\", \"content\": 1}}]}}"),
        format!("{{\"model\": \"good\", \"prompt_embeds\": \"{it}\", \"messages\": []}}"),
        format!("{{\"model\": \"good\", \"{it}\": {{\"{it}\": [\"{it}\"]}}, \"messages\": [5]}}"),
        format!("{{\"model\": \"good\", \"max_tokens\": \"{it}\", \"messages\": []}}"),
        format!(
            "{{\"model\": \"good\", \"tools\": [\"{it}\"], \"messages\": [{{\"role\": \"user\", \
                 \"content\": [{{\"type\": \"image_url\", \"image_url\": {{\"url\": \
                 \"https://{it}.example.com/{it}\"}}}}]}}]}}"
        ),
        it.clone(),
    ] {
        let request = scene.client.post(&url).bearer_auth(&key).body(body);
        scene.send("caller: wrong", request).await;
    }
    let header = scene.mark("a header").to_owned();
    for name in
        ["x-signalbox-own", "x-signalbox-language", "x-signalbox-data-class", "content-encoding"]
    {
        let body = prompt(&scene.marks, "good").to_string();
        let request = scene.client.post(&url).bearer_auth(&key).header(name, &header).body(body);
        let reply = Reply::of(request).await;
        // Who sent it may be told; nobody else.
        scene.expect(name, &reply, if name == "content-encoding" { 415 } else { 400 });
    }
    let addr = to.callers.parse().expect("an address");
    let two = format!("content-length: 5\r\nx-own: {header}\r\n");
    let bytes = String::from_utf8(raw::chat(&two, it.as_bytes())).expect("text");
    let own = bytes.replace(crate::harness::KEY, &key);
    for bytes in
        [own, format!("GET {header} HTTP/9\r\n{header}\r\n\r\n"), format!("{header}\r\n\r\n")]
    {
        let said = raw::send(addr, bytes.as_bytes()).await;
        scene.sinks.add("caller: bytes", said);
    }
}

/// A caller who hangs up, what callers tell of answers, and decisions without an answer.
async fn beside(scene: &mut Scene, to: &Serving, id: &str) {
    let body = prompt(&scene.marks, "silent").to_string();
    let bytes = String::from_utf8(raw::chat("", body.as_bytes())).expect("text");
    let bytes = bytes.replace(crate::harness::KEY, scene.mark("a caller's key"));
    let before = scene.up.times("POST /silent/");
    let mut caller = TcpStream::connect(&to.callers).await.expect("a connection");
    caller.write_all(bytes.as_bytes()).await.expect("it is sent");
    wait::until("a request", || scene.up.times("POST /silent/") > before).await;
    drop(caller);
    let (key, it) = (scene.mark("a caller's key").to_owned(), scene.mark("a comment").to_owned());
    for (body, status) in [
        (json!({ "request_id": id, "name": "good", "value": true, "comment": it }), 202),
        (json!({ "request_id": id, "name": "good", "value": it }), 400),
        (json!({ "request_id": id, "name": "good", "value": true, "comment": [it] }), 400),
    ] {
        let url = format!("http://{}/v1/feedback", to.callers);
        let request = scene.client.post(url).bearer_auth(&key).body(body.to_string());
        let reply = scene.send("caller: feedback", request).await;
        scene.expect("feedback", &reply, status);
    }
    let url = format!("http://{}/v1/route", to.callers);
    let body = prompt(&scene.marks, "auto").to_string();
    let request = scene.client.post(url).bearer_auth(&key).body(body);
    let reply = scene.send("caller: route", request).await;
    scene.expect("caller: route", &reply, 200);
}

/// Operators who make keys and look at everything.
async fn operators(scene: &mut Scene, to: &Serving, ids: &[String], name: &str) {
    let wrong = scene.mark("a secret at the wrong place").to_owned();
    for body in [
        json!({ "name": "x", "hash": wrong }),
        json!({ "name": "x", "secret": wrong }),
        json!({ "name": "x", "models": { "secret": wrong } }),
    ] {
        let reply = scene.operate(to, Method::POST, "admin/v1/keys", body).await;
        scene.expect("a key that cannot be", &reply, 400);
    }
    let url = format!("http://{}/admin/v1/keys", to.operators);
    let made = scene.client.post(&url).bearer_auth(scene.mark("the operators' token"));
    let made = Reply::of(made.body(json!({ "name": name }).to_string())).await;
    let key = made.json()["key"].as_str().expect("a key").to_owned();
    scene.marks.push(Mark::made("a key made by the API", &key, &[]));
    let turned = scene.client.post(format!("{url}/{name}/rotate"));
    let turned = Reply::of(turned.bearer_auth(scene.mark("the operators' token"))).await;
    let second = turned.json()["key"].as_str().expect("a key").to_owned();
    scene.marks.push(Mark::made("a key rotated by the API", &second, &[]));
    for key in [key, second] {
        let url = format!("http://{}/v1/chat/completions", to.callers);
        let body = prompt(&scene.marks, "good").to_string();
        let request = scene.client.post(url).bearer_auth(key).body(body);
        let reply = scene.send("caller: served", request).await;
        scene.expect("caller: served", &reply, 200);
    }
    look(scene, to, ids, name).await;
}

/// Every page, and what is asked of them with other tokens.
async fn look(scene: &mut Scene, to: &Serving, ids: &[String], name: &str) {
    let path = format!("admin/v1/keys/{name}");
    let reply = scene.operate(to, Method::DELETE, &path, Value::Null).await;
    scene.expect("revoke", &reply, 200);
    let query = scene.mark("a query").to_owned();
    let mut pages = vec![path];
    pages.extend(ids.iter().map(|id| format!("admin/v1/requests/{id}")));
    for page in [
        "metrics",
        "readyz",
        "livez",
        "admin/v1/keys",
        "admin/v1/teams",
        "admin/v1/audit",
        "admin/v1/spend?by=team,key",
        "admin/v1/spend?by=model&format=csv",
        "admin/v1/policy",
        "admin/v1/experiments",
        "admin/v1/requests",
    ] {
        pages.push(page.to_owned());
        pages.push(format!("{}?key={query}", page.split('?').next().expect("a page")));
    }
    for page in pages {
        scene.operate(to, Method::GET, &page, Value::Null).await;
    }
    for token in ["the token of the metrics", "a caller's key"] {
        let url = format!("http://{}/metrics", to.operators);
        let request = scene.client.get(url).bearer_auth(scene.mark(token));
        scene.send("operator: metrics by another token", request).await;
    }
}

/// What is asked beside the server, from the ledger.
async fn commands(scene: &mut Scene, ids: &[String], name: &str) {
    for arguments in [vec!["key", "create", "--name", name], vec!["key", "rotate", name]] {
        let variables = scene.variables();
        let variables = [(variables[0].0, &*variables[0].1)];
        let done = run_with(&scene.folder.config(), &arguments, &variables, b"").await;
        let key = String::from_utf8(done.stdout).expect("text");
        // The one place where it is shown is its standard output.
        scene.marks.push(Mark::made("a key made by a command", key.trim(), &[]));
        scene.sinks.add("command: key", done.stderr);
    }
    scene.run(&["key", "revoke", name, "--reason", "it ends"]).await;
    for id in ids {
        scene.run(&["why", id]).await;
        scene.run(&["why", id, "--json"]).await;
    }
    for arguments in [
        &["key", "list"][..],
        &["key", "export"],
        &["audit"],
        &["audit", "--json"],
        &["ledger", "verify"],
        &["spend", "--by", "key"],
        &["check"],
        &["explain"],
        &["policy", "lint"],
    ] {
        scene.run(arguments).await;
    }
    let (said, out, err) = scene.output("ledger --follow");
    let mut command = scene.command(&["ledger", "--follow", "--since", "1h", "--json"]);
    let mut follows = command.stdout(out).stderr(err).spawn().expect("it starts");
    let text = || std::fs::read_to_string(&said).expect("what it says");
    wait::until("an entry", || text().contains(&ids[0])).await;
    follows.kill().await.expect("it ends");
}

/// Everything in the ledger's folder but what is a secret itself, and a copy by SQLite's own backup.
fn files(scene: &mut Scene, when: &str) {
    const SECRETS: [&str; 7] = [
        "caller.key",
        "tight.key",
        "admin.key",
        "metrics.key",
        "backend.key",
        "pepper",
        "audit.key",
    ];
    let read = |folder: &Path, sinks: &mut Sinks| {
        for file in std::fs::read_dir(folder).expect("a folder") {
            let file = file.expect("a file");
            let name = file.file_name().to_string_lossy().into_owned();
            if file.file_type().expect("a kind").is_file() && !SECRETS.contains(&&*name) {
                sinks.add(format!("{when}: {name}"), std::fs::read(file.path()).expect("bytes"));
            }
        }
    };
    read(&scene.folder.0, &mut scene.sinks);
    let ledger = Connection::open(scene.folder.ledger()).expect("the ledger");
    let copy = scene.folder.0.with_extension(format!("{when}-backup"));
    ledger.backup(MAIN_DB, &copy, None::<fn(rusqlite::backup::Progress)>).expect("a copy");
    scene.sinks.add(format!("{when}: backup"), std::fs::read(&copy).expect("bytes"));
    std::fs::remove_file(copy).expect("a file");
    if when == "ended" {
        read(&scene.out.0, &mut scene.sinks);
    }
}

async fn through(scene: &mut Scene, format: &str) -> Serving {
    let to = scene.serve(format).await;
    let ids = callers(scene, &to).await;
    refusals(scene, &to).await;
    wrong(scene, &to).await;
    beside(scene, &to, &ids[0]).await;
    operators(scene, &to, &ids, &format!("api-{format}")).await;
    commands(scene, &[ids[0].clone(), ids[6].clone()], &format!("cli-{format}")).await;
    to
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_and_no_prompt_is_where_it_does_not_belong() {
    let mut scene = Scene::new().await;
    let mut first = through(&mut scene, "json").await;
    files(&mut scene, "serving");
    first.child.kill().await.expect("it is killed");
    files(&mut scene, "killed");
    let mut second = through(&mut scene, "text").await;
    let id = second.child.id().expect("it runs").to_string();
    let told = Command::new("kill").args(["-TERM", &id]).status().await.expect("kill");
    assert!(told.success() && second.child.wait().await.expect("a status").success());
    files(&mut scene, "ended");
    scene.sinks.add("backend", scene.up.heard());
    scene.sinks.add("collector", scene.collector.heads().concat());
    let spans = scene.collector.spans();
    assert!(spans.len() > 40, "{}", spans.len());
    scene.sinks.add("spans", format!("{spans:?}"));
    let found = scene.sinks.search(&scene.marks);
    let all: Vec<&str> = found.iter().chain(&scene.odd).map(String::as_str).collect();
    assert!(all.is_empty(), "{} findings:\n{}", all.len(), all.join("\n"));
}

/// A client that keeps no connection: some of these answers end theirs, and nobody is to race with that.
fn unpooled() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0);
    builder.timeout(std::time::Duration::from_secs(30)).build().expect("a client")
}
