//! Tags of requests: names with values, from headers and from the configuration, for rules and the ledger.

use std::sync::Arc;

/// Tags of one request, and of one team or key.
pub const TAGS_MAX: usize = 16;
/// Bytes of a tag's name, and of its value.
pub const TAG_BYTES_MAX: usize = 64;

/// A name and its value.
pub type Tag = (Box<str>, Box<str>);

/// Tags that many requests share.
pub type Tags = Arc<[Tag]>;

/// The tag that is written as `name=value`, if it is one.
#[must_use]
pub fn tag(text: &str) -> Option<Tag> {
    let (name, value) = text.split_once('=')?;
    let fits = |text: &str| (1..=TAG_BYTES_MAX).contains(&text.len());
    (fits(name) && fits(value)).then(|| (name.into(), value.into()))
}
