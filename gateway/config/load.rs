//! The layers: file, then environment (`SIGNALBOX__SECTION__KEY`), then command line. The only use of
//! figment, and the only place that reads files and variables for the configuration.

mod sections;

use std::{ffi::OsString, io, path::Path};

use figment::{
    Error, Figment, Metadata, Profile, Provider,
    value::{Dict, Map, Value},
};
use policies::{
    Fault,
    document::{Spelled, locate},
};
use toml::Table;

use super::{
    Config, Ground, Ledger, Managed, ManagedFn, misplaced, outside::Outside, source::Recorder,
    unread::PREFIX, validate::validate,
};

pub(crate) use self::sections::admin;
pub use self::sections::{identity, ledger, new_key};

/// What is expected of the file's place.
const READABLE: &str = "a configuration: `signalbox init` writes one, `--config` names another file, and \
                        `signalbox demo` needs none";

/// Loads and validates the configuration in this file, `signalbox.toml` if none is named, as the file alone
/// says it. Relative paths in it start at its folder.
///
/// # Errors
/// Every fault, with its path.
pub fn load(path: Option<&Path>) -> Result<Config, Vec<Fault>> {
    load_with(path, &[])
}

/// The same, with values from the command line over all others: `server.listen` and its text.
///
/// # Errors
/// Every fault, with its path.
pub fn load_with(
    path: Option<&Path>,
    overrides: &[(String, String)],
) -> Result<Config, Vec<Fault>> {
    let path = path.unwrap_or(Path::new("signalbox.toml"));
    let nothing = |_: &Ledger| Ok(Managed::default());
    read_layers(path, overrides, variables(), (&|_| Vec::new(), &nothing))
}

/// The same, with what is managed beside it.
///
/// # Errors
/// Every fault, with its path.
pub fn load_managed(path: &Path, managed: &ManagedFn<'_>) -> Result<Config, Vec<Fault>> {
    read_layers(path, &[], variables(), (&|_| Vec::new(), managed))
}

