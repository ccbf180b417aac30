//! Secrets by their form: private keys, tokens of clouds and of APIs, JSON Web Tokens, URLs of webhooks.
//!
//! The forms are those that their makers publish, or that the scanners of code hosts look for.

use super::value::{exemplary, longest, mixed, stands};
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
    ("gldt-", 20),
    ("glrt-", 20),
    ("glptt-", 20),
    ("glcbt-", 20),
    ("glsoat-", 20),
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
    ("GOCSPX-", 24),
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
    ("rk_test_", 20),
    ("whsec_", 24),
    ("SG.", 40),
    ("SK", 32),
    // AWS: key ids; DigitalOcean, Databricks, Linear, Vault, Grafana, Shopify, Square, Fly, Supabase.
    ("AKIA", 16),
    ("ASIA", 16),
    ("dop_v1_", 40),
    ("doo_v1_", 40),
    ("dor_v1_", 40),
    ("dapi", 32),
    ("lin_api_", 30),
    ("hvs.", 24),
    ("glsa_", 30),
    ("glc_", 30),
    ("shpat_", 32),
    ("sq0atp-", 20),
    ("sbp_", 36),
    ("AGE-SECRET-KEY-1", 50),
    // Atlassian, SonarQube, New Relic, Postman, Terraform, Figma, Notion, NVIDIA, Perplexity, Heroku.
    ("ATATT3x", 60),
    ("sqp_", 40),
    ("squ_", 40),
    ("sqa_", 40),
    ("NRAK-", 27),
    ("PMAK-", 50),
    ("atlasv1.", 60),
    ("figd_", 40),
    ("ntn_", 40),
    ("nvapi-", 60),
    ("pplx-", 48),
    ("HRKU-", 36),
    // RubyGems, PlanetScale, Sentry, Dynatrace, Doppler, Buildkite, Docker's swarms, Mailgun, Shopify.
    ("rubygems_", 48),
    ("pscale_tkn_", 32),
    ("pscale_oauth_", 32),
    ("sntrys_", 60),
    ("sntryu_", 60),
    ("dt0c01.", 80),
    ("dp.pt.", 40),
    ("bkua_", 40),
    ("SWMTKN-1-", 60),
    ("key-", 32),
    ("shpss_", 32),
    ("shppa_", 32),
    ("shpca_", 32),
];
/// Heads of tokens that are told from words alone where nothing else is attached before them.
const HEAD_MIN: usize = 4;
/// Bytes of a word in which a token may begin behind a name: `token_ghp_`.
const NAME_BYTES: usize = 48;
/// Beginnings of URLs whose last part is a secret.
const HOOKS: &[&str] = &["hooks.slack.com/services/", "discord.com/api/webhooks/"];
/// Bytes in which such a URL begins before its last part.
const HOOK_BYTES: usize = 72;
/// Characters of a token of a bot of Telegram behind its number, and of a secret of Microsoft's directory
/// behind the sign in it.
const BOT_BYTES: usize = 35;
const DIRECTORY_MIN: usize = 30;
/// What a header says before its token, and characters of the token without a sign in them: an identifier in
/// groups of hex has fewer.
const BEARER: &[u8] = b"bearer ";
const BEARER_MIN: usize = 16;
/// Bytes behind the first line of a private key in which its body must stand, for which it may have
/// headers between, and characters of one line of it at least.
const BODY_BYTES: usize = 320;
const BODY_MIN: usize = 16;

/// Whether a word of a token's alphabet begins a secret at its start, or behind a name that is joined to it.
pub(super) fn token(word: &str) -> bool {
    if begins(word, 1) {
        return true;
    }
    let joints = word.bytes().take(NAME_BYTES).enumerate();
    let mut joints = joints.filter(|(_, b)| matches!(b, b'_' | b'-' | b'.'));
    joints.any(|(at, _)| word.get(at + 1..).is_some_and(|rest| begins(rest, HEAD_MIN)))
}

/// What a token may begin with: of each first byte the second ones, one bit each by their lower five bits.
static PAIRS: [u32; 256] = pairs();

