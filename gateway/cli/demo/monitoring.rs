//! What Prometheus and Grafana need to watch the demo, written into its folder: a scrape configuration, the
//! rules and alerts, and Grafana's provisioning with the dashboards, each as `deploy` has it.
//!
//! Like the configuration they are written anew each time, and a file that the demo did not write is left
//! alone: what is written begins with a mark.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use super::{BoxError, folder::Folder};

/// Where the demo's Prometheus listens: its own port is the admin listener's too.
const PROMETHEUS: &str = "127.0.0.1:9091";

/// How a file of the demo says so.
const MARK: &str = "Written by `signalbox demo`, and written anew each time it starts.";

/// The scrape configuration. Paths start at its folder.
const SCRAPE: &str = r#"# Prometheus for this demo: samples every second, because its day is a short one.

global:
  scrape_interval: 1s
  scrape_timeout: 1s
  evaluation_interval: 5s

rule_files:
  - rules.yml
  - alerts.yml

scrape_configs:
  - job_name: signalbox
    metrics_path: /metrics
    static_configs:
      - targets: ["{admin}"]
        labels: { ledger: "demo" }
"#;

/// The rules and alerts as `deploy` has them.
const RULES: &str = include_str!("../../../deploy/prometheus/rules.yml");
const ALERTS: &str = include_str!("../../../deploy/prometheus/alerts.yml");

/// Rules that are reckoned once a minute would be once in two hours of a day at 120 times its pace.
const RECKONED: (&str, &str) = ("    interval: 1m\n", "    interval: 5s\n");
/// The largest of the demo's models on the bank's own machines.
const LARGEST: (&str, &str) = ("\"model\", \"gpt-oss-120b\"", "\"model\", \"qwen3.5-397b\"");
/// The datasource's scrape interval is this demo's.
const SAMPLED: (&str, &str) = ("timeInterval: 15s", "timeInterval: 1s");
/// How often the boards are drawn anew.
const REFRESHED: (&str, &str) = ("\"refresh\": \"1m\"", "\"refresh\": \"5s\"");
/// The time that the boards show by themselves, and the demo's.
const SHOWN: [&str; 4] = [
    "\"from\": \"now-24h\"",
    "\"from\": \"now-3h\"",
    "\"from\": \"now-6h\"",
    "\"from\": \"now-168h\"",
];
const SHOWN_HERE: &str = "\"from\": \"now-15m\"";
/// Where Grafana reads the dashboards, once it is installed.
const DASHBOARDS: &str = "path: /var/lib/grafana/dashboards/signalbox";

/// Grafana's provisioning, as `deploy` has it.
const SOURCE: &str = include_str!("../../../deploy/grafana/provisioning/datasources/signalbox.yml");
const PROVIDER: &str =
    include_str!("../../../deploy/grafana/provisioning/dashboards/signalbox.yml");

/// The dashboards, as `deploy` has them.
const BOARDS: [(&str, &str); 5] = [
    ("cost", include_str!("../../../deploy/grafana/dashboards/cost.json")),
    ("latency", include_str!("../../../deploy/grafana/dashboards/latency.json")),
    ("routing", include_str!("../../../deploy/grafana/dashboards/routing.json")),
    ("fleet", include_str!("../../../deploy/grafana/dashboards/fleet.json")),
    ("experiments", include_str!("../../../deploy/grafana/dashboards/experiments.json")),
];

/// Writes all of it; the files that stay as they are, because somebody else wrote them.
pub(super) fn write(folder: &Folder) -> Result<Vec<PathBuf>, BoxError> {
    let admin = folder.admin_url()?;
    let admin = admin.strip_prefix("http://").unwrap_or(&admin);
    let boards = grafana(folder)?.join("dashboards");
    // Grafana reads `$` as the begin of a variable of the environment, and `$$` as a dollar.
    let boards = serde_json::to_string(&boards.to_string_lossy())?.replace('$', "$$");
    let mut kept = Vec::new();
    let mut put = |name: &str, text: &str| -> Result<(), BoxError> {
        let path = folder.path().join(name);
        if !write_own(&path, text)? {
            kept.push(path);
        }
        Ok(())
    };
    put("prometheus.yml", &SCRAPE.replace("{admin}", admin))?;
    let rules = RULES.replace(RECKONED.0, RECKONED.1).replace(LARGEST.0, LARGEST.1);
    put("rules.yml", &rules)?;
    put("alerts.yml", ALERTS)?;
    let provisioned = |what: &str| format!("grafana/provisioning/{what}/signalbox.yml");
    put(&provisioned("datasources"), &SOURCE.replace(SAMPLED.0, SAMPLED.1))?;
    put(&provisioned("dashboards"), &PROVIDER.replace(DASHBOARDS, &format!("path: {boards}")))?;
    for (name, board) in BOARDS {
        // A day that takes minutes would be a sliver of what they show by themselves.
        let board = board.replace(REFRESHED.0, REFRESHED.1);
        let board = SHOWN.iter().fold(board, |board, from| board.replace(from, SHOWN_HERE));
        put(&format!("grafana/dashboards/{name}.json"), &board)?;
    }
    Ok(kept)
}

