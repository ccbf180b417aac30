//! From a table to a [`Config`]: pure, and every fault at once.

use std::{sync::Arc, time::Duration};

use policies::{
    Fault,
    document::{Faults, Section, Spelled},
    facts::{AliasTarget, FleetFacts, KeyFacts, ModelFacts},
};
use sha2::{Digest, Sha256};
use toml::{Table, Value};

use super::{
    Admin, Cache, Config, ContentRules, Durability, Feedback, Ground, Identity, Key, Ledger, Log,
    Oidc, Queue, Server, Shield, Team, Tracing, Wait, Webhook,
    cache::cache,
    content::content_rules,
    feedback::feedback,
    fields::{MIB, bytes, is_host, later, millis_or_none, number, path_in, secret, texts_of, word},
    key::{ReadKey, TeamsByName, keys as keys_of},
    listener::{admin, apart, server},
    log::log,
    managed::{Managed, ManagedKind, Sections, credentials, join_keys, stored_keys},
    model,
    oidc::{ReadOidc, issuers},
    operator::{guarded, operators},
    otlp::tracing,
    outside::Outside,
    policy::{Compiled, Places, aliases, compiled},
    series::too_many,
    shadow,
    signing_key::audit,
    team::{ReadTeam, teams},
    unread::unread,
    webhook::webhook,
};

/// See the module.
pub(super) fn validate(
    table: &Table,
    spelled: &Spelled,
    outside: &Outside<'_>,
) -> Result<Config, Vec<Fault>> {
    let (mut faults, mut root) = (Faults::with_keys(), Section::root_with(table, spelled));
    let server = server(root.section("server", &mut faults), &mut faults);
    let mut admin = admin(root.section("admin", &mut faults), outside, &mut faults);
    operators(&mut root, (&mut admin, table), outside, &mut faults);
    let ledger = ledger(root.section("ledger", &mut faults), outside, &mut faults);
    let identity = identity(root.section("identity", &mut faults), outside, &mut faults);
    let limits = Limits::read(&mut root, table, outside, &mut faults);
    let (models, facts) = model::models(root.tables("model", &mut faults), outside, &mut faults);
    let managed = managed(&ledger, outside, &mut faults);
    let askers = Askers::read(&mut root, &managed, outside, &mut faults);
    doors((&server, &admin), (table, &askers), &mut faults);
    let (audit_key, two_persons) = audit(root.section("audit", &mut faults), outside, &mut faults);
    let policy = (root.section("policy", &mut faults), two_persons.and(managed.policy()));
    root.close(&mut faults);
    let ground = Ground { server: &server, admin: &admin, ledger: &ledger, identity: &identity };
    stands_on(&ground, outside, &mut faults);
    let policy = compiled(policy, (&askers.fleet(facts), askers.places()), outside, &mut faults);
    let (Some(Compiled { policy, dead_ends, text }), true) = (policy, faults.is_empty()) else {
        return Err(faults.into_vec());
    };
    let (teams, keys, oidc) = askers.read_whole(&managed);
    let config = Config {
        managed,
        source: Arc::default(),
        shadow_keys: shadow::keys(&policy, &teams),
        unread_variables: unread(outside.variables, table, faults.keys()),
        hash: hash(table, policy.hash()),
        server,
        admin,
        audit_key,
        two_persons,
        policy_text: text,
        policy,
        policy_file: policy_file(table, outside.folder),
        dead_ends,
        log: limits.log,
        tracing: limits.tracing,
        webhook: limits.webhook,
        ledger,
        identity,
        budget_wait: limits.budget_wait,
        queue: limits.queue,
        cache: limits.cache,
        content: limits.content,
        feedback: limits.feedback,
        series_max: limits.series_max,
        media_hosts: limits.media_hosts,
        shield: limits.shield,
        models,
        teams,
        keys,
        oidc,
    };
    too_many(&config).map_or(Ok(config), |fault| Err(vec![fault]))
}

/// Holds that callers and operators have a door each, and that somebody may do everything where the door of
/// operators is open to others than this machine.
fn doors(
    (server, admin): (&Server, &Admin),
    (table, askers): (&Table, &Askers),
    faults: &mut Faults,
) {
    apart(server, admin, faults);
    guarded(admin, table, askers.have_admin(), faults);
}

/// Who may ask: of the file, and of what is managed beside it.
struct Askers {
    teams: Vec<ReadTeam>,
    keys: Vec<ReadKey>,
    oidc: Vec<ReadOidc>,
    /// The names that callers may ask for beside those of models.
    aliases: Vec<(Box<str>, AliasTarget)>,
}

