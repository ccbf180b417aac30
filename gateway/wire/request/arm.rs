//! What the arm of an experiment changes in a body: parameters, and the end of the system message.

use bytes::Bytes;
use policies::experiment::PARAMS;

use super::Request;
use crate::wire::{escape::quoted, scan::Span};

/// What stands between the caller's system message and what is added to it, as JSON.
const BETWEEN: &str = r"\n\n";

/// What one arm writes into the requests of its units: made once for each version of the policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArmEdit {
    params: Box<[Param]>,
    suffix: Option<Suffix>,
}

/// A member that is set, whatever the caller says.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Param {
    /// Its position among [`PARAMS`].
    position: u8,
    /// Its value.
    value: Bytes,
    /// Name and value, with the comma behind.
    member: Bytes,
}

/// What is added to the system message, in each form in which it can stand there.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Suffix {
    /// In a text: alone, and behind another text.
    text: [Bytes; 2],
    /// In a list of parts: alone, and behind other parts.
    part: [Bytes; 2],
    /// As a message of its own, with the comma behind.
    message: Bytes,
}

/// The place in a body where something is added to the system message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::wire) enum SystemPlace {
    /// At the end of its text, before the quote.
    Text {
        at: u32,
        /// Whether there is no text.
        empty: bool,
    },
    /// At the end of its parts, before the bracket.
    Parts {
        at: u32,
        /// Whether there are no parts.
        empty: bool,
    },
    /// There is no such message yet: before the first of all.
    Message { at: u32 },
}

/// The place of a parameter among those that an arm may set.
pub(in crate::wire) fn param(name: &[u8]) -> Option<u8> {
    let position = PARAMS.iter().position(|param| param.as_bytes() == name)?;
    u8::try_from(position).ok()
}

impl ArmEdit {
    /// What these parameters, by name with their value as JSON, and this suffix make of a body; `None` where
    /// nothing changes.
    #[must_use]
    pub fn new(params: &[(Box<str>, Box<str>)], suffix: Option<&str>) -> Option<Self> {
        let param = |(name, value): &(Box<str>, Box<str>)| {
            let member = format!("{}:{value},", quoted(name));
            let value = Bytes::copy_from_slice(value.as_bytes());
            Some(Param { position: param(name.as_bytes())?, value, member: member.into() })
        };
        let params: Box<[Param]> = params.iter().filter_map(param).collect();
        let suffix = suffix.map(Suffix::new);
        (!params.is_empty() || suffix.is_some()).then_some(Self { params, suffix })
    }

    /// Each change in a body: the bytes that stand for a range of it.
    pub(super) fn changes(&self, request: &Request, mut change: impl FnMut(Span, &Bytes)) {
        let inside = Span { start: request.inside, end: request.inside };
        for Param { position, value, member } in &self.params {
            match request.params.iter().find(|(at, _)| at == position) {
                Some((_, span)) => change(*span, value),
                None => change(inside, member),
            }
        }
        if let (Some(suffix), Some(place)) = (&self.suffix, request.system_place) {
            let (at, text) = suffix.at(place);
            change(Span { start: at, end: at }, text);
        }
    }
}

impl Suffix {
    fn new(text: &str) -> Self {
        let quoted = quoted(text);
        let inner = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
        let part = |before: &str| format!(r#"{{"type":"text","text":"{before}{inner}"}}"#);
        Self {
            text: [inner.to_owned().into(), format!("{BETWEEN}{inner}").into()],
            part: [part("").into(), format!(",{}", part(BETWEEN)).into()],
            message: format!(r#"{{"role":"system","content":"{inner}"}},"#).into(),
        }
    }

    fn at(&self, place: SystemPlace) -> (u32, &Bytes) {
        let [text, text_behind] = &self.text;
        let [part, part_behind] = &self.part;
        match place {
            SystemPlace::Text { at, empty } => (at, if empty { text } else { text_behind }),
            SystemPlace::Parts { at, empty } => (at, if empty { part } else { part_behind }),
            SystemPlace::Message { at } => (at, &self.message),
        }
    }
}

#[cfg(test)]
mod tests;
