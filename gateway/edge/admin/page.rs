//! A page of the operators' API: the row by which it is routed, guarded and described.

use std::sync::Arc;

use axum::{
    handler::Handler,
    routing::{MethodFilter, MethodRouter, on},
};

use super::{AdminState, operator::Access};

/// The methods of pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    /// It is read.
    Get,
    /// It makes or switches something.
    Post,
    /// It takes all fields anew.
    Put,
    /// It changes some fields.
    Patch,
    /// It ends something.
    Delete,
}

impl Verb {
    const fn filter(self) -> MethodFilter {
        match self {
            Self::Get => MethodFilter::GET,
            Self::Post => MethodFilter::POST,
            Self::Put => MethodFilter::PUT,
            Self::Patch => MethodFilter::PATCH,
            Self::Delete => MethodFilter::DELETE,
        }
    }

    /// Its name in a document of OpenAPI.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Post => "post",
            Self::Put => "put",
            Self::Patch => "patch",
            Self::Delete => "delete",
        }
    }
}

/// A page. A path with several methods has a row for each.
pub(super) struct Page {
    /// Its method.
    pub(super) verb: Verb,
    /// Its path, with names in braces for what varies.
    pub(super) path: &'static str,
    /// Whom it answers.
    pub(super) access: Access,
    /// What answers.
    pub(super) answers: MethodRouter<Arc<AdminState>>,
}

impl Page {
    /// A page of this method and path.
    pub(super) fn new<H, T>((verb, path): (Verb, &'static str), access: Access, answers: H) -> Self
    where
        H: Handler<T, Arc<AdminState>>,
        T: 'static,
    {
        Self { verb, path, access, answers: on(verb.filter(), answers) }
    }

    /// A page that is read.
    pub(super) fn get<H, T>(path: &'static str, access: Access, answers: H) -> Self
    where
        H: Handler<T, Arc<AdminState>>,
        T: 'static,
    {
        Self::new((Verb::Get, path), access, answers)
    }

    /// A page that changes something.
    pub(super) fn post<H, T>(path: &'static str, access: Access, answers: H) -> Self
    where
        H: Handler<T, Arc<AdminState>>,
        T: 'static,
    {
        Self::new((Verb::Post, path), access, answers)
    }
}
