//! Own machines are paid for from the moment at which their configuration is in force, whether anybody asks
//! or not.

use rusqlite::Connection;
use serde_json::Value;

use crate::harness::{
    KEY, Reply, Setup, SimBackend, ask,
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

/// Teams with a key each, of which so many; the first is that of the key that asks.
fn teams(model: &SimBackend, many: usize) -> Setup {
    let mut setup = Setup::new().rented("m", &model.urls(), "6", 1).key("team = \"t0\"\n");
    for at in 0..many {
        let (team, file) = (format!("[[team]]\nname = \"t{at}\"\n"), format!("k{at}"));
        setup = setup.and(&team);
        if at > 0 {
            let key =
                format!("[[key]]\nname = \"k{at}\"\nteam = \"t{at}\"\nsecret = \"file:{file}\"\n");
            setup = setup.and(&key).file(&file, &secret(at));
        }
    }
    setup
}

fn secret(at: usize) -> String {
    if at == 0 { KEY.to_owned() } else { format!("sk-team{at}-0123456789abcdef0123456789abcdef") }
}

/// Keys and teams come and go while the machines stay: the hour is one, and each team has of it what its
/// requests are of all.
#[tokio::test]
async fn an_hour_is_not_split_where_the_machines_stay_the_same() {
    let model = SimBackend::start();
    let folder = teams(&model, 1).write();
    let server = Server::start(&folder.config()).await;
    are_known(&folder, 1).await;
    for many in 1..=3 {
        if many > 1 {
            teams(&model, many).write_into(&folder);
            server.hangup().await;
        }
        // In the end 3, 2 and 1 requests.
        for at in 0..many {
            let asks = async || Reply::of(server.post_with(&secret(at), &ask("m"))).await.status;
            wait::answers("the team is served", 200, asks).await;
        }
    }
    server.terminate().await;
    server.ended().await;
    assert_eq!(known(&folder).len(), 1, "{:?}", known(&folder));
    // All of it within one hour that is past, with rows between as earlier versions wrote them.
    let connection = Connection::open(folder.ledger()).expect("the ledger");
    let hour_ms = jiff::Timestamp::now().as_millisecond() / HOUR_MS * HOUR_MS - 2 * HOUR_MS;
    let many = connection.query_row("SELECT count(*) FROM entry", [], |row| row.get::<_, i64>(0));
    assert_eq!(many.expect("a count"), 6);
    for at in 1..=6 {
        let began = jiff::Timestamp::from_millisecond(hour_ms + at * 500_000).expect("a moment");
        let moved = "UPDATE entry SET started_at = ?2 WHERE seq = ?1";
        connection.execute(moved, (at, format!("{began:.3}"))).expect("moved");
        let same = "INSERT INTO key_models (\"key\", since_ms, models) \
             SELECT '', ?1, models FROM key_models WHERE \"key\" = '' LIMIT 1";
        connection.execute(same, [hour_ms + at * 500_000 - 9]).expect("a row");
    }
    let first = "UPDATE key_models SET since_ms = ?1 WHERE rowid = 1";
    connection.execute(first, [hour_ms]).expect("moved");
    let told = true_cost(&folder, "team").await;
    let rows = told["rows"].as_array().expect("rows");
    let of = |team: &str| rows.iter().find(|it| it["team"] == team).map(|it| &it["real_cost"]);
    let shares = ["t0", "t1", "t2"].map(of);
    assert_eq!(shares, [Some(&"3".into()), Some(&"2".into()), Some(&"1".into())], "{told}");
}
