//! Whether a value is a secret or stands for one: what examples, templates and code write where a secret
//! would be.

/// Words that stand where a password would, in small letters and without signs.
const STANDS: &[&str] = &[
    "password",
    "passwort",
    "passwd",
    "passphrase",
    "pass",
    "pwd",
    "pw",
    "secret",
    "token",
    "apikey",
    "key",
    "changeme",
    "changeit",
    "change",
    "example",
    "examplepassword",
    "test",
    "testpassword",
    "demo",
    "dummy",
    "fake",
    "sample",
    "placeholder",
    "redacted",
    "hidden",
    "masked",
    "removed",
    "todo",
    "tbd",
    "none",
    "null",
    "nil",
    "undefined",
    "true",
    "false",
    "empty",
    "required",
    "mandatory",
    "missing",
    "unset",
    "notset",
    "invalid",
    "expired",
    "unchanged",
    "generated",
    "unknown",
    "optional",
    "string",
    "str",
    "text",
    "varchar",
    "value",
    "user",
    "username",
    "admin",
    "root",
    "guest",
    "postgres",
    "mysql",
    "foobar",
    "foo",
    "bar",
    "supersecret",
    "mysecret",
    "mypassword",
    "mypass",
    "secretpassword",
    "newpassword",
    "oldpassword",
    "dbpassword",
    "dbpass",
    "userpassword",
    "somepassword",
    "apisecret",
    "clientsecret",
    "secretkey",
    "accesskey",
    "accesstoken",
    "authtoken",
    "sha256",
    "sha512",
    "bcrypt",
    "argon2",
    "argon2i",
    "argon2id",
    "pbkdf2",
    "abc",
    "abcd",
];
/// What such words begin with.
const BEGIN: &[&str] =
    &["your", "changeme", "replace", "insert", "enterthe", "enteryour", "puthere"];

/// What refers to a vault that holds the secret.
const REFERENCES: &[&str] =
    &["@Microsoft.KeyVault(", "ref+", "op://", "vault:", "secretref:", "keyvault:", "arn:aws:"];

/// Characters of which chance can be told, and of which it is told well.
const CHANCE_MIN: usize = 16;
const CHANCE_LONG: usize = 32;

/// Whether a value stands for another: `<password>`, `${PASSWORD}`, `***`, `changeme`, `your-api-key`.
pub(super) fn stands(value: &str) -> bool {
    let begun = value.starts_with(['<', '$', '{', '[', '%', '…']);
    let begun = begun || REFERENCES.iter().any(|it| value.starts_with(it));
    let mut plain = value.bytes().filter(u8::is_ascii_alphanumeric).map(|b| b.to_ascii_lowercase());
    let Some(first) = plain.next() else {
        return begun || value.is_ascii();
    };
    let same = plain.all(|b| b == first);
    begun || same || exemplary(value) || word(value)
}

/// Whether a value says of itself that it is an example, as those of the makers' documents do.
pub(super) fn exemplary(value: &str) -> bool {
    ["EXAMPLE", "example"].iter().any(|word| value.contains(word))
}

/// Whether a value is one of the words that stand for a password.
fn word(value: &str) -> bool {
    let letters = || {
        let plain = value.bytes().filter(u8::is_ascii_alphanumeric);
        plain.map(|b| b.to_ascii_lowercase())
    };
    // With numbers behind it such a word is a password that people take: `password123`.
    let is = |word: &&str| letters().eq(word.bytes());
    let begins = |word: &&str| letters().take(word.len()).eq(word.bytes());
    STANDS.iter().any(is) || BEGIN.iter().any(begins)
}

/// Whether a value is of a program: a call, a place in a list, a type, a name with dots in it,
/// a path.
pub(super) fn computed(value: &str) -> bool {
    let of_name =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b':' | b'-' | b'>');
    let name = value.bytes().take_while(|b| of_name(*b)).count();
    let called = name > 0 && matches!(value.as_bytes().get(name), Some(b'(' | b'[' | b'<'));
    let letter =
        |part: &str| part.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    let dotted = name == value.len() && value.contains('.') && value.split('.').all(letter);
    // A tag of YAML, a path.
    let plain = |rest: &str| rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let tagged = value.strip_prefix('!').is_some_and(plain);
    called || dotted || tagged || value.starts_with(['/', '~', ':'])
}

