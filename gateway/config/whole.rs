//! What others ask of a configuration as a whole.

use std::{borrow::Cow, sync::Arc};

use super::{
    Config, Key,
    source::{ReadFrom, Source},
};

impl Config {
    /// The same, with what it was read from.
    pub(super) fn kept(self, source: Source) -> Self {
        Self { source: Arc::new(source), ..self }
    }

    /// What it was read from.
    #[must_use]
    pub fn read_from(&self) -> ReadFrom {
        ReadFrom { source: Arc::clone(&self.source), managed: self.managed.clone() }
    }

    /// The same as of a later change, of which all is in it.
    pub(crate) fn as_of(mut self, last: i64) -> Self {
        self.managed = self.managed.with(last, []);
        self
    }

    /// All keys by which money is spent: those of callers, behind them those of issuers' tokens, and at the
    /// end those of shadows.
    #[must_use]
    pub fn payers(&self) -> Cow<'_, [Key]> {
        if self.oidc.is_empty() && self.shadow_keys.is_empty() {
            return Cow::Borrowed(&self.keys);
        }
        let tokens = self.oidc.iter().flat_map(|it| &it.payers);
        Cow::Owned(self.keys.iter().chain(tokens).chain(&self.shadow_keys).cloned().collect())
    }
}
