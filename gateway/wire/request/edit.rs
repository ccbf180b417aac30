//! What is changed in a body on its way to a backend of the same dialect, and nothing else.

use bytes::Bytes;
use policies::facts::Tokens;
use smallvec::SmallVec;

use super::{Request, arm::ArmEdit};
use crate::{
    config::BoundNames,
    wire::{Surface, escape::quoted, scan::Span},
};

/// A number of tokens that the caller allows, and where its value stands.
#[derive(Clone, Copy, Debug)]
pub(in crate::wire) struct Allowed {
    pub(in crate::wire) value: Span,
    /// `None` is `null`.
    pub(in crate::wire) tokens: Option<Tokens>,
}

/// `stream_options` as the caller wrote it.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::wire) struct StreamOptions {
    pub(in crate::wire) value: Span,
    /// An object, not `null`.
    pub(in crate::wire) object: bool,
    pub(in crate::wire) empty: bool,
    /// Where the value of `include_usage` stands.
    pub(in crate::wire) include_usage: Option<Span>,
    pub(in crate::wire) asked: bool,
}

/// `include_usage` with a value and nothing else is not longer.
const USAGE_BYTES_MAX: usize = r#"{ "include_usage": false }"#.len();

impl StreamOptions {
    /// Whether there is no option but the one that is known.
    pub(in crate::wire) fn plain(self) -> bool {
        !self.object
            || self.empty
            || self.include_usage.is_some() && self.value.len() <= USAGE_BYTES_MAX
    }
}

/// What the gateway changes in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edit<'a> {
    /// The name the engine knows the model by.
    pub model: &'a str,
    /// For streams: sets `stream_options.include_usage`, keeping the caller's other options.
    pub ask_usage: bool,
    /// What one choice of the answer may be at the most: lowers `max_tokens` and
    /// `max_completion_tokens` where they are larger.
    pub output_tokens_max: Tokens,
    /// What one choice was planned to be at the most, which is told where a dialect has to be told something.
    pub planned: Tokens,
    /// The names under which that must stand in the request, whatever the caller wrote: where one is
    /// absent or `null`, it is added.
    pub told_as: BoundNames,
    /// What the arm of an experiment changes.
    pub arm: Option<&'a ArmEdit>,
    /// Whether the engine gets the caller's own bytes.
    pub native: bool,
    /// The surface by which it is asked.
    pub spoken: &'static Surface,
}

/// What of an edited request is the gateway's own and not its caller's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Own {
    /// `stream_options` was added or changed.
    pub usage: bool,
    /// The caller has written no `stream_options` at all.
    pub usage_alone: bool,
    /// The bounds that were added.
    pub bounds: BoundNames,
    /// The bounds that the caller has stated.
    pub callers: BoundNames,
}

/// Bodies up to this size are one slice: copying them costs less than the system is asked to gather.
const JOIN_BYTES_MAX: usize = 8 * 1024;

/// A body as slices: the caller's bytes with the edits between them, or all in one if it is small.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Body {
    /// In order; none is empty. Usually there is one.
    pub slices: SmallVec<[Bytes; 1]>,
    /// Bytes in all of them.
    pub len: usize,
}

impl Body {
    fn push(&mut self, slice: Bytes) {
        if !slice.is_empty() {
            self.len += slice.len();
            self.slices.push(slice);
        }
    }

    /// All in one piece: by copying, unless it is one.
    #[must_use]
    pub fn concat(&self) -> Bytes {
        match &*self.slices {
            [whole] => whole.clone(),
            slices => slices.iter().flatten().copied().collect(),
        }
    }
}

/// Bytes to stand for a range of the body.
struct Splice {
    start: u32,
    end: u32,
    text: Bytes,
}

type Splices = SmallVec<[Splice; 6]>;

/// The body for a backend that speaks the caller's dialect: the caller's own bytes with the
/// edits spliced in. Nothing of a large body is copied; whatever the gateway does not know,
/// formatting included, reaches the backend byte for byte.
pub(super) fn to_upstream(request: &Request, edit: &Edit<'_>) -> Body {
    let mut splices = Splices::new();
    if let Some(native) = request.native.as_ref().filter(|_| edit.native) {
        native.splices(edit, |span, text| {
            splices.push(Splice { start: span.start, end: span.end, text });
        });
        return spliced(&native.body, splices);
    }
    edit_model(request, edit.model, &mut splices);
    if edit.ask_usage {
        edit_usage(request, &mut splices);
    }
    edit_output(request, edit, &mut splices);
    edit_arm(request, edit.arm, &mut splices);
    let chat = spliced(&request.body, splices);
    let Some(asks) = edit.spoken.asks() else { return chat };
    // What cannot be said was found before anything is sent.
    let Ok(written) = (asks.write)(&chat.concat(), edit.planned) else { return chat };
    let mut body = Body::default();
    body.push(written.into());
    body
}

