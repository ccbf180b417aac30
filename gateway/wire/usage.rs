//! What a backend says it used, turned into counts that no token is in twice; or nothing, if it
//! cannot be true.

use policies::Counts;

use super::scan::{Fault, Scanner, Shape};

/// A figure as reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Figure {
    #[default]
    Absent,
    Number(u32),
    /// Negative, fractional, not a number, or beyond what can be.
    Impossible,
}

impl Figure {
    fn or(self, other: Self) -> Self {
        if self == Self::Absent { other } else { self }
    }

    /// The number; absent is zero.
    fn or_zero(self) -> Option<u32> {
        match self {
            Self::Absent => Some(0),
            Self::Number(number) => Some(number),
            Self::Impossible => None,
        }
    }

    fn required(self) -> Option<u32> {
        if self == Self::Absent { None } else { self.or_zero() }
    }
}

#[derive(Default)]
struct Reported {
    prompt: Figure,
    completion: Figure,
    cached: Figure,
    cache_write: Figure,
    reasoning: Figure,
}

/// Reads a `usage` value the scanner is at: `None` if it is `null`, incomplete or impossible.
pub(super) fn read(scanner: &mut Scanner<'_>) -> Result<Option<Counts>, Fault> {
    if scanner.shape()? != Shape::Object {
        scanner.skip()?;
        return Ok(None);
    }
    let mut reported = Reported::default();
    scanner.object(|scanner, key| {
        match &*key.name() {
            b"prompt_tokens" => reported.prompt = figure(scanner)?,
            b"completion_tokens" => reported.completion = figure(scanner)?,
            // Some engines state these two beside the totals instead of below them.
            b"prompt_cache_hit_tokens" => reported.cached = reported.cached.or(figure(scanner)?),
            b"reasoning_tokens" => reported.reasoning = reported.reasoning.or(figure(scanner)?),
            b"prompt_tokens_details" => details(scanner, |name, scanner| match name {
                b"cached_tokens" => figure_into(&mut reported.cached, scanner),
                b"cache_write_tokens" => figure_into(&mut reported.cache_write, scanner),
                _ => scanner.skip(),
            })?,
            b"completion_tokens_details" => details(scanner, |name, scanner| match name {
                b"reasoning_tokens" => figure_into(&mut reported.reasoning, scanner),
                _ => scanner.skip(),
            })?,
            _ => scanner.skip()?,
        }
        Ok::<_, Fault>(())
    })?;
    Ok(disjoint(&reported))
}

fn details<'a>(
    scanner: &mut Scanner<'a>,
    mut each: impl FnMut(&[u8], &mut Scanner<'a>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    if scanner.shape()? != Shape::Object {
        return scanner.skip();
    }
    scanner.object(|scanner, key| each(&key.name(), scanner))
}

fn disjoint(reported: &Reported) -> Option<Counts> {
    let cached_input = reported.cached.or_zero()?;
    let cache_write = reported.cache_write.or_zero()?;
    let reasoning = reported.reasoning.or_zero()?;
    let prompt = reported.prompt.required()?;
    let completion = reported.completion.required()?;
    Some(Counts {
        input: prompt.checked_sub(cached_input)?.checked_sub(cache_write)?,
        cached_input,
        cache_write,
        output: completion.checked_sub(reasoning)?,
        reasoning,
    })
}

fn figure_into(figure_of: &mut Figure, scanner: &mut Scanner<'_>) -> Result<(), Fault> {
    *figure_of = figure(scanner)?;
    Ok(())
}

fn figure(scanner: &mut Scanner<'_>) -> Result<Figure, Fault> {
    let (shape, span) = scanner.value()?;
    let digits = std::str::from_utf8(span.of(scanner.bytes())).unwrap_or_default();
    Ok(match shape {
        Shape::Null => Figure::Absent,
        Shape::Number => digits.parse().map_or(Figure::Impossible, Figure::Number),
        _ => Figure::Impossible,
    })
}

/// All input and output together; running reports grow by it.
pub(super) fn sum(counts: Counts) -> u64 {
    let Counts { input, cached_input, cache_write, output, reasoning } = counts;
    [input, cached_input, cache_write, output, reasoning].iter().copied().map(u64::from).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(text: &str) -> Option<Counts> {
        read(&mut Scanner::lenient(text.as_bytes())).unwrap()
    }

    #[test]
    fn counts_are_disjoint() {
        let full = counts(
            r#"{"prompt_tokens":100,"completion_tokens":50,"total_tokens":150,
                "prompt_tokens_details":{"cached_tokens":60,"audio_tokens":0},
                "completion_tokens_details":{"reasoning_tokens":20}}"#,
        );
        let expected =
            Counts { input: 40, cached_input: 60, cache_write: 0, output: 30, reasoning: 20 };
        assert_eq!(full, Some(expected));
        let plain =
            counts(r#"{"completion_tokens":5,"prompt_tokens":3,"prompt_tokens_details":null}"#);
        assert_eq!(plain, Some(Counts { input: 3, output: 5, ..Counts::default() }));
    }

    #[test]
    fn impossible_figures_are_none() {
        for text in [
            "null",
            "{}",
            "[]",
            "7",
            r#"{"prompt_tokens":3}"#,
            r#"{"prompt_tokens":3,"completion_tokens":null}"#,
            r#"{"prompt_tokens":-3,"completion_tokens":5}"#,
            r#"{"prompt_tokens":3.5,"completion_tokens":5}"#,
            r#"{"prompt_tokens":3e2,"completion_tokens":5}"#,
            r#"{"prompt_tokens":"3","completion_tokens":5}"#,
            r#"{"prompt_tokens":4294967296,"completion_tokens":5}"#,
            r#"{"prompt_tokens":3,"completion_tokens":5,
                "prompt_tokens_details":{"cached_tokens":4}}"#,
            r#"{"prompt_tokens":3,"completion_tokens":5,
                "completion_tokens_details":{"reasoning_tokens":6}}"#,
        ] {
            assert_eq!(counts(text), None, "{text}");
        }
    }
}
