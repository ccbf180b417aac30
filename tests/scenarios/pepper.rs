//! The pepper, by which keys, users and sessions are hashed: one that is lost or exchanged is noticed before
//! anybody meets a 401, and a new one is taken only by somebody who says so.

use std::{fs, path::PathBuf, process::Output};

use signalbox::{app, config};

use crate::harness::{
    Reply, Setup, SimBackend, ask,
    binary::{Server, run, run_with},
    gateway::Folder,
    wait,
};

/// A folder with a key that is given by its hash, on which a gateway has run; and the key.
async fn used() -> (SimBackend, Folder, String) {
    let up = SimBackend::start();
    let folder = Setup::new().model("a", &up.urls()).write();
    let key = create(&folder, "hashed").await;
    assert_eq!(status(&folder, &key).await, 200);
    (up, folder, key)
}

/// Makes a key, and lets the configuration know it.
async fn create(folder: &Folder, name: &str) -> String {
    let made = run(&folder.config(), &["key", "create", "--lines", "--name", name]).await;
    assert_eq!(made.status.code(), Some(0), "{}", text(&made));
    let lines = String::from_utf8(made.stderr).expect("text");
    let key = String::from_utf8(made.stdout).expect("text");
    let before = fs::read_to_string(folder.config()).expect("a configuration");
    fs::write(folder.config(), format!("{before}\n{lines}\n")).expect("a configuration");
    key.trim_end().to_owned()
}

/// Starts the gateway, asks with this key and ends it.
async fn status(folder: &Folder, key: &str) -> u16 {
    let server = Server::start(&folder.config()).await;
    let status = Reply::of(server.post_with(key, &ask("a"))).await.status;
    server.terminate().await;
    assert_eq!(server.ended().await.code(), Some(0));
    status
}

fn pepper(folder: &Folder) -> PathBuf {
    folder.0.join("pepper")
}

fn text(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|it| String::from_utf8_lossy(it)).concat()
}

fn fingerprint(folder: &Folder) -> Option<String> {
    signalbox::store::pepper_fingerprint(&folder.ledger())
}

