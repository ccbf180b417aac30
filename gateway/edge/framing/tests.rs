use std::collections::VecDeque;

use futures_util::FutureExt as _;
use proptest::prelude::*;
use tokio::io::AsyncReadExt as _;

use super::{head::HEAD_BYTES_MAX, *};

/// A connection whose reads bring these pieces.
struct Pieces(VecDeque<Vec<u8>>);

impl AsyncRead for Pieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(mut piece) = self.0.pop_front() {
            let rest = piece.split_off(piece.len().min(buf.remaining()));
            if !rest.is_empty() {
                self.0.push_front(rest);
            }
            buf.put_slice(&piece);
        }
        Poll::Ready(Ok(()))
    }
}

/// How a connection ended: what was handed on, the refusal, whether a body broke.
type Ended = (Vec<u8>, Option<(u64, FramingError)>, bool);

/// Reads, a few bytes at a time, what the guard hands on of these pieces.
fn ended(pieces: impl IntoIterator<Item = Vec<u8>>, room: usize) -> Ended {
    let (mut guarded, watch) = FramingGuard::new(Pieces(pieces.into_iter().collect()));
    let (mut all, mut broken) = (Vec::new(), false);
    let mut buf = vec![0; room];
    while let Some(read) = guarded.read(&mut buf).now_or_never() {
        match read {
            Ok(0) => break,
            Ok(length) => all.extend_from_slice(&buf[..length]),
            Err(_) => {
                broken = true;
                break;
            }
        }
    }
    (all, watch.refused.get().copied(), broken)
}

fn whole(text: &[u8]) -> Ended {
    ended([text.to_vec()], 100_000)
}

const GOOD: &[&str] = &[
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET / HTTP/1.0\r\n\r\n",
    "\r\n\r\nGET / HTTP/1.1\r\nhost:\r\n\r\n",
    "POST / HTTP/1.1\r\nhost: a\r\nContent-Length:  3 \t\r\n\r\na\rb",
    "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n",
    "POST / HTTP/1.1\r\nhost: a\r\nTransfer-Encoding:CHUNKED\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n\
     3;x=\"y z\"\r\n\r\n\0\r\n00A\r\n0123456789\r\n0\r\nx: y\r\nz: \r\n\r\n",
    "GET / HTTP/1.1\r\nhost: a\r\nx-content-length: 1, 2\r\nte: trailers\r\n\r\n",
];

const WRONG: &[&str] = &[
    "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n",
    "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n",
    "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\nContent-Length: 3\r\n\r\n",
    "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3, 3\r\n\r\n",
    "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: +3\r\n\r\n",
    "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: -3\r\n\r\n",
    "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1 3\r\n\r\n",
    "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0x3\r\n\r\n",
    "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: \r\n\r\n",
    "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 18446744073709551616\r\n\r\n",
    "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: \x0b3\r\n\r\n",
    "POST / HTTP/1.1\r\nhost: a\r\ncontent-length : 3\r\n\r\n",
    "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding\t: chunked\r\n\r\n",
    "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
    "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: identity\r\n\r\n",
    "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: \"chunked\"\r\n\r\n",
    "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\x0b\r\n\r\n",
    "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked, chunked\r\n\r\n",
    "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n",
    "POST / HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n",
    "POST / HTTP/1.1\r\nhost: a\r\nx: y\rz\r\n\r\n",
    "POST / HTTP/1.1\r\nhost: a\r\nx: y\0z\r\n\r\n",
    "POST / HTTP/1.1\r\nhost: a\nx: y\r\n\r\n",
    "POST / HTTP/1.1\nhost: a\n\n",
    "\nPOST / HTTP/1.1\r\nhost: a\r\n\r\n",
    "POST / HTTP/1.1\r\nhost: a\r\nx: y\r\n content-length: 3\r\n\r\n",
    "POST / HTTP/1.1\r\n host: a\r\nhost: b\r\n\r\n",
    "POST / HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n",
    "POST / HTTP/1.1\r\nx: y\r\n\r\n",
    "POST / HTTP/1.1\r\nhost: a\r\ncontent-length\r\n\r\n",
    "POST / HTTP/1.1\r\nhost: a\r\n: 3\r\n\r\n",
];

const ODD_CHUNKS: &[&str] = &[
    "00000000000000003\r\nabc\r\n0\r\n\r\n",
    "\r\n",
    ";x\r\n",
    "0x3\r\nabc\r\n",
    "+3\r\nabc\r\n",
    " 3\r\nabc\r\n",
    "3 \r\nabc\r\n",
    "3\nabc\r\n",
    "3\rabc\r\n",
    "3;x\nabc\r\n",
    "3;\0\r\nabc\r\n",
    "3\r\nabcd\r\n",
    "3\r\nabc\n0\r\n\r\n",
    "0\r\n\n",
    "0\r\nx: y\n\r\n",
    "0\r\n x: y\r\n\r\n",
    "0\r\n\rx",
    "g\r\n",
];