/// Whether a value looks like a password: letters with digits or signs among them, or of both sizes with
/// one of these.
pub(super) fn drawn(value: &str) -> bool {
    let has = |of: fn(&u8) -> bool| value.bytes().any(|b| of(&b));
    let letters = has(u8::is_ascii_alphabetic);
    let digits = has(u8::is_ascii_digit);
    let signs = value.bytes().any(|b| b"!@#$%^&*+?~=".contains(&b));
    let printed = value.bytes().all(|b| b.is_ascii_graphic());
    (6..=128).contains(&value.len()) && printed && (letters && (digits || signs))
}

/// Whether a value looks like nothing but a password: a sign in it, letters and digits that take turns, or
/// letters of both sizes with several digits.
pub(super) fn odd(value: &str) -> bool {
    let has = |of: fn(&u8) -> bool| value.bytes().any(|b| of(&b));
    let turn = |pair: &[u8]| match pair {
        [a, b] => a.is_ascii_digit() != b.is_ascii_digit(),
        _ => false,
    };
    let turns = value.as_bytes().windows(2).filter(|pair| turn(pair)).count();
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    let sizes = has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase);
    let plain = value.bytes().all(|b| b.is_ascii_alphanumeric());
    let signed = value.bytes().any(|b| b"!@#$%^&*+?~".contains(&b));
    drawn(value) && (signed || plain && (turns >= 3 || sizes && digits >= 4))
}

/// Whether a value is the number of a case or a name with one: words and numbers that signs part.
pub(super) fn numbered(value: &str) -> bool {
    let plain = |part: &str| {
        let bytes = part.bytes();
        !part.is_empty()
            && (bytes.clone().all(|b| b.is_ascii_alphabetic())
                || bytes.clone().all(|b| b.is_ascii_digit()))
    };
    value.contains(['-', '_']) && value.split(['-', '_']).all(plain)
}

/// Whether a text's longest part is drawn at random as tokens are: placeholders repeat one character, or are
/// words alone, and what is drawn stands behind a number of the version or of the account.
pub(super) fn mixed(body: &str) -> bool {
    let longest = longest(body);
    let mut seen = 0_u128;
    for b in longest.bytes() {
        seen |= 1 << (b & 127);
    }
    let digits = longest.bytes().any(|b| b.is_ascii_digit());
    let capitals = longest.bytes().any(|b| b.is_ascii_uppercase());
    let letters = longest.bytes().any(|b| b.is_ascii_alphabetic());
    seen.count_ones() >= 8 && letters && (digits || capitals)
}

/// Whether nothing but chance could have written a value: letters and digits take turns in it as they do in
/// no word and in no name of several words, and it is no part of a JSON Web Token.
pub(super) fn chance(value: &str) -> bool {
    let part = longest(value);
    // A word may go on in small letters behind a capital one.
    let turn = |pair: &[u8]| match pair {
        [a, b] if a.is_ascii_digit() != b.is_ascii_digit() => true,
        [a, b] => a.is_ascii_lowercase() && b.is_ascii_uppercase(),
        _ => false,
    };
    let turns = part.as_bytes().windows(2).filter(|pair| turn(pair)).count();
    let digits = part.bytes().any(|b| b.is_ascii_digit());
    let plain = !value.contains('.') && !value.starts_with("eyJ");
    // The longer it is, the less chance strays from its mean.
    let share = if part.len() < CHANCE_LONG { 4 } else { 5 };
    plain && part.len() >= CHANCE_MIN && digits && turns * share > part.len()
}

/// A text's longest part of letters and digits.
pub(super) fn longest(body: &str) -> &str {
    let parts = body.split(|c: char| !c.is_ascii_alphanumeric());
    parts.max_by_key(|part| part.len()).unwrap_or("")
}
