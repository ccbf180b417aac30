//! What a backend says it used, turned into counts that no token is in twice; or nothing, if it
//! cannot be true. `docs/USAGE.md` says where each spelling was seen.

use policies::{Counts, facts::Tokens};

use super::scan::{JsonError, Scanner, Shape};

/// The most that a total may hold beyond the figures it is the total of: no answer is longer.
const BEYOND_MAX: u64 = 1 << 20;

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
    /// The same figure under another name: proxies fill what they do not know with zeros.
    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Impossible, _) | (_, Self::Impossible) => Self::Impossible,
            (Self::Absent | Self::Number(0), Self::Number(_)) => other,
            (Self::Number(one), Self::Number(two)) => Self::Number(one.max(two)),
            _ => self,
        }
    }

    fn read(&mut self, scanner: &mut Scanner<'_>) -> Result<(), JsonError> {
        *self = self.or(figure(scanner)?);
        Ok(())
    }

    /// The number, if there is one.
    fn number(self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(number.into()),
            Self::Absent | Self::Impossible => None,
        }
    }
}

#[derive(Default)]
struct Reported {
    prompt: Figure,
    /// Input by the name that Anthropic gives to what was neither read from nor written to a cache.
    input: Figure,
    completion: Figure,
    /// The same as `completion`; zero beside it where a proxy fills in both.
    output: Figure,
    cached: Figure,
    missed: Figure,
    cache_write: Figure,
    reasoning: Figure,
    total: Figure,
    /// The cached figure stands beside the input under Anthropic's name.
    beside: bool,
}

/// Reads a `usage` value the scanner is at: `None` if it is `null`, incomplete or impossible.
pub(super) fn read(scanner: &mut Scanner<'_>) -> Result<Option<Counts>, JsonError> {
    if scanner.shape()? != Shape::Object {
        scanner.skip()?;
        return Ok(None);
    }
    let mut reported = Reported::default();
    scanner.object(|scanner, key| reported.member(&key.name(), scanner))?;
    Ok(reported.disjoint())
}

/// Reads the usage of an answer that is no text: all of it is input, and a total is the input as well.
pub(super) fn input(scanner: &mut Scanner<'_>) -> Result<Option<Counts>, JsonError> {
    if scanner.shape()? != Shape::Object {
        scanner.skip()?;
        return Ok(None);
    }
    let mut reported = Reported::default();
    scanner.object(|scanner, key| reported.member(&key.name(), scanner))?;
    let figures = [reported.prompt, reported.input, reported.total];
    if figures.contains(&Figure::Impossible) {
        return Ok(None);
    }
    let told = figures.into_iter().filter_map(Figure::number).find(|it| *it > 0);
    let input = told.and_then(|it| u32::try_from(it).ok());
    Ok(input.map(|input| Counts { input, ..Counts::default() }))
}

/// Reads the `usage` within an object such as `x_groq`. The first of the pair says whether there is one.
pub(super) fn within(scanner: &mut Scanner<'_>) -> Result<(bool, Option<Counts>), JsonError> {
    let (mut is_there, mut counts) = (false, None);
    if scanner.shape()? != Shape::Object {
        scanner.skip()?;
        return Ok((is_there, counts));
    }
    scanner.object(|scanner, key| {
        if *key.name() != *b"usage" {
            return scanner.skip();
        }
        is_there = scanner.shape()? == Shape::Object;
        counts = read(scanner)?;
        Ok(())
    })?;
    Ok((is_there, counts))
}

impl Reported {
    fn member(&mut self, name: &[u8], scanner: &mut Scanner<'_>) -> Result<(), JsonError> {
        match name {
            b"prompt_tokens" => self.prompt.read(scanner),
            b"input_tokens" => self.input.read(scanner),
            b"completion_tokens" => self.completion.read(scanner),
            b"output_tokens" => self.output.read(scanner),
            b"total_tokens" => self.total.read(scanner),
            b"cache_read_input_tokens" => {
                self.beside = true;
                self.cached.read(scanner)
            }
            b"cached_tokens" | b"num_cached_tokens" | b"prompt_cache_hit_tokens" => {
                self.cached.read(scanner)
            }
            b"prompt_cache_miss_tokens" => self.missed.read(scanner),
            b"cache_creation_input_tokens" | b"cache_write_tokens" => {
                self.cache_write.read(scanner)
            }
            b"reasoning_tokens" => self.reasoning.read(scanner),
            b"prompt_tokens_details" | b"prompt_token_details" | b"input_tokens_details" => {
                details(scanner, |name, scanner| match name {
                    b"cached_tokens" | b"cache_read_input_tokens" | b"cache_read_tokens" => {
                        self.cached.read(scanner)
                    }
                    b"cache_write_tokens"
                    | b"cache_creation_tokens"
                    | b"cache_creation_input_tokens" => self.cache_write.read(scanner),
                    _ => scanner.skip(),
                })
            }
            b"completion_tokens_details" | b"output_tokens_details" => {
                details(scanner, |name, scanner| match name {
                    b"reasoning_tokens" | b"thinking_tokens" => self.reasoning.read(scanner),
                    _ => scanner.skip(),
                })
            }
            _ => scanner.skip(),
        }
    }