/// Grafana's files, from the root: it starts relative paths at its own home.
fn grafana(folder: &Folder) -> Result<PathBuf, BoxError> {
    Ok(std::path::absolute(folder.path().join("grafana"))?)
}

/// How Prometheus is started on the folder.
pub(super) fn prometheus_command(folder: &Folder) -> String {
    let path = folder.path().display();
    format!(
        "prometheus --config.file={path}/prometheus.yml \\\n\
         \x20   --storage.tsdb.path={path}/prometheus --web.listen-address={PROMETHEUS}"
    )
}

/// How Grafana is started on the folder, on a machine that has it from its makers' package.
pub(super) fn grafana_command(folder: &Folder) -> Result<String, BoxError> {
    let path = grafana(folder)?;
    let path = path.display();
    Ok(format!(
        "GF_PATHS_PROVISIONING={path}/provisioning \\\n\
         \x20   GF_PATHS_DATA={path}/data GF_PATHS_LOGS={path}/log \\\n\
         \x20   grafana server --homepath /usr/share/grafana"
    ))
}

/// Writes a file with the demo's mark, whole, unless one is there without it; whether it was written. In
/// YAML the mark is the first line, in JSON the first field.
pub(super) fn write_own(path: &Path, text: &str) -> Result<bool, BoxError> {
    let is_json = path.extension().is_some_and(|it| it == "json");
    let marked = match is_json.then(|| text.trim_start().strip_prefix('{')).flatten() {
        Some(fields) => format!("{{\n  \"__comment\": \"{MARK}\",{fields}"),
        None => format!("# {MARK}\n{text}"),
    };
    let at = |error| -> BoxError { format!("{}: {error}", path.display()).into() };
    match fs::read_to_string(path) {
        Ok(there) if !there.lines().take(2).any(|line| line.contains(MARK)) => return Ok(false),
        Err(error) if error.kind() == ErrorKind::InvalidData => return Ok(false),
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(at(error)),
        _ => {}
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(at)?;
    }
    // Prometheus and Grafana read it whenever they like: never half of it.
    let mut draft = path.as_os_str().to_owned();
    draft.push(".draft");
    fs::write(&draft, marked).and_then(|()| fs::rename(&draft, path)).map_err(at)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("signalbox-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn a_file_of_somebody_else_is_left_alone_and_our_own_is_written_anew() {
        let folder = fresh("own");
        for (name, first, second) in
            [("a.yml", "x: 1\n", "x: 2\n"), ("sub/b.json", "{\n  \"x\": 1\n}\n", "{\"x\": 2}")]
        {
            let path = folder.join(name);
            assert!(write_own(&path, first).unwrap() && write_own(&path, second).unwrap());
            let text = fs::read_to_string(&path).unwrap();
            assert!(text.contains(MARK) && text.contains('2') && !text.contains("x: 1"), "{text}");
            if name.ends_with("json") {
                let value: serde_json::Value = serde_json::from_str(&text).unwrap();
                assert_eq!(value["x"], 2, "{text}");
            }
            fs::write(&path, "mine").unwrap();
            assert!(!write_own(&path, first).unwrap());
            assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
        }
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_the_demo_changes_is_there_to_be_changed() {
        assert!(RULES.contains(RECKONED.0), "else the demo's rules are late");
        assert!(SOURCE.contains(SAMPLED.0) && PROVIDER.contains(DASHBOARDS));
        assert!(SOURCE.contains(PROMETHEUS), "else Grafana asks elsewhere");
        assert!(SCRAPE.contains("{admin}"));
        for (name, board) in BOARDS {
            let is_shown = SHOWN.iter().any(|from| board.contains(from));
            assert!(board.contains(REFRESHED.0) && is_shown, "{name}");
        }
    }

    #[test]
    fn every_dashboard_is_there_and_may_be_marked() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/grafana/dashboards");
        let there = fs::read_dir(folder).unwrap().map(|it| it.unwrap().path());
        let mut there: Vec<String> =
            there.map(|it| it.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
        let mut known: Vec<String> = BOARDS.iter().map(|(name, _)| (*name).to_owned()).collect();
        there.sort();
        known.sort();
        assert_eq!(there, known);
        assert!(BOARDS.iter().all(|(_, text)| text.starts_with("{\n")));
    }
}
