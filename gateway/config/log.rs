//! The log: which of its lines are written, and in which form.

#[cfg(test)]
mod tests;

use policies::{
    Fault,
    document::{Faults, Section},
    nearest,
};
use toml::Value;
use tracing_subscriber::EnvFilter;

use super::fields::word;

/// `[log]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// Which lines are written: a level, or a list of directives, checked.
    pub level: Box<str>,
    /// The form of a line.
    pub format: LogFormat,
    /// Whether each request leaves a line.
    pub access: bool,
}

/// The form of the log's lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Time, level, where it comes from, a sentence, then `name=value`.
    Text,
    /// One JSON object.
    Json,
}

impl LogFormat {
    /// As it stands in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".into(), format: LogFormat::Text, access: false }
    }
}

/// The levels, as a directive may name them.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// The places of this program that a directive may name, behind `signalbox::`.
const ROOMS: &str = "access account app cache cli config directory dispatch edge experiment failure fleet \
                     log outcome pipeline record schema signals sim spend store wakes why wire";

const EXPECTED: &str = "error, warn, info or debug, or directives such as \
                        \"info,signalbox::fleet=debug\"";

/// Reads the section.
pub(super) fn log(mut it: Section<'_>, faults: &mut Faults) -> Log {
    let default = Log::default();
    let level = it.text("level", faults);
    if let Some(wrong) = level.and_then(|level| filter(level).err()) {
        let (found, expected) = match wrong.split_once("; did you mean") {
            Some((found, meant)) => (found, format!("{EXPECTED}; did you mean{meant}")),
            None => (wrong.as_str(), EXPECTED.to_owned()),
        };
        faults.push(Fault::new(it.at("level"), found, expected));
    }
    let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
    let format = word(&mut it, "format", &formats, default.format, faults);
    let access = it.read("access", "true or false", faults, Value::as_bool);
    it.close(faults);
    let level = level.map_or(default.level, Box::from);
    Log { level, format, access: access.unwrap_or(default.access) }
}

/// The filter that a text spells. A word by itself must be a level: as the name of a place it would let
/// everything through, and a level that is spelled wrongly is taken for one.
///
/// # Errors
/// What is wrong with it, in words.
pub(crate) fn filter(text: &str) -> Result<EnvFilter, String> {
    let known = |word: &str| LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word));
    // Within brackets stand the fields of a span, with commas and signs of their own.
    let spans = text.contains(['[', '{']);
    if !spans {
        for one in text.split(',').map(str::trim) {
            let (place, level) =
                one.split_once('=').map_or(("", one), |it| (it.0.trim(), it.1.trim()));
            if !known(level) {
                let near = nearest(level, LEVELS.into_iter()).or_else(|| meant(level));
                let near = near.map(|it| format!("; did you mean `{it}`?")).unwrap_or_default();
                let shown: String = level.escape_debug().take(64).collect();
                return Err(format!("`{shown}`, which is no level{near}"));
            }
            let fits = |b: u8| b.is_ascii_alphanumeric() || b"_:-".contains(&b);
            if one.contains('=') && (place.is_empty() || !place.bytes().all(fits)) {
                let shown: String = place.escape_debug().take(64).collect();
                return Err(format!("`{shown}`, which is no place in the code"));
            }
            place_of_ours(place)?;
        }
    }
    let directives: Vec<&str> = text.split(',').map(str::trim).collect();
    let plain = directives.iter().map(|it| own(&it.replace([' ', '\t'], "")));
    let plain = plain.collect::<Vec<_>>().join(",");
    variable(if spans { text } else { &plain })
}

/// A level at which faults are looked for is meant for the gateway's own lines: other crates keep to `info`,
/// unless a directive names them.
fn own(directive: &str) -> String {
    match ["debug", "trace"].iter().any(|level| level.eq_ignore_ascii_case(directive)) {
        true => format!("info,signalbox={directive}"),
        false => directive.to_owned(),
    }
}

/// The level that other programs call so.
fn meant(level: &str) -> Option<&'static str> {
    const WORDS: &[(&str, &str)] = &[
        ("warn", "for warning notice"),
        ("error", "for fatal critical severe err"),
        ("info", "for information informational"),
        ("debug", "for verbose fine"),
        ("trace", "for all finest"),
        ("off", "for none quiet silent"),
    ];
    let level = level.to_ascii_lowercase();
    let called = |words: &str| words.split(' ').skip(1).any(|word| word == level);
    WORDS.iter().find(|(_, words)| called(words)).map(|(level, _)| *level)
}

/// A place of this program must be there: a directive for another would never write a line.
fn place_of_ours(place: &str) -> Result<(), String> {
    let Some(inner) = place.strip_prefix("signalbox::") else { return Ok(()) };
    let room = inner.split("::").next().unwrap_or_default();
    if ROOMS.split(' ').any(|it| it == room) {
        return Ok(());
    }
    let near = nearest(room, ROOMS.split(' '));
    let near = near.map(|it| format!("; did you mean `signalbox::{it}`?")).unwrap_or_default();
    Err(format!("`{place}`, where nothing writes to the log{near}"))
}

/// The filter that `RUST_LOG` spells, as other programs read it.
///
/// # Errors
/// What is wrong with it, in words.
pub(crate) fn variable(text: &str) -> Result<EnvFilter, String> {
    let filter = EnvFilter::builder().parse(text).map_err(|error| error.to_string())?;
    // It would repeat with each probe what is said once of a backend whose certificate is wrong.
    Ok(match "rustls_platform_verifier=off".parse() {
        Ok(quiet) => filter.add_directive(quiet),
        Err(_) => filter,
    })
}
