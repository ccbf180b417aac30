//! The framing of an event stream: where events end, and what the lines of one say.

/// The data of an event that is one line, a `data` line: nearly every event is.
pub(super) fn only_data(event: &[u8]) -> Option<&[u8]> {
    let rest = event.strip_prefix(b"data:")?;
    let line = rest.strip_suffix(b"\n\n").or_else(|| rest.strip_suffix(b"\r\n\r\n"))?;
    Some(line.strip_prefix(b" ").unwrap_or(line))
}

/// What the lines of an event say.
#[derive(Clone, Copy, Default)]
pub(super) struct Fields {
    /// There is a `data` line.
    pub(super) data: bool,
    /// The event is called `ping`.
    pub(super) ping: bool,
    /// The event is called `error`, or a line is.
    pub(super) error: bool,
}

/// Reads the lines of an event and joins its `data`.
pub(super) fn fields(event: &[u8], joined: &mut Vec<u8>) -> Fields {
    let (mut fields, mut said) = (Fields::default(), false);
    let mut rest = event;
    while !rest.is_empty() {
        let end = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        let line = rest.get(..end).unwrap_or_default();
        rest = rest.get(end + 1..).unwrap_or_default();
        let colon = memchr::memchr(b':', line).unwrap_or(line.len());
        let value = line.get(colon + 1..).unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match line.get(..colon) {
            // llama.cpp had a field of its own for errors.
            Some(name @ (b"data" | b"error")) if name == b"data" || value.starts_with(b"{") => {
                said |= name == b"error";
                if fields.data {
                    joined.push(b'\n');
                }
                fields.data = true;
                joined.extend_from_slice(value);
            }
            Some(b"event") => {
                fields.ping = value == b"ping";
                fields.error = value == b"error";
            }
            _ => {}
        }
    }
    fields.error |= said;
    fields
}

/// The last event of several that are whole.
pub(super) fn last_event(events: &[u8]) -> &[u8] {
    let events = events.trim_ascii_end();
    let from = memchr::memmem::rfind(events, b"\n\n").map_or(0, |at| at + 2);
    events.get(from..).unwrap_or_default()
}

/// Finds the ends of events: blank lines after LF, CRLF or CR. Every byte is looked at once.
#[derive(Debug)]
pub(super) struct Framer {
    line_start: bool,
    /// The last byte was CR: an LF after it belongs to it.
    cr: bool,
    /// That CR ended a blank line, so the event ends with it.
    blank: bool,
    /// Lines of the event so far that are not blank; at its end, of the whole event.
    lines: u32,
    ended: bool,
}

impl Default for Framer {
    fn default() -> Self {
        Self { line_start: true, cr: false, blank: false, lines: 0, ended: false }
    }
}

impl Framer {
    /// How many of these bytes the event takes that they complete; `None` if it goes on after them.
    pub(super) fn end_of_event(&mut self, bytes: &[u8]) -> Option<usize> {
        if std::mem::take(&mut self.ended) {
            self.lines = 0;
        }
        let end = self.blank_line(bytes);
        self.ended = end.is_some();
        end
    }

    /// Whether the event that ended last is a single line.
    pub(super) fn is_one_line(&self) -> bool {
        self.ended && self.lines == 1
    }

    fn blank_line(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        loop {
            let next = *bytes.get(at)?;
            if self.cr {
                self.cr = false;
                at += usize::from(next == b'\n');
                self.line_start = true;
                if std::mem::take(&mut self.blank) {
                    return Some(at);
                }
                continue;
            }
            if self.line_start {
                match next {
                    b'\n' => return Some(at + 1),
                    b'\r' => {
                        (self.cr, self.blank) = (true, true);
                        at += 1;
                        continue;
                    }
                    _ => self.line_start = false,
                }
            }
            let rest = bytes.get(at..).unwrap_or_default();
            let end = memchr::memchr2(b'\n', b'\r', rest)?;
            self.cr = rest.get(end) == Some(&b'\r');
            self.line_start = !self.cr;
            self.lines = self.lines.saturating_add(1);
            at += end + 1;
        }
    }

    /// What an event needs to end here. An LF after a CR only completes its line.
    pub(super) fn missing(&self) -> &'static [u8] {
        if self.line_start { b"\n" } else { b"\n\n" }
    }

    /// Whether only an LF that may still follow is missing.
    pub(super) fn at_event_end(&self) -> bool {
        self.cr && self.blank
    }
}
