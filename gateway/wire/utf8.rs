//! Whether bytes are UTF-8, many at once.

use std::borrow::Cow;

/// Bytes as text, if they are UTF-8.
pub(super) fn utf8(bytes: &[u8]) -> Option<&str> {
    simdutf8::basic::from_utf8(bytes).ok()
}

/// Whether bytes are UTF-8; the error is where they are not.
pub(super) fn valid(bytes: &[u8]) -> Result<(), usize> {
    match utf8(bytes) {
        Some(_) => Ok(()),
        None => std::str::from_utf8(bytes).map(drop).map_err(|error| error.valid_up_to()),
    }
}

/// Bytes as text; what is no UTF-8 becomes U+FFFD.
pub(super) fn text_of(bytes: &[u8]) -> Cow<'_, str> {
    // A request's text was found to be UTF-8: to find it so again is cheaper than to repair it.
    utf8(bytes).map_or_else(|| String::from_utf8_lossy(bytes), Cow::Borrowed)
}
