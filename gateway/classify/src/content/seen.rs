//! How far a text has been looked at.

use super::table::Table;

/// Groups of digits of one text that are looked at in full. In more, which only tables have, a number must be
/// written without a gap: the time for a body of any length stays that of reading it.
const GROUPS_MAX: u32 = 100_000;
/// Words of letters and digits of one text that are looked at for a name apart from them: more have only
/// dumps of codes.
const MIXED_MAX: u32 = 20_000;

/// How far a text has been looked at: nothing that begins before these places is looked at again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// Numbers.
    pub numbers: usize,
    /// Secrets by their name or their form.
    pub secrets: usize,
    /// Words that may be tokens.
    pub words: usize,
    /// Tokens and values that were found.
    pub tokens: usize,
    /// Groups that may still be looked at in full.
    pub groups: u32,
    /// Words of letters and digits that may still be looked at.
    pub mixed: u32,
    /// The table that was seen last.
    pub table: Table,
}

impl Default for Seen {
    fn default() -> Self {
        Self {
            numbers: 0,
            secrets: 0,
            words: 0,
            tokens: 0,
            groups: GROUPS_MAX,
            mixed: MIXED_MAX,
            table: Table::default(),
        }
    }
}

impl Seen {
    /// The same places, where the text's first bytes are gone.
    pub(super) fn shifted(self, gone: usize) -> Self {
        let of = |place: usize| place.saturating_sub(gone);
        let (numbers, secrets) = (of(self.numbers), of(self.secrets));
        let (words, tokens) = (of(self.words), of(self.tokens));
        let table = self.table.shifted(gone);
        Self { numbers, secrets, words, tokens, table, ..self }
    }
}
