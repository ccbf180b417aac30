//! Variables of the environment that look like ours and that nothing reads.

use std::collections::BTreeSet;

use policies::nearest;
use toml::Value;

/// What the variables that change the configuration begin with.
pub(crate) const PREFIX: &str = "SIGNALBOX__";
/// What variables begin with that are meant to be ours.
const OURS: [&str; 2] = ["SIGNALBOX", "SIGNAL_BOX"];
/// Keys whose values are secrets, which stand nowhere but by reference.
const SECRETS: [&str; 4] = ["token", "metrics_token", "pepper", "headers"];
/// What commands for operators read themselves, as `top` does.
const OPERATORS: [&str; 2] = ["SIGNALBOX_ADMIN_TOKEN", "SIGNALBOX_OPERATOR_TOKEN"];
/// Keys that a message names.
const NAMED_MAX: usize = 3;

/// A sentence for each of these variables that changes nothing: no key of the configuration is spelled so,
/// and no reference `env:NAME` in `values` reads it. `keys` are the paths of keys that a variable can set.
pub(super) fn unread(
    variables: &[(String, String)],
    values: &toml::Table,
    keys: &BTreeSet<String>,
) -> Vec<String> {
    let mut read = BTreeSet::new();
    values.values().for_each(|value| references(value, &mut read));
    // Where the listener has its tokens from elsewhere, these are for those commands.
    let token = values.get("admin").and_then(|it| it.get("token"));
    let guarded = token.is_some() || values.contains_key("operator");
    let idle = |(name, value): &&(String, String)| {
        let for_commands = guarded && OPERATORS.contains(&&**name);
        let unread = !read.contains(&**name) && !for_commands;
        is_meant_for_us(name) && unread && !is_of_a_cluster(name, value)
    };
    let mut names: Vec<&str> = variables.iter().filter(idle).map(|(name, _)| &**name).collect();
    names.sort_unstable();
    names.into_iter().map(|name| sentence(name, keys)).collect()
}

fn is_meant_for_us(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    let ours = OURS.iter().find_map(|ours| upper.strip_prefix(ours));
    let apart = ours.is_some_and(|rest| !rest.starts_with(|it: char| it.is_ascii_alphanumeric()));
    apart && !upper.starts_with(PREFIX)
}

/// Whether Kubernetes sets this variable, for a service whose name begins with ours.
fn is_of_a_cluster(name: &str, value: &str) -> bool {
    let addressed = ["tcp://", "udp://", "sctp://"].iter().any(|it| value.starts_with(it));
    let port = name.rsplit_once("_PORT_").is_some_and(|(_, rest)| {
        let (number, protocol) = rest.split_once('_').unwrap_or((rest, ""));
        let numbered = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
        numbered && ["TCP", "UDP", "SCTP"].iter().any(|it| protocol.starts_with(it))
    });
    let service = name.ends_with("_SERVICE_HOST") || name.contains("_SERVICE_PORT");
    service || port || name.ends_with("_PORT") && addressed
}

/// The variables that are read by reference.
fn references<'a>(value: &'a Value, read: &mut BTreeSet<&'a str>) {
    match value {
        Value::String(text) => read.extend(text.strip_prefix("env:")),
        Value::Array(list) => list.iter().for_each(|it| references(it, read)),
        Value::Table(table) => table.values().for_each(|it| references(it, read)),
        _ => {}
    }
}

fn sentence(name: &str, keys: &BTreeSet<String>) -> String {
    let meant = meant(name, keys);
    let secret = meant.iter().find(|key| SECRETS.contains(&last(key)));
    let named: Vec<String> = meant.iter().map(|key| format!("`{}`", variable(key))).collect();
    let hint = match secret.and_then(|key| key.rsplit_once('.')) {
        Some((section, key)) => {
            format!("a secret is read by reference: {key} = \"env:{name}\" under [{section}]")
        }
        None if named.is_empty() => format!(
            "a key of the configuration is set by `{PREFIX}SECTION__KEY`, and a secret is read by \
             `env:{name}`"
        ),
        None => format!("did you mean {}?", named.join(" or ")),
    };
    format!("{name}: nothing reads this variable; {hint}")
}

/// The keys that are meant by a name: by their letters, by their own name alone, or nearly so.
fn meant<'a>(name: &str, keys: &'a BTreeSet<String>) -> Vec<&'a str> {
    let upper = name.to_ascii_uppercase();
    let rest = OURS.iter().find_map(|ours| upper.strip_prefix(ours)).unwrap_or_default();
    let (asked, key) = (letters(rest), rest.trim_matches('_').to_ascii_lowercase());
    let whole = || keys.iter().filter(|it| letters(it) == asked);
    let mut found: Vec<&str> = whole().map(String::as_str).collect();
    if found.is_empty() {
        let alone = keys.iter().filter(|it| last(it) == key);
        found = alone.map(String::as_str).take(NAMED_MAX).collect();
    }
    if found.is_empty() {
        let spelled: Vec<(String, &String)> = keys.iter().map(|it| (letters(it), it)).collect();
        let near = nearest(&asked, spelled.iter().map(|(letters, _)| &**letters));
        let near = near.and_then(|near| spelled.iter().find(|(letters, _)| letters == near));
        found.extend(near.map(|(_, key)| key.as_str()));
    }
    found
}