#[allow(clippy::indexing_slicing, reason = "a constant: a slip stops the compiler")]
const fn pairs() -> [u32; 256] {
    let mut pairs = [0; 256];
    pairs[b'e' as usize] = 1 << (b'y' & 31);
    let mut at = 0;
    while at < TOKENS.len() {
        let head = TOKENS[at].0.as_bytes();
        pairs[head[0] as usize] |= 1 << (head[1] & 31);
        at += 1;
    }
    pairs
}

/// Whether a token whose head has at least so many bytes begins here.
fn begins(word: &str, head_min: usize) -> bool {
    let bytes = word.as_bytes();
    let likely = |first: u8, second: u8| {
        PAIRS.get(usize::from(first)).is_some_and(|it| it >> (second & 31) & 1 == 1)
    };
    if !matches!(bytes, [first, second, ..] if likely(*first, *second)) {
        return false;
    }
    if bytes.starts_with(b"eyJ") {
        return head_min == 1 && web_token(word);
    }
    let like = |head: &str| head.as_bytes().first() == bytes.first();
    let begun =
        |head: &str| like(head) && head.len() >= head_min && bytes.starts_with(head.as_bytes());
    let mut known = TOKENS.iter().filter(|(head, _)| begun(head));
    known.any(|(head, least)| {
        let body = word.get(head.len()..).unwrap_or("");
        let fits = |c: &u8| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-' | b'.');
        let length = body.bytes().take_while(|c| fits(c)).count();
        let exact = match *head {
            "AKIA" | "ASIA" => length == 16,
            // Twilio's and Mailgun's are of hex.
            "SK" | "key-" => {
                length == 32 && body.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
            }
            _ => true,
        };
        length >= *least && exact && mixed(body) && !exemplary(body)
    })
}

/// A JSON Web Token (RFC 7519): two parts of JSON in base64url, and a signature.
fn web_token(word: &str) -> bool {
    let mut parts = word.split('.');
    let head = parts.next().is_some_and(|it| it.len() >= 12);
    let claims = parts.next().is_some_and(|it| it.len() >= 4 && it.starts_with("ey"));
    let signed = parts.next().is_some_and(|it| it.len() >= 16);
    head && claims && signed
}

/// Whether a word behind a slash is the last part of a URL that is a secret itself.
pub(super) fn hook(text: &str, at: usize, word: &str) -> bool {
    let before = text.get(floor(text, at.saturating_sub(HOOK_BYTES))..at).unwrap_or("");
    before.ends_with('/') && HOOKS.iter().any(|it| before.contains(it)) && mixed(word)
}

/// Whether a word behind `Bearer` is what a header of HTTP has there.
pub(super) fn bearer(text: &str, at: usize, word: &str) -> bool {
    let before = text.as_bytes().get(at.saturating_sub(BEARER.len())..at).unwrap_or_default();
    let said = before.eq_ignore_ascii_case(BEARER);
    said && !stands(word) && mixed(word) && longest(word).len() >= BEARER_MIN
}

/// Whether a word is what makes a token with what stands before it: the number of a bot of Telegram and a
/// colon, the digit and the letter of a secret of Microsoft's directory.
pub(super) fn joined(text: &str, at: usize, word: &str) -> bool {
    let bytes = text.as_bytes().get(..at).unwrap_or_default();
    match bytes {
        [head @ .., b':'] if word.len() == BOT_BYTES && word.starts_with("AA") => {
            let digits = head.iter().rev().take(11).take_while(|b| b.is_ascii_digit()).count();
            (8..=10).contains(&digits)
        }
        [.., digit, b'Q', b'~'] => {
            digit.is_ascii_digit() && word.len() >= DIRECTORY_MIN && mixed(word)
        }
        _ => false,
    }
}

/// Whether a private key begins at five hyphens (RFC 7468, OpenSSH, PGP), and a body is behind its first
/// line.
pub(super) fn private_key(text: &str, at: usize) -> bool {
    let rest =
        text.get(at..floor(text, at + 64 + BODY_BYTES)).unwrap_or("").trim_start_matches('-');
    let Some((head, body)) = rest.strip_prefix("BEGIN ").and_then(|it| it.split_once("-----"))
    else {
        return false;
    };
    let key = head.len() <= 48 && head.ends_with("PRIVATE KEY") || head == "PGP PRIVATE KEY BLOCK";
    let of_body = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
    let mut lines = body.split(|c: char| !of_body(c));
    key && lines.any(|it| it.len() >= BODY_MIN && !stands(it))
}
