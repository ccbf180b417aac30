//! Own machines are paid for from the moment at which their configuration is in force, whether anybody asks
//! or not.

use rusqlite::Connection;
use serde_json::Value;

use crate::harness::{
    Setup, SimBackend,
    binary::{self, Server},
    gateway::Folder,
    wait,
};

const HOUR_MS: i64 = 3_600_000;

/// Which machines the ledger knows, in the order of time.
fn known(folder: &Folder) -> Vec<String> {
    let connection = Connection::open(folder.ledger()).expect("the ledger");
    let select = "SELECT models FROM key_models WHERE \"key\" = '' ORDER BY since_ms, rowid";
    let mut select = connection.prepare(select).expect("a question");
    let rows = select.query_map([], |row| row.get(0)).expect("an answer");
    rows.collect::<Result<_, _>>().expect("rows")
}

/// Waits until so many are known.
async fn are_known(folder: &Folder, many: usize) {
    wait::answers("machines are known", many, async || known(folder).len()).await;
}

async fn true_cost(folder: &Folder, by: &str) -> Value {
    let arguments = ["spend", "--true-cost", "--json", "--since", "6h", "--by", by];
    let out = binary::run(&folder.config(), &arguments).await;
    serde_json::from_slice(&out.stdout).expect("JSON")
}

/// Moves what has come into force into the past, by so many hours each.
fn long_ago(folder: &Folder, hours: &[i64]) {
    let connection = Connection::open(folder.ledger()).expect("the ledger");
    for (row, hours) in (1..).zip(hours) {
        let sql = "UPDATE key_models SET since_ms = since_ms - ?2 WHERE rowid = ?1";
        assert_eq!(connection.execute(sql, [row, hours * HOUR_MS]).expect("moved"), 1);
    }
}

#[tokio::test]
async fn hours_in_which_nobody_asked_are_paid_for_and_idle() {
    let model = SimBackend::start();
    let rented = |replicas| Setup::new().rented("m", &model.urls(), "6", replicas);
    let folder = rented(1).write();
    let first = Server::start(&folder.config()).await;
    are_known(&folder, 1).await;
    rented(2).write_into(&folder);
    first.hangup().await;
    are_known(&folder, 2).await;
    // A successor of the same configuration, and the next start, have nothing to add.
    let second = Server::start(&folder.config()).await;
    first.ended().await;
    second.terminate().await;
    second.ended().await;
    let third = Server::start(&folder.config()).await;
    third.terminate().await;
    third.ended().await;
    assert_eq!(known(&folder).len(), 2, "{:?}", known(&folder));
    // Two hours of one replica and one of two; while no gateway runs they go on.
    long_ago(&folder, &[3, 1]);
    let told = true_cost(&folder, "model").await;
    let row = &told["rows"][0];
    assert_eq!((&row["model"], &row["requests"]), (&"m".into(), &0.into()), "{told}");
    let figure = |name: &str| row[name].as_str().and_then(|it| it.parse::<f64>().ok());
    let hours = figure("gpu_hours").expect("hours");
    assert!((4.0..4.2).contains(&hours), "{told}");
    assert!((figure("real_cost").expect("money") - 6.0 * hours).abs() < 0.01, "{told}");
    assert_eq!((&row["idle_cost"], &row["idle_percent"]), (&row["real_cost"], &100.0.into()));
    assert_eq!((&row["real_per_mtok"], &row["list_per_mtok"]), (&Value::Null, &Value::Null));
    // Of a team they are nobody's.
    assert_eq!(true_cost(&folder, "team").await["rows"][0]["team"], Value::Null);
}

#[tokio::test]
async fn machines_given_back_are_paid_for_no_longer() {
    let model = SimBackend::start();
    let folder = Setup::new().rented("m", &model.urls(), "6", 1).write();
    let server = Server::start(&folder.config()).await;
    are_known(&folder, 1).await;
    Setup::new().model("m", &model.urls()).write_into(&folder);
    server.hangup().await;
    are_known(&folder, 2).await;
    server.terminate().await;
    server.ended().await;
    assert_eq!(known(&folder).last().map(String::as_str), Some("[]"));
    long_ago(&folder, &[3, 2]);
    let told = true_cost(&folder, "model").await;
    let hours = told["rows"][0]["gpu_hours"].as_str().and_then(|it| it.parse::<f64>().ok());
    assert!(hours.is_some_and(|it| (0.9..1.1).contains(&it)), "{told}");
}
