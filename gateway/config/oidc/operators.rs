//! `[[oidc.operator]]`: which of an issuer's tokens opens the operators' door, as which role, and by which
//! claim its operator is named. A rule that asks for nothing is refused: it would make an operator of
//! everybody whom the issuer knows.

use policies::{
    Fault,
    document::{Faults, Section},
};

use super::{
    super::{
        operator::{Role, role},
        when::{Condition, conditions},
    },
    audience, claim,
};

/// The operators among those who have tokens of one issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenOperators {
    /// One of these must be among the `aud` of an operator's token.
    pub audience: Vec<Box<str>>,
    /// The claim that names the operator.
    pub name: Box<str>,
    /// Which token is of which role; the first that matches counts, and one that none matches is no
    /// operator's.
    pub rules: Vec<OperatorRule>,
}

/// `[[oidc.operator]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorRule {
    /// What its tokens say, all of it: never nothing.
    pub when: Vec<Condition>,
    /// What their operators may do.
    pub role: Role,
}

impl TokenOperators {
    /// Whether one of them may do everything.
    #[must_use]
    pub fn have_admin(&self) -> bool {
        self.rules.iter().any(|it| it.role == Role::Admin)
    }
}

/// Reads them. Their audience is that of callers where no other is stated.
pub(super) fn operators(
    it: &mut Section<'_>,
    of_callers: &[Box<str>],
    faults: &mut Faults,
) -> TokenOperators {
    let own = audience(it, "operator_audience", faults);
    if own.is_empty() && it.get("operator_audience").is_some() {
        let expected = "at least one `aud` that stands for the operators' door";
        faults.push(Fault::new(it.at("operator_audience"), "nothing", expected));
    }
    let name = claim(it, "operator_name", faults);
    let sections = it.tables("operator", faults);
    if sections.is_empty() {
        for key in ["operator_audience", "operator_name"] {
            if it.get(key).is_some() {
                let expected =
                    "an [[oidc.operator]] beside it, for without one nobody is an operator";
                faults.push(Fault::new(it.at(key), "a value", expected));
            }
        }
    }
    let rules = sections.into_iter().map(|section| rule(section, faults)).collect();
    let audience = if own.is_empty() { of_callers.to_vec() } else { own };
    TokenOperators { audience, name, rules }
}

fn rule(mut it: Section<'_>, faults: &mut Faults) -> OperatorRule {
    let when = conditions(&mut it, faults);
    let role = role(&mut it, faults);
    it.close(faults);
    OperatorRule { when, role }
}
