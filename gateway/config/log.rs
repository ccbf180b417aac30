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

const EXPECTED: &str = "error, warn, info or debug, or directives such as \
                        \"info,signalbox::fleet=debug\"";

/// Reads the section.
pub(super) fn log(mut it: Section<'_>, faults: &mut Faults) -> Log {
    let default = Log::default();
    let level = it.text("level", faults);
    if let Some(wrong) = level.and_then(|level| filter(level).err()) {
        faults.push(Fault::new(it.at("level"), wrong, EXPECTED));
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
                let near = nearest(level, LEVELS.into_iter());
                let near = near.map(|it| format!("; did you mean `{it}`?")).unwrap_or_default();
                let shown: String = level.escape_debug().take(64).collect();
                return Err(format!("`{shown}`, which is no level{near}"));
            }
            let fits = |b: u8| b.is_ascii_alphanumeric() || b"_:-".contains(&b);
            if one.contains('=') && (place.is_empty() || !place.bytes().all(fits)) {
                let shown: String = place.escape_debug().take(64).collect();
                return Err(format!("`{shown}`, which is no place in the code"));
            }
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
