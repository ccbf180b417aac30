//! A live view of a gateway, as its operators have it.

use std::time::Duration;

use rusqlite::Connection;
use tokio::process::Command;

use crate::harness::{
    KEY, Reply, Setup, SimBackend, ask,
    binary::{self, Server},
    gateway::Folder,
    streamed, wait,
};

/// A gateway whose operators need a token.
fn written(model: &SimBackend) -> Folder {
    let teams = "[[team]]\nname = \"bank\"\nbudget = [{ amount = \"5\", window = \"day\" }]\n";
    let setup = Setup::new().model("m", &model.urls()).model("idle", &model.urls());
    let setup = setup.file("metrics.key", "metrics-0123456789abcdef0123456789abcdef");
    let folder = setup.and(teams).key("team = \"bank\"\n").write();
    let text = std::fs::read_to_string(folder.config()).expect("a configuration");
    let admin = "[admin]\ntoken = \"file:caller.key\"\nmetrics_token = \"file:metrics.key\"\n";
    std::fs::write(folder.config(), text.replacen("[admin]\n", admin, 1)).expect("written");
    folder
}

async fn top(folder: &Folder, arguments: &[&str], variables: &[(&str, &str)]) -> [String; 2] {
    let arguments = [&["top", "--once"], arguments].concat();
    let out = binary::run_with(&folder.config(), &arguments, variables, b"").await;
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    let code = out.status.code().expect("an end");
    [text(out.stdout), format!("{code} {}", text(out.stderr))]
}

/// The cells of the row that begins with this name.
fn row<'a>(frame: &'a str, name: &str) -> Vec<&'a str> {
    let line = frame.lines().find(|it| it.split_whitespace().next() == Some(name));
    line.unwrap_or_else(|| panic!("no {name} in\n{frame}")).split_whitespace().collect()
}

#[tokio::test]
async fn a_frame_says_what_was_sent_between_its_two_reads() {
    let model = SimBackend::start();
    let folder = written(&model);
    let server = Server::start(&folder.config()).await;
    let url = format!("http://{}", server.admin_addr());
    let served = async || assert_eq!(Reply::of(server.post(&streamed("m"))).await.status, 200);
    served().await;
    // Sent again and again while it looks, so that some are between its reads however slow this machine is.
    let (arguments, width) = (["--url", &url, "--interval", "2s"], [("COLUMNS", "100")]);
    let looks = top(&folder, &arguments, &width);
    tokio::pin!(looks);
    let [frame, said] = loop {
        tokio::select! {
            frame = &mut looks => break frame,
            () = served() => {}
        }
    };
    assert_eq!(said, "0 ", "{frame}");
    let busy = row(&frame, "m");
    let rate: f64 = busy[1].parse().expect("requests a second");
    assert!(rate > 0.0 && busy[3] == "0", "{frame}");
    assert!(frame.contains(" 0 % errors") && frame.contains("\nready"), "{frame}");
    let idle = row(&frame, "idle");
    assert_eq!((idle[1], idle[2], idle[3]), ("0", "0", "0"), "{frame}");
    assert!(row(&frame, "bank").contains(&"day"), "{frame}");
    // The counters it was made of are those of the books.
    let count = async || {
        let connection = Connection::open(folder.ledger()).expect("the ledger");
        let select = "SELECT count(*) FROM ledger WHERE state = 'settled'";
        connection.query_row(select, [], |row| row.get::<_, i64>(0)).expect("a count")
    };
    wait::answers("more than one is settled", true, async || count().await > 1).await;
    server.terminate().await;
    server.ended().await;
}

