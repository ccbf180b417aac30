//! The caller's own bytes beside a request that was written anew from them, for engines that speak his
//! dialect.

use bytes::Bytes;
use policies::facts::Dialect;
use smallvec::SmallVec;

use super::{
    Request,
    arm::ArmEdit,
    edit::{self, Edit},
};
use crate::wire::{Surface, escape::quoted, scan::Span};

/// Something that only the caller's own dialect can say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsayable {
    /// Where it stands.
    pub path: String,
    /// What it is, such as `a tool that only its provider knows`.
    pub what: &'static str,
}

/// The caller's own bytes.
#[derive(Clone, Debug)]
pub(in crate::wire) struct Native {
    pub(in crate::wire) body: Bytes,
    /// Where the value of `model` stands, quotes included.
    pub(in crate::wire) model: Span,
    /// Where the value of the messages stands.
    pub(in crate::wire) talk: Span,
    /// Just past the opening brace.
    pub(in crate::wire) inside: u32,
    /// The field that bounds the output, and where its value stands.
    pub(in crate::wire) output: (&'static str, Option<Span>),
    /// What chat completions cannot say of it.
    pub(in crate::wire) unsayable: Option<Unsayable>,
    /// Whether its answer does not show how the model reasons.
    pub(in crate::wire) hides_reasoning: bool,
    /// What its answer repeats, and where it stands.
    pub(in crate::wire) repeated: SmallVec<[(&'static str, Span); 8]>,
}

/// What an answer repeats of its request, as the caller wrote it.
#[derive(Clone, Debug, Default)]
pub(in crate::wire) struct Echo {
    body: Bytes,
    places: SmallVec<[(&'static str, Span); 8]>,
}

impl Echo {
    /// The value of this name; nothing where it is `null` or was not said.
    pub(in crate::wire) fn get(&self, name: &str) -> Option<&[u8]> {
        let (_, place) = self.places.iter().find(|(known, _)| *known == name)?;
        Some(place.of(&self.body)).filter(|it| *it != b"null")
    }
}

/// Why an engine of these dialects cannot be asked a request, with what an arm writes into it.
pub(super) fn sayable(
    request: &Request,
    dialects: &[Dialect],
    arm: Option<&ArmEdit>,
) -> Result<(), Unsayable> {
    let (spoken, surface) = (request.spoken(dialects, arm.is_some()), request.surface);
    if let Some(native) = &request.native {
        if spoken == surface && arm.is_none() {
            return Ok(());
        }
        if let Some(unsayable) = &native.unsayable {
            return Err(unsayable.clone());
        }
    }
    if !surface.has_messages() && !Surface::all_chat(dialects) {
        let path = Surface::content(surface.operation).to_owned();
        return Err(Unsayable { path, what: "nothing that its engine's dialect has" });
    }
    // What else is changed in it on its way can be said in any.
    spoken.asks().map_or(Ok(()), |asks| (asks.judge)(&edit::armed(request, arm).concat()))
}

impl Native {
    /// What the answer repeats of it.
    pub(in crate::wire) fn echo(&self) -> Echo {
        Echo { body: self.body.clone(), places: self.repeated.clone() }
    }

    /// The caller's bytes for an engine of his own dialect: with its name of the model, and a bound on the
    /// output where it is told one or the caller's is larger.
    pub(in crate::wire) fn splices(&self, edit: &Edit<'_>, mut splice: impl FnMut(Span, Bytes)) {
        let model = quoted(edit.model);
        if self.model.of(&self.body) != model.as_bytes() {
            splice(self.model, model.into());
        }
        let most = edit.output_tokens_max;
        let (name, place) = self.output;
        match place {
            Some(place) => {
                let stated = std::str::from_utf8(place.of(&self.body)).ok();
                let stated = stated.and_then(|it| it.parse::<u64>().ok());
                if stated.is_none_or(|it| it > u64::from(most.0)) {
                    splice(place, most.to_string().into());
                }
            }
            None if edit.told_as.any() => {
                let inside = Span { start: self.inside, end: self.inside };
                splice(inside, format!(r#""{name}":{most},"#).into());
            }
            None => {}
        }
    }
}
