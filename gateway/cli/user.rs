//! Who runs a command, as the audit trail names him: the system's word, and not the environment's, which
//! anybody can set.

use std::fs;

/// `cli:` and the name of the user whose process this is; his number where he has no name.
pub(super) fn who() -> String {
    let number = rustix::process::getuid().as_raw();
    let known = fs::read_to_string("/etc/passwd").unwrap_or_default();
    named(&known, number).map_or_else(|| format!("cli:uid-{number}"), |name| format!("cli:{name}"))
}

/// The name of a user in the system's list.
fn named(list: &str, number: u32) -> Option<&str> {
    list.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|it| !it.is_empty())?;
        let uid = fields.nth(1)?.parse::<u32>().ok()?;
        (uid == number).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_named_as_the_system_lists_him() {
        let list =
            "root:x:0:0:root:/root:/bin/sh\n# note\nbroken\nann:x:1000:1000::/home/ann:/bin/sh\n";
        assert_eq!(named(list, 1000), Some("ann"));
        assert_eq!(named(list, 0), Some("root"));
        assert_eq!(named(list, 7), None);
        assert!(who().starts_with("cli:"));
    }
}
