//! Spans of time on a command line.

use jiff::Timestamp;

/// A span such as `90d`, `24h`, `30m` or `0s`, in milliseconds.
///
/// # Errors
/// What was expected.
pub(in crate::cli) fn span(text: &str) -> Result<i64, String> {
    let wrong = || {
        String::from("expected a whole number and s, m, h, d or w, such as 90d; at most ten years")
    };
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        _ => return Err(wrong()),
    };
    let seconds = number.parse::<u32>().ok().map(|number| i64::from(number).saturating_mul(unit));
    seconds.filter(|it| *it <= TEN_YEARS).map(|it| it.saturating_mul(1_000)).ok_or_else(wrong)
}

/// In seconds.
const TEN_YEARS: i64 = 3_653 * 86_400;

/// The moment at which something ends: a span from now, or the moment itself.
///
/// # Errors
/// What was expected.
pub(in crate::cli) fn expiry(text: &str) -> Result<Timestamp, String> {
    let now = Timestamp::now();
    let over = || {
        let now = now.strftime("%Y-%m-%dT%H:%M:%SZ");
        format!(
            "it is {now} now: expected an end that is yet to come; `key revoke` ends a key at once"
        )
    };
    if let Ok(moment) = text.parse::<Timestamp>() {
        return if moment > now { Ok(moment) } else { Err(over()) };
    }
    let back = text.strip_prefix('-').is_some_and(|it| span(it).is_ok());
    let ms = match span(text) {
        Ok(0) => return Err(over()),
        _ if back => return Err(over()),
        ms => ms.map_err(|error| format!("{error}, or a moment: 2027-01-31T00:00:00Z"))?,
    };
    let end = now.as_millisecond().saturating_add(ms);
    // To the second, as people read it.
    let end = Timestamp::from_second(end.div_euclid(1_000));
    end.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_a_number_and_a_unit() {
        assert_eq!(span("0s"), Ok(0));
        assert_eq!(span("30m"), Ok(1_800_000));
        assert_eq!(span("24h"), Ok(86_400_000));
        assert_eq!(span("90d"), Ok(90 * 86_400_000));
        assert_eq!(span("2w"), Ok(14 * 86_400_000));
        for wrong in ["", "d", "1", "-1d", "1.5h", "1y", "4000d", "99999999999d", "１d", "1 d"] {
            assert!(span(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_expiry_is_a_moment_or_a_span_from_now() {
        let moment = "2999-01-31T00:00:00Z";
        assert_eq!(expiry(moment).unwrap().to_string(), moment);
        for over in ["0s", "0d", "-0d", "-1d", "2020-01-31T00:00:00Z", "2020-01-31T00:00:00+08:00"]
        {
            assert!(expiry(over).unwrap_err().contains("Z now: expected an end"), "{over}");
        }
        assert!(expiry("1h").unwrap() > Timestamp::now());
        assert!(expiry("soon").unwrap_err().contains("or a moment"));
    }
}
