//! The shield before engines: what each parameter that engines read must be, in one table. One bad
//! request has crashed engines for everybody, so what is wrong by its type or range, or asks for more
//! than is healthy, is told by name and goes no further. What the table does not know passes as it is;
//! `null` is absent.

use super::{
    ReadLimits,
    field::{whole, wrong_type},
    grammar::{self, Grammar},
    refused,
    scan::{Scanner, Shape},
    tools,
};
use crate::failure::Failure;

/// Texts in one list, such as `stop`: each is searched for at every token.
const TEXTS_MAX: usize = 256;
/// Token ids in one list: as many as the largest vocabularies have.
const IDS_MAX: usize = 262_144;
/// Tokens that a bias is given for: each is looked up at every step of the engine, for all its callers.
const BIASES_MAX: usize = 4_096;
/// The largest token there is anywhere.
const TOKEN_MAX: i128 = i32::MAX as i128;

/// Tiers of a provider's service for which its list prices hold; others cost more than is reserved.
const TIERS: [&[u8]; 5] = [b"auto", b"default", b"standard", b"standard_only", b"normal"];

/// What the value of a parameter must be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Expected {
    /// Nothing; with what to use instead.
    Refused(&'static str),
    Flag,
    Text,
    /// One of the tiers of a provider's service that cost the same.
    Tier,
    Object,
    Array,
    /// A number in this range.
    Number(f64, f64),
    /// A whole number in this range.
    Whole(i128, i128),
    /// A number of alternatives for each token, up to `shield.logprobs_max`.
    Logprobs,
    /// A number of choices, up to `shield.n_max`.
    Choices,
    /// A string or an array of strings.
    Texts,
    /// A regular expression or an array of them.
    Patterns,
    /// An array of token ids.
    Ids,
    /// An object from token ids to numbers from -100 to 100.
    Bias,
    ToolChoice,
    /// What an engine compiles.
    Compiled(Grammar),
}

impl Expected {
    /// Whether it is so whichever dialect a body is in.
    pub(super) const fn anywhere(&self) -> bool {
        !matches!(self, Self::ToolChoice)
    }
}

/// The table.
#[rustfmt::skip] // one line for each kind of value
pub(super) fn expected(name: &[u8]) -> Option<Expected> {
    use Expected::*;
    Some(match name {
        b"temperature" | b"dynatemp_range" | b"dynatemp_exponent" => Number(0.0, 1e6),
        b"top_p" | b"min_p" | b"typical_p" | b"top_a" | b"tfs_z" | b"epsilon_cutoff" | b"eta_cutoff"
        | b"xtc_probability" | b"xtc_threshold" => Number(0.0, 1.0),
        b"presence_penalty" | b"frequency_penalty" => Number(-2.0, 2.0),
        b"repetition_penalty" | b"repeat_penalty" => Number(f64::MIN_POSITIVE, 1e6),
        b"length_penalty" | b"smoothing_factor" | b"dry_multiplier" | b"dry_base"
        | b"mirostat_tau" | b"mirostat_eta" => Number(-1e6, 1e6),

        b"top_k" | b"repeat_last_n" | b"dry_penalty_last_n" | b"truncate_prompt_tokens"
        | b"n_keep" | b"id_slot" => Whole(-1, TOKEN_MAX),
        b"n_predict" => Whole(-2, TOKEN_MAX), // until the context is full
        b"min_tokens" | b"min_keep" | b"dry_allowed_length" | b"max_new_tokens"
        | b"thinking_token_budget" | b"thinking_budget" | b"no_repeat_ngram_size"
        | b"data_parallel_rank" => Whole(0, TOKEN_MAX),
        b"mirostat" => Whole(0, 2),
        b"priority" => Whole(i32::MIN as i128, TOKEN_MAX),
        b"seed" => Whole(i64::MIN as i128, i64::MAX as i128),
        b"top_logprobs" | b"prompt_logprobs" | b"top_n_tokens" | b"n_probs" => Logprobs,
        b"best_of" => Choices,

        b"use_beam_search" | b"ignore_eos" | b"early_stopping" | b"parallel_tool_calls" | b"echo"
        | b"add_generation_prompt" | b"continue_final_message" | b"add_special_tokens"
        | b"skip_special_tokens" | b"spaces_between_special_tokens" | b"detokenize"
        | b"include_stop_str_in_output" | b"no_stop_trim" | b"include_reasoning"
        | b"separate_reasoning" | b"stream_reasoning" | b"return_tokens_as_token_ids"
        | b"return_token_ids" | b"return_hidden_states" | b"cache_prompt" | b"store"
        | b"guided_json_object" => Flag,

        b"stop" | b"bad_words" | b"modalities" => Texts,
        b"stop_regex" => Patterns,
        b"stop_token_ids" | b"allowed_token_ids" => Ids,
        b"logit_bias" => Bias,
        b"service_tier" | b"speed" => Tier,
        b"verbosity" | b"prompt_cache_key" | b"cache_salt"
        | b"request_id" | b"guided_decoding_backend" => Text,
        b"mm_processor_kwargs" | b"media_io_kwargs" | b"vllm_xargs" | b"audio" | b"prediction"
        | b"web_search_options" => Object,
        b"documents" | b"logprob_token_ids" => Array,
        b"tool_choice" | b"function_call" => ToolChoice,

        b"guided_json" | b"json_schema" | b"structural_tag" => Compiled(Grammar::Schema),
        b"guided_regex" | b"regex" | b"guided_whitespace_pattern" => Compiled(Grammar::Pattern),
        b"guided_grammar" | b"grammar" | b"ebnf" => Compiled(Grammar::Text),
        b"guided_choice" => Compiled(Grammar::Choice),
        b"structured_outputs" => Compiled(Grammar::Outputs),
        b"format" => Compiled(Grammar::Named),
        _ => return refused::instead(name).map(Refused),
    })
}

