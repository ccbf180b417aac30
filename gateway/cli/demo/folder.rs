//! The demo's folder: a complete set of files, on which every other command works.
//!
//! Configuration is written anew each time (the ports of the fleet change); keys, a policy and a ledger that
//! are there stay as they are, and a file that the demo did not write is never touched.

use std::{
    fs::{self, File, TryLockError},
    io::{self, ErrorKind, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use policies::facts::Money;
use toml::{Table, Value};

use super::{
    BoxError,
    budgets::{self, Budgets},
    experiment,
    real::{RealModel, STANDS_FOR, cut_to_size},
};
use crate::sim::Fleet;

/// The key of customers' applications, of the team `retail-banking`.
pub(super) const CUSTOMERS: &str = "demo.key";
/// The key of the bank's staff, of the team `operations`.
pub(super) const STAFF: &str = "staff.key";
/// The key of the team `kiosk`, which has next to no money.
pub(super) const KIOSK: &str = "kiosk.key";
/// The configuration.
const CONFIG: &str = "signalbox.toml";
/// The file that is locked by the demo that uses the folder. The lock ends with its process, however it ends.
const LOCK: &str = "demo.lock";
/// The operators' token.
const ADMIN: &str = "admin.token";

/// The first line of every configuration that the demo writes.
const MARK: &str = "# Written by `signalbox demo`, and written anew each time it starts.";

/// The first line of a policy that the demo edits for one of its acts. One that was left behind is undone.
const EDITED: &str = "# Edited by `signalbox demo`, which puts the preset back.\n";

/// What of a model of the catalogue is configuration. The simulated models go by the ids of the catalogue,
/// not by the names of the weights.
const MODEL_FIELDS: [&str; 16] = [
    "id",
    "family",
    "kind",
    "engine",
    "dialects",
    "context_tokens_max",
    "output_tokens_max",
    "output_tokens_default",
    "capabilities",
    "languages",
    "tags",
    "licence",
    "zone",
    "price",
    "media_tokens_max",
    "held_tokens_max",
];

/// The pepper of a new folder: the same in all of them, so that the simulated users have the same arms in
/// each run. Nobody real is behind their hashes.
const PEPPER: &str = "the pepper of each demo, which is no secret and keeps none\n";

/// What is played, and so which policy is the demo's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Play {
    /// The acts, on the preset `bank`.
    Acts,
    /// A bank's day, on the same with an experiment.
    Day,
}

impl Play {
    fn policy(self) -> Result<String, BoxError> {
        match self {
            Self::Acts => Ok(bank()?.to_owned()),
            Self::Day => experiment::policy(bank()?),
        }
    }
}

/// An open folder.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    play: Play,
    /// Held as long as this demo uses the folder: two of them would write over each other's files.
    _lock: File,
}

impl Folder {
    /// Opens the folder; makes it if it is not there.
    pub(super) fn open(path: &Path, play: Play) -> Result<Self, BoxError> {
        fs::create_dir_all(path).map_err(|error| at(path, &error))?;
        let config = path.join(CONFIG);
        match fs::read_to_string(&config) {
            Ok(text) if !text.starts_with(MARK) => {
                let config = config.display();
                return Err(format!(
                    "{config} was not written by the demo; choose another --folder"
                )
                .into());
            }
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(at(&config, &error)),
            _ => {}
        }
        Ok(Self { path: path.to_owned(), play, _lock: lock(path)? })
    }

    /// The folder itself.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The configuration.
    pub(super) fn config(&self) -> PathBuf {
        self.path.join(CONFIG)
    }

    /// The ledger.
    pub(super) fn ledger(&self) -> PathBuf {
        self.path.join("signalbox.db")
    }

    /// The gateway's log.
    pub(super) fn log(&self) -> PathBuf {
        self.path.join("gateway.log")
    }

    /// The policy in force.
    pub(super) fn policy(&self) -> PathBuf {
        self.path.join("policy.toml")
    }

    /// A policy that is not in force yet.
    pub(super) fn next_policy(&self) -> PathBuf {
        self.path.join("policy-next.toml")
    }