/// Loads it with what is managed beside it, and asks of its listeners and ledger what `ground` finds wrong
/// with them on this machine, so that all faults are said at once.
///
/// # Errors
/// Every fault, with its path.
pub fn check(
    path: &Path,
    ground: &dyn Fn(&Ground<'_>) -> Vec<Fault>,
    managed: &ManagedFn<'_>,
) -> Result<Config, Vec<Fault>> {
    read_layers(path, &[], variables(), (ground, managed))
}

pub(super) fn read_layers(
    path: &Path,
    overrides: &[(String, String)],
    variables: Vec<(String, String)>,
    (ground, managed): (&dyn Fn(&Ground<'_>) -> Vec<Fault>, &ManagedFn<'_>),
) -> Result<Config, Vec<Fault>> {
    let name = path.display().to_string();
    let text = read_text(path)
        .map_err(|error| vec![Fault::new("", error.to_string(), READABLE).in_file(&name)])?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let secret = |it: &str| secret(folder, it);
    let outside = Outside {
        file: &name,
        folder,
        variables: &variables,
        secret: &secret,
        read: &read,
        ground,
        managed,
    };
    let environment = Layer::environment(variables.iter().cloned());
    layered(&text, environment, Layer::overrides(overrides), &outside)
}

/// A variable that is no text cannot be one of ours.
fn variables() -> Vec<(String, String)> {
    let text = |(name, value): (OsString, OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(text).collect()
}

/// All layers together, validated.
pub(super) fn layered(
    text: &str,
    environment: Layer,
    overrides: Layer,
    outside: &Outside<'_>,
) -> Result<Config, Vec<Fault>> {
    let Laid { table, spelled, layers, mut faults } = laid(text, environment, overrides, outside)?;
    let [environment, overrides] = &layers;
    let recorder = Recorder::new(outside);
    let validated = recorder.outside(|outside| validate(&table, &spelled, outside));
    let validated =
        validated.map_err(|faults| placed(faults, (text, outside), [overrides, environment]));
    match validated {
        Ok(config) if faults.is_empty() => Ok(config.kept(recorder.source(table, spelled))),
        validated => {
            faults.extend(validated.err().into_iter().flatten());
            Err(faults)
        }
    }
}

/// All layers together: environment and command line are `layers`; `faults` are what could not be laid.
struct Laid {
    table: Table,
    spelled: Spelled,
    layers: [Layer; 2],
    faults: Vec<Fault>,
}

fn laid(
    text: &str,
    environment: Layer,
    overrides: Layer,
    outside: &Outside<'_>,
) -> Result<Laid, Vec<Fault>> {
    // figment names no place for a syntax error; toml does.
    let file: Table = text.parse().map_err(|error| vec![named(not_toml(text, &error), outside)])?;
    let (environment, mut faults) = environment.over(&file);
    let (overrides, more) = overrides.over(&file);
    faults.extend(more);
    // The file may be large and the layers over it are small: it is read once, and goes through no layer.
    let above = Figment::new().merge(&environment).merge(&overrides);
    let above: Table = above
        .extract()
        .map_err(|error| vec![Fault::new("configuration", error.to_string(), "plain values")])?;
    let mut table = file;
    lay_over(&mut table, above);
    let layers = [environment, overrides];
    let spelled = Spelled::new(layers.iter().flat_map(Layer::spelled).collect());
    Ok(Laid { table, spelled, layers, faults })
}

/// A document that is not TOML; who has brought another gateway's is told so.
fn not_toml(text: &str, error: &toml::de::Error) -> Fault {
    let fault = policies::not_toml(text, error);
    let begins = |key: &str| text.lines().any(|line| line.starts_with(key));
    let yaml = match () {
        () if begins("model_list:") => "a YAML document, as LiteLLM reads it",
        () if begins("models:") || begins("services:") || text.starts_with("---") => {
            "a YAML document"
        }
        () if text.trim_start().starts_with('{') => "a JSON document",
        () => return fault,
    };
    let expected =
        "a TOML document: docs/CONFIG.md has one that works, with a model, an endpoint and a key";
    Fault::new("", yaml, expected)
}

/// A fault of the file.
fn named(fault: Fault, outside: &Outside<'_>) -> Fault {
    // What is managed in the store stands in no file.
    if outside.file.is_empty() || fault.path.starts_with("store.") {
        fault
    } else {
        fault.in_file(outside.file)
    }
}

/// Lays values over those of a table; tables are laid over tables key by key.
fn lay_over(table: &mut Table, values: Table) {
    for (key, value) in values {
        match (table.get_mut(&key), value) {
            (Some(toml::Value::Table(below)), toml::Value::Table(above)) => lay_over(below, above),
            (_, value) => {
                table.insert(key, value);
            }
        }
    }
}

/// Says of each fault where its value came from, and orders them as they stand in the file; those of a
/// policy, which has lines of its own, come last.
fn placed(
    faults: Vec<Fault>,
    (text, outside): (&str, &Outside<'_>),
    layers: [&Layer; 2],
) -> Vec<Fault> {
    let of_policy = |fault: &Fault| fault.file.is_some();
    let (policys, mut placed): (Vec<_>, Vec<_>) = faults.into_iter().partition(of_policy);
    placed.iter_mut().for_each(misplaced::tell);
    let mut laid = Vec::new();
    locate(text, &mut placed);
    placed.retain_mut(|fault| {
        let origin = layers.iter().find_map(|layer| layer.origin(fault));
        laid.extend(origin.as_ref().map(|origin| Fault {
            found: format!("{} ({origin})", fault.found),
            line: None,
            named: None,
            ..fault.clone()
        }));
        origin.is_none()
    });
    placed.sort_by_key(|fault| (fault.line.is_none(), fault.line));
    let placed = placed.into_iter().map(|fault| named(fault, outside));
    placed.chain(laid).chain(policys).collect()
}

/// Values from the environment or from the command line.
pub(super) struct Layer {
    name: &'static str,
    /// Path, value, and what the value was called where it came from.
    values: Vec<(Vec<String>, String, String)>,
}

impl Layer {
    /// The variables that begin with our prefix; they are spelled in any case.
    pub(super) fn environment(variables: impl Iterator<Item = (String, String)>) -> Self {
        let ours = |(name, value): (String, String)| {
            let start = name.get(..PREFIX.len())?;
            let rest = name.get(PREFIX.len()..)?.to_ascii_lowercase();
            let path = rest.split("__").map(str::to_owned).collect();
            start.eq_ignore_ascii_case(PREFIX).then_some((path, value, name))
        };
        Self { name: "environment", values: variables.filter_map(ours).collect() }
    }

    /// What the command line says.
    pub(super) fn overrides(values: &[(String, String)]) -> Self {
        let each = values.iter().map(|(path, value)| {
            let keys = path.split('.').map(str::to_owned).collect();
            (keys, value.clone(), format!("command line, {path}"))
        });
        Self { name: "command line", values: each.collect() }
    }

    /// What can be laid over this file, and the faults of the rest: paths into a list or through a value.
    fn over(self, file: &Table) -> (Self, Vec<Fault>) {
        let (name, mut faults) = (self.name, Vec::new());
        let fits = |(path, _, origin): &(Vec<String>, String, String)| {
            let fault = blocked(path, origin, file);
            let fits = fault.is_none();
            faults.extend(fault);
            fits
        };
        (Self { name, values: self.values.into_iter().filter(fits).collect() }, faults)
    }

    /// By path, the numbers, booleans and lists that its texts spell.
    fn spelled(&self) -> Vec<(String, toml::Value)> {
        let of = |(path, text, _): &(Vec<String>, String, String)| {
            Some((path.join("."), spelled(text)?))
        };
        self.values.iter().filter_map(of).collect()
    }

    /// What the value of a fault was called where it came from, if it came from here: that at its path, or
    /// one below a table of which the file says nothing.
    fn origin(&self, fault: &Fault) -> Option<String> {
        let within = |path: &str, above: &str| {
            let after = path.strip_prefix(above)?;
            (after.is_empty() || after.starts_with(['.', '['])).then_some(())
        };
        let here = |(keys, _, origin): &(Vec<String>, String, String)| {
            let (keys, unsaid) = (keys.join("."), fault.line.is_none());
            let below = unsaid && within(&keys, &fault.path).is_some();
            (below || within(&fault.path, &keys).is_some()).then(|| origin.clone())
        };
        self.values.iter().find_map(here)
    }
}

/// The value in the file that stands in the way of a path, as a fault.
fn blocked(path: &[String], origin: &str, file: &Table) -> Option<Fault> {
    let mut table = file;
    let (_, above) = path.split_last()?;
    for key in above {
        match table.get(key)? {
            toml::Value::Table(inner) => table = inner,
            _ => {
                let found = format!("a key of `{key}` ({origin})");
                let expected = format!("`{key}` as a whole: it is not a table");
                return Some(Fault::new(path.join("."), found, expected));
            }
        }
    }
    None
}

impl Provider for &Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name)
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        let mut all = Dict::new();
        for (path, text, _) in &self.values {
            let value = match path.len() {
                // A section as a whole is spelled as a table.
                1 => text.parse().unwrap_or_else(|_| Value::from(text.as_str())),
                // What a text means is known by the key that it is for: see `spelled`.
                _ => Value::from(text.as_str()),
            };
            lay(&mut all, path, value);
        }
        Ok(Profile::Default.collect(all))
    }
}

/// The value that a text spells, if it is another than the text. What stands in a list stays the text that
/// it is: no list of the configuration is of anything else.
fn spelled(text: &str) -> Option<toml::Value> {
    match text.parse().ok()? {
        Value::String(..) => None,
        Value::Array(_, items) => {
            let inner = text.trim().strip_prefix('[')?.strip_suffix(']')?;
            let written: Vec<&str> = inner.split(',').map(str::trim).collect();
            let whole = written.len() == items.len();
            let texts = items.into_iter().enumerate().map(|(at, item)| match item {
                Value::String(_, text) => Some(toml::Value::String(text)),
                Value::Array(..) | Value::Dict(..) => toml::Value::try_from(item).ok(),
                _ => Some((*written.get(at).filter(|_| whole)?).into()),
            });
            texts.collect::<Option<Vec<_>>>().map(toml::Value::Array)
        }
        other => toml::Value::try_from(other).ok(),
    }
}

fn lay(dict: &mut Dict, path: &[String], value: Value) {
    let Some((key, below)) = path.split_first() else { return };
    if below.is_empty() {
        dict.insert(key.clone(), value);
        return;
    }
    let inner = dict.entry(key.clone()).or_insert_with(|| Value::from(Dict::new()));
    if let Value::Dict(_, inner) = inner {
        lay(inner, below, value);
    }
}

/// The text of a file, without the mark that some editors put at its beginning.
///
/// # Errors
/// When it cannot be read, or is not UTF-8.
pub(crate) fn read_text(path: &Path) -> io::Result<String> {
    let text = std::fs::read_to_string(path)?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

fn read(path: &Path) -> Result<String, String> {
    read_text(path).map_err(|error| error.to_string())
}

/// Resolves `env:NAME` or `file:path`. Never says what it found.
pub(super) fn secret(folder: &Path, reference: &str) -> Result<String, String> {
    let value = match reference.split_once(':') {
        Some(("env", name)) => std::env::var_os(name)
            .ok_or_else(|| format!("environment variable {name}, which is not set"))?
            .into_string()
            .map_err(|_| format!("environment variable {name}, which is no text"))?,
        Some(("file", path)) => {
            let text = std::fs::read_to_string(folder.join(path));
            text.map_err(|error| format!("file {path}: {error}"))?
        }
        _ => return Err(String::from("a secret that stands here itself")),
    };
    let value = value.trim_end_matches(['\r', '\n']);
    if value.is_empty() {
        return Err(format!("{reference}, which is empty"));
    }
    Ok(value.to_owned())
}
