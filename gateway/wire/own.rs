//! What the gateway itself says in a stream.

use bytes::Bytes;
use policies::Counts;
use uuid::Uuid;

use super::{
    escape::quoted,
    frame::{fields, last_event, only_data},
    scan::{JsonError, Scanner, Shape},
};

/// What the gateway adds to the last usage of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bill<'a> {
    /// What the request costs, as a decimal in the ledger's currency.
    pub cost: &'a str,
    /// The figures that are charged were counted here, not by the backend.
    pub estimated: bool,
}

impl Bill<'_> {
    fn member(self) -> String {
        let estimated = if self.estimated { r#""estimated":true,"# } else { "" };
        format!(r#""signalbox":{{{estimated}"cost":{}}}"#, quoted(self.cost))
    }
}

/// The end of a stream.
pub(super) fn done_event() -> Bytes {
    Bytes::from_static(b"data: [DONE]\n\n")
}

/// A comment that keeps a silent connection alive.
#[must_use]
pub fn comment() -> Bytes {
    Bytes::from_static(b": keep-alive\n\n")
}

/// An event that holds usage, with the bill in it: `"signalbox":{"cost":"…"}` as the last member of its
/// object. An event without an object is returned as it is.
pub(super) fn with_bill(event: &Bytes, bill: Bill<'_>) -> Bytes {
    let Some(brace) = memchr::memrchr(b'}', event) else {
        return event.clone();
    };
    let (head, tail) = event.split_at(brace);
    let empty = head.trim_ascii_end().ends_with(b"{");
    let comma = if empty { "" } else { "," };
    Bytes::from([head, comma.as_bytes(), bill.member().as_bytes(), tail].concat())
}

/// The chunk with the usage for a caller who asked for it, where the backend sent none: called as the last
/// event of the stream is, or by our id of the request.
pub(super) fn usage_event(last: Option<&Bytes>, id: Uuid, counts: Counts, bill: Bill<'_>) -> Bytes {
    let head = || format!(r#""id":"chatcmpl-{id}","object":"chat.completion.chunk","#);
    usage_called(last, head, counts, bill)
}

/// The same in a stream of completions.
pub(super) fn completion_usage_event(
    last: Option<&Bytes>,
    id: Uuid,
    counts: Counts,
    bill: Bill<'_>,
) -> Bytes {
    let head = || format!(r#""id":"cmpl-{id}","object":"text_completion","#);
    usage_called(last, head, counts, bill)
}

fn usage_called(
    last: Option<&Bytes>,
    unnamed: impl Fn() -> String,
    counts: Counts,
    bill: Bill<'_>,
) -> Bytes {
    let mut head = last.map(|event| named(event).unwrap_or_default()).unwrap_or_default();
    if head.is_empty() {
        head = unnamed();
    }
    let (usage, bill) = (usage_of(counts), bill.member());
    format!("data: {{{head}\"choices\":[],\"usage\":{usage},{bill}}}\n\n").into()
}

/// What was used, as chat completions say it.
pub(super) fn usage_of(counts: Counts) -> String {
    let Counts { input, cached_input, cache_write, output, reasoning } = counts;
    let sum = |figures: &[u32]| figures.iter().copied().map(u64::from).sum::<u64>();
    let prompt = sum(&[input, cached_input, cache_write]);
    let completion = sum(&[output, reasoning]);
    let total = prompt + completion;
    let usage = format!(
        r#""prompt_tokens":{prompt},"completion_tokens":{completion},"total_tokens":{total}"#
    );
    let cached = format!(r#""prompt_tokens_details":{{"cached_tokens":{cached_input}}}"#);
    let thought = format!(r#""completion_tokens_details":{{"reasoning_tokens":{reasoning}}}"#);
    format!("{{{usage},{cached},{thought}}}")
}

/// The members by which all chunks of a stream are called, each with a comma behind it.
fn named(event: &[u8]) -> Result<String, JsonError> {
    const NAMES: [&[u8]; 5] = [b"id", b"object", b"created", b"model", b"system_fingerprint"];
    let (event, mut joined) = (last_event(event), Vec::new());
    let data = only_data(event).unwrap_or_else(|| {
        fields(event, &mut joined);
        &joined
    });
    let (mut scanner, mut out) = (Scanner::lenient(data), String::new());
    scanner.object(|scanner, key| {
        let name = key.name();
        let (shape, value) = scanner.value()?;
        if NAMES.contains(&&*name) && matches!(shape, Shape::String | Shape::Number) {
            let (name, value) = (String::from_utf8_lossy(&name), value.of(data));
            out.push_str(&format!("{}:{},", quoted(&name), String::from_utf8_lossy(value)));
        }
        Ok::<_, JsonError>(())
    })?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BILL: Bill<'static> = Bill { cost: "0.00042", estimated: false };

    #[test]
    fn the_cost_goes_into_the_usage_event() {
        let usage = r#"data: {"id":"c","choices":[],"usage":{"prompt_tokens":7}}"#;
        let event = Bytes::from(format!("{usage}\r\n\r\n"));
        let expected = usage.replace("7}}", r#"7},"signalbox":{"cost":"0.00042"}}"#);
        assert_eq!(with_bill(&event, BILL), format!("{expected}\r\n\r\n"));
        assert_eq!(
            with_bill(&Bytes::from_static(b"data: { }\n\n"), Bill { estimated: true, ..BILL }),
            "data: { \"signalbox\":{\"estimated\":true,\"cost\":\"0.00042\"}}\n\n"
        );
        assert_eq!(with_bill(&comment(), BILL), comment());
    }

    #[test]
    fn a_chunk_of_ours_is_called_as_the_others_of_its_stream_are() {
        let last = r#"data: {"id":"c\"1","object":"chat.completion.chunk","created":17,"model":"m",
            "system_fingerprint":null,"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
        let last = Bytes::from(format!("{}\n\n", last.replace('\n', "")));
        let counts =
            Counts { input: 3, cached_input: 4, output: 5, reasoning: 6, ..Counts::default() };
        let event = usage_event(Some(&last), Uuid::nil(), counts, Bill { estimated: true, ..BILL });
        let expected = serde_json::json!({ "id": "c\"1", "object": "chat.completion.chunk",
            "created": 17, "model": "m", "choices": [],
            "usage": { "prompt_tokens": 7, "completion_tokens": 11, "total_tokens": 18,
                "prompt_tokens_details": { "cached_tokens": 4 },
                "completion_tokens_details": { "reasoning_tokens": 6 } },
            "signalbox": { "estimated": true, "cost": "0.00042" } });
        let data = only_data(&event).unwrap();
        assert_eq!(serde_json::from_slice::<serde_json::Value>(data).unwrap(), expected);
        for none in [None, Some(comment())] {
            let event = usage_event(none.as_ref(), Uuid::nil(), counts, BILL);
            let id = format!("chatcmpl-{}", Uuid::nil());
            let value: serde_json::Value =
                serde_json::from_slice(only_data(&event).unwrap()).unwrap();
            assert_eq!((&value["id"], &value["usage"]["total_tokens"]), (&id.into(), &18.into()));
        }
    }
}
