//! The head of a request, judged line by line as its bytes come.

use memchr::{memchr, memchr2, memchr3};

use crate::failure::{Failure, Kind, Stage};

/// The largest head, with its request line and line ends.
pub(super) const HEAD_BYTES_MAX: usize = 64 * 1024;

/// The code of an answer to a request of ambiguous framing.
pub(crate) const AMBIGUOUS: &str = "ambiguous_framing";

/// Why a request is turned away by its framing alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FramingError {
    /// Two servers might see its end in two places.
    Ambiguous(&'static str),
    /// Its first line is none of HTTP/1.0 or HTTP/1.1.
    NotHttp,
    /// Its head is over [`HEAD_BYTES_MAX`].
    TooLarge,
}

impl FramingError {
    /// As an answer tells it.
    pub(crate) fn failure(self) -> Failure {
        let failure = |kind, public: String| Failure::new(kind, Stage::Receive, public);
        match self {
            Self::Ambiguous(what) => failure(
                Kind::InvalidRequest,
                format!("the request's framing is ambiguous: {what}; the connection is closed"),
            )
            .coded(AMBIGUOUS),
            Self::NotHttp => failure(
                Kind::InvalidRequest,
                String::from("the first line is no request of a version that is served"),
            )
            .coded("not_http"),
            Self::TooLarge => failure(
                Kind::TooLarge,
                format!("the head is over the limit of {HEAD_BYTES_MAX} bytes"),
            )
            .with_status(431),
        }
    }
}

/// What follows a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// So many bytes.
    Length(u64),
    /// Chunks.
    Chunked,
}

/// A head that has come so far, and what its lines have said.
#[derive(Debug, Default)]
pub(super) struct Head {
    /// Where the first unfinished line begins.
    line: usize,
    /// Up to here there is no line end that was not looked at.
    searched: usize,
    /// Minor version, once the request line has come.
    minor: Option<u8>,
    length: Option<u64>,
    chunked: bool,
    host: bool,
}

impl Head {
    /// Goes on with a head of which these bytes have come so far, from its beginning. Where it is
    /// whole: its length and what follows.
    pub(super) fn judge(&mut self, head: &[u8]) -> Result<Option<(usize, Body)>, FramingError> {
        loop {
            let rest = head.get(self.searched..).unwrap_or_default();
            let Some(at) = memchr3(b'\r', b'\n', 0, rest) else {
                self.searched = head.len();
                break;
            };
            let at = self.searched + at;
            if at + 2 > HEAD_BYTES_MAX {
                return Err(FramingError::TooLarge);
            }
            match (head.get(at), head.get(at + 1)) {
                (Some(b'\r'), Some(b'\n')) => {}
                (Some(b'\r'), None) => {
                    self.searched = at;
                    break;
                }
                (Some(b'\r'), _) => return Err(FramingError::Ambiguous("a CR without LF")),
                (Some(b'\n'), _) => return Err(FramingError::Ambiguous("a LF without CR")),
                _ => return Err(FramingError::Ambiguous("a NUL byte")),
            }
            let line = head.get(self.line..at).unwrap_or_default();
            (self.line, self.searched) = (at + 2, at + 2);
            match self.minor {
                // Empty lines before a request are allowed.
                None if line.is_empty() => {}
                None => self.minor = Some(minor(line)?),
                Some(minor) if line.is_empty() => {
                    return self.end(minor).map(|body| Some((self.line, body)));
                }
                Some(_) => self.field(line)?,
            }
        }
        if head.len() > HEAD_BYTES_MAX { Err(FramingError::TooLarge) } else { Ok(None) }
    }

    fn field(&mut self, line: &[u8]) -> Result<(), FramingError> {
        if let Some(b' ' | b'\t') = line.first() {
            return Err(FramingError::Ambiguous("a folded header line"));
        }
        let split = memchr(b':', line).and_then(|colon| line.split_at_checked(colon));
        let Some((name, value)) = split else {
            return Err(FramingError::Ambiguous("a header line without a colon"));
        };
        if name.is_empty() || memchr2(b' ', b'\t', name).is_some() {
            return Err(FramingError::Ambiguous("whitespace in a header's name, or no name"));
        }
        let is = |wanted: &str| name.eq_ignore_ascii_case(wanted.as_bytes());
        let fault = match name.len() {
            4 if is("host") => {
                std::mem::replace(&mut self.host, true).then_some("more than one host")
            }
            14 if is("content-length") => {
                let before = self.length.replace(length(own(value))?);
                before.map(|_| "more than one content-length")
            }
            17 if is("transfer-encoding") => {
                if !own(value).eq_ignore_ascii_case(b"chunked") {
                    return Err(FramingError::Ambiguous(
                        "a transfer-encoding other than `chunked`",
                    ));
                }
                let before = std::mem::replace(&mut self.chunked, true);
                before.then_some("more than one transfer-encoding")
            }
            _ => None,
        };
        fault.map_or(Ok(()), |what| Err(FramingError::Ambiguous(what)))
    }

    fn end(&self, minor: u8) -> Result<Body, FramingError> {
        match (self.length, self.chunked) {
            (Some(_), true) => {
                Err(FramingError::Ambiguous("a content-length beside a transfer-encoding"))
            }
            (_, true) if minor == 0 => {
                Err(FramingError::Ambiguous("a transfer-encoding in a request of version 1.0"))
            }
            _ if minor > 0 && !self.host => Err(FramingError::Ambiguous("no host")),
            (_, true) => Ok(Body::Chunked),
            (length, false) => Ok(Body::Length(length.unwrap_or(0))),
        }
    }
}

fn minor(line: &[u8]) -> Result<u8, FramingError> {
    match line.strip_suffix(b"1").or_else(|| line.strip_suffix(b"0")) {
        Some(start) if start.ends_with(b" HTTP/1.") => Ok(u8::from(line.ends_with(b"1"))),
        _ => Err(FramingError::NotHttp),
    }
}

/// A field's value without its colon and the whitespace around it.
fn own(value: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let value = value.strip_prefix(b":").unwrap_or(value);
    let start = value.iter().position(|byte| !blank(byte)).unwrap_or(value.len());
    let end = value.iter().rposition(|byte| !blank(byte)).map_or(start, |last| last + 1);
    value.get(start..end).unwrap_or_default()
}

fn length(value: &[u8]) -> Result<u64, FramingError> {
    let wrong = FramingError::Ambiguous("a content-length that is not one plain number");
    if value.is_empty() {
        return Err(wrong);
    }
    value.iter().try_fold(0_u64, |sum, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit <= 9).ok_or(wrong)?;
        sum.checked_mul(10).and_then(|sum| sum.checked_add(digit.into())).ok_or(wrong)
    })
}
