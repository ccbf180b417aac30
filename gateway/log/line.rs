//! One line of the log, in either form. Pure.
//!
//! Whatever a caller or a backend has said comes in as a value, is cut where it is long, and has every
//! character escaped that could end the line, move a terminal's cursor or turn the order of the text: no
//! text can make a second line or a field of its own.

use std::fmt::{self, Write as _};

use jiff::Timestamp;
use policies::acts;
use tracing::Level;

use crate::config::LogFormat;

/// The longest value that a line repeats, in bytes.
const VALUE_BYTES_MAX: usize = 2_048;
/// The longest sentence: what is wrong with a configuration is listed in one.
const MESSAGE_BYTES_MAX: usize = 8_192;

/// A line in the making: its fields, in the order in which they come.
pub(crate) struct Line {
    format: LogFormat,
    fields: String,
    message: Bounded,
}

/// Where a line comes from, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    /// The moment.
    pub at: Timestamp,
    /// How much it matters.
    pub level: Level,
    /// The place in the code, by which a filter finds it.
    pub target: &'static str,
}

impl Line {
    /// A line without fields.
    pub(crate) fn new(format: LogFormat) -> Self {
        let message = Bounded { text: String::new(), most: MESSAGE_BYTES_MAX };
        Self { format, fields: String::with_capacity(256), message }
    }

    /// Its sentence.
    pub(crate) fn message(&mut self, message: impl fmt::Display) {
        // What is beyond the bound is left out.
        let _ = write!(self.message, "{message}");
    }

    fn name(&mut self, name: &str) {
        match self.format {
            LogFormat::Text => {
                self.fields.push(' ');
                self.fields.push_str(name);
                self.fields.push('=');
            }
            LogFormat::Json => {
                self.fields.push_str(",\"");
                self.fields.push_str(name);
                self.fields.push_str("\":");
            }
        }
    }

    /// A text, whoever has said it.
    pub(crate) fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        let long;
        let value = match value.len() > VALUE_BYTES_MAX + '…'.len_utf8() {
            true => {
                long = format!("{}…", floor(value, VALUE_BYTES_MAX));
                &long
            }
            false => value,
        };
        let bare = |b: u8| b.is_ascii_alphanumeric() || b"._-:/@+[]{}()#%*?&;,$~<>|!^".contains(&b);
        if self.format == LogFormat::Text && !value.is_empty() && value.bytes().all(bare) {
            self.fields.push_str(value);
        } else {
            quote(&mut self.fields, value);
        }
    }

    /// A text, if there is one: what is empty says nothing, and is left out.
    pub(crate) fn known(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value.filter(|it| !it.is_empty()) {
            self.text(name, value);
        }
    }

    /// Something that shows itself as a text.
    pub(crate) fn shown(&mut self, name: &str, value: impl fmt::Display) {
        let mut text = Bounded { text: String::new(), most: VALUE_BYTES_MAX };
        let _ = write!(text, "{value}");
        self.text(name, &text.text);
    }

    /// Something that shows itself as a number or a truth, as JSON spells them.
    pub(crate) fn number(&mut self, name: &str, value: impl fmt::Display) {
        self.name(name);
        let _ = write!(self.fields, "{value}");
    }

    /// JSON that was made by us, as it is; in a line of text it stands as a text.
    pub(crate) fn json(&mut self, name: &str, value: &serde_json::Value) {
        match self.format {
            LogFormat::Json => self.number(name, value),
            LogFormat::Text => self.shown(name, value),
        }
    }

    /// The whole of it, with the end of the line.
    pub(crate) fn finish(self, origin: Origin) -> String {
        let Origin { at, level, target } = origin;
        let message = &self.message.text;
        let mut text = String::with_capacity(96 + message.len() + self.fields.len());
        match self.format {
            LogFormat::Text => {
                let _ = write!(text, "{at:.3} {level:<5} {target}: ");
                escape(&mut text, message, false);
                text.push_str(&self.fields);
            }
            LogFormat::Json => {
                let _ =
                    write!(text, "{{\"timestamp\":\"{at:.3}\",\"level\":\"{level}\",\"target\":");
                quote(&mut text, target);
                text.push_str(",\"message\":");
                quote(&mut text, message);
                text.push_str(&self.fields);
                text.push('}');
            }
        }
        text.push('\n');
        text
    }
}

