//! What a request contains and how much it asks: kept in the books, so that its decision can be made again.

use serde_json::{Value, json};

use crate::harness::{
    KEY, Reply, Setup, SimBackend, ask,
    binary::{self, Server},
    exposition::Exposition,
    gateway::Folder,
    wait, with,
};

const POLICY: &str = "version = \"v\"\n\
     [[rule]]\nname = \"persons\"\nwhen = { contains = [\"national_id\"] }\nroute = [\"near\"]\n\
     [[rule]]\nname = \"puzzles\"\nwhen = { complexity = [\"hard\"] }\nroute = [\"large\"]\n\
     [[rule]]\nname = \"sealed\"\nwhen = { contains = [\"secret\"] }\nrequire = { zone = [\"on_prem\"] }\n\
     [default]\nroute = [\"small\"]\n";

/// A sum of many lines, numbers and marks.
const HARD: &str = "Solve for x, y and z:\n3x + 14y - 7z = 112\n-5x + 2y + 9z = 31\n8x - 11y + 6z = 47\n\
     Then evaluate (x^2 + y^2) / (z^3 - 4) + sqrt(2x - 1) * (3y + 5)^2 - log(7z + 13) / 19\n\
     and prove that (x + y)^2 >= 4xy.\n(a) x = ?\n(b) y = ?\n(c) z = ?";

/// Each text with the rule that it is decided by, and what is said of it.
const ASKED: [(&str, &str, &str); 3] = [
    (
        "My identity number is S1234567D, and you can call me at +65 9123 4567 or +65 8123 4567.",
        "persons",
        ", contains national_id, phone (2), about ",
    ),
    (HARD, "puzzles", ", public, complexity hard, about "),
    ("Hello, how are you today?", "default", ", public, complexity easy, about "),
];

fn asking(text: &str) -> Value {
    with(ask("auto"), json!({ "messages": [{ "role": "user", "content": text }] }))
}

async fn run(folder: &Folder, arguments: &[&str]) -> String {
    let out = binary::run(&folder.config(), arguments).await;
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    assert_eq!(out.status.code(), Some(0), "{text}{}", String::from_utf8_lossy(&out.stderr));
    text
}

/// What the operators' door says of it, once it is closed.
async fn told(server: &Server, id: &str) -> Value {
    let page = async || -> Value {
        let page = server.page(&format!("/admin/v1/requests/{id}"), KEY).await;
        serde_json::from_str(&page).expect("JSON")
    };
    wait::answers("it is no more open", false, async || page().await["request"]["state"] == "open")
        .await;
    page().await
}

#[tokio::test]
async fn what_was_decided_by_contents_and_complexity_is_decided_again_the_same_from_the_books() {
    let up = SimBackend::start();
    let models = [("small", "cloud"), ("large", "cloud"), ("near", "on_prem")];
    let setup = models.iter().fold(Setup::new(), |setup, (model, zone)| {
        setup.model_with(model, &up.urls(), &format!("zone = \"{zone}\"\n"))
    });
    let setup = setup.and("[policy]\nfile = \"policy.toml\"\n").file("policy.toml", POLICY);
    let folder = setup.write();
    let text = std::fs::read_to_string(folder.config()).expect("the configuration");
    let guarded = text.replacen("[admin]\n", "[admin]\ntoken = \"file:caller.key\"\n", 1);
    std::fs::write(folder.config(), guarded).expect("the configuration");
    let server = Server::start(&folder.config()).await;
    for (text, rule, words) in ASKED {
        let reply = Reply::of(server.post(&asking(text))).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let id = reply.header("x-signalbox-id");
        let told = told(&server, id).await;
        assert_eq!(
            (&told["request"]["rule"], &told["decision"]["rule"]),
            (&json!(rule), &json!(rule))
        );
        assert_eq!(told["notes"], json!([]), "{told}");
        let contains = match rule {
            "persons" => json!({ "national_id": 1, "phone": 2 }),
            _ => json!({}),
        };
        assert_eq!(told["request"]["contains"], contains, "{told}");
        let said = run(&folder, &["why", id]).await;
        assert!(said.contains(words) && !said.contains("note "), "{said}");
        // The same is said before anything is sent.
        let request = folder.0.join("request.json");
        std::fs::write(&request, asking(text).to_string()).expect("a request");
        let explained = run(&folder, &["explain", &request.display().to_string()]).await;
        assert!(explained.contains(words), "{explained}");
    }
    let secret = "Why is AKIAIOSFODNN7EXAMQ3L refused? It is our access key of AWS.";
    let refused = Reply::of(server.post(&with(asking(secret), json!({ "model": "small" })))).await;
    assert_eq!(refused.status, 403, "{}", refused.text());
    let told = told(&server, refused.header("x-signalbox-id")).await;
    assert_eq!(told["request"]["contains"], json!({ "secret": 1 }), "{told}");
    assert_eq!(told["request"]["guard"], "sealed");
    let again = told["decision"]["refusal"].as_str().unwrap_or_default();
    assert!(again.contains("rule `sealed` forbids every model left"), "{told}");
    let metrics = Exposition::of(&server.page("/metrics", KEY).await);
    let counted = |kind| {
        let labels = [("kind", kind), ("data_class", "public")];
        metrics.value("signalbox_contains_total", &labels)
    };
    // The last one was refused, and is not counted.
    assert_eq!(["national_id", "phone", "secret"].map(counted), [Some(1.0), Some(1.0), None]);
    server.terminate().await;
    assert_eq!(server.ended().await.code(), Some(0));
    let policy = folder.0.join("policy.toml").display().to_string();
    let replay = run(&folder, &["policy", "replay", "--policy", &policy, "--since", "1h"]).await;
    assert!(replay.contains("on 3 served requests: 0 move, 0 would be refused"), "{replay}");
    run(&folder, &["ledger", "verify"]).await;
}