fn names(folder: &Folder) -> Vec<String> {
    let names =
        fs::read_dir(&folder.0).expect("a folder").map(|it| it.expect("a file").file_name());
    let mut names: Vec<_> = names.map(|it| it.into_string().expect("text")).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_lost_pepper_is_said_and_no_other_is_made() {
    let (_up, folder, key) = used().await;
    let known = fingerprint(&folder).expect("a fingerprint");
    let kept = fs::read_to_string(pepper(&folder)).expect("a pepper");
    assert_eq!(known.len(), 16);
    assert!(!kept.contains(&known), "it is no part of the pepper");
    fs::remove_file(pepper(&folder)).expect("it is lost");
    let before = names(&folder);
    for arguments in [&["serve"][..], &["check"], &["key", "create", "--name", "other"]] {
        let refused = run(&folder.config(), arguments).await;
        assert!(!refused.status.success(), "{arguments:?}");
        let said = text(&refused);
        let path = pepper(&folder).display().to_string();
        for part in ["identity.pepper", &path, "is gone", &known, "backup", "ledger accept-pepper"]
        {
            assert!(said.contains(part), "{arguments:?}, {part}: {said}");
        }
        assert_eq!(names(&folder), before, "{arguments:?}: nothing is made");
    }
    fs::write(pepper(&folder), kept).expect("the backup");
    assert_eq!(status(&folder, &key).await, 200);
}

#[tokio::test]
async fn another_pepper_is_refused_until_it_is_accepted() {
    let (_up, folder, key) = used().await;
    let known = fingerprint(&folder).expect("a fingerprint");
    fs::write(pepper(&folder), "another pepper of more than 32 bytes").expect("a pepper");
    for arguments in [&["serve"][..], &["check"], &["key", "create", "--name", "other"]] {
        let refused = run(&folder.config(), arguments).await;
        assert!(!refused.status.success(), "{arguments:?}");
        let said = text(&refused);
        assert!(said.contains(&known) && said.contains("a pepper with the fingerprint"), "{said}");
        assert!(!said.contains("another pepper of"), "{said}");
    }
    // Whoever does not ask first is refused as well.
    let config = config::load(Some(&folder.config())).expect("a good configuration");
    let refused = app::start(config).await.map(drop).expect_err("another pepper");
    assert!(matches!(refused, app::StartError::OtherPepper(_)), "{refused}");
    let accepted = run(&folder.config(), &["ledger", "accept-pepper"]).await;
    assert_eq!(accepted.status.code(), Some(0), "{}", text(&accepted));
    let now = fingerprint(&folder).expect("a fingerprint");
    for part in [&*known, &now, "hashed", "key create"] {
        assert!(text(&accepted).contains(part), "{part}: {}", text(&accepted));
    }
    assert_ne!(now, known);
    assert_eq!(status(&folder, &key).await, 401, "it was made with the other one");
    let new = create(&folder, "anew").await;
    assert_eq!(status(&folder, &new).await, 200);
    let again = run(&folder.config(), &["ledger", "accept-pepper"]).await;
    assert!(text(&again).contains("nothing to accept"), "{}", text(&again));
}

#[tokio::test]
async fn a_pepper_that_is_lost_for_good_is_made_anew_when_somebody_says_so() {
    let (_up, folder, key) = used().await;
    fs::remove_file(pepper(&folder)).expect("it is lost");
    let accepted = run(&folder.config(), &["ledger", "accept-pepper"]).await;
    assert_eq!(accepted.status.code(), Some(0), "{}", text(&accepted));
    assert_eq!(status(&folder, &key).await, 401);
}

#[tokio::test]
async fn where_there_is_no_ledger_there_is_nothing_to_accept() {
    let folder = Setup::new().model("a", &[String::from("http://127.0.0.1:9/v1")]).write();
    let before = names(&folder);
    let said = run(&folder.config(), &["ledger", "accept-pepper"]).await;
    assert_eq!(said.status.code(), Some(0), "{}", text(&said));
    assert!(text(&said).contains("nothing to accept"), "{}", text(&said));
    assert_eq!(names(&folder), before, "nothing is made");
}

#[tokio::test]
async fn a_ledger_without_fingerprint_takes_the_present_one() {
    let (_up, folder, key) = used().await;
    let known = fingerprint(&folder);
    let file = rusqlite::Connection::open(folder.ledger()).expect("a ledger");
    file.execute("DELETE FROM meta WHERE name = 'pepper_fingerprint'", []).expect("an older one");
    drop(file);
    assert_eq!(fingerprint(&folder), None);
    assert_eq!(status(&folder, &key).await, 200);
    assert_eq!(fingerprint(&folder), known);
}

/// The message names the variable that holds the wrong pepper.
#[tokio::test]
async fn a_pepper_of_the_configuration_is_refused_by_its_name() {
    let up = SimBackend::start();
    let setup = Setup::new().model("a", &up.urls()).and("[identity]\npepper = \"file:secret\"\n");
    let setup = setup.file("secret", "the first pepper, of more than 32 bytes");
    let folder = setup.write();
    let server = Server::start(&folder.config()).await;
    server.terminate().await;
    assert_eq!(server.ended().await.code(), Some(0));
    fs::write(folder.0.join("secret"), "the second pepper, of more than 32 bytes").expect("a file");
    let refused = run(&folder.config(), &["check"]).await;
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused).contains("`file:secret`"), "{}", text(&refused));
    let text_of = fs::read_to_string(folder.config()).expect("a configuration");
    let named = text_of.replace("file:secret", "env:SCENARIO_PEPPER");
    fs::write(folder.config(), named).expect("a configuration");
    let with = async |pepper| {
        run_with(&folder.config(), &["check"], &[("SCENARIO_PEPPER", pepper)], b"").await
    };
    let refused = with("the second pepper, of more than 32 bytes").await;
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused).contains("`env:SCENARIO_PEPPER`"), "{}", text(&refused));
    let right = with("the first pepper, of more than 32 bytes").await;
    assert_eq!(right.status.code(), Some(0), "{}", text(&right));
}

