//! The simulated fleet at its sockets, with a paused clock.

use std::{io::ErrorKind, time::Duration};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::*;

/// How a connection ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Closed,
    Reset,
    Silent,
    Refused,
}

/// What came back over a connection of its own.
#[derive(Debug)]
struct Heard {
    head: String,
    body: Vec<u8>,
    end: End,
}

impl Heard {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn status(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or("none")
    }

    /// The payloads of all events.
    fn events(&self) -> Vec<String> {
        let text = self.text().replace("\r\n", "\n");
        let lines = text.lines().filter_map(|line| line.strip_prefix("data:"));
        lines.map(|line| line.trim_start().to_owned()).collect()
    }

    fn content(&self) -> String {
        let events = self.events();
        let deltas = events.iter().filter_map(|event| serde_json::from_str::<Value>(event).ok());
        deltas
            .filter_map(|event| {
                Some(event.pointer("/choices/0/delta/content")?.as_str()?.to_owned())
            })
            .collect()
    }
}

/// Sends a request and listens until the end, or a minute of the paused clock.
async fn post(url: &str, path: &str, body: &Value) -> Heard {
    let authority = url.trim_start_matches("http://").trim_end_matches("/v1");
    let refused = Heard { head: String::new(), body: Vec::new(), end: End::Refused };
    let Ok(mut stream) = TcpStream::connect(authority).await else { return refused };
    let body = body.to_string();
    let method = if path == "/sim/seen" { "GET" } else { "POST" };
    let head = format!("{method} {path} HTTP/1.1\r\nhost: {authority}\r\nconnection: close");
    let request = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    let end = match timeout(Duration::from_secs(60), stream.read_to_end(&mut bytes)).await {
        Ok(Ok(_)) => End::Closed,
        Ok(Err(error)) if error.kind() == ErrorKind::ConnectionReset => End::Reset,
        Ok(Err(error)) => panic!("{error}"),
        Err(_) => End::Silent,
    };
    let at = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let (head, body) = bytes.split_at(at.map_or(0, |at| at + 4));
    let head = String::from_utf8(head.to_vec()).unwrap();
    let body = if head.contains("chunked") { unchunked(body) } else { body.to_vec() };
    Heard { head, body, end }
}

fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(at) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = std::str::from_utf8(&rest[..at]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        let from = &rest[at + 2..];
        body.extend_from_slice(&from[..size.min(from.len())]);
        rest = from.get(size + 2..).unwrap_or_default();
    }
    body
}

async fn ask(url: &str, body: &Value) -> Heard {
    post(url, "/v1/chat/completions", body).await
}

fn question(text: &str, stream: bool) -> Value {
    json!({
        "model": "whatever", "stream": stream, "stream_options": { "include_usage": stream },
        "messages": [{ "role": "user", "content": text }],
    })
}

fn one(spec: ModelSpec) -> (Fleet, String) {
    let id = spec.id.clone();
    let fleet = Fleet::start(&[spec], Setting::default()).unwrap();
    let url = fleet.urls(&id).swap_remove(0);
    (fleet, url)
}

const ASKED: &str = "How do I raise the daily limit of my card?";

#[tokio::test(start_paused = true)]
async fn the_same_prompt_has_the_same_answer_streamed_or_not() {
    for spec in ten() {
        let (_fleet, url) = one(spec.clone());
        let plain = ask(&url, &question(ASKED, false)).await;
        let again = ask(&url, &question(ASKED, false)).await;
        let stream = ask(&url, &question(ASKED, true)).await;
        assert_eq!(plain.body, again.body, "{}", spec.id);
        let message = plain.json()["choices"][0]["message"].clone();
        assert_eq!(message["content"], json!(stream.content()), "{}", spec.id);
        assert_eq!(message.get("reasoning_content").is_some(), spec.reasoning_tokens_max > 0);
        let other = ask(&url, &question("What is a term deposit?", false)).await;
        assert_ne!(plain.json()["id"], other.json()["id"]);
    }
}

