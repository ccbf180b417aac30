//! Takes out of a backend's text what a caller has no business to know: addresses, hosts, paths and
//! keys. It errs on the side of taking out too much.

/// What stands in for a word that was taken out.
const REMOVED: &str = "[removed]";
/// Beginnings of keys in use.
const KEY_STARTS: [&str; 9] = ["sk-", "sk_", "pk-", "hf_", "gsk_", "xai-", "akia", "eyj", "key-"];
/// Last labels of names of hosts.
const HOST_ENDS: [&str; 16] = [
    "com",
    "net",
    "org",
    "io",
    "ai",
    "dev",
    "cloud",
    "internal",
    "local",
    "localhost",
    "svc",
    "cluster",
    "lan",
    "corp",
    "intranet",
    "home",
];
/// Shorter credentials are none: engines without keys are given such words as `none`.
const OWN_KEY_BYTES_MIN: usize = 6;
/// A run of letters and digits this long is no word of any language.
const KEY_RUN_MIN: usize = 20;

/// The text without addresses, hosts, paths and keys, and without control characters.
pub(super) fn redact(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut bearer = false;
    for piece in text.split_inclusive(ends_word) {
        let word = piece.trim_end_matches(ends_word);
        let core = word.trim_matches(['.', '?', '!']);
        if !word.is_empty() {
            let secret = is_secret(core) || (bearer && core.len() > 5);
            out.push_str(if secret { REMOVED } else { word });
            bearer = core.eq_ignore_ascii_case("bearer");
        }
        let ending = piece.get(word.len()..).unwrap_or_default();
        out.extend(ending.chars().map(|c| if c.is_control() { ' ' } else { c }));
    }
    out
}

/// The text without this credential, whatever it looks like.
#[must_use]
pub fn without_key(text: String, key: &str) -> String {
    let quoted = key.len() >= OWN_KEY_BYTES_MIN && text.contains(key);
    if quoted { text.replace(key, REMOVED) } else { text }
}

fn ends_word(c: char) -> bool {
    c.is_whitespace() || c.is_control() || "\"'`()<>{}[],;|\\*=".contains(c)
}

fn is_secret(word: &str) -> bool {
    let lower = word.to_ascii_lowercase();
    lower.contains("://")
        || lower.starts_with("//")
        || is_path(&lower)
        || is_key(&lower)
        || is_host(&lower)
}

/// An absolute path of a machine, such as a traceback shows.
fn is_path(word: &str) -> bool {
    word.starts_with('/') && word.matches('/').count() > 1
}

fn is_key(word: &str) -> bool {
    if word.len() >= 8 && KEY_STARTS.iter().any(|start| word.starts_with(start)) {
        return true;
    }
    word.split(|c: char| !c.is_ascii_alphanumeric()).any(|run| {
        let digits = run.bytes().filter(u8::is_ascii_digit).count();
        run.len() >= KEY_RUN_MIN && digits > 0 && digits < run.len()
    })
}

fn is_host(word: &str) -> bool {
    let word = word.split('/').next().unwrap_or_default();
    let word = word.rsplit('@').next().unwrap_or_default().trim_end_matches([':', '.']);
    if is_v6(word) {
        return true;
    }
    let (host, port) = match word.rsplit_once(':') {
        Some((host, port)) if is_port(port) => (host, Some(port)),
        _ => (word, None),
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
    if host.is_empty() || !host.chars().all(plain) {
        return false;
    }
    let letters = host.bytes().any(|b| b.is_ascii_alphabetic());
    let named = port.is_some_and(|port| {
        letters && (host.contains(['.', '-']) || host == "localhost" || port.len() >= 4)
    });
    named || is_v4(host) || host == "localhost" || is_dotted_name(host)
}

fn is_port(port: &str) -> bool {
    (2..=5).contains(&port.len()) && port.bytes().all(|b| b.is_ascii_digit())
}

fn is_v4(host: &str) -> bool {
    host.split('.').count() == 4 && host.split('.').all(|part| part.parse::<u8>().is_ok())
}

fn is_v6(word: &str) -> bool {
    let hex = word.bytes().all(|b| b.is_ascii_hexdigit() || b == b':' || b == b'.');
    hex && (word.contains("::") || word.matches(':').count() == 7)
}

fn is_dotted_name(host: &str) -> bool {
    let labels = host.split('.').count();
    let last = host.rsplit('.').next().unwrap_or_default();
    let country = last.len() == 2 && last.bytes().all(|b| b.is_ascii_alphabetic());
    (labels >= 2 && HOST_ENDS.contains(&last)) || (labels >= 3 && country)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_hosts_paths_and_keys_are_taken_out() {
        for (text, expected) in [
            ("see https://vllm.bank.internal:8000/v1 now", "see [removed] now"),
            ("Cannot connect to host vllm-7:8000", "Cannot connect to host [removed]"),
            ("host 'vllm:8000' refused", "host '[removed]' refused"),
            ("at 10.0.0.11, port 80", "at [removed], port 80"),
            ("at 10.0.0.11:8000.", "at [removed]"),
            ("at fe80::1 and [::1]:8000", "at [removed] and [[removed]]:8000"),
            ("api.bank.com.sg said no", "[removed] said no"),
            ("qwen.models.svc.cluster.local:80", "[removed]"),
            ("localhost refused", "[removed] refused"),
            ("Incorrect API key: sk-abcDEF123", "Incorrect API key: [removed]"),
            ("key=hf_abcdefgh", "key=[removed]"),
            ("Authorization: Bearer abcdefg", "Authorization: Bearer [removed]"),
            ("token a1b2c3d4e5f6a7b8c9d0e1 bad", "token [removed] bad"),
            ("File \"/usr/lib/python3/vllm/x.py\" bad", "File \"[removed]\" bad"),
            ("a\nb\u{7}c", "a b c"),
        ] {
            assert_eq!(redact(text), expected);
        }
    }

    #[test]
    fn what_a_caller_needs_stays() {
        for text in [
            "This model's maximum context length is 8192 tokens. However, you requested 9000.",
            "messages[2].content: field required (type=value_error.missing)",
            "The model qwen3-235b-a22b-instruct-2507 does not support tools",
            "temperature must be between 0.0 and 2.0, got 7.5",
            "unknown field response_format.json_schema.strict",
            "ข้อความยาวเกินไป",
        ] {
            assert_eq!(redact(text), text);
        }
    }
}
