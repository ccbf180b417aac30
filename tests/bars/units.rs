//! A million units of an experiment: what the program keeps of them in memory where data are evaluated, where
//! a report is made, and where a gateway serves.

use std::{
    fs::{self, File},
    io::{BufWriter, Write as _},
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use rusqlite::Connection;
use serde_json::Value;
use signalbox::{
    config::{self, Durability},
    store::Sqlite,
};

use super::full;
use crate::harness::{
    KEY, Setup, SimBackend,
    binary::Server,
    gateway::{Folder, client},
    wait,
};

/// What all units may take, in MiB.
const STATE_MIB_MAX: f64 = 64.0;
/// Units that take next to nothing: what remains is the program.
const FEW: u64 = 1_000;
/// What the program itself may take more from one run to the next, in MiB.
const NOISE_MIB: f64 = 2.0;

const POLICY: &str = "version = \"1\"\n\
     [[experiment]]\nname = \"ab\"\nunit = \"user\"\nprimary = \"success\"\n\
     metrics = [\"error\", \"cost\", \"first_token_ms\", \"duration_ms\"]\n\
     arms = [\n  { name = \"old\", share = 0.5, route = [\"good\"] },\n\
     \x20 { name = \"new\", share = 0.5, route = [\"other\"] },\n]\n\
     guard = { error_rate_max = 0.5, cost_mean_max = \"10\", feedback_min = { success = 0.1 } }\n\
     [[rule]]\nname = \"talk\"\nwhen = { operation = [\"chat\"] }\nroute = [\"good\"]\n\
     experiment = \"ab\"\n\
     [default]\nroute = [\"good\"]\n";

/// Runs a command to its end and says the most memory that it has had.
const PEAK: &str = "import resource, subprocess, sys\n\
     code = subprocess.run(sys.argv[1:]).returncode\n\
     print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n\
     sys.exit(code)\n";

/// How many units there are: a tenth unless all are asked for.
fn many() -> u64 {
    if full() { 1_000_000 } else { 100_000 }
}

/// What so many units may take, in MiB.
fn state_mib_max() -> f64 {
    STATE_MIB_MAX * many() as f64 / 1e6 + NOISE_MIB
}

/// A run of the program to its end.
struct Ran {
    /// What it said.
    said: String,
    /// The most resident memory that it had, in MiB.
    peak_mib: f64,
    took: Duration,
}

fn run(arguments: &[&str]) -> Ran {
    let mut command = Command::new("python3");
    command.args(["-c", PEAK, env!("CARGO_BIN_EXE_signalbox")]).args(arguments);
    let began = Instant::now();
    let out = command.output().expect("it runs");
    let took = began.elapsed();
    assert!(out.status.success(), "{out:?}");
    let text = String::from_utf8(out.stdout).expect("text");
    let (said, peak_kib) = text.trim_end().rsplit_once('\n').expect("what it says, and its peak");
    let peak_kib: f64 = peak_kib.parse().expect("a number");
    Ran { said: said.to_owned(), peak_mib: peak_kib / 1024.0, took }
}

/// Says what the many have taken beside the few, and what is wrong with it.
fn judged(what: &str, few_mib: f64, many_mib: f64, took: Duration, most: f64) {
    let (units, state) = (many(), many_mib - few_mib);
    println!(
        "bar units: {what}: {units} units take {state:.1} MiB ({few_mib:.1} → {many_mib:.1}), in {:.1} s; \
         at most {STATE_MIB_MAX} for 1000000",
        took.as_secs_f64()
    );
    assert!(state <= most, "{what}: {state:.1} MiB, above {most:.1}");
}

/// A line for each unit, in two arms.
fn data(file: &Path, units: u64) {
    let mut out = BufWriter::new(File::create(file).expect("a file"));
    for unit in 0..units {
        let (arm, value) = (["old", "new"][unit as usize % 2], unit * 7_919 % 100 < 52);
        let line =
            format!("{{\"unit\":\"customer-{unit:08}\",\"arm\":\"{arm}\",\"value\":{value}}}\n");
        out.write_all(line.as_bytes()).expect("it is written");
    }
    out.flush().expect("it is written");
}

#[test]
fn data_of_a_million_units_are_evaluated_in_64_mib() {
    let folder = Setup::new().write();
    let file = folder.config().with_file_name("data.jsonl");
    let path = file.display().to_string();
    let evaluated = |units: u64| {
        data(&file, units);
        let ran = run(&["experiment", "evaluate", "--json", &path]);
        let look: Value = serde_json::from_str(&ran.said).expect("one look");
        assert_eq!(look["units"]["new"], units / 2, "{look}");
        ran
    };
    let (few, many) = (evaluated(FEW), evaluated(many()));
    judged("evaluate", few.peak_mib, many.peak_mib, many.took, state_mib_max());
    fs::remove_file(file).expect("it is removed");
}

/// A gateway with an experiment, and its ledger with a request of each of so many units.
struct Scene {
    folder: Folder,
    version: String,
    connection: Connection,
    _up: [SimBackend; 2],
}

impl Scene {
    fn new() -> Self {
        let up = [SimBackend::start(), SimBackend::start()];
        let setup = Setup::new().model("good", &up[0].urls()).model("other", &up[1].urls());
        let setup = setup.and("[policy]\nfile = \"policy.toml\"\n").file("policy.toml", POLICY);
        let folder = setup.write();
        let text = fs::read_to_string(folder.config()).expect("the configuration");
        let guarded = text.replacen("[admin]\n", "[admin]\ntoken = \"file:caller.key\"\n", 1);
        fs::write(folder.config(), guarded).expect("the configuration");
        let config = config::load(Some(&folder.config())).expect("a configuration");
        let version = config.policy.experiments()[0].version.to_string();
        drop(Sqlite::open(&folder.ledger(), Durability::Process).expect("a ledger"));
        let connection = Connection::open(folder.ledger()).expect("a ledger");
        Self { folder, version, connection, _up: up }
    }

    /// Units beyond those that are there, up to so many, over ten days.
    fn fill(&self, from: u64, to: u64) {
        let version = &self.version;
        let once = if from > 0 {
            String::new()
        } else {
            format!(
                "INSERT INTO epoch (replica, currency, policy_version, policy_hash, price_version, tree)
                   VALUES ('replica-1', 'USD', 'v', 'h', 'p', 0);
                 INSERT INTO caller (team, \"key\") VALUES ('chat', 'app');
                 INSERT INTO shape (dialect, operation, stream, requested_model, hinted, language, task,
                   needs, data_class, n, rule) VALUES ('openai', 'chat', 0, 'auto', '', 'th', 'chat', '',
                   'internal', 1, 'talk');
                 INSERT INTO result (state, model, endpoint, zone, attempts_form, usage_source, outcome)
                   VALUES (1, 'good', '127.0.0.1:9', 'on_prem', '[]', 'reported', 'ok');
                 INSERT INTO arm (experiment, version, arm, from_seq) VALUES ('ab', '{version}', 'old', 1),
                   ('ab', '{version}', 'new', 1);"
            )
        };
        let at = "(1767225600000 + k * 864)";
        let numbers = format!(
            "WITH RECURSIVE n(k) AS (SELECT {from} + 1 UNION ALL SELECT k + 1 FROM n WHERE k < {to})"
        );
        let id = format!(
            "printf('%08x-%04x-7%03x-8%03x-%012x', {at} >> 16, {at} & 65535, k % 4096, k % 4096, k)"
        );
        let sql = format!(
            "PRAGMA synchronous = OFF; BEGIN; {once}
             INSERT INTO entry (seq, id, started_at, epoch, caller, shape, \"user\", language_confidence,
               task_confidence, input_tokens_estimate, output_tokens_bound, draw, reserved_nano, boot)
               {numbers} SELECT k, {id}, strftime('%Y-%m-%dT%H:%M:%fZ', {at} / 1000.0, 'unixepoch'), 1, 1, 1,
               randomblob(16), 0.9, 0.8, 512, 512, k, 1000000, 1 FROM n;
             INSERT INTO enrolled (seq, arm, unit)
               {numbers} SELECT k, 1 + k % 2, (SELECT \"user\" FROM entry WHERE seq = k) FROM n;
             INSERT INTO entry_close (seq, result, attempts, input_tokens, output_tokens, cost_nano,
               first_token_us, duration_us, gateway_us)
               {numbers} SELECT k, 1, 500, 90, 40, k % 100000, 100000 + k % 1000, 500000, 80 FROM n;
             INSERT INTO feedback_value (id, name, value, is_bool, \"key\", at_ms)
               {numbers} SELECT {id}, 'success', k * 7919 % 100 < 52, 1, 'app', {at} FROM n; COMMIT;"
        );
        self.connection.execute_batch(&sql).expect("they are written");
    }

    fn report(&self, units: u64) -> Ran {
        let config = self.folder.config().display().to_string();
        let ran = run(&["experiment", "report", "ab", "--json", "--config", &config]);
        let report: Value = serde_json::from_str(&ran.said).expect("a report");
        assert_eq!(report["arms"][1]["units"], units / 2, "{report}");
        assert_eq!(report["arms"][1]["metrics"]["success"]["n"], units / 2, "{report}");
        ran
    }

    /// The memory of a gateway that has taken up so many units from its ledger, in MiB, and how long
    /// that took.
    async fn served(&self, units: u64) -> (f64, Duration) {
        let began = Instant::now();
        let server = Server::anywhere(&self.folder.config()).await;
        server.ready().await;
        let requests = async || {
            let url = format!("http://{}/admin/v1/experiments/ab", server.admin_addr());
            let page = client().get(url).bearer_auth(KEY).send().await.expect("a page");
            let it: Value = page.json().await.expect("an experiment");
            it["arms"][1]["requests"].as_u64()
        };
        // It may take more than one wait's time.
        for part in 1..=16 {
            let enough = units / 2 * part / 16;
            let look = async || requests().await.filter(|it| *it >= enough).ok_or("not so many");
            wait::found("its past", look).await;
        }
        let took = began.elapsed();
        let peak = server.memory_peak_kib();
        server.kill().await;
        (peak as f64 / 1024.0, took)
    }
}

/// Both are of one ledger, whose filling takes the most time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_million_units_are_reported_and_served_in_64_mib() {
    let scene = Scene::new();
    scene.fill(0, FEW);
    let (few, (few_mib, _)) = (scene.report(FEW), scene.served(FEW).await);
    scene.fill(FEW, many());
    let all = scene.report(many());
    // Neither grows with the units: a tenth of them may take as much as all.
    let most = STATE_MIB_MAX / 4.0;
    judged("report", few.peak_mib, all.peak_mib, all.took, most);
    let (many_mib, took) = scene.served(many()).await;
    judged("a gateway that serves", few_mib, many_mib, took, most);
}
