//! What is kept of an answer that was looked at, and of two that were compared: figures under fixed names.

use uuid::Uuid;

use super::judge::Comparison;
use crate::outcome::Judged;

/// Whether the answer to a request is of the form that was asked for.
pub(crate) fn form(request: Uuid, valid: bool) -> Judged {
    Judged { request, name: Judged::SCHEMA_VALID, value: valid.into() }
}

/// What was found about a shadow's answer beside the one that was served.
pub(crate) fn compared(shadow: Uuid, it: &Comparison) -> Vec<Judged> {
    let (served, beside) = it.refused;
    let found = [
        it.json.map(|(served, _)| served.into()),
        it.json.map(|(_, shadow)| shadow.into()),
        it.calls_agree.map(f64::from),
        Some(served.into()),
        Some(beside.into()),
        it.length_ratio,
    ];
    let judged = |(name, value): (&'static str, Option<f64>)| {
        Some(Judged { request: shadow, name, value: value? })
    };
    Judged::OF_SHADOWS.into_iter().zip(found).filter_map(judged).collect()
}

/// In which respects two answers were compared, and whether they are the same there.
pub(crate) fn agreements(it: &Comparison) -> impl Iterator<Item = (&'static str, bool)> {
    let all = [
        ("form", it.json.map(|(served, shadow)| served == shadow)),
        ("tool_calls", it.calls_agree),
        ("refusal", Some(it.refused.0 == it.refused.1)),
    ];
    all.into_iter().filter_map(|(measure, same)| Some((measure, same?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_compared_leaves_no_figure() {
        let it = Comparison {
            json: Some((true, false)),
            calls_agree: None,
            refused: (false, true),
            length_ratio: None,
        };
        let found = compared(Uuid::nil(), &it);
        let found: Vec<_> = found.iter().map(|it| (it.name, it.value)).collect();
        let expected = [
            ("form_served", 1.0),
            ("form_shadow", 0.0),
            ("refused_served", 0.0),
            ("refused_shadow", 1.0),
        ];
        assert_eq!(found, expected);
        let same: Vec<_> = agreements(&it).collect();
        assert_eq!(same, [("form", false), ("refusal", false)]);
        assert_eq!(form(Uuid::nil(), true).value, 1.0);
    }
}
