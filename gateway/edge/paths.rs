//! The paths of the callers' API: one table, by which requests are routed and the document of the API is made.

use crate::wire::{Surface, behind_version};

/// What a path asks for.
#[derive(Clone, Copy)]
pub(super) enum Asks {
    /// An answer of a model, by this surface.
    Answer(&'static Surface),
    /// The decision for a request, which is written as for the first surface.
    Decision,
    /// To keep what is told of an answer, which is written as for the first surface.
    Feedback,
    /// Something else.
    Other,
}

/// What is posted beside what models answer, by the path behind the version.
pub(super) const POSTED: [(&str, Asks); 2] =
    [("/route", Asks::Decision), ("/feedback", Asks::Feedback)];

impl Asks {
    pub(super) fn of(path: &str) -> Self {
        if let Some(surface) = Surface::at(path) {
            return Self::Answer(surface);
        }
        let path = behind_version(path);
        POSTED.iter().find(|(it, _)| *it == path).map_or(Self::Other, |(_, asks)| *asks)
    }

    /// By which requests are read and errors written.
    pub(super) fn surface(self) -> &'static Surface {
        match self {
            Self::Answer(surface) => surface,
            Self::Decision | Self::Feedback | Self::Other => Surface::first(),
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
