//! What an answer that is written anew is called by, and what it says of its request.

use policies::Counts;
use uuid::Uuid;

use super::json::Text;

/// What an answer is called by: our id of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnswerLabel(pub Uuid);

impl AnswerLabel {
    /// The second in which it began, which its version 7 of a UUID holds.
    pub(super) fn second(&self) -> u64 {
        u64::try_from(self.0.as_u128() >> 80).unwrap_or_default() / 1000
    }

    /// A name with what it is of before it, and behind it which one, where there are several.
    pub(super) fn named(&self, kind: &str, number: Option<u32>) -> String {
        let number = number.map(|it| format!("_{it}")).unwrap_or_default();
        format!("{kind}_{}{number}", self.0.simple())
    }
}

/// All output of these counts.
pub(super) fn output(counts: Counts) -> u64 {
    u64::from(counts.output) + u64::from(counts.reasoning)
}

/// Puts a string of a text into JSON, as it was written.
pub(super) fn push_text(out: &mut Vec<u8>, text: Text<'_>) {
    out.push(b'"');
    out.extend_from_slice(text.0);
    out.push(b'"');
}
