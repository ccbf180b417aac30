//! Why a key of the imported file is not carried over, or what to do about it.

/// The keys, in sections: its first lines say how they are written.
const KEYS: &str = include_str!("reasons.txt");

/// What is known with all that stands in it.
const WHOLE: [(&str, &str); 3] = [
    (
        "environment_variables",
        "set it in the gateway's environment: values of variables are not copied",
    ),
    (
        "credential_list",
        "of a credential that entries name, the URL and the key are carried over, where they say none",
    ),
    ("include", "one file is read: import what it includes as well, or write it into one file"),
];
/// Sections that may be empty.
const SECTIONS: [&str; 4] =
    ["model_list", "router_settings", "litellm_settings", "general_settings"];

/// The section of an entry's own keys.
const ENTRY: &str = "model_list[]";

/// The path without the numbers in it: `model_list[].model_name`.
pub(super) fn normal(path: &str) -> String {
    let (mut normal, mut inside) = (String::with_capacity(path.len()), false);
    for c in path.chars() {
        inside = c == '[' || inside && c != ']';
        if !(inside && c.is_ascii_digit()) {
            normal.push(c);
        }
    }
    normal
}

/// Why a key is not carried over, if it is known; what is said of a key holds for all below it.
pub(super) fn of(path: &str) -> Option<&'static str> {
    let normal = normal(path);
    for (section, key, why) in all() {
        let rest = normal.strip_prefix(section).and_then(|it| it.strip_prefix('.'));
        let below = rest.and_then(|it| it.strip_prefix(key));
        // What stands in the parts of an entry has sections of its own.
        let deeper = |it: &str| section != ENTRY && it.starts_with(['.', '[']);
        if below.is_some_and(|it| it.is_empty() || deeper(it)) {
            return Some(why);
        }
    }
    if SECTIONS.contains(&&*normal) {
        return Some("nothing stands there");
    }
    let begin = normal.split(['.', '[']).next().unwrap_or_default();
    WHOLE.iter().find(|it| it.0 == begin).map(|it| it.1)
}

/// All keys: section, key and why.
pub(super) fn all() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    let lines = KEYS.lines().filter(|it| !it.is_empty() && !it.starts_with('#'));
    let mut at = ("", "");
    lines.flat_map(move |line| {
        if let Some(section) = line.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
            at.0 = section;
        } else if let Some(why) = line.strip_prefix("= ") {
            at.1 = why;
        }
        let (section, why) = at;
        let keys = if line.starts_with(' ') { line } else { "" };
        keys.split_whitespace().map(move |key| (section, key, why))
    })
}
