//! Where images, sounds and files of a request may come from: the request itself, or a host that
//! the operator named. An engine that fetches what a caller points at is a hole in the wall.

use std::borrow::Cow;

use policies::facts::Needs;

use super::escape::unescape;

/// Whether a key of a content part holds media or points at it, whatever the part's `type` says:
/// engines go by the key.
pub(super) fn is_media_key(key: &[u8]) -> bool {
    const WORDS: [&[u8]; 4] = [b"image", b"audio", b"video", b"url"];
    starts_with(key, b"file")
        || WORDS
            .iter()
            .any(|word| key.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word)))
}

/// What a model must be able to do for a part or a member of this name.
pub(super) fn need(name: &[u8]) -> Needs {
    let has = |word: &[u8]| name.windows(word.len()).any(|found| found == word);
    match () {
        () if has(b"audio") => Needs::AUDIO,
        () if has(b"image") || has(b"video") => Needs::VISION,
        () => Needs::NONE,
    }
}

/// Whether the text of a media member may be passed on.
///
/// `url` says that the member is an address by its name: then it must be a `data:` URL or lie on an
/// allowed host. Any other text is data, unless it looks like an address.
pub(super) fn allowed(raw: &[u8], escaped: bool, url: bool, hosts: &[Box<str>]) -> bool {
    // The longest scheme, userinfo and host that could pass, with room for escapes.
    let head = raw.get(..raw.len().min(4096)).unwrap_or_default();
    let head = if escaped {
        let mut plain = String::with_capacity(head.len());
        unescape(head, &mut plain);
        Cow::Owned(plain.into_bytes())
    } else {
        Cow::Borrowed(head)
    };
    let head = head.trim_ascii_start();
    if starts_with(head, b"data:") {
        return true;
    }
    if !url && !is_address(head) {
        return true;
    }
    starts_with(head, b"https://") && host_of(head).is_some_and(|host| is_listed(host, hosts))
}

/// Whether the text of a media member is a picture, a sound or a video: then its bytes are no text to
/// any model. A file is not: what stands in it is read.
pub(super) fn is_perceived(key: &[u8], raw: &[u8], escaped: bool) -> bool {
    const WORDS: [&[u8]; 3] = [b"image", b"audio", b"video"];
    let head = raw.get(..raw.len().min(96)).unwrap_or_default();
    let mut plain = String::new();
    let head = if escaped {
        unescape(head, &mut plain);
        plain.as_bytes()
    } else {
        head
    };
    let head = head.trim_ascii_start();
    match head.get(b"data:".len()..).filter(|_| starts_with(head, b"data:")) {
        Some(kind) => WORDS.iter().any(|word| starts_with(kind, word)),
        None => WORDS
            .iter()
            .any(|word| key.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word))),
    }
}

fn starts_with(text: &[u8], start: &[u8]) -> bool {
    text.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start))
}

/// Something that a lenient reader could take for an address: it has a scheme, or a host. Base64
/// has no colon.
fn is_address(text: &[u8]) -> bool {
    let head = text.get(..text.len().min(64)).unwrap_or_default();
    head.contains(&b':') || head.starts_with(b"//") || head.starts_with(b"\\\\")
}

/// The host of an `https` address that every parser reads alike: no userinfo, no port but 443, no
/// escapes, nothing that one parser drops and another keeps.
fn host_of(url: &[u8]) -> Option<&[u8]> {
    let rest = url.get(b"https://".len()..)?;
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#'));
    let authority = rest.get(..end.unwrap_or(rest.len()))?;
    let host = authority.strip_suffix(b":443").unwrap_or(authority);
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    (!host.is_empty() && host.iter().all(plain)).then_some(host)
}

fn is_listed(host: &[u8], hosts: &[Box<str>]) -> bool {
    hosts.iter().any(|listed| listed.as_bytes().eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_hosts_over_https_are_addresses() {
        let hosts = [Box::from("media.bank.example")];
        for (text, url, expected) in [
            ("data:image/png;base64,AAAA", true, true),
            (" DATA:image/png;base64,AAAA", true, true),
            ("https://media.bank.example/a.png", true, true),
            ("HTTPS://Media.Bank.Example:443/a.png", true, true),
            ("http://media.bank.example/a.png", true, false),
            ("https://media.bank.example:8443/a.png", true, false),
            ("https://media.bank.example.evil.example/", true, false),
            ("https://user@media.bank.example/", true, false),
            ("https://media.bank.example\\@evil.example/", true, false),
            ("https://media.bank.example%2eevil.example/", true, false),
            ("https://media.bank\t.example/", true, false),
            ("https:media.bank.example/", true, false),
            ("//media.bank.example/a.png", true, false),
            ("file:///etc/passwd", true, false),
            ("/etc/passwd", true, false),
            ("", true, false),
            ("iVBORw0KGgoAAAANSUhEUg", false, true),
            ("http://10.0.0.1/", false, false),
            ("file:/etc/passwd", false, false),
            ("png", false, true),
        ] {
            assert_eq!(allowed(text.as_bytes(), false, url, &hosts), expected, "{text}");
        }
        assert!(!allowed(br"\u0068ttp:\/\/10.0.0.1\/", true, false, &hosts));
        assert!(allowed(br"https:\/\/media.bank.example\/a.png", true, true, &hosts));
    }
}