/// A successor with another pepper does not take over, and the one that runs takes no configuration beside
/// which another one lies: its keys would be hashed with that.
#[tokio::test]
async fn neither_a_hand_over_nor_a_reload_takes_another_pepper() {
    let (_up, folder, key) = used().await;
    let server = Server::start(&folder.config()).await;
    let kept = fs::read_to_string(pepper(&folder)).expect("a pepper");
    fs::write(pepper(&folder), "another pepper of more than 32 bytes").expect("a pepper");
    let refused = run(&folder.config(), &["serve"]).await;
    assert!(!refused.status.success());
    assert!(text(&refused).contains("accept-pepper"), "{}", text(&refused));
    let asked = async || Reply::of(server.post_with(&key, &ask("a"))).await.status;
    assert_eq!(asked().await, 200, "the one in charge goes on");
    let said = |text: &str| server.log().iter().any(|it| it.to_string().contains(text));
    let before = fs::read_to_string(folder.config()).expect("a configuration");
    fs::write(folder.config(), before + "\n[queue]\nlength_max = 7\n").expect("a configuration");
    wait::until("it is refused", || said("identity.pepper")).await;
    assert!(said("takes a restart") && !said("another configuration is in force"));
    // One that is gone is said, but a key can still be taken away.
    fs::remove_file(pepper(&folder)).expect("it is lost");
    server.hangup().await;
    wait::until("it is in force", || said("another configuration is in force")).await;
    assert!(said("is gone: restore it"));
    assert_eq!(asked().await, 200);
    fs::write(pepper(&folder), kept).expect("the backup");
    server.terminate().await;
    assert_eq!(server.ended().await.code(), Some(0));
}

/// Between the acceptance of another pepper and the restart, a gateway serves by the old one: hashes made
/// with the new one do not come into force where nobody could use them.
#[tokio::test]
async fn a_pepper_is_rotated_while_the_gateway_serves() {
    let up = SimBackend::start();
    let (first, second) =
        ("the first pepper, of more than 32 bytes", "the second pepper, of more than 32 bytes");
    let setup = Setup::new().model("a", &up.urls());
    let named = |name: &str| format!("[identity]\npepper = \"file:{name}\"\n");
    let setup = setup.file("first", first).file("second", second).and(&named("first"));
    let folder = setup.write();
    let old = create(&folder, "old").await;
    let server = Server::start(&folder.config()).await;
    // The same file, as the next process will find it; this one is told nothing by it.
    let text_of = |name: &str| fs::read_to_string(folder.0.join(name)).expect("a file");
    let next = folder.0.join("next.toml");
    let before = text_of("signalbox.toml").replace("file:first", "file:second");
    fs::write(&next, before).expect("a configuration");
    let accepted = run(&next, &["ledger", "accept-pepper"]).await;
    assert_eq!(accepted.status.code(), Some(0), "{}", text(&accepted));
    let changed = text_of("signalbox.toml") + "\n[queue]\nlength_max = 7\n";
    fs::write(folder.config(), changed).expect("a configuration");
    let said = |text: &str| server.log().iter().any(|it| it.to_string().contains(text));
    wait::until("it takes a restart", || said("as accepted in the ledger")).await;
    assert_eq!(Reply::of(server.post_with(&old, &ask("a"))).await.status, 200);
    let made = run(&next, &["key", "create", "--lines", "--name", "new"]).await;
    assert_eq!(made.status.code(), Some(0), "{}", text(&made));
    server.terminate().await;
    assert_eq!(server.ended().await.code(), Some(0));
    let server = Server::start(&next).await;
    assert_eq!(Reply::of(server.post_with(&old, &ask("a"))).await.status, 401);
    server.terminate().await;
    assert_eq!(server.ended().await.code(), Some(0));
}