#[tokio::test]
async fn who_is_not_let_in_or_finds_nobody_is_told_so() {
    let model = SimBackend::start();
    let folder = written(&model);
    let server = Server::start(&folder.config()).await;
    assert_eq!(Reply::of(server.post(&ask("m"))).await.status, 200);
    let url = format!("http://{}", server.admin_addr());
    let fast = ["--interval", "100ms", "--url", &url];
    let wrong = [("SIGNALBOX_ADMIN_TOKEN", "wrong")];
    let [frame, said] = top(&folder, &fast, &wrong).await;
    assert!(
        frame.is_empty() && said.starts_with("1 ") && said.contains("401: another token"),
        "{said}"
    );
    // What is typed counts before the environment, and either token opens it.
    let key = folder.0.join("metrics.key").display().to_string();
    let [frame, said] = top(&folder, &[&fast[..], &["--token-file", &key]].concat(), &wrong).await;
    assert!(said == "0 " && frame.starts_with("signalbox "), "{said}");
    let [frame, said] =
        top(&folder, &fast, &[("SIGNALBOX_ADMIN_TOKEN", KEY), ("COLUMNS", "50")]).await;
    assert!(said == "0 " && frame.lines().all(|it| it.chars().count() <= 50), "{said}{frame}");
    // The callers' listener is none of the operators'.
    let callers = format!("http://{}", server.addr());
    let [_, said] = top(&folder, &["--url", &callers], &[]).await;
    assert!(said.contains("this is not the operators' listener of a Signalbox"), "{said}");
    server.terminate().await;
    server.ended().await;
    let [frame, said] = top(&folder, &fast, &[]).await;
    assert!(frame.is_empty() && said.starts_with("1 ") && said.contains("no answer: "), "{said}");
    // The port of this configuration is the system's to choose.
    let [_, said] = top(&folder, &[], &[]).await;
    assert!(said.starts_with("64 ") && said.contains("name it with --url"), "{said}");
    let out = binary::run_with(&folder.config(), &["top"], &[], b"").await;
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.code() == Some(64) && said.contains("`signalbox top --once`"), "{said}");
    for (option, words) in [
        (["--interval", "soon"], "from 100ms to 60m"),
        (["--interval", "1ms"], "from 100ms to 60m"),
        (["--url", "gopher://x"], "expected "),
        (["--url", "https://127.0.0.1:9090"], "speaks plain http and no TLS"),
        // Several lines, and a file without an end.
        (["--token-file", "/etc/passwd"], "--token-file /etc/passwd: this is no token: "),
        (["--token-file", "/dev/zero"], "--token-file /dev/zero: this is no token: "),
        (["--token-file", "/nowhere/token"], "--token-file /nowhere/token: "),
    ] {
        let [_, said] = top(&folder, &option, &[]).await;
        assert!(said.starts_with("64 ") && said.contains(words), "{option:?}: {said}");
    }
}

/// Runs a program on a terminal of its own and sends it a signal once it has drawn; says how it has ended,
/// and whether the terminal is as it was.
const TERMINAL: &str = r#"
import fcntl, os, pty, select, struct, subprocess, sys, termios
master, slave = pty.openpty()
fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
before = termios.tcgetattr(slave)
child = subprocess.Popen(sys.argv[2:], stdin=slave, stdout=slave)
seen = b""
while b"quit" not in seen:
    seen += os.read(master, 65536)
raw = termios.tcgetattr(slave) != before
child.send_signal(int(sys.argv[1]))
while child.poll() is None or select.select([master], [], [], 0)[0]:
    if select.select([master], [], [], 0.05)[0]:
        seen += os.read(master, 65536)
print(child.returncode, raw, termios.tcgetattr(slave) == before, b"\x1b[?1049l" in seen)
"#;

#[tokio::test]
async fn whatever_signal_ends_it_the_terminal_is_as_it_was() {
    // SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGALRM.
    for number in ["15", "2", "1", "3", "10", "14"] {
        let mut command = Command::new("python3");
        command.args(["-c", TERMINAL, number, env!("CARGO_BIN_EXE_signalbox"), "top"]);
        command.args(["--url", "http://127.0.0.1:1"]).env("TERM", "xterm").kill_on_drop(true);
        let out = tokio::time::timeout(Duration::from_secs(60), command.output()).await;
        let out = out.expect("in time").expect("python3");
        let said = String::from_utf8_lossy(&out.stdout).into_owned();
        let fault = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(said, "0 True True True\n", "signal {number}: {fault}");
    }
}
