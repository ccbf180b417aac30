//! A reader that leaves before all is said, as `head` does.

use std::{io, process::Command};

use crate::harness::{Setup, ask, gateway::Folder};

const COMMANDS: &[&str] = &[
    "check",
    "check --json",
    "policy lint",
    "policy lint --json",
    "policy diff bank best",
    "policy test cases",
    "policy replay --policy bank",
    "explain request.json",
    "explain request.json --json",
    "why 019a0000-0000-7000-8000-000000000000",
    "ledger verify",
    "ledger verify --json",
    "audit",
    "key create --name teller --lines",
    "key list",
    "key export",
    "team list --json",
    "completions bash",
    "--help",
    "--version",
    "serv",
];

fn folder() -> Folder {
    let folder = Setup::new().model("a", &["http://127.0.0.1:9/v1".into()]).write();
    std::fs::write(folder.0.join("request.json"), ask("auto").to_string()).expect("a file");
    folder
}

/// A pipe's end for writing, and nobody at the other.
fn unread() -> io::PipeWriter {
    let (reader, writer) = io::pipe().expect("a pipe");
    drop(reader);
    writer
}

fn command(folder: &Folder, line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_signalbox"));
    command.args(line.split(' ')).arg("--config").arg(folder.config()).current_dir(&folder.0);
    command
}

#[test]
fn who_leaves_before_the_end_gets_no_word_about_it() {
    let folder = folder();
    for line in COMMANDS {
        let out = command(&folder, line).stdout(unread()).output().expect("it runs");
        let said = String::from_utf8_lossy(&out.stderr);
        assert!(!said.contains("panicked") && !said.contains("ipe"), "{line}: {said}");
        let code = out.status.code();
        let whole = command(&folder, line).output().expect("it runs");
        let silent = whole.stdout.is_empty();
        assert!(code == Some(0) || silent && code == whole.status.code(), "{line}: {code:?}");
    }
}

#[test]
fn nobody_who_reads_errors_changes_nothing_else() {
    let folder = folder();
    for line in COMMANDS {
        let whole = command(&folder, line).output().expect("it runs");
        let out = command(&folder, line).stderr(unread()).output().expect("it runs");
        assert_eq!(out.status.code(), whole.status.code(), "{line}");
        // A key is another one each time.
        let same = out.stdout == whole.stdout || line.starts_with("key");
        assert!(same, "{line}: {}", String::from_utf8_lossy(&out.stdout));
    }
}

#[test]
fn a_full_disk_is_said() {
    let Ok(full) = std::fs::OpenOptions::new().write(true).open("/dev/full") else { return };
    let out = command(&folder(), "check").stdout(full).output().expect("it runs");
    let said = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(1), "{said}");
    assert!(said.contains("cannot write to standard output: No space left"), "{said}");
}
