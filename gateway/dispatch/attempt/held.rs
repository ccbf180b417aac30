//! Whether a plain answer holds to the form that its request asks for, where the policy has that checked.

use bytes::Bytes;
use policies::Planned;

use crate::{
    dispatch::{judge::AttemptError, target::UpstreamRequest},
    outcome::Used,
    schema::Asked,
    wire,
};

/// The error of an answer that does not hold to what was asked for, and what it used; all of its choices must
/// hold. One that is cut at the caller's own bound passes as it is: every other would be cut there as well.
pub(super) fn breach(
    request: &UpstreamRequest,
    (spoken, planned): (&wire::Surface, &Planned),
    (whole, plain): (&Bytes, &wire::Plain),
) -> Option<(AttemptError, Used)> {
    let body = &request.body;
    let asked = Asked {
        format: body.format(),
        tools: body.tools_json(),
        others: body.unsayable().is_some(),
    };
    if !request.validates || asked.format.is_none() && asked.tools.is_none() {
        return None;
    }
    let bound = body.output_tokens_asked();
    let own_bound = bound.is_some_and(|asked| asked <= planned.output_tokens_max);
    let answers = wire::transcripts(spoken, body.n(), whole);
    let breach = asked.breach(answers.iter().filter(|it| !(own_bound && it.at_length)))?;
    let used = Used { reported: plain.reported, counted_output: plain.counted_output };
    Some((AttemptError::not_held(&breach.in_words()), used))
}
