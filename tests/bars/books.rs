//! A large ledger: the view's answer for one id and for yesterday, and what was spent.

use std::{fmt::Write as _, time::Instant};

use rusqlite::Connection;
use signalbox::{config::Durability, store::Sqlite};

use super::{full, ms};
use crate::harness::{Setup, binary};

/// How many days the entries are spread over: yesterday has a tenth of them.
const DAYS: i64 = 10;
/// 2026-01-01, in milliseconds.
const FIRST_MS: i64 = 1_767_225_600_000;

/// Entries as the writer leaves them: 40 callers, 500 shapes, 200 results.
fn filled(connection: &Connection, entries: i64) {
    let numbers = |most: i64| {
        format!("WITH n(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM n WHERE k < {most}) ")
    };
    let at = format!("({FIRST_MS} + k * {} / {entries})", DAYS * 86_400_000);
    let mut sql = String::from(
        "PRAGMA synchronous = OFF; BEGIN;
         INSERT INTO epoch (replica, currency, policy_version, policy_hash, price_version, tree)
           VALUES ('replica-1', 'USD', 'v', 'h', 'p', 0);",
    );
    for (table, columns, values, count) in [
        ("caller", "team, \"key\"", "'team-' || (k % 8), 'key-' || k", 40),
        (
            "shape",
            "dialect, operation, stream, requested_model, hinted, language, task, needs, \
             data_class, n, rule",
            "'openai', 'chat', k % 2, 'auto', '', 'th', 'chat', '', 'internal', 1, 'rule-' || k",
            500,
        ),
        (
            "result",
            "state, model, endpoint, zone, attempts_form, usage_source, outcome",
            "1, 'model-' || (k % 10), '10.0.0.1:8000', 'on_prem', '[{\"model\":\"model-1\",\
             \"endpoint\":\"10.0.0.1:8000\",\"result\":\"ok\",\"ms\":%d}]', 'reported', 'ok'",
            200,
        ),
    ] {
        let _ = write!(
            sql,
            "INSERT INTO {table} ({columns}) {} SELECT {values} FROM n;",
            numbers(count)
        );
    }
    let _ = write!(
        sql,
        "INSERT INTO entry (id, started_at, epoch, caller, shape, caller_request_id, \"user\", \
           session, language_confidence, task_confidence, input_tokens_estimate, \
           output_tokens_asked, output_tokens_bound, draw, reserved_nano, boot, checksum) {0} \
           SELECT printf('%08x-%04x-7%03x-8%03x-%012x', {at} >> 16, {at} & 65535, k % 4096, \
           k % 4096, k), strftime('%Y-%m-%dT%H:%M:%fZ', {at} / 1000.0, 'unixepoch'), 1, \
           1 + k * 7919 % 40, 1 + k * 7907 % 500, 'caller-' || k, randomblob(16), randomblob(16), \
           0.9123, 0.8765, k % 1000, 512, 512, k * 9007199254740993, 1000000, 1, \
           k * 9007199254740991 FROM n; \
         INSERT INTO entry_close (seq, result, attempts, input_tokens, cached_input_tokens, \
           cache_write_tokens, output_tokens, reasoning_tokens, cost_nano, first_token_us, \
           duration_us, gateway_us, checksum) {0} SELECT k, 1 + k % 200, k % 3000, 90, 10, 0, 40, 0, \
           k % 100000, 100000 + k % 1000, 500000, 80, k * 9007199254740991 FROM n; COMMIT;",
        numbers(entries)
    );
    connection.execute_batch(&sql).expect("they are written");
}

/// The bars are those of a million entries; fewer answer no later.
#[test]
fn the_view_finds_one_id_in_5_ms_and_yesterday_in_300() {
    let folder = Setup::new().write();
    let store = Sqlite::open(&folder.ledger(), Durability::Process).expect("a ledger");
    let entries = if full() { 1_000_000 } else { 100_000 };
    let connection = Connection::open(folder.ledger()).expect("a ledger");
    let began = Instant::now();
    filled(&connection, entries);
    println!("{entries} entries over {DAYS} days, written in {} ms", ms(began.elapsed()));
    let middle = format!("SELECT id FROM entry WHERE seq = {}", entries / 2);
    let id: String = connection.query_row(&middle, [], |row| row.get(0)).expect("an id");
    let yesterday = "WHERE started_at >= '2026-01-09' AND started_at < '2026-01-10'";
    for (sql, rows, most) in [
        (format!("SELECT * FROM ledger WHERE id = '{id}'"), 1, 5.0),
        (format!("SELECT count(*) FROM ledger {yesterday}"), 1, 300.0),
        (format!("SELECT team, sum(cost_nano) FROM ledger {yesterday} GROUP BY team"), 8, 300.0),
    ] {
        let ask = || {
            // As another program opens it: with nothing read yet.
            let connection = Connection::open(folder.ledger()).expect("a ledger");
            let began = Instant::now();
            let mut select = connection.prepare(&sql).expect("a question");
            let mut found = select.query([]).expect("an answer");
            let mut count = 0;
            while found.next().expect("a row").is_some() {
                count += 1;
            }
            assert_eq!(count, rows, "{sql}");
            began.elapsed()
        };
        let took = (0..5).map(|_| ask()).min().expect("some");
        println!("{:>8} ms  {sql}", ms(took));
        assert!(took.as_secs_f64() * 1_000.0 <= most, "{sql}: {} ms, above {most}", ms(took));
    }
    drop(store);
}

/// What a month of a million entries has cost is said within three seconds, whatever is told apart.
#[tokio::test]
async fn what_was_spent_is_said_in_3_s() {
    let folder = Setup::new().write();
    let store = Sqlite::open(&folder.ledger(), Durability::Process).expect("a ledger");
    let entries = if full() { 1_000_000 } else { 100_000 };
    let connection = Connection::open(folder.ledger()).expect("a ledger");
    filled(&connection, entries);
    let ledger = folder.ledger().display().to_string();
    for question in [
        &["--by", "team"][..],
        &["--by", "team,model,task,language,day", "--tz", "Asia/Singapore", "--format", "csv"],
        &["--by", "team,key,model,rule", "--team", "team-1", "--json"],
        &["--format", "focus"],
    ] {
        let arguments = ["spend", "--since", "2026-01-01", "--ledger", &ledger];
        let arguments = [&arguments, question].concat();
        let mut least = f64::MAX;
        for _ in 0..3 {
            let began = Instant::now();
            let out = binary::run(&folder.config(), &arguments).await;
            least = least.min(began.elapsed().as_secs_f64());
            assert!(out.status.success(), "{out:?}");
        }
        println!("{least:>6.2} s  {entries} entries: signalbox spend {}", question.join(" "));
        assert!(least <= 3.0, "{question:?}: {least} s, above 3");
    }
    drop(store);
}
