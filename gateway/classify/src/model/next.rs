//! Where a byte stands next: a text is gone through once, however many of its lines ask.

/// The place of a byte, looked for from places that only grow.
pub(super) struct Next {
    byte: u8,
    /// Where it was found last; the text's end if it is not there.
    found: Option<usize>,
}

impl Next {
    /// Nothing was looked for yet.
    pub(super) const fn of(byte: u8) -> Self {
        Self { byte, found: None }
    }

    /// Where it stands in a text, from a place on; the text's end if it does not.
    #[inline]
    pub(super) fn from(&mut self, text: &[u8], at: usize) -> usize {
        match self.found {
            Some(found) if found >= at => found,
            _ => self.search(text, at),
        }
    }

    #[inline(never)]
    fn search(&mut self, text: &[u8], at: usize) -> usize {
        let rest = text.get(at..).unwrap_or_default();
        let found = memchr::memchr(self.byte, rest).map_or(text.len(), |it| at + it);
        self.found = Some(found);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_where_a_search_finds_it() {
        let text = b"a:b::c no more here, and then : at the end:";
        for step in 1..text.len() {
            let mut next = Next::of(b':');
            for at in (0..=text.len()).step_by(step) {
                let found = text.iter().skip(at).position(|b| *b == b':');
                assert_eq!(next.from(text, at), found.map_or(text.len(), |it| at + it));
            }
        }
    }
}
