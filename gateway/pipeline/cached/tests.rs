use http::HeaderValue;

use super::*;

#[test]
fn what_a_caller_says_of_caches_is_read_whatever_stands_beside_it() {
    for (values, says) in [
        (&["no-store"][..], true),
        (&["max-age=0, No-Store"], true),
        (&["max-age=0", "private ,no-store"], true),
        (&["no-cache"], false),
        (&["no-storey", "x=no-store"], false),
        (&[], false),
    ] {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::CACHE_CONTROL, HeaderValue::from_static(value));
        }
        assert_eq!(wants(&headers, "no-store"), says, "{values:?}");
    }
}
