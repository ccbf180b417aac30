//! The policies we ship, compiled in.

/// The names of the presets.
pub const NAMES: [&str; 5] = ["default", "bank", "cheapest", "fastest", "best"];

/// The document of a preset, if there is one of this name. `default` is what stands in force where a
/// configuration names no policy: all models, by cost.
#[must_use]
pub fn document(name: &str) -> Option<&'static str> {
    match name {
        "default" => Some(include_str!("../presets/default.toml")),
        "bank" => Some(include_str!("../presets/bank.toml")),
        "cheapest" => Some(include_str!("../presets/cheapest.toml")),
        "fastest" => Some(include_str!("../presets/fastest.toml")),
        "best" => Some(include_str!("../presets/best.toml")),
        _ => None,
    }
}

/// The presets of earlier builds, by their versions, with the names that they had.
const EARLIER: [(&str, &str); 2] = [("bank-2026-11", "bank"), ("best-1", "best")];

/// The name of the preset of which a build, this one or an earlier one, has had this version.
#[must_use]
pub fn of_version(version: &str) -> Option<&'static str> {
    let now = NAMES.into_iter().filter_map(|name| Some((self::version(name)?, name)));
    now.chain(EARLIER).find(|(it, _)| *it == version).map(|(_, name)| name)
}

/// The version that a preset says.
fn version(name: &str) -> Option<&'static str> {
    let mut lines = document(name)?.lines();
    lines.find_map(|line| line.strip_prefix("version = \"")?.strip_suffix('"'))
}

#[cfg(test)]
mod tests {
    use xxhash_rust::xxh3::xxh3_64;

    use super::*;

    /// A preset whose text changes gets another version, and its old one goes to the earlier ones: entries
    /// name the version, and two texts of one name could not be told apart.
    #[test]
    fn each_version_of_a_preset_is_one_text() {
        let known = [
            ("default", "default-1", 0x405f_0f21_59fc_9b42),
            ("bank", "bank-2026-11.3", 0x50b6_c034_7624_b753),
            ("cheapest", "cheapest-1", 0xfd7b_f581_003e_5931),
            ("fastest", "fastest-1", 0x4db9_1b89_e1d9_0693),
            ("best", "best-2", 0x36ca_8cf8_e40f_1b37),
        ];
        let found = NAMES.map(|name| {
            let text = document(name).unwrap_or_default();
            (name, version(name).unwrap_or_default(), xxh3_64(text.as_bytes()))
        });
        assert_eq!(found, known);
        for (name, version, _) in found {
            assert_eq!(of_version(version), Some(name), "no other preset has its version");
        }
        for (version, name) in EARLIER {
            assert_eq!(of_version(version), Some(name));
        }
        assert_eq!(of_version("bank"), None);
    }
}
