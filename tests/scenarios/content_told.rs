//! What users are told of contents and complexity: in refusals and what the books keep of them, before
//! anything is sent, by case tables, and on the command line.

use std::process::Output;

use serde_json::{Value, json};

use crate::harness::{
    KEY, Reply, Setup, SimBackend, ask,
    binary::{self, Server},
    gateway::Folder,
    wait, with,
};

const POLICY: &str = "version = \"v\"\n\
     [[rule]]\nname = \"home\"\nwhen = { data_class = [\"confidential\", \"secret\"] }\nroute = [\"near\"]\n\
     [default]\nroute = [\"far\"]\n";
const CLASSES: &str = "[data_class.content]\nmail = \"internal\"\nphone = \"confidential\"\n\
     secret = \"secret\"\n";
/// Two phones, a mail address, and a secret that no message may repeat.
const TEXT: &str = "Call +65 9123 4567 or +65 8123 4567, or write to jane.tan@corp.com; our access key \
     AKIAIOSFODNN7EXAMQ3L is refused.";

fn asking(text: &str) -> Value {
    with(ask("auto"), json!({ "messages": [{ "role": "user", "content": text }] }))
}

/// Whose key may send no more than internal data, and where its limit stands.
fn limited(urls: &[String], (key, team): (&str, &str)) -> Folder {
    let setup = Setup::new().model_with("far", urls, "zone = \"cloud\"\n");
    let setup = setup.model_with("near", urls, "zone = \"on_prem\"\n");
    let setup = setup.and(&format!(
        "[policy]\nfile = \"policy.toml\"\n[log]\naccess = true\n{CLASSES}\
         [[team]]\nname = \"bank\"\n{team}[[team]]\nname = \"retail\"\nparent = \"bank\"\n"
    ));
    let setup = setup.key(&format!("team = \"retail\"\n{key}")).operated();
    setup.file("policy.toml", POLICY).write()
}

fn stdout(out: &Output) -> String {
    assert_eq!(out.status.code(), Some(0), "{out:?}");
    String::from_utf8_lossy(&out.stdout).into_owned()
}

#[tokio::test]
async fn who_is_refused_for_contents_is_told_whose_limit_it_is_and_the_books_know_what_was_there() {
    let up = SimBackend::start();
    let most = "data_class_max = \"internal\"\n";
    for (limit, whose) in [((most, ""), "this key"), (("", most), "team `bank`")] {
        let folder = limited(&up.urls(), limit);
        let server = Server::start(&folder.config()).await;
        let reply = Reply::of(server.post(&asking(TEXT))).await;
        let said = format!(
            "the request contains 2 phone numbers (data class `confidential`) and a secret (data class \
             `secret`), and {whose} may send no more than `internal`"
        );
        assert_eq!(reply.status, 403, "{}", reply.text());
        assert_eq!(reply.json()["error"]["code"], "data_class_forbidden");
        assert_eq!(reply.json()["error"]["message"], said);
        let stated = server.post(&asking("Hello")).header("x-signalbox-data-class", "secret");
        let stated = Reply::of(stated).await;
        assert_eq!(stated.status, 403, "{}", stated.text());
        let above = format!("data class `secret` is above {whose}'s `internal`");
        assert_eq!(stated.json()["error"]["message"], above);
        let ids = [&reply, &stated].map(|it| it.header("x-signalbox-id").to_owned());
        let contains = json!({ "mail": 1, "phone": 2, "secret": 1 });
        for (id, contains) in ids.iter().zip([contains, json!({})]) {
            let page = format!("/admin/v1/requests/{id}");
            let page = async || -> Value {
                serde_json::from_str(&server.page(&page, KEY).await).unwrap_or_default()
            };
            wait::answers("it is kept", true, async || page().await["request"].is_object()).await;
            let told = page().await;
            let request = &told["request"];
            assert_eq!(request["contains"], contains, "{told}");
            assert_eq!(
                (&request["data_class"], &request["stage"]),
                (&"secret".into(), &"classify".into())
            );
            assert!(request["complexity"].is_string() && request["language"].is_string(), "{told}");
            assert!(told["decision"].is_null(), "{told}");
            let why = stdout(&binary::run(&folder.config(), &["why", id]).await);
            assert!(why.contains("it was refused before anything was decided"), "{why}");
        }
        let line = server.log().into_iter().find(|it| it["id"] == *ids[0]).unwrap_or_default();
        assert_eq!(line["contains"], "phone=2,mail=1,secret=1", "{line}");
        assert!(line["complexity"].is_string(), "{line}");
        let kept = stdout(&binary::run(&folder.config(), &["why", &ids[0]]).await);
        assert!(!format!("{line}{kept}{}", reply.text()).contains("AKIA"), "{line} {kept}");
        server.terminate().await;
        assert_eq!(server.ended().await.code(), Some(0));
    }
}