    fn disjoint(&self) -> Option<Counts> {
        let all = [
            self.prompt,
            self.input,
            self.completion,
            self.output,
            self.cached,
            self.missed,
            self.cache_write,
            self.reasoning,
            self.total,
        ];
        if all.contains(&Figure::Impossible) {
            return None;
        }
        let cached = self.cached.number().unwrap_or(0);
        let prompt = match self.prompt.or(self.input).number() {
            // Hit and miss are all of the input.
            None => self.missed.number().map(|missed| missed + cached),
            // Zero beside figures of its parts says nothing.
            Some(0) if self.missed.number() > Some(0) => self.missed.number().map(|it| it + cached),
            prompt => prompt,
        };
        let completion = self.completion.or(self.output).number();
        let total = self.total.number().filter(|total| *total > 0);
        Figures {
            prompt: prompt?,
            completion: completion?,
            cached,
            cache_write: self.cache_write.number().unwrap_or(0),
            reasoning: self.reasoning.number().unwrap_or(0),
            beside: self.beside && self.prompt.number().unwrap_or(0) == 0,
        }
        .disjoint(total)
    }
}

fn details<'a>(
    scanner: &mut Scanner<'a>,
    mut each: impl FnMut(&[u8], &mut Scanner<'a>) -> Result<(), JsonError>,
) -> Result<(), JsonError> {
    if scanner.shape()? != Shape::Object {
        return scanner.skip();
    }
    scanner.object(|scanner, key| each(&key.name(), scanner))
}

/// Figures of which some may hold others.
#[derive(Clone, Copy)]
struct Figures {
    prompt: u64,
    completion: u64,
    cached: u64,
    cache_write: u64,
    reasoning: u64,
    /// By its names, what was cached is not in the prompt.
    beside: bool,
}

impl Figures {
    /// Counts of which each token is in one. What stands inside of what is told by the total; without
    /// one, or with one that no reading gives, by the names.
    fn disjoint(self, total: Option<u64>) -> Option<Counts> {
        let usual = self.split(self.beside, self.beside, false);
        let Some(total) = total else { return usual };
        // Of what concerns a cache the written part alone may stand beside the prompt.
        let caches = [(false, false), (true, true), (false, true)];
        let readings = caches.into_iter().flat_map(|(cached, written)| {
            [false, true].map(|reasoning| self.split(cached, written, reasoning))
        });
        let exact = |counts: &Counts| sum(*counts) == total;
        let mut possible = usual.into_iter().chain(readings.flatten());
        if let Some(counts) = possible.find(exact) {
            return Some(counts);
        }
        let usual = usual?;
        Some(match total.checked_sub(sum(usual)) {
            // Thinking that only the total tells of.
            Some(beyond @ 1..=BEYOND_MAX) if self.reasoning == 0 && self.completion > 0 => {
                Counts { reasoning: u32::try_from(beyond).ok()?, ..usual }
            }
            _ => usual,
        })
    }

    /// One reading; `None` if a part is larger than what holds it.
    fn split(self, cached: bool, written: bool, reasoning: bool) -> Option<Counts> {
        let within = |part: u64, outside: bool| if outside { 0 } else { part };
        let input = self.prompt.checked_sub(within(self.cached, cached))?;
        let input = input.checked_sub(within(self.cache_write, written))?;
        let output = self.completion.checked_sub(within(self.reasoning, reasoning))?;
        let narrow = |wide: u64| u32::try_from(wide).ok();
        Some(Counts {
            input: narrow(input)?,
            cached_input: narrow(self.cached)?,
            cache_write: narrow(self.cache_write)?,
            output: narrow(output)?,
            reasoning: narrow(self.reasoning)?,
        })
    }
}

fn figure(scanner: &mut Scanner<'_>) -> Result<Figure, JsonError> {
    let (shape, span) = scanner.value()?;
    let digits = std::str::from_utf8(span.of(scanner.bytes())).unwrap_or_default();
    Ok(match shape {
        Shape::Null => Figure::Absent,
        Shape::Number => digits
            .parse()
            .or_else(|_| whole(digits).parse())
            .map_or(Figure::Impossible, Figure::Number),
        _ => Figure::Impossible,
    })
}

/// The digits of a number, without a fraction of nothing: some languages have no other numbers.
fn whole(digits: &str) -> &str {
    match digits.split_once('.') {
        Some((whole, fraction)) if fraction.bytes().all(|digit| digit == b'0') => whole,
        _ => digits,
    }
}

/// Two reports of one answer that differ in whose output they tell of.
pub(super) fn joined(one: Counts, two: Counts) -> Counts {
    let larger = if inputs(two) > inputs(one) { two } else { one };
    Counts {
        output: one.output.saturating_add(two.output),
        reasoning: one.reasoning.saturating_add(two.reasoning),
        ..larger
    }
}

/// The larger of each two figures of one answer.
pub(super) fn largest(one: Counts, two: Counts) -> Counts {
    Counts {
        input: one.input.max(two.input),
        cached_input: one.cached_input.max(two.cached_input),
        cache_write: one.cache_write.max(two.cache_write),
        output: one.output.max(two.output),
        reasoning: one.reasoning.max(two.reasoning),
    }
}

fn inputs(counts: Counts) -> u64 {
    [counts.input, counts.cached_input, counts.cache_write].into_iter().map(u64::from).sum()
}

/// All input and output together; running reports grow by it.
pub(super) fn sum(counts: Counts) -> u64 {
    inputs(counts) + u64::from(counts.output) + u64::from(counts.reasoning)
}

/// Tokens of output that nobody reported: one for each content event or four bytes, whichever is more.
pub(super) fn counted(contents: u32, bytes: u64) -> Tokens {
    let by_bytes = u32::try_from(bytes.div_ceil(4)).unwrap_or(u32::MAX);
    Tokens(contents.max(by_bytes))
}

#[cfg(test)]
mod tests;
