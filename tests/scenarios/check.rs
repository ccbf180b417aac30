//! What `serve` would find out, `check` says, and nothing is made for it.

use std::{collections::BTreeSet, path::Path, process::Output};

use crate::harness::{
    Setup, ask,
    binary::{self, Server},
};

const URL: &str = "http://127.0.0.1:9/v1";
const POLICY: &str = "version = \"v\"\ntimezone = \"Asia/Singapore\"\n[default]\nroute = [\"a\"]\n";

fn said(out: &Output) -> String {
    String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr)
}

fn files(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    entries.map(|it| it.expect("a file").file_name().to_string_lossy().into_owned()).collect()
}

fn with_policy(zone: &str) -> Setup {
    let setup = Setup::new().model("a", &[URL.into()]).and("[policy]\nfile = \"policy.toml\"\n");
    setup.file("policy.toml", &POLICY.replace("Asia/Singapore", zone))
}

#[tokio::test]
async fn whatever_serve_would_find_check_says_at_once() {
    let setup = with_policy("Asia/Singapur")
        .model("b", &["http://127.0.0.1:99999/v1".into()])
        .model("c", &["http://127.0.0.1:9/v1/chat/completions".into()])
        .server("listen = \"192.0.2.1:8080\"\n")
        .ledger("sqlite = \"gone/signalbox.db\"\n")
        .key("budget = { amount = \"1\", timezone = \"SGT\" }\n");
    let folder = setup.write();
    let before = files(&folder.0);
    let check = said(&binary::run(&folder.config(), &["check"]).await);
    for (path, found) in [
        ("policy.toml:2: timezone", "`Asia/Singapur`"),
        ("model[1] \"b\".endpoint[0].url", "99999"),
        ("model[2] \"c\".endpoint[0].url", "without `/chat/completions`"),
        ("server.listen", "192.0.2.1:8080"),
        ("ledger.sqlite", "gone"),
        (".budget.timezone", "`SGT`"),
    ] {
        let line = check.lines().find(|it| it.contains(path));
        assert!(line.is_some_and(|it| it.contains(found)), "{path}: {check}");
    }
    assert!(check.ends_with("6 faults\n"), "{check}");
    let serve = binary::run(&folder.config(), &["serve"]).await;
    assert_eq!((said(&serve), serve.status.code()), (check, Some(2)));
    assert_eq!(files(&folder.0), before, "nothing was made");
}

#[tokio::test]
async fn a_ledger_that_cannot_be_kept_is_a_fault_and_is_left_alone() {
    let plain = || Setup::new().model("a", &[URL.into()]);
    for (lines, file, found) in [
        ("sqlite = \"policies\"\n", ("policies/x", ""), "is a folder"),
        ("sqlite = \"notes\"\n", ("notes", "my notes"), "no SQLite file"),
        ("sqlite = \"notes/a.db\"\n", ("notes", ""), "no folder"),
        ("sqlite = \" \"\n", ("notes", ""), "the name of a file"),
        ("", ("pepper", "short"), "too short"),
    ] {
        let folder = plain().ledger(lines).write();
        let path = folder.0.join(file.0);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, file.1).expect("a file");
        let before = files(&folder.0);
        let check = binary::run(&folder.config(), &["check"]).await;
        assert_eq!(check.status.code(), Some(2), "{found}: {check:?}");
        assert!(said(&check).contains(found), "{found}: {}", said(&check));
        let serve = binary::run(&folder.config(), &["serve"]).await;
        assert_eq!(said(&serve), said(&check));
        assert_eq!(files(&folder.0), before, "nothing was made");
    }
    let folder = plain().write();
    let before = files(&folder.0);
    let check = binary::run(&folder.config(), &["check"]).await;
    assert_eq!(check.status.code(), Some(0), "{check:?}");
    assert_eq!(files(&folder.0), before, "nothing was made");
}

#[tokio::test]
async fn an_address_in_use_is_a_note() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = taken.local_addr().expect("an address");
    let setup = Setup::new().model("a", &[URL.into()]);
    let folder = setup.server(&format!("listen = \"{addr}\"\n")).write();
    let check = binary::run(&folder.config(), &["check"]).await;
    assert_eq!(check.status.code(), Some(0), "{check:?}");
    assert!(said(&check).contains(&format!("note: server.listen: {addr} is in use")), "{check:?}");
    let serve = binary::run(&folder.config(), &["serve"]).await;
    assert_eq!(serve.status.code(), Some(1), "{serve:?}");
}

