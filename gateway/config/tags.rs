//! `tags` of teams and keys: what an administrator says of all their requests, in the form that a request's
//! own header has.

use std::sync::Arc;

use policies::{
    Fault, counted,
    document::{Faults, Section},
};

use super::fields::texts;
use crate::outcome::{TAG_BYTES_MAX, TAGS_MAX, Tag, Tags, tag};

/// Reads a list of tags, each name once.
pub(super) fn tags(it: &mut Section<'_>, faults: &mut Faults) -> Tags {
    let mut tags: Vec<Tag> = Vec::new();
    let texts = texts(it, "tags", faults);
    if texts.len() > TAGS_MAX {
        let found = counted(texts.len(), "tag", "tags");
        faults.push(Fault::new(it.at("tags"), found, format!("at most {TAGS_MAX}")));
    }
    for (path, text) in texts {
        match plain(&text) {
            Some((name, _)) if tags.iter().any(|(has, _)| *has == name) => {
                let found = format!("`{name}` for the second time");
                faults.push(Fault::new(path, found, "one value for each name"));
            }
            Some(tag) => tags.push(tag),
            None => {
                let expected = format!(
                    "`name=value` with 1 to {TAG_BYTES_MAX} ASCII characters each, without a comma"
                );
                faults.push(Fault::new(path, format!("`{}`", text.escape_debug()), expected));
            }
        }
    }
    if tags.is_empty() { Tags::default() } else { Arc::from(tags) }
}

/// A tag that could stand in a header as it stands here.
fn plain(text: &str) -> Option<Tag> {
    let fits = |b: u8| (b.is_ascii_graphic() || b == b' ') && b != b',';
    (text.bytes().all(fits) && text.trim() == text).then(|| tag(text)).flatten()
}