    /// The key in this file: random, made once, readable by its owner alone.
    pub(super) fn key(&self, file: &str) -> Result<String, BoxError> {
        let path = self.path.join(file);
        let key = format!("sk-demo-{:032x}{:032x}", rand::random::<u128>(), rand::random::<u128>());
        match fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Ok(mut file) => {
                writeln!(file, "{key}").map_err(|error| at(&path, &error))?;
                Ok(key)
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let key = fs::read_to_string(&path).map_err(|error| at(&path, &error))?;
                Ok(key.trim().to_owned())
            }
            Err(error) => Err(at(&path, &error)),
        }
    }

    /// The operators' token.
    pub(super) fn admin_token(&self) -> Result<String, BoxError> {
        self.key(ADMIN)
    }

    /// Where callers connect, as the configuration says: `http://…/v1`.
    pub(super) fn api_url(&self) -> Result<String, BoxError> {
        Ok(format!("{}/v1", self.listener("server")?))
    }

    /// Where operators connect: `http://…`.
    pub(super) fn admin_url(&self) -> Result<String, BoxError> {
        self.listener("admin")
    }

    fn listener(&self, section: &str) -> Result<String, BoxError> {
        let path = self.config();
        let text = fs::read_to_string(&path).map_err(|error| at(&path, &error))?;
        let config: Table = text.parse()?;
        let listen = config.get(section).and_then(|it| it.get("listen")).and_then(Value::as_str);
        Ok(format!("http://{}", listen.ok_or("no address in the configuration")?))
    }

    /// Writes another policy, marked as the demo's. It is put in place whole.
    pub(super) fn write_policy(&self, path: &Path, text: &str) -> Result<(), BoxError> {
        let draft = self.path.join("policy.draft");
        fs::write(&draft, format!("{EDITED}{text}")).map_err(|error| at(&draft, &error))?;
        fs::rename(&draft, path).map_err(|error| at(path, &error))
    }

    /// Puts the preset back.
    pub(super) fn restore_policy(&self) -> Result<(), BoxError> {
        let path = self.policy();
        fs::write(&path, self.play.policy()?).map_err(|error| at(&path, &error))
    }

    /// Whether the policy is the preset as the demo wrote it.
    pub(super) fn has_preset(&self) -> bool {
        fs::read_to_string(self.policy()).is_ok_and(|text| is_of(self.play, &text))
    }

    /// Makes the pepper of a folder that has none yet, nor books that were written with another.
    fn season(&self) -> Result<(), BoxError> {
        if self.ledger().exists() {
            return Ok(());
        }
        let path = self.path.join("pepper");
        match fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Ok(mut file) => file.write_all(PEPPER.as_bytes()).map_err(|error| at(&path, &error)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(at(&path, &error)),
        }
    }

    /// Writes configuration and, where there is none yet, policy. The team `kiosk` may spend this much.
    pub(super) fn configure(
        &self,
        fleet: &Fleet,
        real: Option<&RealModel>,
        budgets: &Budgets,
    ) -> Result<(), BoxError> {
        match fs::read_to_string(self.policy()) {
            // The other play's is no one's own either.
            Ok(text) if text.starts_with(EDITED) => self.restore_policy()?,
            Ok(text) if [Play::Acts, Play::Day].iter().any(|it| is_of(*it, &text)) => {
                self.restore_policy()?;
            }
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => self.restore_policy()?,
            Err(error) => return Err(at(&self.policy(), &error)),
        }
        for file in [CUSTOMERS, STAFF, KIOSK, ADMIN] {
            self.key(file)?;
        }
        self.season()?;
        let front = free_port(8080)?;
        let admin = free_port(9090)?;
        let head = HEAD
            .replace("{front}", &front.to_string())
            .replace("{admin}", &admin.to_string())
            .replace("{bank}", &budgets.bank.to_string())
            .replace("{retail}", &budgets.retail.to_string())
            .replace("{kiosk}", &budgets.kiosk.to_string());
        let text =
            format!("{MARK}\n{head}\n{}", models(self.play, policies::CATALOGUE, (fleet, real))?);
        let config = self.config();
        fs::write(&config, text).map_err(|error| at(&config, &error))
    }

    /// What the team `kiosk` may spend, as the configuration says, and what it has spent, as the ledger says.
    pub(super) fn kiosk_money(&self) -> Result<(Money, Money), BoxError> {
        let path = self.config();
        let config: Table =
            fs::read_to_string(&path).map_err(|error| at(&path, &error))?.parse()?;
        let teams = config.get("team").and_then(Value::as_array).into_iter().flatten();
        let mut kiosk = teams.filter(|it| it.get("name").and_then(Value::as_str) == Some("kiosk"));
        let amount = kiosk.next().and_then(|it| it.get("budget")?.get("amount")?.as_str());
        let limit = Money::parse(amount.ok_or("no budget of the team kiosk")?)?;
        Ok((limit, budgets::spent(&self.ledger(), Some("kiosk"))))
    }
}

