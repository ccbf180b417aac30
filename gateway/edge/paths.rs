//! The paths of the callers' API: one table, by which requests are routed and its document is made.

use crate::wire::{Surface, behind_version};

/// What a path asks for.
#[derive(Clone, Copy)]
pub(super) enum Asks {
    /// An answer of a model, by this surface.
    Answer(&'static Surface),
    /// The tokens of a request, by this surface.
    Count(&'static Surface),
    /// The decision for a request, by this surface.
    Decision(&'static Surface),
    /// To keep what is told of an answer, which is written as for the first surface.
    Feedback,
    /// Something else.
    Other,
}

/// Where the decision for a request is asked for, by the path behind the version: by the first surface, and
/// with the path of another one behind it by that one.
pub(super) const ROUTE: &str = "/route";
/// Where something is told of an answer.
pub(super) const FEEDBACK: &str = "/feedback";

impl Asks {
    pub(super) fn of(path: &str) -> Self {
        if let Some(surface) = Surface::at(path) {
            return Self::Answer(surface);
        }
        if let Some(surface) = Surface::counted_at(path) {
            return Self::Count(surface);
        }
        match behind_version(path) {
            FEEDBACK => Self::Feedback,
            ROUTE => Self::Decision(Surface::first()),
            path => match path.strip_prefix(ROUTE).map(Surface::behind) {
                Some(Some(surface)) => Self::Decision(surface),
                _ => Self::Other,
            },
        }
    }

    /// By which requests are read and errors written.
    pub(super) fn surface(self) -> &'static Surface {
        match self {
            Self::Answer(surface) | Self::Count(surface) | Self::Decision(surface) => surface,
            Self::Feedback | Self::Other => Surface::first(),
        }
    }
}

/// What is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Page {
    /// The models that a key may ask for.
    Models,
    /// One of them.
    Model,
    /// The key itself.
    Key,
    /// The document of the API.
    Document,
}

/// All that is read, by the path behind the version.
pub(super) const READ: [(&str, Page); 4] = [
    ("/models", Page::Models),
    ("/models/{*id}", Page::Model),
    ("/key", Page::Key),
    ("/openapi.json", Page::Document),
];