/// Checks the value that the scanner is at, and passes over it.
pub(super) fn check(
    expected: Expected,
    path: &str,
    scanner: &mut Scanner<'_>,
    limits: &ReadLimits,
) -> Result<(), Failure> {
    let shape = scanner.shape()?;
    if shape == Shape::Null {
        return Ok(scanner.skip()?);
    }
    let wanted = match (expected, shape) {
        (Expected::Refused(instead), _) => {
            scanner.skip()?; // what is no JSON is told first
            return Err(unsupported(path, instead));
        }
        (Expected::Compiled(grammar), _) => return grammar::read(grammar, path, scanner, limits),
        (Expected::ToolChoice, _) => return tools::choice(path, scanner),
        (Expected::Number(least, most), Shape::Number) => {
            return number(path, scanner, (least, most));
        }
        (Expected::Whole(least, most), Shape::Number) => {
            return integer(path, scanner, (least, most)).map(drop);
        }
        (Expected::Logprobs, Shape::Number) => {
            return bounded(path, scanner, (0, limits.logprobs_max.into()));
        }
        (Expected::Choices, Shape::Number) => {
            return bounded(path, scanner, (1, limits.n_max.into()));
        }
        (Expected::Tier, Shape::String) => return tier(path, scanner),
        (Expected::Texts, Shape::Array) => return texts(path, scanner),
        (Expected::Patterns, Shape::String | Shape::Array) => {
            return patterns(path, scanner, limits);
        }
        (Expected::Ids, Shape::Array) => return ids(path, scanner),
        (Expected::Bias, Shape::Object) => return bias(path, scanner),
        (Expected::Flag, Shape::True | Shape::False)
        | (Expected::Text | Expected::Texts, Shape::String)
        | (Expected::Object, Shape::Object)
        | (Expected::Array, Shape::Array) => return Ok(scanner.skip()?),
        (Expected::Flag, _) => "a boolean",
        (Expected::Text | Expected::Tier, _) => "a string",
        (Expected::Texts | Expected::Patterns, _) => "a string or an array of strings",
        (Expected::Number(..), _) => "a number",
        (Expected::Whole(..) | Expected::Logprobs | Expected::Choices, _) => "a whole number",
        (Expected::Object | Expected::Bias, _) => "an object",
        (Expected::Array, _) => "an array",
        (Expected::Ids, _) => "an array of whole numbers",
    };
    scanner.skip()?;
    Err(wrong_type(path.to_owned(), shape, wanted))
}

fn number(path: &str, scanner: &mut Scanner<'_>, (least, most): (f64, f64)) -> Result<(), Failure> {
    let (_, span) = scanner.value()?;
    let digits = std::str::from_utf8(span.of(scanner.bytes())).unwrap_or_default();
    match digits.parse::<f64>() {
        Ok(number) if (least..=most).contains(&number) => Ok(()),
        _ if least == f64::MIN_POSITIVE => Err(out_of_range(path, "a number above 0")),
        _ => Err(out_of_range(path, &format!("a number from {least} to {most}"))),
    }
}

