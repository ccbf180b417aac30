//! Bearer tokens of operators.

use http::{HeaderMap, header};
use subtle::ConstantTimeEq;

use crate::{config::Secret, directory::bearer};

/// Whether the bearer token is one of these; of several, each. Compared in constant time.
pub(super) fn is_one_of(headers: &HeaderMap, tokens: &[&Option<Secret>]) -> bool {
    let known: Vec<&[u8]> =
        tokens.iter().filter_map(|it| it.as_ref()).map(|it| it.expose().as_bytes()).collect();
    let opens = |value: &http::HeaderValue| {
        let given = bearer(value.as_bytes()).unwrap_or_default();
        !given.is_empty() && known.iter().any(|token| token.ct_eq(given).into())
    };
    let mut given = headers.get_all(header::AUTHORIZATION).iter().peekable();
    given.peek().is_some() && given.all(opens)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearer_token_is_read_as_people_write_it() {
        let token = Some(Secret::new("s3cret"));
        let opens = |lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::AUTHORIZATION, line.parse().unwrap());
            }
            is_one_of(&headers, &[&token, &None])
        };
        for line in [
            "Bearer s3cret",
            "bearer s3cret",
            "BEARER s3cret",
            "Bearer   s3cret",
            "bearer\ts3cret",
            " Bearer \t s3cret \t",
        ] {
            assert!(opens(&[line]), "{line:?}");
        }
        for line in ["s3cret", "Bearers3cret", "Bearer", "Bearer ", "Basic s3cret", "Bearer S3CRET"]
        {
            assert!(!opens(&[line]), "{line:?}");
        }
        assert!(!opens(&[]));
        assert!(!opens(&["Bearer s3cret", "Bearer other"]), "one of them is wrong");
        assert!(opens(&["Bearer s3cret", "bearer s3cret"]));
    }
}