/// A text that takes no more than so many bytes and ends in an ellipsis then.
struct Bounded {
    text: String,
    most: usize,
}

impl fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let left = self.most.saturating_sub(self.text.len());
        if text.len() <= left {
            self.text.push_str(text);
            return Ok(());
        }
        self.text.push_str(floor(text, left));
        self.text.push('…');
        self.most = 0;
        Err(fmt::Error)
    }
}

/// As much of a text as fits into so many bytes, in whole characters.
fn floor(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

/// A JSON string; in a line of text as well.
fn quote(out: &mut String, text: &str) {
    out.push('"');
    escape(out, text, true);
    out.push('"');
}

fn escape(out: &mut String, text: &str, quoted: bool) {
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '"' | '\\' if quoted => {
                out.push('\\');
                out.push(c);
            }
            c if acts(c) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn line(format: LogFormat, message: &str, value: &str) -> String {
        let mut line = Line::new(format);
        line.message(message);
        line.text("value", value);
        line.number("count", 3);
        line.finish(Origin {
            at: Timestamp::UNIX_EPOCH,
            level: Level::WARN,
            target: "signalbox::x",
        })
    }

    #[test]
    fn both_forms_say_the_same() {
        assert_eq!(
            line(LogFormat::Text, "it is down", "connection refused"),
            "1970-01-01T00:00:00.000Z WARN  signalbox::x: it is down value=\"connection refused\" \
             count=3\n"
        );
        assert_eq!(
            line(LogFormat::Json, "it is down", "a/b"),
            "{\"timestamp\":\"1970-01-01T00:00:00.000Z\",\"level\":\"WARN\",\"target\":\
             \"signalbox::x\",\"message\":\"it is down\",\"value\":\"a/b\",\"count\":3}\n"
        );
        assert!(line(LogFormat::Text, "", "a/b").contains(" value=a/b count=3"));
        assert!(line(LogFormat::Text, "", "").contains(" value=\"\" count=3"));
    }

    #[test]
    fn what_is_empty_is_no_field_where_it_need_not_be_there() {
        let mut line = Line::new(LogFormat::Text);
        line.known("why", Some(""));
        line.known("rule", None);
        line.known("guard", Some("g"));
        assert_eq!(line.fields, " guard=g");
    }

    #[test]
    fn a_long_text_is_cut_in_whole_characters() {
        let long = "ü".repeat(100_000);
        for format in [LogFormat::Text, LogFormat::Json] {
            let line = line(format, &long, &long);
            assert!(line.len() < MESSAGE_BYTES_MAX + VALUE_BYTES_MAX + 300, "{}", line.len());
            assert!(line.contains('…'));
        }
    }

    proptest! {
        #[test]
        fn no_text_ends_the_line_or_becomes_a_field_or_acts_on_a_terminal(
            message in "(\\PC|[\n\r\t\u{0}\u{1b}\u{85}\u{2028}\u{202e}\"\\\\= ]|count=9){0,40}",
            value in "(\\PC|[\n\r\t\u{0}\u{1b}\u{85}\u{2028}\u{202e}\"\\\\= ]|\" count=9){0,40}",
        ) {
            for format in [LogFormat::Text, LogFormat::Json] {
                let line = line(format, &message, &value);
                let body = line.strip_suffix('\n').unwrap();
                prop_assert!(!body.chars().any(acts), "{line:?}");
                if format == LogFormat::Json {
                    let json: Value = serde_json::from_str(body).unwrap();
                    prop_assert_eq!(json["message"].as_str(), Some(&*message));
                    prop_assert_eq!(json["value"].as_str(), Some(&*value));
                    prop_assert_eq!(&json["count"], 3);
                    continue;
                }
                // Read from its end, the value is the one that was given.
                let quoted = body.strip_suffix(" count=3").unwrap();
                let at = quoted.rfind(" value=").unwrap();
                let bare = &quoted[at + " value=".len()..];
                if !bare.ends_with('"') {
                    prop_assert_eq!(bare, &*value);
                }
            }
        }
    }
}