#[tokio::test(start_paused = true)]
async fn each_habit_on_the_wire_is_kept() {
    for spec in ten() {
        let (_fleet, url) = one(spec.clone());
        let heard = ask(&url, &question(ASKED, true)).await;
        let (text, quirks) = (heard.text(), spec.quirks);
        assert_eq!(text.contains("\r\n\r\n"), quirks.crlf, "{}", spec.id);
        assert_eq!(text.contains("data:{"), quirks.tight, "{}", spec.id);
        let late = quirks.usage == UsageReporting::Late;
        assert_eq!(text.contains(": ping"), quirks.comments || late, "{}", spec.id);
        let events = heard.events();
        assert_eq!(events.last().unwrap(), "[DONE]", "{}", spec.id);
        let usage: Vec<Value> = events
            .iter()
            .filter_map(|event| serde_json::from_str::<Value>(event).ok())
            .filter(|event| event.get("usage").is_some())
            .collect();
        let empty = |event: &Value| event["choices"].as_array().unwrap().is_empty();
        match quirks.usage {
            UsageReporting::Asked | UsageReporting::Late => {
                assert!(usage.len() == 1 && empty(&usage[0]));
            }
            UsageReporting::WithFinish => assert!(usage.len() == 1 && !empty(&usage[0])),
            UsageReporting::Never => assert!(usage.is_empty()),
        }
        let mut unasked = question(ASKED, true);
        unasked["stream_options"] = Value::Null;
        let unasked = ask(&url, &unasked).await.text();
        let told = quirks.usage == UsageReporting::WithFinish;
        assert_eq!(unasked.contains("completion_tokens"), told, "{}", spec.id);
    }
}

/// The model writes what a llama.cpp server was seen to write, but for figures and ids.
#[tokio::test(start_paused = true)]
async fn one_model_has_the_ways_of_llama_cpp() {
    let spec = ten().into_iter().find(|it| it.quirks.llama_cpp).unwrap();
    let (_fleet, url) = one(spec.context(64));
    let parsed = |heard: &Heard| -> Vec<Value> {
        heard.events().iter().filter_map(|event| serde_json::from_str(event).ok()).collect()
    };
    let stream = parsed(&ask(&url, &question(ASKED, true)).await);
    let delta = json!({ "role": "assistant", "content": null });
    assert_eq!(stream[0]["choices"][0]["delta"], delta);
    let last = stream.last().unwrap();
    assert_eq!(last["timings"]["predicted_n"], last["usage"]["completion_tokens"]);
    let prompt = json!({ "prompt": "A bank is", "max_tokens": 6, "stream": true });
    let completed = parsed(&post(&url, "/v1/completions", &prompt).await);
    let last = completed.last().unwrap();
    assert_eq!(last["choices"][0]["finish_reason"], "length");
    assert!(last["usage"]["completion_tokens"].is_u64() && last["timings"].is_object());
    let refused = ask(&url, &question(&"too long ".repeat(100), true)).await;
    let error = &refused.json()["error"];
    assert_eq!((error["code"].as_u64(), error["n_ctx"].as_u64()), (Some(400), Some(64)));
    assert_eq!(error["type"], "exceed_context_size_error");
    let words = "exceeds the available context size (64 tokens), try increasing it";
    assert!(error["message"].as_str().unwrap().ends_with(words), "{error}");
}

