//! Passwords of command lines, of pairs of a user and a password, and of what connects to a server by them.

use super::{
    beside::Word,
    naming::{Named, begin, likely, said},
    unsigned::name,
    value::odd,
};

/// Flags behind which a password stands, of which programs.
const FLAGS: &[(&str, &[&str])] = &[
    ("-p", &["docker login", "podman login", "sshpass", "az login", "oc login", "cf login"]),
    ("-p", &["helm registry login", "nerdctl login"]),
    ("-P", &["sqlcmd", "bcp ", "isql"]),
    ("-a", &["redis-cli"]),
];
/// Programs whose flag `-p` a password is joined to.
const JOINED: &[&str] = &["mysql", "mariadb", "sshpass", "mysqladmin", "7z "];
/// Words behind which a setting's value stands, and those that are a password's name themselves.
const SETS: &[&str] = &["ENV", "setx", "setenv", "SetEnv", "ARG"];
const WORDS: &[&str] =
    &["requirepass", "masterauth", "-storepass", "-keypass", "ConvertTo-SecureString"];
/// What says that a user and a password follow.
const PAIRS: &[&str] =
    &["credentials", "credential", "creds", "login", "user/pass", "user/password"];
/// Programs and drivers that are given a user, a slash, a password and an `@`.
const ORACLE: &[&str] = &["sqlplus ", "jdbc:oracle:", "expdp ", "impdp ", "rman ", "sqlldr "];
/// Calls that are given a user and a password.
const CALLS: &[&str] = &["auth=(", "auth = (", "PasswordAuthentication(", ".login(", "BasicAuth("];

/// Whether a word is a password by the command, the pair or the call in which it stands.
pub(super) fn tells(word: &Word<'_>) -> bool {
    let head = word.head;
    match head.as_bytes().last() {
        Some(b' ') => flag(word) || pair(word),
        Some(b'"' | b'\'') => flag(word) || call(head),
        Some(b'/') => pair(word) || oracle(word),
        Some(b':') => pair(word) || driver(word),
        _ => false,
    }
}

/// Whether a flag or a word before tells so: `-storepass …`, `docker login -p …`, `ENV DB_PASSWORD …`.
fn flag(word: &Word<'_>) -> bool {
    let head = word.head.trim_end_matches(['"', '\'']);
    let Some(head) = head.strip_suffix(' ') else { return false };
    let line = head.rsplit('\n').next().unwrap_or("");
    let last = line.rsplit(' ').next().unwrap_or("");
    let joined = word.value.strip_prefix("-p").is_some_and(|it| it.len() >= 4 && !it.contains('-'));
    if joined && JOINED.iter().any(|it| line.contains(it)) {
        return true;
    }
    let of = |(flag, of): &(&str, &[&str])| *flag == last && of.iter().any(|it| line.contains(it));
    if WORDS.contains(&last) || FLAGS.iter().any(of) {
        return true;
    }
    if !likely(last.as_bytes()) {
        return false;
    }
    let named = || matches!(said(last), Some(Named::Password | Named::Likely));
    let before = line.strip_suffix(last).unwrap_or("").trim_end();
    let set = || before.rsplit(' ').next().is_some_and(|it| SETS.contains(&it));
    let single = last.starts_with('-') && !last.starts_with("--");
    let netrc = || last == "password" && before.contains("login ");
    (single || set() || netrc()) && named()
}

/// Whether a user stands before, and before him what says that both follow: `login: svc / …`.
fn pair(word: &Word<'_>) -> bool {
    let head = word.head.trim_end_matches(' ');
    let Some(head) = head.strip_suffix(['/', ':']) else { return false };
    let head = head.trim_end_matches(' ');
    let user = name(head);
    let said = head.get(..head.len() - user.len()).unwrap_or("");
    let said = said.trim_end_matches([' ', ':', '"', '\'', '*']);
    let tells = PAIRS.iter().any(|it| begin(said, it).is_some());
    !user.is_empty() && tells && odd(word.value)
}

/// Whether Oracle's user and slash stand before, and an `@` behind.
fn oracle(word: &Word<'_>) -> bool {
    let user = word.head.strip_suffix('/').map(name).unwrap_or("");
    let line = word.head.rsplit('\n').next().unwrap_or("");
    !user.is_empty() && word.value.contains('@') && ORACLE.iter().any(|it| line.contains(it))
}

/// Whether Go's driver of MySQL is told a user, a password and an address: `svc:…@tcp(db:3306)/core`.
fn driver(word: &Word<'_>) -> bool {
    let user = word.head.strip_suffix(':').map(name).unwrap_or("");
    let asks = word.value.ends_with("@tcp") || word.value.ends_with("@unix");
    !user.is_empty() && asks && word.rest.starts_with('(')
}

/// Whether a call is given a user before: `auth=("svc", "…")`.
fn call(head: &str) -> bool {
    let unquoted = |it: &str| it.strip_suffix(['"', '\'']).map(str::len);
    let inner = || {
        let head = head.get(..unquoted(head)?)?.trim_end_matches(' ').strip_suffix(',')?;
        let head = head.get(..unquoted(head)?)?;
        let head = head.get(..head.len() - name(head).len())?;
        head.get(..unquoted(head)?)
    };
    let connects = |it: &str| it.trim_end().ends_with(',') && it.contains("getConnection(");
    inner().is_some_and(|it| CALLS.iter().any(|call| it.ends_with(call)) || connects(it))
}