impl Askers {
    fn read(
        root: &mut Section<'_>,
        managed: &Managed,
        outside: &Outside<'_>,
        faults: &mut Faults,
    ) -> Self {
        let of_teams = Sections::of(managed, ManagedKind::Team);
        let teams = teams(of_teams.join(root.tables("team", faults), faults), faults);
        let by_name = TeamsByName::of(&teams);
        let stored = stored_keys(managed, &by_name);
        let keys = join_keys(root.tables("key", faults), &stored, faults);
        let keys = keys_of(keys, &by_name, outside, faults);
        let tokens = root.tables("oidc", faults);
        let oidc = issuers(tokens, (&teams, keys.len()), outside, faults);
        let aliases = aliases(root.section("alias", faults), faults);
        later(root, &["shared", "experiment"], faults);
        Self { teams, keys, oidc, aliases }
    }

    /// What a policy is compiled against.
    fn fleet(&self, models: Vec<ModelFacts>) -> FleetFacts {
        let teams = self.teams.iter().map(|it| it.facts.clone()).collect();
        let keys = all_keys(&self.keys, &self.oidc);
        FleetFacts { models, teams, keys, aliases: self.aliases.clone() }
    }

    /// Whether an issuer's tokens make somebody an operator who may do everything.
    fn have_admin(&self) -> bool {
        self.oidc.iter().any(|it| it.oidc.operators.have_admin())
    }

    /// Where all of them stand in the configuration.
    fn places(&self) -> Places<'_> {
        Places::of(&self.teams, &self.keys)
    }

    /// Teams, keys and issuers as the rest of the gateway knows them.
    fn read_whole(self, managed: &Managed) -> (Vec<Team>, Vec<Key>, Vec<Oidc>) {
        let keys = credentials(managed, self.keys.into_iter().map(|it| it.key).collect());
        let teams = self.teams.into_iter().map(|it| it.team).collect();
        (teams, keys, self.oidc.into_iter().map(|it| it.oidc).collect())
    }
}

/// What is managed beside the file.
fn managed(ledger: &Ledger, outside: &Outside<'_>, faults: &mut Faults) -> Managed {
    (outside.managed)(ledger).unwrap_or_else(|found| {
        let expected = "a ledger whose keys and teams can be read";
        faults.push(Fault::new("ledger.sqlite", found, expected));
        Managed::default()
    })
}

/// What the policy has to know of all keys: those that are configured, and behind them those of issuers.
fn all_keys(keys: &[ReadKey], oidc: &[ReadOidc]) -> Vec<KeyFacts> {
    keys.iter().map(|it| &it.facts).chain(oidc.iter().map(|it| &it.facts)).cloned().collect()
}

/// What the machine has against it. Where a value is a fault already, its default was looked at.
fn stands_on(ground: &Ground<'_>, outside: &Outside<'_>, faults: &mut Faults) {
    let mut found = (outside.ground)(ground);
    found.retain(|it| !faults.iter().any(|said| said.path == it.path));
    faults.extend(found);
}

/// Where the policy's file is, if the configuration names one.
fn policy_file(table: &Table, folder: &std::path::Path) -> Option<std::path::PathBuf> {
    let named = table.get("policy")?.get("file")?.as_str()?;
    Some(path_in(folder, named))
}

/// The layers are one table by now, in which secrets are references and keys keyed hashes. A number counts
/// as its digits, whether it stands in the file or comes from the environment as a text.
fn hash(table: &Table, policy: &str) -> Arc<str> {
    let mut hasher = Sha256::new();
    hash_table(table, &mut hasher);
    hasher.update(policy);
    let hex = |text: String, byte: &u8| text + &format!("{byte:02x}");
    hasher.finalize().iter().take(8).fold(String::new(), hex).into()
}

/// What a table says, in the order of its keys. Each text comes after its length, each table and list
/// after the number of its parts, so that no two tables are told as one.
fn hash_table(table: &Table, hasher: &mut Sha256) {
    begin(b't', table.len(), hasher);
    for (key, value) in table {
        hash_text(key, hasher);
        hash_value(value, hasher);
    }
}

fn hash_value(value: &Value, hasher: &mut Sha256) {
    match value {
        Value::Table(table) => hash_table(table, hasher),
        Value::Array(list) => {
            begin(b'l', list.len(), hasher);
            list.iter().for_each(|it| hash_value(it, hasher));
        }
        Value::String(text) => hash_text(text, hasher),
        other => hash_text(&other.to_string(), hasher),
    }
}

fn hash_text(text: &str, hasher: &mut Sha256) {
    begin(b's', text.len(), hasher);
    hasher.update(text);
}

fn begin(kind: u8, length: usize, hasher: &mut Sha256) {
    hasher.update([kind]);
    hasher.update(length.to_le_bytes());
}