#[tokio::test]
async fn a_refusal_by_contents_is_explained_before_anything_is_sent_as_any_other_is() {
    let up = SimBackend::start();
    let folder = limited(&up.urls(), ("data_class_max = \"internal\"\n", ""));
    let request = folder.0.join("request.json");
    std::fs::write(&request, asking(TEXT).to_string()).expect("a request");
    let request = request.display().to_string();
    let refusal = "the request contains 2 phone numbers (data class `confidential`) and a secret (data \
                   class `secret`), and this key may send no more than `internal`";
    let text = stdout(&binary::run(&folder.config(), &["explain", &request]).await);
    assert!(text.contains(&format!("rule     -\nrefused  {refusal}\n")), "{text}");
    assert!(text.contains(", contains phone (2), mail, secret, about "), "{text}");
    let json = stdout(&binary::run(&folder.config(), &["explain", &request, "--json"]).await);
    let explained: Value = serde_json::from_str(&json).expect("JSON");
    let server = Server::start(&folder.config()).await;
    let client = crate::harness::gateway::client();
    let url = format!("http://{}/v1/route", server.addr());
    let asked = client.post(url).bearer_auth(KEY).json(&asking(TEXT));
    let routed = Reply::of(asked).await;
    assert_eq!(routed.status, 200, "{}", routed.text());
    for told in [explained, routed.json()] {
        assert_eq!(told["decision"]["refusal"], refusal, "{told}");
        assert_eq!(
            (&told["decision"]["rule"], &told["decision"]["plan"]),
            (&Value::Null, &json!([]))
        );
        assert_eq!(told["signals"]["data_class"], "secret", "{told}");
        assert_eq!(told["signals"]["contains"], json!({ "phone": 2, "mail": 1, "secret": 1 }));
    }
    server.terminate().await;
    assert_eq!(server.ended().await.code(), Some(0));
}

#[tokio::test]
async fn a_case_has_the_class_that_its_contents_raise_to_in_the_configuration_it_is_run_with() {
    let folder = limited(&["http://127.0.0.1:9/v1".into()], ("", ""));
    let case = |name: &str, given: &str, rule: &str| {
        format!(
            "[[case]]\nname = \"{name}\"\ngiven = {{ {given} }}\nexpect = {{ rule = \"{rule}\" }}\n"
        )
    };
    let table = [
        case("raised", "contains = [\"phone\"]", "home"),
        case("the highest counts", "contains = [\"mail\", \"secret\"]", "home"),
        case("not far enough", "contains = [\"mail\"]", "default"),
        case("by no kind", "contains = [\"iban\"], complexity = \"hard\"", "default"),
        case("never lowered", "contains = [\"mail\"], data_class = \"secret\"", "home"),
    ];
    let head = "policy = \"policy.toml\"\nfleet = \"signalbox.toml\"\n";
    let file = folder.0.join("cases.toml");
    std::fs::write(&file, head.to_owned() + &table.concat()).expect("a table");
    let file = file.display().to_string();
    let said = stdout(&binary::run(&folder.config(), &["policy", "test", &file]).await);
    assert!(said.contains('5'), "{said}");
}

#[tokio::test]
async fn classify_reads_of_a_request_what_the_gateway_reads() {
    let folder = limited(&["http://127.0.0.1:9/v1".into()], ("", ""));
    let nric = "S1234567D";
    let call = json!({ "id": "c1", "type": "function", "function":
        { "name": "find", "arguments": format!("{{\"nric\": \"{nric}\"}}") } });
    let user = |text: &str| json!({ "role": "user", "content": text });
    let used = json!({ "type": "tool_use", "id": "c1", "name": "find", "input": { "who": nric } });
    let answered = json!({ "type": "tool_result", "tool_use_id": "c1", "content": "" });
    let lines = [
        json!({ "text": format!("loan for {nric}") }),
        json!({ "messages": [user(nric)] }),
        json!({ "model": "m", "messages": [user("a"), { "role": "assistant", "tool_calls": [call] },
            { "role": "tool", "tool_call_id": "c1", "content": "none" }, user("b")] }),
        json!({ "messages": [user("a"), { "role": "assistant", "refusal": nric }, user("b")] }),
        json!({ "messages": [{ "role": "user", "name": nric, "content": "a" }] }),
        json!({ "messages": [{ "role": "system", "content": nric }, user("a")] }),
        json!({ "system": nric, "messages": [user("a")] }),
        json!({ "messages": [user("a"), { "role": "assistant", "content": [used] },
            { "role": "user", "content": [answered] }] }),
        json!({ "instructions": nric, "input": "a" }),
        json!({ "input": [user("a"), { "type": "function_call", "call_id": "c1", "name": "find",
            "arguments": format!("{{\"nric\": \"{nric}\"}}") },
            { "type": "function_call_output", "call_id": "c1", "output": "none" }] }),
        json!({ "input": ["a", nric] }),
        json!({ "prompt": nric }),
        json!({ "query": "a", "documents": ["b", nric] }),
    ];
    let input: String = lines.iter().map(|it| format!("{it}\n")).collect();
    let out = binary::run_with(&folder.config(), &["classify"], &[], input.as_bytes()).await;
    let rows = stdout(&out);
    assert_eq!(rows.lines().count(), lines.len(), "{rows}");
    for (row, line) in rows.lines().zip(&lines) {
        let row: Value = serde_json::from_str(row).expect("JSON");
        assert_eq!(row["contains"], json!({ "national_id": 1 }), "{line}");
    }
    // What is wrong with a request is said as the gateway says it.
    let king = json!({ "messages": [{ "role": "king", "content": "a" }] });
    let wrong = format!("{king}\n{}\n", json!({ "text": "a", "messages": [] }));
    let out = binary::run_with(&folder.config(), &["classify"], &[], wrong.as_bytes()).await;
    let said = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(1), "{said}");
    assert!(said.contains("line 1: messages[0].role is unknown"), "{said}");
    assert!(said.contains("line 2: found `text` and `messages`, expected one of them"), "{said}");
}
