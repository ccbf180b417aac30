//! Where a body in chunks ends: followed, never decoded, and stricter than any decoder behind it.

use memchr::memchr3;

/// Hex digits of one chunk's size at the most.
const DIGITS_MAX: u8 = 16;

/// Where in a chunked body its last byte so far stands.
#[derive(Clone, Copy, Debug)]
pub(super) enum Chunks {
    /// In a size: its digits, its value so far.
    Size(u8, u64),
    /// In what follows a size and its semicolon.
    Extension(u64),
    /// After the CR of a size's line.
    SizeEnd(u64),
    /// So many bytes before a chunk's end.
    Data(u64),
    /// After a chunk's last byte.
    DataCr,
    /// After the CR behind it.
    DataLf,
    /// At the beginning of a line after the last chunk.
    Trailer,
    /// Within such a line.
    TrailerText,
    /// After its CR.
    TrailerLf,
    /// After the CR of the empty line.
    EndLf,
}

impl Chunks {
    /// Before the first chunk.
    pub(super) const START: Self = Self::Size(0, 0);

    /// Follows these bytes: where the body ends, or nothing while it goes on.
    ///
    /// # Errors
    /// The place of the first byte that fits no chunk.
    pub(super) fn follow(&mut self, bytes: &[u8]) -> Result<Option<usize>, usize> {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..)
            && let Some(byte) = rest.first()
        {
            match *self {
                Self::Data(left) => {
                    let here = left.min(rest.len() as u64);
                    *self = if here == left { Self::DataCr } else { Self::Data(left - here) };
                    at += here as usize;
                    continue;
                }
                Self::TrailerText => {
                    // The byte where the text ends is looked at next.
                    let text = memchr3(b'\r', b'\n', 0, rest).unwrap_or(rest.len());
                    at += text;
                    match rest.get(text) {
                        None => continue,
                        Some(b'\r') => *self = Self::TrailerLf,
                        Some(_) => return Err(at),
                    }
                }
                Self::EndLf if *byte == b'\n' => {
                    return Ok(Some(at + 1));
                }
                state => *self = state.step(*byte).ok_or(at)?,
            }
            at += 1;
        }
        Ok(None)
    }

    /// The state after this byte, unless the byte is out of place.
    fn step(self, byte: u8) -> Option<Self> {
        let next = match (self, byte) {
            (Self::Size(1.., size), b'\r') | (Self::Extension(size), b'\r') => Self::SizeEnd(size),
            (Self::Size(1.., size), b';') => Self::Extension(size),
            (Self::Size(digits, size), _) if digits < DIGITS_MAX => {
                let digit = char::from(byte).to_digit(16)?;
                Self::Size(digits + 1, size << 4 | u64::from(digit))
            }
            (Self::Extension(size), b'\t' | b' '..=b'~' | 0x80..) => Self::Extension(size),
            (Self::SizeEnd(0), b'\n') | (Self::TrailerLf, b'\n') => Self::Trailer,
            (Self::SizeEnd(size), b'\n') => Self::Data(size),
            (Self::DataCr, b'\r') => Self::DataLf,
            (Self::DataLf, b'\n') => Self::START,
            (Self::Trailer, b'\r') => Self::EndLf,
            (Self::Trailer, b' ' | b'\t' | b'\n' | 0) => return None,
            (Self::Trailer, _) => Self::TrailerText,
            _ => return None,
        };
        Some(next)
    }
}
