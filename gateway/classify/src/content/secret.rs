//! Secrets: private keys, tokens of clouds and of APIs, JSON Web Tokens, connection strings.
//!
//! The forms are those that their makers publish, or that the scanners of code hosts look for.

use crate::model::sample::floor;

/// What a token begins with, and how many characters of its alphabet must follow.
const TOKENS: &[(&str, usize)] = &[
    // GitHub, GitLab, npm, PyPI, Docker, Hugging Face.
    ("ghp_", 36),
    ("gho_", 36),
    ("ghu_", 36),
    ("ghs_", 36),
    ("ghr_", 36),
    ("github_pat_", 22),
    ("glpat-", 20),
    ("npm_", 36),
    ("pypi-", 40),
    ("dckr_pat_", 20),
    ("hf_", 30),
    // OpenAI, Anthropic, Google, Groq, Replicate, xAI.
    ("sk-proj-", 20),
    ("sk-ant-", 20),
    ("sk-or-", 20),
    ("sk-svcacct-", 20),
    ("sk-", 32),
    ("AIza", 35),
    ("ya29.", 20),
    ("gsk_", 40),
    ("r8_", 30),
    ("xai-", 40),
    // Slack, Stripe, SendGrid, Twilio, Mailgun, Telegram's come with digits before them.
    ("xoxb-", 20),
    ("xoxp-", 20),
    ("xoxa-", 20),
    ("xoxs-", 20),
    ("xapp-", 20),
    ("sk_live_", 20),
    ("sk_test_", 20),
    ("rk_live_", 20),
    ("whsec_", 24),
    ("SG.", 40),
    // AWS: key ids; DigitalOcean, Databricks, Linear, Vault, Grafana, Shopify, Square, Fly, Supabase.
    ("AKIA", 16),
    ("ASIA", 16),
    ("dop_v1_", 40),
    ("dapi", 32),
    ("lin_api_", 30),
    ("hvs.", 24),
    ("glsa_", 30),
    ("glc_", 30),
    ("shpat_", 32),
    ("sq0atp-", 20),
    ("sbp_", 36),
    ("AGE-SECRET-KEY-1", 50),
];
/// Names of fields whose value is a secret where it is long and mixed.
const NAMES: &[&str] = &[
    "secret_access_key",
    "secretaccesskey",
    "accountkey",
    "sharedaccesskey",
    "client_secret",
    "clientsecret",
    "api_key",
    "apikey",
    "api-key",
    "access_token",
    "auth_token",
    "secret_key",
    "private_key",
];
/// Names of the field of a connection string that holds its password, and what else stands in one.
const PASSWORDS: &[&str] = &["password", "pwd"];
const SERVERS: &[&str] = &["server=", "host=", "data source=", "datasource=", "user id=", "uid="];
/// Characters of a value that is taken for a secret by its name.
const NAMED_MIN: usize = 20;
/// Bytes in which the other fields of a connection string are looked for.
const STRING_BYTES: usize = 200;

/// Whether a word of a token's alphabet begins a secret at its start.
pub(super) fn token(word: &str) -> bool {
    let bytes = word.as_bytes();
    if bytes.starts_with(b"eyJ") {
        return web_token(word);
    }
    let like = |head: &str| head.as_bytes().first() == bytes.first();
    let begun = |head: &str| like(head) && bytes.starts_with(head.as_bytes());
    let mut known = TOKENS.iter().filter(|(head, _)| begun(head));
    known.any(|(head, least)| {
        let body = word.get(head.len()..).unwrap_or("");
        let fits = |c: &u8| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-' | b'.');
        let length = body.bytes().take_while(|c| fits(c)).count();
        let exact = !matches!(*head, "AKIA" | "ASIA") || length == 16;
        length >= *least && exact && mixed(body)
    })
}

/// Whether a text's longest part is drawn at random as tokens are: placeholders repeat one character, or are
/// words alone, and what is drawn stands behind a number of the version or of the account.
fn mixed(body: &str) -> bool {
    let parts = body.split(|c: char| !c.is_ascii_alphanumeric());
    let longest = parts.max_by_key(|part| part.len()).unwrap_or("");
    let mut seen = 0_u128;
    for b in longest.bytes() {
        seen |= 1 << (b & 127);
    }
    let digits = longest.bytes().any(|b| b.is_ascii_digit());
    let capitals = longest.bytes().any(|b| b.is_ascii_uppercase());
    let letters = longest.bytes().any(|b| b.is_ascii_alphabetic());
    seen.count_ones() >= 8 && letters && (digits || capitals)
}

