//! A stretch of text being looked at, with what is said around it.

use super::{column, context::Context, piece::Piece, record, symbol::Gap, table::Table};

/// A stretch, the text in which it stands, and the words around the number that was asked for last.
pub(super) struct Look<'a> {
    pub text: &'a str,
    pub piece: &'a Piece,
    /// The table in which it may stand.
    table: &'a mut Table,
    /// What is said before the group that begins at a character, and around that which ends before one.
    before: Option<(usize, Context)>,
    around: Option<(usize, Context)>,
}

impl<'a> Look<'a> {
    pub(super) fn new(text: &'a str, piece: &'a Piece, table: &'a mut Table) -> Self {
        Self { text, piece, table, before: None, around: None }
    }

    /// What is said around the characters `from..from + count` of the stretch.
    pub(super) fn context(&mut self, from: usize, count: usize) -> Context {
        let before = match self.before {
            Some((at, before)) if at == from => before,
            _ => {
                let begin = self.piece.chars.get(from).map_or(0, |it| it.at);
                let own = record::own(self.text, begin);
                let own = own.or_else(|| column::of(self.text, begin));
                let own = own.or_else(|| self.table.column(self.text, begin));
                let before = Context::before(self.text, begin).owned(own);
                (self.before, self.around) = (Some((from, before)), None);
                before
            }
        };
        if !before.silent() {
            return before;
        }
        let to = from + count;
        match self.around {
            Some((at, around)) if at == to => around,
            _ => {
                let end = self.piece.chars.get(to.saturating_sub(1)).map_or(0, |it| it.end);
                let around = before.with_behind(self.text, end);
                self.around = Some((to, around));
                around
            }
        }
    }

    /// Whether letters are attached to what begins here: `ORD-123`.
    pub(super) fn glued(&self, from: usize) -> bool {
        match from.checked_sub(1) {
            None => self.piece.glued,
            Some(before) => {
                let attached = matches!(self.piece.gap(from), Gap::Dot | Gap::Slash | Gap::Hyphen);
                attached && self.piece.mark(before).is_ascii_uppercase()
            }
        }
    }

    /// The letters and digits of some characters of the stretch.
    pub(super) fn marks(&self, from: usize, count: usize) -> Option<&[super::piece::Char]> {
        self.piece.chars.get(from..from + count)
    }
}
