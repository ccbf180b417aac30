//! The experiment of the replayed day: which open model contents those who chat in Thai and Malay. What they
//! think of an answer is drawn, model by model, and it is the same in each run.

use policies::facts::Language;

use super::BoxError;

/// Its name.
pub(super) const NAME: &str = "chat-ab";
/// What customers tell of an answer.
pub(super) const PRIMARY: &str = "success";
/// The arm that breaks.
pub(super) const BROKEN: &str = "minimax";

/// The rule and the experiment, as they stand in the policy.
const TEXT: &str = include_str!("experiment.toml");
/// Where the one ends and the other begins.
const BETWEEN: &str = "[[experiment]]";
/// The rule of `bank` before which the rule stands.
const BEFORE: &str = "[[rule]]\nname = \"long-documents\"";
/// The version of `bank`, and what joins it.
const VERSION: (&str, &str) =
    ("version = \"bank-2026-11.3\"", "version = \"bank-2026-11.3-chat-ab\"");

/// Customers of the chat, a language.
const USERS: u64 = 300;
/// Of how many answers out of a hundred a customer is content, by model.
const CONTENT: [(&str, u64); 4] =
    [("gpt-oss-120b", 50), ("qwen3.5-397b", 80), ("deepseek-v3.2", 52), ("minimax-m2.5", 50)];
/// And of all other models.
const CONTENT_ELSE: u64 = 50;

/// The preset `bank` with the experiment.
///
/// # Errors
/// If the preset is another one than this was written for, which a test rules out.
pub(super) fn policy(bank: &str) -> Result<String, BoxError> {
    let (rule, experiment) = TEXT.split_once(BETWEEN).ok_or("a policy without an experiment")?;
    let named = bank.replacen(VERSION.0, VERSION.1, 1);
    let (head, tail) = named.split_once(BEFORE).ok_or("the preset has no rule long-documents")?;
    Ok(format!("{head}{rule}{BEFORE}{tail}\n{BETWEEN}{experiment}"))
}

/// The customer who asks, as his application names him.
pub(super) fn user(language: Language, draw: u64) -> String {
    format!("{}-{:03}", language.code(), draw % USERS)
}

/// Whether the answer of this model contents him.
pub(super) fn is_content(model: Option<&str>, draw: u64) -> bool {
    let of_it = CONTENT.into_iter().find(|(name, _)| Some(*name) == model);
    (draw >> 20) % 100 < of_it.map_or(CONTENT_ELSE, |(_, share)| share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_is_the_preset_with_one_rule_and_one_experiment_more() {
        let bank = policies::preset::document("bank").unwrap();
        let text = policy(bank).unwrap();
        assert!(text.contains(VERSION.1) && !text.contains("version = \"bank-2026-11.3\""));
        for (what, more) in [("[[rule]]", 1), ("[[experiment]]", 1), ("[default]", 0)] {
            assert_eq!(text.matches(what).count(), bank.matches(what).count() + more, "{what}");
        }
        let table: toml::Table = text.parse().unwrap();
        let experiment = &table["experiment"][0];
        let arms: Vec<_> = experiment["arms"].as_array().unwrap().iter().collect();
        assert_eq!(experiment["name"].as_str(), Some(NAME));
        assert_eq!(experiment["primary"].as_str(), Some(PRIMARY));
        assert_eq!(arms.len(), CONTENT.len());
        for (arm, (model, _)) in arms.iter().zip(CONTENT) {
            assert_eq!(arm["route"][0].as_str(), Some(model));
        }
        assert_eq!(arms[3]["name"].as_str(), Some(BROKEN));
        assert_eq!(arms[3]["route"].as_array().map(Vec::len), Some(1), "nobody stands in for it");
    }

    #[test]
    fn customers_are_as_content_as_their_model_makes_them() {
        let draws = || (0_u64..20_000).map(|it| it.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let share = |model| draws().filter(|it| is_content(Some(model), *it)).count() / 200;
        let (control, best, like) =
            (share("gpt-oss-120b"), share("qwen3.5-397b"), share("deepseek-v3.2"));
        assert!(control.abs_diff(50) <= 2 && best.abs_diff(80) <= 2, "{control} {best}");
        assert!(like.abs_diff(control) <= 4, "{like}");
        let mut users: Vec<_> = draws().map(|it| user(Language::Th, it)).collect();
        users.sort();
        users.dedup();
        assert_eq!((users.len(), &*users[7]), (300, "th-007"));
    }
}