pub(super) fn ledger(mut it: Section<'_>, outside: &Outside<'_>, faults: &mut Faults) -> Ledger {
    let currency = it.read("currency", "a code of three capitals, such as USD", faults, |value| {
        let code = value.as_str()?;
        let fits = code.len() == 3 && code.bytes().all(|b| b.is_ascii_uppercase());
        fits.then(|| Arc::from(code))
    });
    let sqlite = it.text("sqlite", faults).unwrap_or("signalbox.db");
    if let Some((scheme, _)) = sqlite.split_once("://") {
        let expected = "the name of a file, such as \"signalbox.db\": the ledger is one of SQLite, and no \
                        other database is supported";
        faults.push(Fault::new(it.at("sqlite"), format!("a URL, `{scheme}://…`"), expected));
    } else if sqlite.trim().is_empty() || sqlite.contains('\0') || sqlite.ends_with('/') {
        let expected = "the name of a file, such as \"signalbox.db\"";
        faults.push(Fault::new(it.at("sqlite"), format!("`{}`", sqlite.escape_debug()), expected));
    }
    let durability = [("power", Durability::Power), ("process", Durability::Process)];
    let wait = [("first_byte", Wait::FirstByte), ("dispatch", Wait::Dispatch)];
    let days = number(&mut it, "retention_days", 400, 1..=36_500, faults);
    let disk = 256 * MIB;
    let ledger = Ledger {
        currency: currency.unwrap_or_else(|| "USD".into()),
        sqlite: path_in(outside.folder, sqlite),
        durability: word(&mut it, "durability", &durability, Durability::Power, faults),
        wait: word(&mut it, "wait", &wait, Wait::FirstByte, faults),
        retention_days: u32::try_from(days).unwrap_or(400),
        disk_free_bytes_min: number(&mut it, "disk_free_bytes_min", disk, 0..=1 << 50, faults),
    };
    later(&mut it, &["postgres", "outbox"], faults);
    it.close(faults);
    ledger
}

/// As long as the hashes that it keys.
const PEPPER_BYTES_MIN: usize = 32;

pub(super) fn identity(
    mut it: Section<'_>,
    outside: &Outside<'_>,
    faults: &mut Faults,
) -> Identity {
    let source = it.get("pepper").and_then(|it| it.as_str().map(Box::from));
    let mut pepper = secret(&mut it, "pepper", outside, faults);
    if pepper.as_ref().is_some_and(|it| it.expose().len() < PEPPER_BYTES_MIN) {
        let expected = format!("at least {PEPPER_BYTES_MIN} bytes that nobody can guess");
        faults.push(Fault::new(it.at("pepper"), "a shorter secret", expected));
        pepper = None;
    }
    it.close(faults);
    Identity { pepper, source }
}

fn shield_of(it: &mut Section<'_>, faults: &mut Faults) -> Shield {
    let n_max = number(it, "n_max", 8, 1..=128, faults);
    let logprobs_max = number(it, "logprobs_max", 20, 0..=1_000, faults);
    Shield {
        n_max: u8::try_from(n_max).unwrap_or(8),
        tools_max: bytes(number(it, "tools_max", 128, 0..=10_000, faults)),
        schema_bytes_max: bytes(number(it, "schema_bytes_max", 65_536, 0..=16 * MIB, faults)),
        logprobs_max: u32::try_from(logprobs_max).unwrap_or(20),
        grammar_bytes_max: bytes(number(it, "grammar_bytes_max", 4_096, 0..=16 * MIB, faults)),
    }
}

/// The small sections.
struct Limits {
    log: Log,
    tracing: Option<Tracing>,
    webhook: Option<Webhook>,
    budget_wait: Duration,
    queue: Queue,
    cache: Cache,
    content: ContentRules,
    feedback: Feedback,
    series_max: usize,
    media_hosts: Vec<Box<str>>,
    shield: Shield,
}

impl Limits {
    fn read(
        root: &mut Section<'_>,
        table: &Table,
        outside: &Outside<'_>,
        faults: &mut Faults,
    ) -> Self {
        let stands = |section: &str| table.contains_key(section);
        let mut budget = root.section("budget", faults);
        let mut queue = root.section("queue", faults);
        let mut metrics = root.section("metrics", faults);
        let mut media = root.section("media", faults);
        let mut shield = root.section("shield", faults);
        let host =
            ("a host by itself, such as \"images.example.com\"", is_host as fn(&str) -> bool);
        let hosts = texts_of(&mut media, "hosts", host, faults);
        let limits = Self {
            log: log(root.section("log", faults), faults),
            tracing: tracing(root.section("tracing", faults), stands("tracing"), outside, faults),
            webhook: webhook(root.section("webhook", faults), stands("webhook"), outside, faults),
            budget_wait: millis_or_none(&mut budget, "wait_ms", 1_000, faults),
            queue: Queue {
                wait: millis_or_none(&mut queue, "wait_ms", 2_000, faults),
                length_max: bytes(number(&mut queue, "length_max", 256, 0..=1_000_000, faults)),
            },
            cache: cache(root.section("cache", faults), faults),
            content: content_rules(root, outside, faults),
            feedback: feedback(root.section("feedback", faults), faults),
            series_max: bytes(number(
                &mut metrics,
                "series_max",
                20_000,
                1_000..=10_000_000,
                faults,
            )),
            media_hosts: hosts.into_iter().map(Into::into).collect(),
            shield: shield_of(&mut shield, faults),
        };
        for section in [budget, queue, metrics, media, shield] {
            section.close(faults);
        }
        limits
    }
}
