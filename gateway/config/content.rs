//! `[data_class.content]`, which class a request is raised to by what it contains, and `[content]`, who is
//! asked for that.

mod check;

use policies::{
    document::{Faults, Section},
    facts::Content,
};

pub use self::check::{ContentCheck, OnFailure};
use super::{fields::data_class, outside::Outside};
use crate::outcome::ContentClasses;

/// What is done about what requests contain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentRules {
    /// Which class a request is raised to.
    pub classes: ContentClasses,
    /// Who is asked what texts contain; nobody without it.
    pub check: Option<ContentCheck>,
}

/// Reads both sections.
pub(super) fn content_rules(
    root: &mut Section<'_>,
    outside: &Outside<'_>,
    faults: &mut Faults,
) -> ContentRules {
    let classes = classes(root.section("data_class", faults), faults);
    let check = check::check(root.section("content", faults), outside, faults);
    ContentRules { classes, check }
}

/// Reads the table `[data_class]`.
fn classes(mut it: Section<'_>, faults: &mut Faults) -> ContentClasses {
    let mut classes = ContentClasses::default();
    let mut content = it.section("content", faults);
    for kind in Content::ALL {
        if let Some(class) = data_class(&mut content, kind.code(), faults) {
            classes.set(*kind, class);
        }
    }
    content.close(faults);
    it.close(faults);
    classes
}