fn last(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

fn letters(text: &str) -> String {
    let letters = text.chars().filter(char::is_ascii_alphanumeric);
    letters.map(|it| it.to_ascii_lowercase()).collect()
}

/// The variable that sets a key.
fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "__").to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(variables: &[(&str, &str)]) -> Vec<String> {
        let keys =
            ["server.listen", "admin.listen", "admin.token", "queue.wait_ms", "ledger.sqlite"];
        let keys = keys.map(String::from).into_iter().collect();
        let values =
            "[[key]]\nsecret = \"env:SIGNALBOX_MINE\"\n[x]\ny = [\"env:SIGNALBOX_LISTED\"]";
        let variables: Vec<_> =
            variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        unread(&variables, &values.parse().unwrap(), &keys)
    }

    #[test]
    fn a_variable_that_nothing_reads_is_said_with_the_right_spelling() {
        for (name, meant) in [
            ("SIGNALBOX_SERVER_LISTEN", "did you mean `SIGNALBOX__SERVER__LISTEN`?"),
            ("SIGNALBOX_SERVER__LISTEN", "did you mean `SIGNALBOX__SERVER__LISTEN`?"),
            ("signalbox_queue_wait_ms", "did you mean `SIGNALBOX__QUEUE__WAIT_MS`?"),
            ("SIGNAL_BOX__QUEUE__WAIT_MS", "did you mean `SIGNALBOX__QUEUE__WAIT_MS`?"),
            ("SIGNALBOX_SERVR_LISTEN", "did you mean `SIGNALBOX__SERVER__LISTEN`?"),
            ("SIGNALBOX_WAIT_MS", "did you mean `SIGNALBOX__QUEUE__WAIT_MS`?"),
            (
                "SIGNALBOX_LISTEN",
                "did you mean `SIGNALBOX__ADMIN__LISTEN` or `SIGNALBOX__SERVER__LISTEN`?",
            ),
            (
                "SIGNALBOX_ADMIN_TOKEN",
                "a secret is read by reference: token = \"env:SIGNALBOX_ADMIN_TOKEN\" under [admin]",
            ),
            (
                "SIGNALBOX_COLOUR",
                "a key of the configuration is set by `SIGNALBOX__SECTION__KEY`, and a secret is read by \
                 `env:SIGNALBOX_COLOUR`",
            ),
        ] {
            let expected = format!("{name}: nothing reads this variable; {meant}");
            assert_eq!(said(&[(name, "x")]), [expected]);
        }
    }

    #[test]
    fn what_is_read_or_is_set_by_a_cluster_or_is_another_programs_is_not_said() {
        for (name, value) in [
            ("SIGNALBOX_MINE", "x"),
            ("SIGNALBOX_LISTED", "x"),
            ("SIGNALBOX__SERVER__LISTEN", "x"),
            ("SIGNALBOXES", "x"),
            ("RUST_LOG", "x"),
            ("SIGNALBOX_SERVICE_HOST", "10.0.0.1"),
            ("SIGNALBOX_SERVICE_PORT_HTTP", "8080"),
            ("SIGNALBOX_PORT", "tcp://10.0.0.1:8080"),
            ("SIGNALBOX_PORT_8080_TCP_ADDR", "10.0.0.1"),
            ("SIGNALBOX_ADMIN_PORT_9090_TCP", "tcp://10.0.0.1:9090"),
        ] {
            assert!(said(&[(name, value)]).is_empty(), "{name}");
        }
        assert_eq!(said(&[("SIGNALBOX_PORT", "8080")]).len(), 1);
    }

    #[test]
    fn the_variables_of_operators_commands_are_theirs_where_the_listener_has_its_tokens() {
        let said = |values: &str| {
            let variables = OPERATORS.map(|name| (name.to_owned(), "x".to_owned()));
            unread(&variables, &values.parse().unwrap(), &BTreeSet::from(["admin.token".into()]))
        };
        assert!(said("[admin]\ntoken = \"file:token\"").is_empty());
        assert!(said("[[operator]]\nname = \"mei.tan\"").is_empty());
        assert_eq!(said("[admin]\nlisten = \"127.0.0.1:9090\"").len(), OPERATORS.len());
    }
}
