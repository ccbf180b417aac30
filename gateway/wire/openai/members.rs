//! Members beside the talk: what is only passed on, and whether it may say something of anybody.

use super::fields::Field;
use crate::{
    failure::Failure,
    wire::{
        ReadLimits,
        request::{Allowed, Request, arm},
        scan::{Scanner, Shape, Span},
        shield,
    },
};

/// A longer number may be somebody's, under whatever name.
const PLAIN_BYTES_MAX: usize = 8;

/// Reads a member that is only passed on, unless the shield refuses it: whether with it the answer does not
/// end by itself.
pub(super) fn other(
    name: &[u8],
    scanner: &mut Scanner<'_>,
    request: &mut Request,
    limits: &ReadLimits,
) -> Result<bool, Failure> {
    let shape = scanner.shape()?;
    let start = scanner.at();
    match shield::expected(name) {
        None => scanner.skip()?,
        Some(expected) => {
            let path = std::str::from_utf8(name).unwrap_or_default();
            shield::check(expected, path, scanner, limits)?;
        }
    }
    let value = Span::new(start, scanner.at());
    let param = arm::param(name);
    request.params.extend(param.map(|param| (param, value)));
    let plain = matches!(shape, Shape::Number | Shape::True | Shape::False | Shape::Null);
    request.members_say |= param.is_none() || !plain || value.len() > PLAIN_BYTES_MAX;
    Ok(*name == *b"ignore_eos" && shape == Shape::True)
}

/// Whether a member that was read may say something, and is not the talk.
pub(super) fn says(field: Field, request: &Request) -> bool {
    let long = |allowed: Option<Allowed>| {
        allowed.is_some_and(|allowed| allowed.value.len() > PLAIN_BYTES_MAX)
    };
    match field {
        Field::Model | Field::Messages | Field::Stream | Field::N => false,
        Field::MaxTokens => long(request.max_tokens),
        Field::MaxCompletionTokens => long(request.max_completion_tokens),
        Field::StreamOptions => request.stream_options.is_some_and(|it| !it.plain()),
        _ => true,
    }
}