#[test]
fn good_requests_go_on_byte_for_byte() {
    let all = GOOD.concat();
    for text in GOOD.iter().copied().chain([&*all]) {
        assert_eq!(whole(text.as_bytes()), (text.into(), None, false), "{text:?}");
    }
}

#[test]
fn a_wrong_head_is_replaced_and_what_follows_it_thrown_away() {
    let mut stand_in = STAND_IN.to_vec();
    for text in WRONG {
        let (all, refused, broken) = whole(format!("{text}{}", GOOD[0]).as_bytes());
        assert!(matches!(refused, Some((0, FramingError::Ambiguous(_)))), "{text:?}: {refused:?}");
        assert!(all == stand_in && !broken, "{text:?}: {}", String::from_utf8_lossy(&all));
    }
    let (all, refused, _) = whole(format!("{}{}{}", GOOD[3], GOOD[6], WRONG[0]).as_bytes());
    assert_eq!(refused.map(|(nth, _)| nth), Some(2), "those before it are answered");
    stand_in.splice(..0, format!("{}{}", GOOD[3], GOOD[6]).into_bytes());
    assert_eq!(all, stand_in);
}

#[test]
fn what_is_no_http_1_is_refused() {
    for text in
        ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "hello\r\n\r\n", "GET /\r\n", "GET / HTTP/1.2\r\n"]
    {
        let (_, refused, _) = whole(text.as_bytes());
        assert_eq!(refused, Some((0, FramingError::NotHttp)), "{text:?}");
    }
}

#[test]
fn a_large_head_is_refused_whole_or_not() {
    let large = |bytes: usize, end: &str| {
        format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}{end}", "y".repeat(bytes)).into_bytes()
    };
    for text in [large(HEAD_BYTES_MAX, ""), large(HEAD_BYTES_MAX, "\0\r\n\r\n")] {
        for pieces in [vec![text.clone()], text.chunks(999).map(<[u8]>::to_vec).collect()] {
            let (_, refused, _) = ended(pieces, 100_000);
            assert_eq!(refused, Some((0, FramingError::TooLarge)));
        }
    }
    let fits = large(60_000, "\r\n\r\n");
    assert_eq!(whole(&fits), (fits, None, false));
}

#[test]
fn a_body_with_odd_chunks_breaks_off() {
    for body in ODD_CHUNKS {
        let head = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
        let (all, refused, broken) = whole(format!("{head}{body}{}", GOOD[0]).as_bytes());
        assert!(broken && refused.is_none(), "{body:?}");
        assert!(all.len() < head.len() + body.len() + 1, "{body:?}");
    }
}

#[test]
fn a_request_that_nobody_judged_is_marked() {
    let (mut guarded, watch) = FramingGuard::new(Pieces([GOOD[0].as_bytes().to_vec()].into()));
    let _ = guarded.read(&mut [0; 1_000]).now_or_never();
    let marked = || watch.marked(Request::new(())).extensions().get::<FramingError>().copied();
    assert_eq!(marked(), None);
    assert!(matches!(marked(), Some(FramingError::Ambiguous(_))));
}

#[test]
fn an_idle_connection_holds_nothing() {
    let pieces = GOOD[3].as_bytes().chunks(5).map(<[u8]>::to_vec);
    let (mut guarded, _) = FramingGuard::new(Pieces(pieces.collect()));
    let mut buf = [0; 1_000];
    while guarded.read(&mut buf).now_or_never().is_some_and(|read| read.unwrap() > 0) {}
    assert_eq!((guarded.held.capacity(), guarded.ready), (0, 0));
}

fn texts() -> impl Strategy<Value = Vec<u8>> {
    let head = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    let odd: Vec<String> = ODD_CHUNKS.iter().map(|body| format!("{head}{body}")).collect();
    let known = GOOD.iter().chain(WRONG).map(|text| String::from(*text)).chain(odd);
    let known = prop::sample::select(known.collect::<Vec<_>>());
    let many = prop::collection::vec((known, any::<prop::sample::Index>(), any::<u8>()), 1..5);
    let good = prop::sample::select(GOOD).prop_map(String::from);
    (good, many, any::<bool>()).prop_map(|(good, many, spoil)| {
        let mut all = good.into_bytes();
        for (text, at, byte) in many {
            let mut text = text.into_bytes();
            if spoil {
                let at = at.index(text.len());
                text[at] = byte;
            }
            all.extend(text);
        }
        all
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_split_is_judged_the_same(
        text in texts(),
        lengths in prop::collection::vec(1_usize..60, 1..40),
        room in 1_usize..300,
    ) {
        let (mut rest, mut pieces) = (&text[..], Vec::new());
        for length in lengths.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at(rest.len().min(*length));
            pieces.push(piece.to_vec());
            rest = after;
        }
        prop_assert_eq!(ended(pieces, room), whole(&text));
    }
}
