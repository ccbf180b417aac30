//! `[audit]`: by which key the audit trail is signed, as its owner brings it. What it says of two persons is
//! read in `two_persons.rs`.

use policies::{
    Fault,
    document::{Faults, Section},
};
use toml::Value;

use super::{
    Secret,
    fields::secret,
    outside::Outside,
    two_persons::{TwoPersons, two_persons},
};

/// The bytes that make a key.
const SEED_BYTES: usize = 32;
/// What stands before and after the bytes of a key in PEM.
const PEM: [&str; 2] = ["-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----"];
/// What follows the version in PKCS#8: that it is of ed25519, and that 32 bytes come now.
const ED25519: [u8; 11] = [0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// The key that signs, as 64 hexadecimal digits, or nothing where the gateway makes its own; and whether
/// changes take a second person.
///
/// A change that cannot be recorded in the audit trail is not made, which is what `refuse_changes` says;
/// anything else would be of no effect.
pub(super) fn audit(
    mut it: Section<'_>,
    outside: &Outside<'_>,
    faults: &mut Faults,
) -> (Option<Secret>, Option<TwoPersons>) {
    let expected = "nothing, or \"refuse_changes\": a change that cannot be recorded is not made";
    let known = |value: &Value| (value.as_str()? == "refuse_changes").then_some(());
    it.read("on_failure", expected, faults, known);
    let key = secret(&mut it, "signing_key", outside, faults);
    let digits = key.as_ref().and_then(|key| seed(key.expose()));
    if key.is_some() && digits.is_none() {
        let expected = "an ed25519 private key: PKCS#8 in PEM, as `openssl genpkey -algorithm ed25519` \
                        writes it, or its 32 bytes in hexadecimal digits or base64";
        faults.push(Fault::new(it.at("signing_key"), "a secret that is none", expected));
    }
    let second = two_persons(&mut it, faults);
    it.close(faults);
    (digits, second)
}

/// The digits of a key in one of its forms.
fn seed(text: &str) -> Option<Secret> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).trim();
    let bytes = match text.split_once(PEM[0]) {
        Some((_, rest)) => pkcs8(&base64(rest.split_once(PEM[1])?.0)?)?,
        None if text.len() == 2 * SEED_BYTES => hexadecimal(text)?,
        None => base64(text)?,
    };
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    (bytes.len() == SEED_BYTES).then(|| Secret::new(digits))
}

/// The bytes of the key in a structure of PKCS#8, in which the public key may follow.
fn pkcs8(bytes: &[u8]) -> Option<Vec<u8>> {
    let [0x30, length, 0x02, 0x01, 0 | 1, rest @ ..] = bytes else { return None };
    let seed = rest.strip_prefix(&ED25519)?.get(..SEED_BYTES)?;
    (usize::from(*length).checked_add(2)? == bytes.len()).then(|| seed.to_vec())
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|it| u8::try_from(it).ok());
    let (pairs, _) = text.as_bytes().as_chunks::<2>();
    pairs.iter().map(|[high, low]| Some(digit(high)? * 16 + digit(low)?)).collect()
}

/// The bytes of base64 with or without its padding, whatever lines it stands on.
fn base64(text: &str) -> Option<Vec<u8>> {
    let text: String = text.split_whitespace().collect();
    let text = text.trim_end_matches('=');
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0_u32, 0_u32);
    for byte in text.bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        held = (held << 6 | u32::from(value)) & 0xffff;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(held >> bits & 0xff).ok()?);
        }
    }
    // Nothing but nought is left over.
    (held & ((1 << bits) - 1) == 0 && bits < 6).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `openssl genpkey -algorithm ed25519` has written it; the key of RFC 8410.
    const OPENSSL: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
        -----END PRIVATE KEY-----\n";
    const DIGITS: &str = "d4ee72dbf913584ad5b6d8f1f769f8ad3afe7c28cbf1d4fbe097a88f44755842";

    fn read(text: &str) -> Option<String> {
        seed(text).map(|it| it.expose().to_owned())
    }

    #[test]
    fn a_key_is_read_in_each_of_its_forms() {
        let with_public = "-----BEGIN PRIVATE KEY-----\r\n\
            MFECAQEwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\r\n\
            gSEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\r\n-----END PRIVATE KEY-----";
        let noted = format!("Made in March\n{OPENSSL}");
        for text in [
            OPENSSL,
            with_public,
            &noted,
            DIGITS,
            &DIGITS.to_uppercase(),
            "1O5y2/kTWErVttjx92n4rTr+fCjL8dT74Jeoj0R1WEI=",
            "1O5y2/kTWErVttjx92n4rTr+fCjL8dT74Jeoj0R1WEI\n",
        ] {
            assert_eq!(read(text).as_deref(), Some(DIGITS), "{text}");
        }
    }

    #[test]
    fn what_is_no_such_key_is_none() {
        let cut = OPENSSL.replace("-----END PRIVATE KEY-----", "");
        let short = OPENSSL.replace("dVhC", "");
        let of_rsa = OPENSSL.replace("VwBC", "VxBC");
        let public = OPENSSL.replace("PRIVATE", "PUBLIC");
        for text in [
            "",
            "x",
            &DIGITS[1..],
            &DIGITS.replace('d', "g"),
            &cut,
            &short,
            &of_rsa,
            &public,
            "AAAA",
            "1O5y2/kTWErVttjx92n4rTr+fCjL8dT74Jeoj0R1WEI=1O5y",
            "1O5y2/kTWErVttjx92n4rTr+fCjL8dT74Jeoj0R1WEJ=",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