#[tokio::test(start_paused = true)]
async fn usage_can_be_recounted() {
    let (fleet, url) = one(ModelSpec::plain("m").reasoning(40));
    let plain = ask(&url, &question(ASKED, false)).await.json();
    let message = &plain["choices"][0]["message"];
    let count = |field: &str| ask::tokens(message[field].as_str().unwrap());
    let usage = &plain["usage"];
    assert_eq!(usage["prompt_tokens"], json!(ask::tokens(ASKED) + 4 + 3));
    assert_eq!(usage["completion_tokens"], json!(count("content") + count("reasoning_content")));
    let details = &usage["completion_tokens_details"];
    assert_eq!(details["reasoning_tokens"], json!(count("reasoning_content")));
    let seen = fleet.seen("m").unwrap();
    assert_eq!(json!(seen.completion_tokens), usage["completion_tokens"]);
    assert_eq!(json!(seen.prompt_tokens), usage["prompt_tokens"]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_keeps_to_the_callers_limit_and_the_models_room() {
    let (_fleet, url) = one(ModelSpec::plain("m").context(2_000).reasoning(30));
    let mut short = question(ASKED, false);
    short["max_tokens"] = json!(3);
    let short = ask(&url, &short).await.json();
    assert_eq!(short["usage"]["completion_tokens"], json!(3));
    assert_eq!(short["choices"][0]["finish_reason"], "length");
    let long = ask(&url, &question(&"clause ".repeat(2_000), false)).await;
    assert_eq!(long.status(), "400");
    assert!(long.text().contains("maximum context length is 2000 tokens"), "{}", long.text());
}

#[tokio::test(start_paused = true)]
async fn an_answer_comes_in_the_language_of_the_prompt() {
    for (text, code) in [
        ("What is my balance?", "en"),
        ("请问怎么开户？", "zh-Hans"),
        ("請問如何開戶？", "zh-Hant"),
        ("點樣開戶口㗎？我唔識喎", "yue"),
        ("口座を開きたいです", "ja"),
        ("계좌를 만들고 싶어요", "ko"),
        ("ขอเปิดบัญชีหน่อยค่ะ", "th"),
        ("கணக்கு திறக்க வேண்டும்", "ta"),
        ("मुझे खाता खोलना है", "hi"),
        ("ငွေစာရင်းဖွင့်ချင်ပါတယ်", "my"),
        ("ខ្ញុំចង់បើកគណនី", "km"),
        ("Tôi muốn mở tài khoản, không biết cần gì", "vi"),
        ("Saya bisa buka rekening di mana?", "id"),
        ("Saya nak buka akaun, boleh tak?", "ms"),
        ("Paano po ako magbubukas ng account?", "tl"),
        ("Come posso aprire un conto?", "it"),
    ] {
        assert_eq!(voice::of(text).code, code, "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn tools_are_called_and_schemas_followed() {
    let (_fleet, url) = one(ModelSpec::plain("m"));
    let parameters = json!({
        "type": "object",
        "properties": { "account_id": { "type": "string" }, "full": { "type": "boolean" } },
    });
    let function = json!({ "name": "get_balance", "parameters": parameters });
    let mut request = question("What is the balance of account 884213?", false);
    request["tools"] = json!([{ "type": "function", "function": function }]);
    let answer = ask(&url, &request).await.json();
    let choice = &answer["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls");
    let call = &choice["message"]["tool_calls"][0]["function"];
    assert_eq!(call["name"], "get_balance");
    assert_eq!(call["arguments"], r#"{"account_id":"884213","full":true}"#);

    request["tool_choice"] = json!("none");
    assert_eq!(ask(&url, &request).await.json()["choices"][0]["finish_reason"], "stop");

    // One that must call calls what it has not called, also after a result.
    let answer = json!({ "name": "answer", "parameters": { "$ref": "#/$defs/a",
        "$defs": { "a": { "type": "object", "properties": { "n": { "type": "integer" } } } } } });
    request["tools"] = json!([request["tools"][0], { "type": "function", "function": answer }]);
    request["tool_choice"] = json!("required");
    let first = ask(&url, &request).await.json()["choices"][0]["message"].clone();
    assert_eq!(first["tool_calls"][0]["function"]["name"], "get_balance");
    let result = json!({ "role": "tool", "tool_call_id": "c", "content": "12" });
    request["messages"] = json!([request["messages"][0], first, result]);
    let second = ask(&url, &request).await.json()["choices"][0]["message"].clone();
    let call = &second["tool_calls"][0]["function"];
    assert_eq!(
        (call["name"].as_str(), call["arguments"].as_str()),
        (Some("answer"), Some(r#"{"n":884213}"#))
    );

    let schema = json!({ "type": "object", "properties": {
        "kind": { "enum": ["fee", "fraud"] },
        "amounts": { "type": "array", "items": { "type": "number" } },
    }});
    let mut request = question("Read this: 120 dollars", false);
    request["response_format"] =
        json!({ "type": "json_schema", "json_schema": { "schema": schema } });
    let answer = ask(&url, &request).await.json();
    let text = answer["choices"][0]["message"]["content"].as_str().unwrap();
    let value: Value = serde_json::from_str(text).unwrap();
    assert_eq!(value, json!({ "kind": "fee", "amounts": [120.0] }));
}

#[tokio::test(start_paused = true)]
async fn any_json_has_the_keys_that_are_asked_for() {
    let (_fleet, url) = one(ModelSpec::plain("m"));
    for (prompt, expected) in [
        ("JSON with 'setup' and 'punchline' keys, please", json!(["punchline", "setup"])),
        (r#"Follow {"properties": {"fee": {"type": "number"}}}"#, json!(["fee"])),
        ("A JSON, please", json!(["answer"])),
    ] {
        let mut request = question(prompt, false);
        request["response_format"] = json!({ "type": "json_object" });
        let answer = ask(&url, &request).await.json();
        let text = answer["choices"][0]["message"]["content"].as_str().unwrap();
        let value: Value = serde_json::from_str(text).unwrap();
        let mut keys: Vec<&String> = value.as_object().unwrap().keys().collect();
        keys.sort();
        assert_eq!(json!(keys), expected, "{prompt}");
    }
}

/// One fault as a stream and as a plain answer: status, end of the connection, and what is in it.
async fn failing(fault: InjectedFault) -> [Heard; 2] {
    let (_fleet, url) = one(ModelSpec::plain("m").faulty(fault));
    [ask(&url, &question(ASKED, true)).await, ask(&url, &question(ASKED, false)).await]
}

/// Whether this fault was heard, in a stream and in a plain answer.
fn is_as_named(fault: InjectedFault, heard: &[Heard; 2]) -> bool {
    let [stream, plain] = heard;
    let all =
        |status: &str, end: &End| heard.iter().all(|one| one.status() == status && one.end == *end);
    let closed = |status: &str| all(status, &End::Closed);
    let whole = |one: &Heard| one.text().contains("[DONE]");
    match fault {
        InjectedFault::Refuse => all("none", &End::Refused),
        InjectedFault::Reset => all("none", &End::Reset),
        InjectedFault::StallHead => all("none", &End::Silent),
        InjectedFault::StallContent => all("200", &End::Silent) && stream.body.is_empty(),
        InjectedFault::StallPings => {
            all("200", &End::Silent) && stream.text().matches("ping").count() > 500
        }
        InjectedFault::StallMid => all("200", &End::Silent) && !stream.content().is_empty(),
        InjectedFault::Status500 => closed("500"),
        InjectedFault::Status503 => closed("503"),
        InjectedFault::Status429 => closed("429") && plain.head.contains("retry-after: 7"),
        InjectedFault::Status401 => closed("401"),
        InjectedFault::Status404 => closed("404"),
        InjectedFault::Status400 => closed("400") && plain.text().contains("http://"),
        InjectedFault::ContextLength => closed("400") && plain.text().contains("context length"),
        InjectedFault::Redirect => closed("307") && plain.head.contains("location:"),
        InjectedFault::Html => closed("200") && plain.head.contains("text/html"),
        InjectedFault::Empty => closed("200") && stream.body.is_empty(),
        InjectedFault::ErrorObject => closed("200") && stream.text().starts_with("{\"error"),
        InjectedFault::ErrorFirst => closed("200") && stream.text().starts_with("data: {\"error"),
        InjectedFault::DoneFirst => closed("200") && stream.text() == "data: [DONE]\n\n",
        InjectedFault::Prelude => {
            // More than a gateway holds back. How much is read until the paused clock says that it is silent
            // is the machine's affair.
            stream.content().is_empty() && stream.body.len() > 4 << 20
        }
        InjectedFault::ErrorMid => {
            let last = stream.events().pop().unwrap_or_default();
            !stream.content().is_empty() && last.starts_with("{\"error") && !whole(stream)
        }
        InjectedFault::Half | InjectedFault::CutEvent => {
            let cut = |one: &Heard| one.end == End::Closed && !one.text().ends_with("0\r\n\r\n");
            heard.iter().all(cut)
                && !plain.body.is_empty()
                && !stream.content().is_empty()
                && !whole(stream)
        }
        InjectedFault::NoDone => !stream.content().is_empty() && !whole(stream),
        InjectedFault::Garbage => std::str::from_utf8(&stream.body).is_err(),
        InjectedFault::EndlessEvent => stream.body.len() == 4 << 20 && stream.end == End::Silent,
        InjectedFault::Gzip => plain.head.contains("content-encoding: gzip"),
        InjectedFault::ResetReused | InjectedFault::Slow => whole(stream),
        InjectedFault::WrongUsage => plain.text().contains(":10000000"),
        InjectedFault::NoUsage => {
            !stream.text().contains("usage") && !plain.text().contains("usage")
        }
    }
}

#[tokio::test(start_paused = true)]
async fn each_fault_behaves_as_it_is_named() {
    for &fault in InjectedFault::ALL {
        let heard = failing(fault).await;
        let seen = heard.each_ref().map(|it| (&it.head, it.body.len(), &it.end));
        assert!(is_as_named(fault, &heard), "{}: {seen:?}", fault.name());
    }
}

#[tokio::test(start_paused = true)]
async fn a_cut_body_is_not_ended_in_good_order() {
    let (_fleet, url) = one(ModelSpec::plain("m").faulty(InjectedFault::Half));
    let client = reqwest_client();
    let body = question(ASKED, false).to_string();
    let answer = client.post(format!("{url}/chat/completions")).body(body).send().await.unwrap();
    assert!(answer.bytes().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_reused_connection_is_reset_and_a_fresh_one_is_not() {
    let (fleet, url) = one(ModelSpec::plain("m").faulty(InjectedFault::ResetReused));
    let authority = url.trim_start_matches("http://").trim_end_matches("/v1").to_owned();
    let body = question(ASKED, false).to_string();
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: m\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(authority).await.unwrap();
    let mut buffer = vec![0; 1 << 16];
    stream.write_all(request.as_bytes()).await.unwrap();
    assert!(stream.read(&mut buffer).await.unwrap() > 100);
    stream.write_all(request.as_bytes()).await.unwrap();
    let reset = stream.read(&mut buffer).await.unwrap_err();
    assert_eq!(reset.kind(), ErrorKind::ConnectionReset);
    assert_eq!(fleet.seen("m").unwrap().requests, 2);
}

#[tokio::test(start_paused = true)]
async fn faults_and_kills_are_switched_while_it_runs() {
    let mut spec = ModelSpec::plain("m");
    spec.replicas = 2;
    let (fleet, url) = one(spec);
    let control = fleet.control_url();
    let order = |path, order: Value| {
        let control = control.clone();
        async move { post(&control, path, &order).await }
    };
    let status = || async { ask(&url, &question(ASKED, false)).await.status().to_owned() };

    let once = json!({ "model": "m", "replica": 0, "fault": "status_500", "times": 1 });
    assert_eq!(order("/sim/fault", once).await.status(), "200");
    assert_eq!((status().await, status().await), ("500".into(), "200".into()));

    order("/sim/kill", json!({ "model": "m", "replica": 0 })).await;
    assert_eq!(status().await, "none");
    let other = ask(&fleet.urls("m")[1], &question(ASKED, false)).await;
    assert_eq!(other.status(), "200");
    order("/sim/revive", json!({ "model": "m" })).await;
    assert_eq!(status().await, "200");

    order("/sim/fault", json!({ "model": "m", "fault": "refuse" })).await;
    assert_eq!(status().await, "none");
    order("/sim/fault", json!({ "model": "m", "fault": null })).await;
    assert_eq!(status().await, "200");

    assert_eq!(order("/sim/fault", json!({ "model": "x", "fault": null })).await.status(), "400");
    let unknown = order("/sim/fault", json!({ "model": "m", "fault": "flood" })).await;
    assert!(unknown.text().contains("stall_head"), "{}", unknown.text());
    let seen = order("/sim/seen", Value::Null).await.json();
    assert_eq!(seen["m"]["requests"], 5);
    assert_eq!(seen["m"]["replicas"][0]["requests"], 4);
    assert_eq!(seen["m"]["last"]["headers"]["connection"], "close");
}

#[tokio::test(start_paused = true)]
async fn a_fault_meets_one_request_of_so_many_as_it_was_told() {
    let (fleet, url) = one(ModelSpec::plain("m"));
    let control = fleet.control_url();
    let order = async |order: Value| post(&control, "/sim/fault", &order).await;
    let third = json!({ "model": "m", "fault": "status_500", "one_in": 3, "times": 2 });
    assert_eq!(order(third).await.status(), "200");
    let mut seen = Vec::new();
    for _ in 0..9 {
        seen.push(ask(&url, &question(ASKED, false)).await.status().to_owned());
    }
    assert_eq!(seen, ["200", "200", "500", "200", "200", "500", "200", "200", "200"]);
    for (fault, one_in, said) in [("status_500", 0, "at least 1"), ("refuse", 2, "refuse")] {
        let wrong = order(json!({ "model": "m", "fault": fault, "one_in": one_in })).await;
        assert_eq!(wrong.status(), "400");
        assert!(wrong.text().contains(said), "{}", wrong.text());
    }
}

#[tokio::test(start_paused = true)]
async fn a_kill_ends_streams_and_a_refusal_lets_them_finish() {
    for (kill, whole) in [(true, false), (false, true)] {
        let (fleet, url) = one(ModelSpec::plain("m").paced(1_000, 1));
        let body = question(ASKED, true);
        let stream = tokio::spawn(async move { ask(&url, &body).await });
        while fleet.seen("m").unwrap().in_flight == 0 {
            tokio::task::yield_now().await;
        }
        match kill {
            true => fleet.kill("m", None).await.unwrap(),
            false => fleet.fault("m", None, Some(InjectedFault::Refuse), None).await.unwrap(),
        }
        let heard = stream.await.unwrap();
        assert_eq!(heard.text().contains("[DONE]"), whole);
        assert_eq!(heard.end, End::Closed);
        assert_eq!(fleet.seen("m").unwrap().completed, u64::from(whole));
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_leaves_is_noticed() {
    for stream in [true, false] {
        let (fleet, url) = one(ModelSpec::plain("m").paced(100, 1));
        let body = question(ASKED, stream).to_string();
        let request = reqwest_client().post(format!("{url}/chat/completions")).body(body);
        let gone = timeout(Duration::from_secs(5), async {
            request.send().await.unwrap().bytes().await.unwrap()
        });
        assert!(gone.await.is_err());
        while fleet.seen("m").unwrap().cancelled == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let seen = fleet.seen("m").unwrap();
        assert_eq!((seen.completed, seen.in_flight), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_fixed_pace_is_the_same_for_every_request() {
    let (_fleet, url) = one(ModelSpec::plain("m").fixed(20, 5, 1_000));
    let started = tokio::time::Instant::now();
    let stream = ask(&url, &question(ASKED, true)).await;
    let took = started.elapsed();
    assert!((24..40).contains(&took.as_millis()), "{took:?}");
    assert_eq!(stream.content(), "word".repeat(5));
    assert!(stream.text().contains(r#""completion_tokens":5"#));
    let other = ask(&url, &question("Something else", true)).await;
    assert_eq!(stream.body, other.body);
}

fn reqwest_client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_model_of_another_name_is_refused_where_it_is_to_be() {
    let glm = || ten().into_iter().find(|spec| &*spec.id == "glm-5.2").unwrap();
    let named = |name: Value| {
        let mut question = question(ASKED, false);
        question["model"] = name;
        question
    };
    for fixed in [false, true] {
        let strict = ModelSpec { refuses_unknown: true, ..glm() };
        let strict = if fixed { strict.fixed(0, 3, 0) } else { strict };
        let (fleet, url) = one(strict);
        for (name, status) in
            [("glm-5.2", "200"), ("zai-org/GLM-5.2", "200"), ("glm-5.3", "404"), ("", "404")]
        {
            assert_eq!(ask(&url, &named(json!(name))).await.status(), status, "{name}");
        }
        let refused = ask(&url, &named(json!("glm-5.3"))).await.json();
        assert_eq!(refused["error"]["message"], "The model `glm-5.3` does not exist.");
        // A fault that is in force comes first.
        let fault = Some(InjectedFault::Status503);
        fleet.fault("glm-5.2", None, fault, Some(1)).await.unwrap();
        assert_eq!(ask(&url, &named(json!("glm-5.3"))).await.status(), "503");
    }
    let (_fleet, url) = one(glm());
    assert_eq!(ask(&url, &named(json!("glm-5.3"))).await.status(), "200");
}

#[tokio::test(start_paused = true)]
async fn the_same_text_has_the_same_vector_from_the_same_model_alone() {
    let (_one, url) = one(ModelSpec::plain("one"));
    let (_other, other) = one(ModelSpec::plain("other"));
    let asked = |input: Value, more: Value| {
        let mut body = json!({ "model": "m", "input": input });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let vectors = async |url: &str, body: Value| {
        let heard = post(url, "/v1/embeddings", &body).await;
        assert_eq!(heard.status(), "200", "{}", heard.text());
        heard.json()
    };
    let both = vectors(&url, asked(json!(["limit", "card"]), json!({}))).await;
    let alone = vectors(&url, asked(json!("card"), json!({}))).await;
    assert_eq!(both["data"][1]["embedding"], alone["data"][0]["embedding"]);
    assert_eq!(both["data"].as_array().unwrap().len(), 2);
    assert_eq!(alone["data"][0]["embedding"].as_array().unwrap().len(), 64);
    assert_eq!(alone["usage"], json!({ "prompt_tokens": 1, "total_tokens": 1 }));
    let elsewhere = vectors(&other, asked(json!("card"), json!({}))).await;
    assert_ne!(elsewhere["data"][0]["embedding"], alone["data"][0]["embedding"]);
    let short = asked(json!("card"), json!({ "dimensions": 3 }));
    let floats = vectors(&url, short.clone()).await["data"][0]["embedding"].clone();
    assert_eq!(floats.as_array().unwrap().len(), 3);
    let packed = asked(json!("card"), json!({ "dimensions": 3, "encoding_format": "base64" }));
    let packed = vectors(&url, packed).await["data"][0]["embedding"].clone();
    let bytes = base64::Engine::decode(
        &base64::engine::general_purpose::STANDARD,
        packed.as_str().unwrap(),
    );
    let bytes = bytes.unwrap();
    let numbers: Vec<f32> =
        bytes.chunks(4).map(|it| f32::from_le_bytes(it.try_into().unwrap())).collect();
    assert_eq!(json!(numbers), floats);
    let ids = vectors(&url, asked(json!([[1, 2], [3]]), json!({}))).await;
    assert_eq!(
        (ids["data"].as_array().unwrap().len(), &ids["usage"]["prompt_tokens"]),
        (2, &json!(3))
    );
    let wrong = post(&url, "/v1/embeddings", &json!({ "model": "m", "input": 7 })).await;
    assert_eq!(wrong.status(), "400");
}

#[tokio::test(start_paused = true)]
async fn documents_are_ranked_by_the_words_of_the_query() {
    let (_fleet, url) = one(ModelSpec::plain("ranks"));
    let body = json!({
        "model": "m", "query": "limit of my card", "top_n": 2, "return_documents": true,
        "documents": ["about trains", { "text": "the limit of a card" }, "my cat"],
    });
    let heard = post(&url, "/v1/rerank", &body).await;
    let answer = heard.json();
    let results = answer["results"].as_array().unwrap();
    assert_eq!((results.len(), &results[0]["index"]), (2, &json!(1)));
    assert_eq!(results[0]["document"]["text"], "the limit of a card");
    assert!(answer["usage"]["total_tokens"].as_u64().unwrap() > 0);
}

#[tokio::test(start_paused = true)]
async fn prompts_are_completed_streamed_or_not() {
    let (_fleet, url) = one(ModelSpec::plain("writes"));
    let body = |stream: bool| {
        json!({
            "model": "m", "prompt": ["Once", "Twice"], "n": 2, "max_tokens": 7, "stream": stream,
            "stream_options": { "include_usage": stream },
        })
    };
    let plain = post(&url, "/v1/completions", &body(false)).await.json();
    let choices = plain["choices"].as_array().unwrap();
    assert_eq!((choices.len(), &plain["object"]), (4, &json!("text_completion")));
    let streamed = post(&url, "/v1/completions", &body(true)).await;
    let events: Vec<Value> =
        streamed.events().iter().filter_map(|it| serde_json::from_str(it).ok()).collect();
    let text: String = events
        .iter()
        .filter(|it| it["choices"][0]["index"] == 3)
        .filter_map(|it| it["choices"][0]["text"].as_str())
        .collect();
    assert_eq!(choices[3]["text"], text);
    assert_eq!(events.last().unwrap()["usage"], plain["usage"]);
}
