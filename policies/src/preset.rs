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
