//! `[data_class.content]`: which class a request is raised to by what it contains.

use policies::{
    document::{Faults, Section},
    facts::Content,
};

use super::fields::data_class;
use crate::outcome::ContentClasses;

/// Reads the table `[data_class]`.
pub(super) fn content_classes(mut it: Section<'_>, faults: &mut Faults) -> ContentClasses {
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
