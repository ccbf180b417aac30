//! `signalbox init`: from the URLs of backends to a gateway that serves, or to nothing at all.

use std::{os::unix::fs::PermissionsExt, path::Path, process::Output};

use signalbox::sim::{Fleet, Setting, ten};
use tokio::process::Command;

use crate::harness::{
    Books, Reply, ask,
    binary::{Server, run_in},
    byte_backend::{ByteBackend, Step},
    gateway::Folder,
    with,
};

fn out(out: &Output) -> String {
    String::from_utf8_lossy(&out.stdout).into_owned()
}

fn said(out: &Output) -> String {
    String::from_utf8_lossy(&out.stderr).into_owned()
}

fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let mut names: Vec<_> =
        entries.map(|it| it.expect("a file").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn read(folder: &Folder, name: &str) -> String {
    std::fs::read_to_string(folder.0.join(name)).expect("a file")
}

/// The ten models, and the first URL of this one.
fn fleet() -> Fleet {
    let mut ten = ten();
    for spec in &mut ten {
        spec.refuses_unknown = true;
    }
    Fleet::start(&ten, Setting { speed: 100.0, ..Setting::default() }).expect("loopback ports")
}

/// A backend that answers every request so.
async fn backend(status: &str, body: &str) -> ByteBackend {
    let head =
        format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\n");
    let text = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
    ByteBackend::start(vec![vec![Step::Send(text.into_bytes()), Step::Close].into()]).await
}

/// What is written as a comment of contents and classes is right once it is none.
async fn classes_can_be_made_live(folder: &Folder) {
    let (commented, mut live) = (read(folder, "signalbox.toml"), String::new());
    for line in commented.lines() {
        let classes =
            ["[data_class.content]", "payment_card =", "national_id =", "secret = \"secret\""];
        let bare =
            line.strip_prefix("# ").filter(|bare| classes.iter().any(|it| bare.starts_with(it)));
        live += &format!("{}\n", bare.unwrap_or(line));
    }
    assert!(live.contains("\n[data_class.content]\npayment_card = \"confidential\"\n"), "{live}");
    std::fs::write(folder.config(), live).expect("the configuration");
    let check = run_in(&folder.0, &["check"]).await;
    assert_eq!(check.status.code(), Some(0), "{}", out(&check));
}

#[tokio::test]
async fn what_init_writes_serves_at_once() {
    let (fleet, folder) = (fleet(), Folder::empty());
    let urls = |model: &str| fleet.urls(model);
    let bare = urls("gpt-oss-20b")[0].trim_end_matches("/v1").to_owned();
    let mut arguments = vec!["init", "--backend", &bare];
    let more: Vec<String> =
        ["gpt-oss-20b", "qwen3-coder-next", "sea-lion-v4"].iter().flat_map(|it| urls(it)).collect();
    for url in &more[1..] {
        arguments.extend(["--backend", url]);
    }
    arguments.extend(["--zone", "on_prem", "--team", "retail", "--key-name", "app"]);
    let init = run_in(&folder.0, &arguments).await;
    assert_eq!(init.status.code(), Some(0), "{}", said(&init));
    let key = out(&init);
    assert!(key.starts_with("sk-sb-") && key.lines().count() == 1, "{key}");
    let key = key.trim();
    for line in [
        &*format!("{bare}/v1: 2 models listed, with /v1 at its end"),
        "gpt-oss-20b       2 replicas, in the catalogue; its price is an EXAMPLE",
        "signalbox.toml: good: 3 models",
        "signalbox serve",
    ] {
        assert!(said(&init).contains(line), "{line}: {}", said(&init));
    }
    assert!(!said(&init).contains("policy: "), "lint has nothing to say: {}", said(&init));
    assert_eq!(files(&folder.0), ["pepper", "policy.toml", "signalbox.toml"]);
    let mode = std::fs::metadata(folder.0.join("pepper")).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let pepper = read(&folder, "pepper");
    let shown = said(&init) + &read(&folder, "signalbox.toml") + &read(&folder, "policy.toml");
    assert!(!shown.contains(&pepper) && !shown.contains(key), "no secret is repeated");
    let lint = run_in(&folder.0, &["policy", "lint"]).await;
    assert!(out(&lint).contains("0 errors, 0 warnings"), "{lint:?}");
    let online = run_in(&folder.0, &["check", "--online"]).await;
    assert_eq!(online.status.code(), Some(0), "{}", out(&online));
    classes_can_be_made_live(&folder).await;

    let server = Server::anywhere(&folder.config()).await;
    for (asked, class, status) in
        [("auto", "public", 200), ("sea-lion-v4", "confidential", 200), ("gpt-9", "public", 404)]
    {
        let request = server.post_with(key, &with(ask(asked), serde_json::json!({})));
        let reply = Reply::of(request.header("x-signalbox-data-class", class)).await;
        assert_eq!(reply.status, status, "{asked}: {}", reply.text());
    }
    server.terminate().await;
    assert_eq!(server.ended().await.code(), Some(0));
    let verify = run_in(&folder.0, &["ledger", "verify"]).await;
    assert!(out(&verify).contains("the ledger is right: 2 settled"), "{verify:?}");
    let books = Books::read(&folder.ledger());
    assert!(books.entries.iter().all(|it| it.team == "retail" && it.key == "app"));
}

#[tokio::test]
async fn a_missing_or_wrong_flag_is_named_and_nothing_is_written() {
    let folder = Folder::empty();
    let url = "http://127.0.0.1:9/v1";
    for (arguments, words) in [
        (&["init"][..], "--backend is missing"),
        (&["init", "--team", "x"], "--backend is missing"),
        (&["init", "--backend", "localhost:8000"], "--backend: found `localhost:8000`"),
        (&["init", "--backend", "http://me:pw@h/v1"], "--backend: found a URL with credentials"),
        (&["init", "--backend", "auto=http://h/v1"], "--backend: `auto`"),
        (&["init", "--backend", url, "--api-key", "sk-12345"], "--api-key: expected env:NAME"),
        (&["init", "--backend", url, "--api-key", "env:NOT_SET_X"], "NOT_SET_X, which is not set"),
        (&["init", "--backend", url, "--zone", "on prem"], "--zone: found `on prem`"),
        (&["init", "--backend", url, "--zone", "a", "--zone", "b"], "--zone: 2 times beside 1"),
        (&["init", "--backend", url, "--key-name", "a!"], "--key-name: found `a!`"),
        (&["init", "--backend", url, "--team", ""], "--team: "),
        (&["init", "--backend", url, "--backend", url], "for the second time"),
        (&["init", "--offline", "--backend", url], "say --backend NAME=http://127.0.0.1:9/v1"),
        (&["init", "x", "--config", "y.toml", "--backend", url], "--config beside DIR"),
    ] {
        let init = run_in(&folder.0, arguments).await;
        assert_eq!(init.status.code(), Some(64), "{arguments:?}: {init:?}");
        assert!(said(&init).contains(words), "{arguments:?}: {}", said(&init));
        assert!(!said(&init).contains("sk-12345") && !said(&init).contains("me:pw"));
        assert_eq!(files(&folder.0), [""; 0], "{arguments:?}");
    }
}

#[tokio::test]
async fn a_backend_that_cannot_be_asked_is_named_and_nothing_is_written() {
    let (fleet, folder) = (fleet(), Folder::empty());
    let good = fleet.urls("glm-5.2").swap_remove(0);
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let nobody_at = format!("http://{}/v1", nobody.local_addr().expect("an address"));
    drop(nobody);
    let locked = backend("401 Unauthorized", "{}").await;
    let busy = backend("429 Too Many Requests", "{}").await;
    let empty = backend("200 OK", r#"{"object":"list","data":[]}"#).await;
    for (url, words) in [
        (&nobody_at, "WRONG: connection refused"),
        (&locked.urls()[0], "WRONG: 401: it wants a credential; say --api-key env:NAME"),
        (&busy.urls()[0], "WRONG: 429: it is too busy"),
        (&empty.urls()[0], "WRONG: its list of models is empty"),
        (&good.replace("/v1", "/v2"), "WRONG: 404: nothing at "),
        (&fleet.control_url(), "/models is no list either; is the url right?"),
    ] {
        let arguments = ["init", "new", "--backend", &good, "--backend", url];
        let init = run_in(&folder.0, &arguments).await;
        assert_eq!(init.status.code(), Some(1), "{url}: {init:?}");
        assert!(said(&init).contains(words), "{words}: {}", said(&init));
        assert!(
            said(&init).contains("1 of 2 backends") && said(&init).contains("Nothing was written")
        );
        assert_eq!(files(&folder.0), [""; 0], "{url}");
    }
    // Whoever knows what is there can write without asking.
    let named = format!("openai/gpt-oss-20b={nobody_at}");
    let init = run_in(&folder.0, &["init", "new", "--offline", "--backend", &named]).await;
    assert_eq!(init.status.code(), Some(0), "{init:?}");
    let config = std::fs::read_to_string(folder.0.join("new/signalbox.toml")).expect("a file");
    assert!(
        config.contains("id = \"gpt-oss-20b\"\nupstream_model = \"openai/gpt-oss-20b\""),
        "{config}"
    );
}

#[tokio::test]
async fn what_is_there_is_replaced_only_when_forced_and_a_pepper_never() {
    let (fleet, folder) = (fleet(), Folder::empty());
    let url = fleet.urls("glm-5.2").swap_remove(0);
    let first = run_in(&folder.0, &["init", "--backend", &url]).await;
    assert_eq!(first.status.code(), Some(0), "{first:?}");
    let (config, pepper) = (read(&folder, "signalbox.toml"), read(&folder, "pepper"));
    let again = run_in(&folder.0, &["init", "--backend", &url]).await;
    assert_eq!(again.status.code(), Some(1), "{again:?}");
    let taken =
        "signalbox.toml is already there: --force replaces it, and keeps signalbox.toml.old";
    assert!(said(&again).contains(taken), "{}", said(&again));
    assert_eq!((read(&folder, "signalbox.toml"), out(&again)), (config.clone(), String::new()));
    let forced = run_in(&folder.0, &["init", "--force", "--backend", &url]).await;
    assert_eq!(forced.status.code(), Some(0), "{forced:?}");
    assert_eq!(read(&folder, "signalbox.toml.old"), config);
    assert_eq!(read(&folder, "pepper"), pepper, "all keys of its ledger hang on it");
    assert_ne!(out(&first), out(&forced));
    // A policy that is there is somebody's work, too.
    let other = Folder::empty();
    std::fs::write(other.0.join("policy.toml"), "theirs").expect("a file");
    let init = run_in(&other.0, &["init", "--backend", &url]).await;
    assert_eq!((init.status.code(), files(&other.0)), (Some(1), vec!["policy.toml".to_owned()]));
}

#[tokio::test]
async fn what_is_not_known_is_left_to_be_filled_in() {
    let list = r#"{"object":"list","data":[
        {"id":"Haus\"modell = [[x-7B-Q4_K_M.gguf","owned_by":"llamacpp","meta":{"n_ctx_train":4096}},
        {"id":"bad\nid\u001b[31m"}, {"id":"silent", "max_completion_tokens": 65536},
        {"id":"nomic-embed-text","owned_by":"library"}]}"#;
    let (house, folder) = (backend("200 OK", list).await, Folder::empty());
    let init = run_in(&folder.0, &["init", "--backend", &house.urls()[0]]).await;
    assert_eq!(init.status.code(), Some(0), "{}", said(&init));
    assert!(said(&init).contains("they write no text: nomic-embed-text"), "{}", said(&init));
    assert!(said(&init).contains("not in the catalogue: fill in"), "{}", said(&init));
    let config = read(&folder, "signalbox.toml");
    for line in [
        "engine = \"llama_cpp\"",
        "context_tokens_max = 4096   # FILL IN: what it was trained for",
        "# FILL IN what it can do",
        "capabilities = []",
        "# FILL IN where it runs",
        "# FILL IN: nothing is known of its price",
        "price = \"free\"",
        "upstream_model = 'Haus\"modell = [[x-7B-Q4_K_M.gguf'",
        "# FILL IN: its engine does not say how much it can read; 32768 holds otherwise",
        "output_tokens_max = 32768",
    ] {
        assert!(config.contains(line), "{line}: {config}");
    }
    assert!(!config.contains('\u{1b}') && !said(&init).contains('\u{1b}'), "{config}");
}

