//! Laws of this room over arbitrary bytes, for the fuzz targets: each panics where one is broken.

#![allow(clippy::panic, reason = "a broken law is a panic: that is how a fuzzer sees it")]

use bytes::Bytes;
use policies::facts::{Dialect, Operation, Tokens};
use smallvec::SmallVec;

use super::{Edit, End, Event, ReadLimits, Stream, StreamFault, StreamLimits, read, scan::Scanner};

/// All that a stream tells.
type Told = (Vec<Event>, Result<End, StreamFault>, Tokens);

fn play(pieces: impl Iterator<Item = Bytes>, limits: StreamLimits) -> Told {
    let mut stream = Stream::new(limits, false);
    let mut out = SmallVec::new();
    for piece in pieces {
        if let Err(fault) = stream.push(piece, &mut out) {
            return (out.into_vec(), Err(fault), stream.counted_output());
        }
    }
    let end = stream.finish(&mut out);
    (out.into_vec(), end, stream.counted_output())
}

/// Any split of the bytes of a stream gives the same events. The first byte chooses the split.
///
/// # Panics
/// If it does not.
pub fn sse(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    let limits = StreamLimits { event_bytes_max: 256 + usize::from(*first) };
    let whole = play(std::iter::once(Bytes::copy_from_slice(rest)), limits);
    for size in [1, 2, 3, 5, usize::from(*first).max(1)] {
        let cut = play(rest.chunks(size).map(Bytes::copy_from_slice), limits);
        assert!(whole == cut, "pieces of {size}: {cut:?} is not {whole:?}");
    }
    if whole.1.is_ok_and(|end| !end.partial && !end.done) {
        let joined: Vec<u8> = whole.0.iter().flat_map(|event| event.bytes.to_vec()).collect();
        assert!(joined.starts_with(rest), "bytes are lost");
    }
}

/// The scanner and `serde_json` agree on what is JSON, but for numbers that `serde_json` cannot
/// hold and for nesting, where both have limits of their own.
///
/// # Panics
/// If they do not.
pub fn scan(data: &[u8]) {
    let ours = std::str::from_utf8(data).is_ok() && {
        let mut scanner = Scanner::strict(data, 128);
        scanner.skip().and_then(|()| scanner.end()).is_ok()
    };
    let theirs = serde_json::from_slice::<serde_json::Value>(data);
    match theirs {
        Ok(_) => assert!(ours, "JSON, and refused"),
        Err(error) => {
            let text = error.to_string();
            let limit = text.contains("out of range") || text.contains("recursion limit");
            assert!(!ours || limit, "not JSON ({text}), and taken");
        }
    }
}

/// Nothing panics over any body, and what is sent on of a body that was read is JSON.
///
/// # Panics
/// If it is not.
pub fn body(data: &[u8]) {
    let body = Bytes::copy_from_slice(data);
    let limits = ReadLimits::default();
    let Ok(request) = read(Dialect::OpenAi, Operation::Chat, body, &limits) else { return };
    let _ = (request.system(), request.turns(), request.user(), request.needs());
    let edit = Edit { model: "m", ask_usage: true, output_tokens_max: Some(Tokens(7)) };
    let sent = request.to_upstream(&edit);
    assert!(sent.len == sent.slices.iter().map(Bytes::len).sum::<usize>(), "the length is wrong");
    let again = match read(Dialect::OpenAi, Operation::Chat, sent.concat(), &limits) {
        Ok(again) => again,
        Err(failure) => panic!("what is sent on cannot be read: {failure}"),
    };
    assert!(again.model() == "m" && again.wants_usage(), "an edit is missing");
    assert!(again.output_tokens_asked().is_some_and(|asked| asked.0 <= 7), "no bound");
}

/// One of the above, by the first byte.
///
/// # Panics
/// If a law is broken.
pub fn check(data: &[u8]) {
    match data.split_first() {
        Some((0..85, rest)) => sse(rest),
        Some((85..170, rest)) => scan(rest),
        Some((_, rest)) => body(rest),
        None => {}
    }
}