/// A JSON Web Token (RFC 7519): two parts of JSON in base64url, and a signature.
fn web_token(word: &str) -> bool {
    let mut parts = word.split('.');
    let head = parts.next().is_some_and(|it| it.len() >= 12);
    let claims = parts.next().is_some_and(|it| it.len() >= 4 && it.starts_with("ey"));
    let signed = parts.next().is_some_and(|it| it.len() >= 16);
    head && claims && signed
}

/// Whether a private key begins at five hyphens (RFC 7468, OpenSSH, PGP).
pub(super) fn private_key(text: &str, at: usize) -> bool {
    let rest = text.get(at..floor(text, at + 64)).unwrap_or("").trim_start_matches('-');
    let Some((head, _)) = rest.strip_prefix("BEGIN ").and_then(|it| it.split_once("-----")) else {
        return false;
    };
    head.ends_with("PRIVATE KEY") || head == "PGP PRIVATE KEY BLOCK"
}

/// Whether a name and a password stand before the `@` at a place: `postgres://app:s3cret@db/x`.
pub(super) fn connection(text: &str, at: usize) -> bool {
    let before = text.get(floor(text, at.saturating_sub(STRING_BYTES))..at).unwrap_or("");
    let Some((head, rest)) = before.rsplit_once("://") else { return false };
    let scheme = head.bytes().last().is_some_and(|b| b.is_ascii_alphanumeric());
    let Some((_, password)) = rest.split_once(':') else { return false };
    let plain = !rest.contains(|c: char| c.is_whitespace() || matches!(c, '/' | '"' | '<' | '`'));
    scheme && plain && !placeholder(password)
}

/// Whether a value that stands for another is meant: `<password>`, `${PASSWORD}`, `***`.
fn placeholder(value: &str) -> bool {
    let stars = value.bytes().all(|b| matches!(b, b'*' | b'x' | b'X' | b'.'));
    stars || value.starts_with(['<', '$', '{', '[', '%'])
}

/// Where the value behind a `=` or `:` ends, if it is a secret by its name: a password of a connection
/// string, a long key.
pub(super) fn named(text: &str, at: usize) -> Option<usize> {
    let before = text.get(floor(text, at.saturating_sub(24))..at).unwrap_or("");
    let before = before.trim_end_matches([' ', '"', '\'', '\\']);
    let behind = text.get(at + 1..floor(text, at + 1 + STRING_BYTES)).unwrap_or("");
    let value = behind.trim_start_matches([' ', '"', '\'', '\\']);
    let begin = at + 1 + behind.len() - value.len();
    let end = value.find(|c: char| c.is_whitespace() || matches!(c, ';' | '"' | '\'' | '&' | ','));
    let value = value.get(..end.unwrap_or(value.len())).unwrap_or("");
    let says = |names: &[&str]| names.iter().any(|name| ends_with(before, name));
    if says(PASSWORDS) && !placeholder(value) && value.len() >= 4 {
        let head = text.get(floor(text, at.saturating_sub(STRING_BYTES))..at).unwrap_or("");
        let tail = text.get(at..floor(text, at + STRING_BYTES)).unwrap_or("");
        let other = |part: &str| SERVERS.iter().any(|field| holds(part, field));
        let fields = head.contains(';') && other(head) || tail.contains(';') && other(tail);
        return fields.then_some(begin + value.len());
    }
    let drawn = value.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=_-.~".contains(&b));
    let digits = value.bytes().any(|b| b.is_ascii_digit());
    let named = value.len() >= NAMED_MIN && drawn && digits && mixed(value) && says(NAMES);
    named.then_some(begin + value.len())
}

fn ends_with(text: &str, name: &str) -> bool {
    let from = text.len().checked_sub(name.len());
    from.and_then(|from| text.get(from..)).is_some_and(|it| it.eq_ignore_ascii_case(name))
}

/// Whether a text holds a name, in capitals or not.
fn holds(text: &str, name: &str) -> bool {
    let mut places = text.as_bytes().windows(name.len());
    places.any(|it| it.eq_ignore_ascii_case(name.as_bytes()))
}
