//! The header `traceparent` of W3C Trace Context, levels 1 and 2: read strictly, written as version 00.

use http::HeaderMap;

use crate::outcome::TraceParent;

/// Bytes of a header of version 00.
const LENGTH: usize = 55;
/// The header by which a trace is passed on.
const TRACEPARENT: &str = "traceparent";
/// The flags that level 2 knows: sampled, and that the trace id is random.
const FLAGS_KNOWN: u8 = 3;

/// What the caller says of its trace. Two headers that could differ say nothing, and neither does one that is
/// spelled wrongly.
pub(crate) fn traceparent(headers: &HeaderMap) -> Option<TraceParent> {
    let mut all = headers.get_all(TRACEPARENT).iter();
    let only = all.next()?;
    if all.next().is_some() {
        return None;
    }
    parse(only.as_bytes())
}

/// Reads a header. A later version is read by its beginning, as the recommendation says.
fn parse(text: &[u8]) -> Option<TraceParent> {
    let (head, rest) = text.split_at_checked(LENGTH)?;
    let (version, head) = field(head, 2)?;
    let (trace_id, head) = field(head, 32)?;
    let (span, flags) = field(head, 16)?;
    let (version, flags) = (hex(version)?, hex(flags)?);
    let fits = match version {
        0xff => false,
        0 => rest.is_empty(),
        _ => rest.first().is_none_or(|it| *it == b'-'),
    };
    let (trace_id, span) = (hex(trace_id)?, u64::try_from(hex(span)?).ok()?);
    let flags = u8::try_from(flags).ok()?;
    let flags = if version == 0 { flags } else { flags & FLAGS_KNOWN };
    (fits && trace_id != 0 && span != 0).then_some(TraceParent { trace_id, span, flags })
}

/// The first digits, and what stands behind the dash that follows them.
fn field(text: &[u8], digits: usize) -> Option<(&[u8], &[u8])> {
    let (field, rest) = text.split_at_checked(digits)?;
    Some((field, rest.strip_prefix(b"-")?))
}

/// A number in hexadecimal digits, of which letters are small.
fn hex(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |number: u128, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(digit))
    })
}

/// Writes a header.
pub(crate) fn write_traceparent(it: TraceParent) -> [u8; LENGTH] {
    let mut text = [b'-'; LENGTH];
    let mut rest = text.as_mut_slice();
    let fields = [(0, 2), (it.trace_id, 32), (u128::from(it.span), 16), (it.flags.into(), 2)];
    for (number, digits) in fields {
        let Some((field, behind)) = std::mem::take(&mut rest).split_at_mut_checked(digits) else {
            break;
        };
        let mut left = number;
        for digit in field.iter_mut().rev() {
            let low = (left & 15) as u8;
            *digit = if low < 10 { b'0' + low } else { b'a' + low - 10 };
            left >>= 4;
        }
        rest = behind.split_first_mut().map_or(&mut [], |(_, rest)| rest);
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_header_is_read_strictly() {
        let it = parse(GOOD.as_bytes()).unwrap();
        assert_eq!(it.trace_id, 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
        assert_eq!((it.span, it.flags), (0x00f0_67aa_0ba9_02b7, 1));
        let wrong = [
            "",
            "00",
            &GOOD[..54],
            &format!("{GOOD}0"),
            &format!("{GOOD}-"),
            &format!("{GOOD}-x"),
            &format!(" {GOOD}"),
            &GOOD.to_uppercase(),
            &GOOD.replacen("00", "ff", 1),
            &GOOD.replacen("00", "0", 1),
            &GOOD.replace('-', "_"),
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-+1",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-é",
        ];
        for wrong in wrong {
            assert_eq!(parse(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn a_later_version_is_read_by_its_beginning() {
        let later = GOOD.replacen("00", "cc", 1);
        for good in [later.clone(), format!("{later}-"), format!("{later}-what-ever")] {
            assert_eq!(parse(good.as_bytes()), parse(GOOD.as_bytes()), "{good}");
        }
        assert_eq!(parse(format!("{later}.x").as_bytes()), None);
        // Of its flags only those are taken that are known.
        let flags = format!("{}ff", &later[..53]);
        assert_eq!(parse(flags.as_bytes()).unwrap().flags, FLAGS_KNOWN);
    }

    #[test]
    fn several_headers_say_nothing() {
        let mut headers = HeaderMap::new();
        headers.append(TRACEPARENT, GOOD.parse().unwrap());
        assert!(traceparent(&headers).is_some());
        headers.append(TRACEPARENT, GOOD.parse().unwrap());
        assert_eq!(traceparent(&headers), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(trace_id in 1_u128.., span in 1_u64.., flags: u8) {
            let it = TraceParent { trace_id, span, flags };
            prop_assert_eq!(parse(&write_traceparent(it)), Some(it));
        }

        #[test]
        fn garbage_is_no_trace_and_no_panic(at in 0..LENGTH, byte: u8, text in "\\PC{0,80}") {
            let mut bent = GOOD.as_bytes().to_vec();
            bent[at] = byte;
            if let Some(read) = parse(&bent) {
                // Of version 00, only what was written so is read so.
                prop_assert!(bent[..2] != *b"00" || write_traceparent(read)[..] == bent[..]);
            }
            prop_assert_eq!(parse(text.as_bytes()), None);
        }
    }
}