/// The chat completion with what an arm writes into it, and nothing else changed.
pub(super) fn armed(request: &Request, arm: Option<&ArmEdit>) -> Body {
    let mut splices = Splices::new();
    edit_arm(request, arm, &mut splices);
    spliced(&request.body, splices)
}

fn edit_arm(request: &Request, arm: Option<&ArmEdit>, splices: &mut Splices) {
    let Some(arm) = arm else { return };
    arm.changes(request, |span, text| {
        splices.push(Splice { start: span.start, end: span.end, text: text.clone() });
    });
}

fn spliced(bytes: &Bytes, mut splices: Splices) -> Body {
    splices.sort_by_key(|splice| splice.start);
    let more: usize = splices.iter().map(|splice| splice.text.len()).sum();
    if !splices.is_empty() && bytes.len() + more <= JOIN_BYTES_MAX {
        let less: usize = splices.iter().map(|splice| (splice.end - splice.start) as usize).sum();
        return joined(bytes, &splices, (bytes.len() + more).saturating_sub(less));
    }
    let mut body = Body::default();
    let mut from = 0;
    for Splice { start, end, text } in splices {
        body.push(bytes.slice(from..start as usize));
        body.push(text);
        from = end as usize;
    }
    body.push(bytes.slice(from..));
    body
}

/// A small body with its edits in one piece of so many bytes: one that is full is not allocated again.
fn joined(body: &[u8], splices: &[Splice], length: usize) -> Body {
    let mut whole = Vec::with_capacity(length);
    let mut from = 0;
    for Splice { start, end, text } in splices {
        whole.extend_from_slice(body.get(from..*start as usize).unwrap_or_default());
        whole.extend_from_slice(text);
        from = *end as usize;
    }
    whole.extend_from_slice(body.get(from..).unwrap_or_default());
    let mut body = Body::default();
    body.push(whole.into());
    body
}

/// What of the edited body will be ours.
pub(super) fn own(request: &Request, edit: &Edit<'_>) -> Own {
    let callers = bounds_stated(request);
    if edit.native && request.native.is_some() {
        // A bound is the one thing that may be ours, and Messages must have one anyway.
        return Own { callers, ..Own::default() };
    }
    Own {
        usage: edit.ask_usage && !request.wants_usage(),
        usage_alone: request.stream_options.is_none(),
        bounds: edit.told_as.without(callers),
        callers,
    }
}

fn bounds_stated(request: &Request) -> BoundNames {
    let stated = |it: Option<Allowed>| it.is_some_and(|it| it.tokens.is_some());
    BoundNames {
        max_tokens: stated(request.max_tokens),
        max_completion_tokens: stated(request.max_completion_tokens),
    }
}

fn edit_model(request: &Request, model: &str, splices: &mut Splices) {
    let span = request.model.span;
    if !request.model.escaped && span.of(&request.body) == model.as_bytes() {
        return;
    }
    // The quotes are replaced with it.
    let text = Bytes::from(quoted(model));
    splices.push(Splice { start: span.start - 1, end: span.end + 1, text });
}

fn edit_usage(request: &Request, splices: &mut Splices) {
    const ASK: &[u8] = br#"{"include_usage":true}"#;
    let whole = |text| Bytes::from_static(text);
    let splice = match request.stream_options {
        None => {
            let text = whole(br#""stream_options":{"include_usage":true},"#);
            Splice { start: request.inside, end: request.inside, text }
        }
        Some(options) if options.asked => return,
        Some(options) => match options.include_usage {
            Some(span) => Splice { start: span.start, end: span.end, text: whole(b"true") },
            None if options.object && !options.empty => {
                let inside = options.value.start + 1;
                let text = whole(br#""include_usage":true,"#);
                Splice { start: inside, end: inside, text }
            }
            None => {
                let span = options.value;
                Splice { start: span.start, end: span.end, text: whole(ASK) }
            }
        },
    };
    splices.push(splice);
}

fn edit_output(request: &Request, edit: &Edit<'_>, splices: &mut Splices) {
    let most = edit.output_tokens_max;
    let BoundNames { max_tokens, max_completion_tokens } = edit.told_as;
    for (field, name, told) in [
        (request.max_tokens, "max_tokens", max_tokens),
        (request.max_completion_tokens, "max_completion_tokens", max_completion_tokens),
    ] {
        let above = |it: &Allowed| it.tokens.map_or(told, |tokens| tokens > most);
        match field {
            Some(allowed) if above(&allowed) => {
                let Allowed { value, .. } = allowed;
                let text = Bytes::from(most.to_string());
                splices.push(Splice { start: value.start, end: value.end, text });
            }
            None if told => {
                let text = Bytes::from(format!(r#""{name}":{most},"#));
                splices.push(Splice { start: request.inside, end: request.inside, text });
            }
            _ => {}
        }
    }
}