#[tokio::test]
async fn too_little_room_and_keys_of_the_past_are_notes() {
    let setup = Setup::new().model("a", &[URL.into()]).key("expires = 2020-01-01T00:00:00Z\n");
    let folder = setup.ledger("disk_free_bytes_min = 1000000000000000\n").write();
    let check = binary::run(&folder.config(), &["check"]).await;
    assert_eq!(check.status.code(), Some(0), "{check:?}");
    assert!(said(&check).contains("note: ledger.disk_free_bytes_min: "), "{check:?}");
    assert!(said(&check).contains("it has expired"), "{check:?}");
}

#[tokio::test]
async fn contents_that_raise_nothing_are_notes() {
    use policies::facts::{Content, DataClass};
    let kinds = Content::ALL.iter().copied();
    let classes = kinds.clone().flat_map(|kind| DataClass::ALL.iter().map(move |it| (kind, *it)));
    let idle = |kind: Content, class: &str| {
        format!("note: data_class.content.{kind}: \"{class}\" is the lowest class, ")
    };
    // Every class of one kind, and every kind with the lowest.
    for (kind, class) in classes.filter(|it| it.0 == Content::Mail || it.1 == DataClass::Public) {
        let content = format!("[data_class.content]\n{kind} = \"{class}\"\nphone = \"internal\"\n");
        let content = if kind == Content::Phone {
            content.replace("phone = \"internal\"\n", "")
        } else {
            content
        };
        let folder = Setup::new().model("a", &[URL.into()]).and(&content).write();
        let check = binary::run(&folder.config(), &["check"]).await;
        assert_eq!(check.status.code(), Some(0), "{check:?}");
        let told = said(&check).contains(&idle(kind, class.code()));
        assert_eq!(told, class == DataClass::Public, "{content}: {check:?}");
        assert_eq!(said(&check).matches("is the lowest class").count(), usize::from(told));
    }
}

#[tokio::test]
async fn a_ledger_in_use_is_a_note() {
    let folder = Setup::new().model("a", &[URL.into()]).write();
    let server = Server::start(&folder.config()).await;
    let other = ["SIGNALBOX__SERVER__LISTEN", "SIGNALBOX__ADMIN__LISTEN"];
    let other = other.map(|name| (name, "127.0.0.2:0"));
    let serve = binary::run_with(&folder.config(), &["serve"], &other, b"").await;
    assert_eq!(serve.status.code(), Some(1), "{serve:?}");
    let check = binary::run_with(&folder.config(), &["check"], &other, b"").await;
    assert_eq!(check.status.code(), Some(0), "{check:?}");
    let not = "is in use, by a gateway that runs, which would not hand over to `serve`: its server.listen is";
    assert!(said(&check).contains(not), "{check:?}");
    let check = binary::run(&folder.config(), &["check"]).await;
    assert_eq!(check.status.code(), Some(0), "{check:?}");
    let would = format!("(process {}): `serve` would take over from it\n", server.id());
    assert!(said(&check).contains(&would), "{check:?}");
    assert!(!said(&check).contains("note: server.listen"), "its address is handed over: {check:?}");
    assert_eq!(server.admin("/livez").await, 200, "it was only looked at");
}

/// An image may have no time zones of its own.
#[tokio::test]
async fn time_zones_are_found_without_those_of_the_system() {
    let folder = with_policy("Asia/Singapore")
        .key("budget = { amount = \"1\", timezone = \"Europe/Kyiv\" }\n")
        .file("request.json", &ask("auto").to_string())
        .write();
    let request = folder.0.join("request.json").display().to_string();
    for arguments in [&["check"][..], &["explain", &request]] {
        let nowhere = [("TZDIR", "/nowhere"), ("TZ", "Nowhere/Else")];
        let out = binary::run_with(&folder.config(), arguments, &nowhere, b"").await;
        assert_eq!(out.status.code(), Some(0), "{out:?}");
    }
}