/// Runs `signalbox init` at a terminal with these answers, and prints what is shown there.
const AT_A_TERMINAL: &str = r#"
import os, pty, sys
pid, fd = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], [sys.argv[1], "init"])
os.write(fd, sys.argv[2].encode())
shown = b""
while True:
    try: read = os.read(fd, 65536)
    except OSError: break
    if not read: break
    shown += read
sys.stdout.write(shown.decode())
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"#;

#[tokio::test]
async fn at_a_terminal_it_asks() {
    let (fleet, folder) = (fleet(), Folder::empty());
    let [url, other] = ["gpt-oss-120b", "kimi-k2.6"].map(|it| fleet.urls(it).swap_remove(0));
    let answers = format!("nonsense\n{url}\n\non_prem\n{other}\n\ncloud_sg\n\n\n\n");
    let mut command = Command::new("python3");
    command.args(["-c", AT_A_TERMINAL, env!("CARGO_BIN_EXE_signalbox"), &answers]);
    let init = command.current_dir(&folder.0).kill_on_drop(true).output().await.expect("python3");
    assert_eq!(init.status.code(), Some(0), "{}", out(&init));
    for words in
        ["found `nonsense`", "Another backend", "its zone", "Team of the first key", "sk-sb-"]
    {
        assert!(out(&init).contains(words), "{words}: {}", out(&init));
    }
    let (config, policy) = (read(&folder, "signalbox.toml"), read(&folder, "policy.toml"));
    assert!(
        config.contains("zone = \"on_prem\"") && config.contains("zone = \"cloud_sg\""),
        "{config}"
    );
    assert!(policy.contains("require = { zone = [\"on_prem\"] }"), "{policy}");
}