/// A whole number within the range, however it is written.
fn integer(
    path: &str,
    scanner: &mut Scanner<'_>,
    (least, most): (i128, i128),
) -> Result<i128, Failure> {
    let (_, span) = scanner.value()?;
    match whole(span.of(scanner.bytes())) {
        Some(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(out_of_range(path, &format!("a whole number from {least} to {most}"))),
    }
}

/// A whole number that an operator bounds.
pub(super) fn bounded(
    path: &str,
    scanner: &mut Scanner<'_>,
    (least, most): (i128, i128),
) -> Result<(), Failure> {
    let (_, span) = scanner.value()?;
    match whole(span.of(scanner.bytes())) {
        Some(number) if (least..=most).contains(&number) => Ok(()),
        Some(number) if number > most => {
            Err(unsupported(path, &format!("it is {number}: at most {most} is supported")))
        }
        _ => Err(out_of_range(path, &format!("a whole number from {least} to {most}"))),
    }
}

fn tier(path: &str, scanner: &mut Scanner<'_>) -> Result<(), Failure> {
    let word = scanner.string()?;
    if TIERS.contains(&word.span.of(scanner.bytes())) {
        return Ok(());
    }
    Err(unsupported(path, "the prices here are those of the usual tier: leave it out"))
}

fn texts(path: &str, scanner: &mut Scanner<'_>) -> Result<(), Failure> {
    scanner.array(|scanner, position| {
        if position >= TEXTS_MAX {
            return Err(unsupported(path, &format!("it holds more than {TEXTS_MAX} strings")));
        }
        match scanner.value()?.0 {
            Shape::String => Ok(()),
            found => Err(wrong_type(format!("{path}[{position}]"), found, "a string")),
        }
    })
}

fn patterns(path: &str, scanner: &mut Scanner<'_>, limits: &ReadLimits) -> Result<(), Failure> {
    if scanner.shape()? != Shape::Array {
        return grammar::read(Grammar::Pattern, path, scanner, limits);
    }
    scanner.array(|scanner, position| {
        grammar::read(Grammar::Pattern, &format!("{path}[{position}]"), scanner, limits)
    })
}

fn ids(path: &str, scanner: &mut Scanner<'_>) -> Result<(), Failure> {
    scanner.array(|scanner, position| match scanner.shape()? {
        _ if position >= IDS_MAX => {
            Err(unsupported(path, &format!("it holds more than {IDS_MAX} tokens")))
        }
        Shape::Number => {
            let (_, span) = scanner.value()?;
            match whole(span.of(scanner.bytes())) {
                Some(0..=TOKEN_MAX) => Ok(()),
                _ => Err(out_of_range(&format!("{path}[{position}]"), "the id of a token")),
            }
        }
        found => Err(wrong_type(format!("{path}[{position}]"), found, "a whole number")),
    })
}

fn bias(path: &str, scanner: &mut Scanner<'_>) -> Result<(), Failure> {
    let mut count = 0;
    scanner.object(|scanner, key| {
        count += 1;
        if count > BIASES_MAX {
            return Err(unsupported(path, &format!("it holds more than {BIASES_MAX} tokens")));
        }
        let name = key.name();
        let place = || format!("{path}.{}", super::field::echo(&name));
        let id = std::str::from_utf8(&name).ok().and_then(|id| id.parse::<u32>().ok());
        if id.is_none_or(|id| i128::from(id) > TOKEN_MAX) {
            return Err(out_of_range(&place(), "the id of a token as its name"));
        }
        match scanner.shape()? {
            Shape::Number => number(path, scanner, (-100.0, 100.0)),
            Shape::Null => Ok(scanner.skip()?),
            found => Err(wrong_type(place(), found, "a number")),
        }
    })
}

pub(super) fn out_of_range(path: &str, expected: &str) -> Failure {
    let text = format!("{path} is out of range: expected {expected}");
    Failure::invalid("invalid_value", text).at(path.to_owned())
}

fn unsupported(path: &str, what: &str) -> Failure {
    let text = format!("{path} cannot be served: {what}");
    Failure::invalid("unsupported_parameter", text).at(path.to_owned())
}

#[cfg(test)]
mod tests;