#[tokio::test]
async fn a_time_zone_that_is_none_is_said_by_every_command() {
    let folder = with_policy("Asia/Singapur").write();
    let good = with_policy("UTC").write();
    let policy = folder.0.join("policy.toml").display().to_string();
    std::fs::write(
        folder.0.join("cases.toml"),
        "policy = \"policy.toml\"\nfleet = \"catalogue\"\n[[case]]\nname = \"x\"\nexpect = {}\n",
    )
    .expect("a file");
    let cases = folder.0.join("cases.toml").display().to_string();
    for (config, arguments) in [
        (&folder, &["check"][..]),
        (&folder, &["serve"]),
        (&folder, &["explain"]),
        (&folder, &["policy", "lint"]),
        (&good, &["policy", "lint", &policy]),
        (&good, &["policy", "replay", "--policy", &policy]),
        (&good, &["policy", "diff", &policy, "bank"]),
        (&good, &["policy", "test", &cases]),
    ] {
        let out = binary::run_with(&config.config(), arguments, &[], b"").await;
        assert_eq!(out.status.code(), Some(2), "{arguments:?}: {out:?}");
        let fault = ":2: timezone: found `Asia/Singapur`, expected a time zone; did you mean \
                     `Asia/Singapore`?";
        assert!(said(&out).contains(fault), "{arguments:?}: {}", said(&out));
    }
}

#[tokio::test]
async fn a_variable_that_is_a_text_is_one() {
    let folder = Setup::new().model("a", &[URL.into()]).ledger("sqlite = \"x.db\"\n").write();
    let variables = [("SIGNALBOX__LEDGER__SQLITE", "2026"), ("SIGNALBOX__QUEUE__WAIT_MS", "5")];
    let out = binary::run_with(&folder.config(), &["check"], &variables, b"").await;
    assert_eq!(out.status.code(), Some(0), "{out:?}");
}

#[tokio::test]
async fn files_of_other_systems_are_read() {
    let marked = |text: &str| format!("\u{feff}{}", text.replace('\n', "\r\n"));
    let folder = with_policy("Asia/Singapore")
        .file("policy.toml", &marked(POLICY))
        .file("request.json", &marked(&format!("{:#}\n", ask("auto"))))
        .write();
    let config = std::fs::read_to_string(folder.config()).expect("a configuration");
    std::fs::write(folder.config(), marked(&config)).expect("a file");
    let request = folder.0.join("request.json");
    let policy = folder.0.join("policy.toml").display().to_string();
    let input = std::fs::read(&request).expect("a request");
    let request = request.display().to_string();
    for arguments in
        [&["check"][..], &["explain", &request], &["explain"], &["policy", "lint", &policy]]
    {
        let out = binary::run_with(&folder.config(), arguments, &[], &input).await;
        assert_eq!(out.status.code(), Some(0), "{arguments:?}: {out:?}");
    }
    let lines = "\u{feff}{\"text\": \"How are you today?\"}\r\n\r\n  \r\n\
                 \u{feff}{\"text\": \"Wie geht es dir heute?\"}";
    let out = binary::run_with(&folder.config(), &["classify"], &[], lines.as_bytes()).await;
    assert_eq!(out.status.code(), Some(0), "{out:?}");
    let text = String::from_utf8_lossy(&out.stdout);
    let found: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(found.len(), 2, "{text}");
    assert_eq!((&found[0]["language"], &found[1]["language"]), (&"en".into(), &"de".into()));
    // What is no text spoils its own line alone.
    let lines = b"{\"text\": \"\xff\"}\n{\"text\": \"How are you today?\"}\n";
    let out = binary::run_with(&folder.config(), &["classify"], &[], lines).await;
    assert_eq!(out.status.code(), Some(1), "{out:?}");
    assert_eq!(String::from_utf8_lossy(&out.stdout).lines().count(), 2, "{out:?}");
    // So does what says neither of the two.
    let lines = b"{\"txt\": \"How are you today?\"}\n{\"text\": 1,}\n";
    let out = binary::run_with(&folder.config(), &["classify"], &[], lines).await;
    let said = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(1), "{said}");
    assert!(
        said.contains("line 1: found key `txt`, expected `text`, or a request with `mess"),
        "{said}"
    );
    assert!(said.contains("line 2: ") && !said.contains("at line 1"), "{said}");
}