/// Whether a policy is this play's own.
fn is_of(play: Play, text: &str) -> bool {
    play.policy().is_ok_and(|it| it == text)
}

fn bank() -> Result<&'static str, BoxError> {
    Ok(policies::preset::document("bank").ok_or("no preset of the name bank")?)
}

/// Takes the folder for this process alone.
fn lock(folder: &Path) -> Result<File, BoxError> {
    let path = folder.join(LOCK);
    let opened = fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = opened.map_err(|error| at(&path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(format!(
            "another demo runs in {}: end it, or choose another --folder",
            folder.display()
        )
        .into()),
        Err(TryLockError::Error(error)) => Err(at(&path, &error)),
    }
}

fn at(path: &Path, error: &io::Error) -> BoxError {
    format!("{}: {error}", path.display()).into()
}

/// This loopback port if it is free, else any.
fn free_port(wanted: u16) -> Result<SocketAddr, BoxError> {
    let bind = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    let listener = bind(wanted).or_else(|_| bind(0))?;
    Ok(listener.local_addr()?)
}

/// The catalogue's models, as configuration, with these backends. In a replayed day some of them are on
/// machines that are paid by the hour.
fn models(
    play: Play,
    catalogue: &str,
    (fleet, real): (&Fleet, Option<&RealModel>),
) -> Result<String, BoxError> {
    let catalogue: Table = catalogue.parse()?;
    let all = catalogue.get("model").and_then(Value::as_array).ok_or("an empty catalogue")?;
    let mut models = Vec::new();
    for model in all.iter().filter_map(Value::as_table) {
        let field = |name: &str| Some((name.to_owned(), model.get(name)?.clone()));
        let mut model: Table = MODEL_FIELDS.into_iter().filter_map(field).collect();
        let id = model.get("id").and_then(Value::as_str).unwrap_or_default();
        let mut urls = fleet.urls(id);
        let per_hour = (play == Play::Day).then(|| budgets::day_per_hour(id)).flatten();
        if let Some(real) = real.filter(|_| id == STANDS_FOR) {
            urls = vec![real.url.clone()];
            cut_to_size(&mut model);
        }
        if let (Some(per_hour), Some(price)) =
            (per_hour, model.get_mut("price").and_then(Value::as_table_mut))
        {
            price.insert("per_hour".into(), Value::String(per_hour.to_owned()));
        }
        let endpoint = |url| Value::Table(Table::from_iter([("url".into(), Value::String(url))]));
        if !urls.is_empty() {
            let endpoints = urls.into_iter().map(endpoint).collect();
            model.insert("endpoint".into(), Value::Array(endpoints));
            models.push(Value::Table(model));
        }
    }
    let models = Table::from_iter([("model".to_owned(), Value::Array(models))]);
    Ok(toml::to_string(&models)?)
}

/// Everything but the models.
const HEAD: &str = r#"
[server]
listen = "{front}"
drain_grace_ms = 0          # nobody balances the load of a demo

[admin]
listen = "{admin}"
token = "file:admin.token"

[policy]
file = "policy.toml"        # change it, and it is in force a second later

[ledger]
currency = "USD"
sqlite = "signalbox.db"

[alias]
"gpt-4o" = "auto"

[[team]]
name = "bank"
budget = { amount = "{bank}", window = "month", hard = true, timezone = "Asia/Singapore" }

[[team]]
name = "retail-banking"
parent = "bank"
budget = { amount = "{retail}", window = "month", hard = true, timezone = "Asia/Singapore" }
limits = { requests_per_minute = 6000, tokens_per_minute = 20000000, concurrent = 64 }
data_class_max = "confidential"

[[team]]
name = "operations"
parent = "bank"
data_class_max = "confidential"

[[team]]
name = "kiosk"              # a machine in a branch: for one of the demo's acts
parent = "bank"
budget = { amount = "{kiosk}", window = "total", hard = true }

[[key]]
name = "demo"
team = "retail-banking"
secret = "file:demo.key"

[[key]]
name = "staff"
team = "operations"
secret = "file:staff.key"

[[key]]
name = "kiosk"
team = "kiosk"
secret = "file:kiosk.key"
"#;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::sim::{ModelSpec, Setting};

    const CATALOGUE: &str = r#"
        [[model]]
        id = "small"
        context_tokens_max = 1000
        price = { input_per_mtok = "0.10", output_per_mtok = "0.20" }
        source = "a page"
        [[model]]
        id = "elsewhere"
    "#;

    fn fresh(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("signalbox-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        path
    }

    #[tokio::test]
    async fn models_with_a_backend_are_configured() {
        let mut small = ModelSpec::plain("small");
        small.replicas = 2;
        let fleet = Fleet::start(&[small], Setting::default()).unwrap();
        let text = models(Play::Day, CATALOGUE, (&fleet, None)).unwrap();
        let table: Table = text.parse().unwrap();
        let models = table["model"].as_array().unwrap();
        assert_eq!(models.len(), 1, "{text}");
        assert!(models[0].get("source").is_none());
        let urls: Vec<&str> = models[0]["endpoint"]
            .as_array()
            .unwrap()
            .iter()
            .map(|endpoint| endpoint["url"].as_str().unwrap())
            .collect();
        assert_eq!(urls, fleet.urls("small"));
    }

    #[tokio::test]
    async fn machines_are_paid_by_the_hour_in_a_replayed_day_alone() {
        let fleet = Fleet::start(&crate::sim::ten(), Setting::default()).unwrap();
        let paid = |play| {
            let text = models(play, policies::CATALOGUE, (&fleet, None)).unwrap();
            let table: Table = text.parse().unwrap();
            let models = table["model"].as_array().unwrap();
            models.iter().filter(|it| it["price"].get("per_hour").is_some()).count()
        };
        assert_eq!((paid(Play::Acts), paid(Play::Day)), (0, 3));
    }

    #[test]
    fn a_key_is_made_once_and_only_its_owner_reads_it() {
        let path = fresh("key");
        let folder = Folder::open(&path, Play::Acts).unwrap();
        let key = folder.key(CUSTOMERS).unwrap();
        assert!(key.starts_with("sk-demo-") && key.len() == 8 + 64);
        let second = Folder::open(&path, Play::Acts).unwrap_err().to_string();
        assert!(second.contains("another demo runs in"), "{second}");
        drop(folder);
        assert_eq!(Folder::open(&path, Play::Acts).unwrap().key(CUSTOMERS).unwrap(), key);
        let mode = fs::metadata(path.join(CUSTOMERS)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::remove_dir_all(path).unwrap();
    }

    #[tokio::test]
    async fn each_play_has_its_own_policy_and_one_that_is_edited_is_kept() {
        let path = fresh("plays");
        let fleet = Fleet::start(&[ModelSpec::plain("m")], Setting::default()).unwrap();
        let configured = |play| {
            let folder = Folder::open(&path, play).unwrap();
            folder.configure(&fleet, None, &Budgets::acts(&folder.ledger())).unwrap();
            (folder.has_preset(), fs::read_to_string(folder.policy()).unwrap())
        };
        for play in [Play::Acts, Play::Day, Play::Acts] {
            assert_eq!(configured(play), (true, play.policy().unwrap()), "{play:?}");
        }
        let pepper = path.join("pepper");
        assert_eq!(fs::read_to_string(&pepper).unwrap(), PEPPER);
        assert_eq!(fs::metadata(&pepper).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(&pepper, "another").unwrap();
        fs::write(path.join("policy.toml"), "version = \"mine\"\n").unwrap();
        assert_eq!(configured(Play::Day), (false, "version = \"mine\"\n".into()));
        assert_eq!(fs::read_to_string(&pepper).unwrap(), "another");
        fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn a_configuration_of_somebody_else_is_left_alone() {
        let path = fresh("theirs");
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("signalbox.toml"), "[server]\n").unwrap();
        let refused = Folder::open(&path, Play::Acts).unwrap_err().to_string();
        assert!(refused.contains("was not written by the demo"), "{refused}");
        fs::remove_dir_all(path).unwrap();
    }
}
