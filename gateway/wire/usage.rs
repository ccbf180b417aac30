//! What a backend says was used, if it can be true.

use policies::Counts;

use super::scan::{Fault, Kind, Scan};

/// Figures of an OpenAI `usage` object.
#[derive(Clone, Copy, Debug, Default)]
struct Usage {
    prompt: Option<u32>,
    completion: Option<u32>,
    cached: u32,
    reasoning: u32,
    odd: bool,
}

/// Reads the value at hand: `None` if it is null, no object, or cannot be true.
pub(super) fn read(scan: &mut Scan<'_>) -> Result<Option<Counts>, Fault> {
    if scan.kind()? != Kind::Object {
        return scan.skip().map(|_| None);
    }
    let mut usage = Usage::default();
    scan.object(|scan, key| {
        match key.span.of(scan.bytes()) {
            b"prompt_tokens" => usage.prompt = number(scan, &mut usage.odd)?,
            b"completion_tokens" => usage.completion = number(scan, &mut usage.odd)?,
            b"prompt_tokens_details" => {
                usage.cached = detail(scan, b"cached_tokens", &mut usage.odd)?;
            }
            b"completion_tokens_details" => {
                usage.reasoning = detail(scan, b"reasoning_tokens", &mut usage.odd)?;
            }
            _ => drop(scan.skip()?),
        }
        Ok(())
    })?;
    Ok(usage.counts())
}

/// A whole number that is not negative; anything else makes the usage odd.
fn number(scan: &mut Scan<'_>, odd: &mut bool) -> Result<Option<u32>, Fault> {
    let kind = scan.kind()?;
    let span = scan.skip()?;
    let text = std::str::from_utf8(span.of(scan.bytes())).unwrap_or("");
    let number = text.parse().ok();
    *odd |= number.is_none() && kind != Kind::Null;
    Ok(number)
}

/// One figure of an object, 0 where there is none.
fn detail(scan: &mut Scan<'_>, name: &[u8], odd: &mut bool) -> Result<u32, Fault> {
    let mut found = 0;
    if scan.kind()? != Kind::Object {
        return scan.skip().map(|_| found);
    }
    scan.object(|scan, key| {
        if key.span.of(scan.bytes()) == name {
            found = number(scan, odd)?.unwrap_or(0);
            return Ok(());
        }
        scan.skip().map(drop)
    })?;
    Ok(found)
}

impl Usage {
    fn counts(self) -> Option<Counts> {
        let (prompt, completion) = (self.prompt?, self.completion.unwrap_or(0));
        if self.odd {
            return None;
        }
        Some(Counts {
            input: prompt.checked_sub(self.cached)?,
            cached_input: self.cached,
            cache_write: 0,
            output: completion.checked_sub(self.reasoning)?,
            reasoning: self.reasoning,
        })
    }
}
