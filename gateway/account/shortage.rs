//! Why there is no money for a request: which budget is in the way, what is left of it, what the request can
//! cost, what would fit, and when the budget begins anew. A caller who knows that knows what to do.

use std::{cmp::Reverse, sync::Arc};

use policies::facts::{Money, Tokens};

use super::window::BudgetWindow;
use crate::failure::{Failure, Kind, Stage};

/// Why a request is not admitted.
pub(crate) enum Refusal {
    /// No budget is the cause.
    Failure(Failure),
    /// There is too little money.
    Money(Shortage),
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl Refusal {
    /// The failure for the caller. Where money is left, `fits` is asked for the largest `max_tokens` with
    /// which the request could cost no more than so much; `None` where its input alone can cost more.
    pub(crate) fn failure(self, fits: impl FnOnce(Money) -> Option<Tokens>) -> Failure {
        match self {
            Self::Failure(failure) => failure,
            Self::Money(shortage) => shortage.failure(fits),
        }
    }
}

/// The tightest of the hard budgets that bind a request, at the moment at which the request did not fit.
pub(crate) struct Shortage {
    /// That budget's window.
    window: Arc<BudgetWindow>,
    /// What is not spent of it.
    unspent: Money,
    /// What is neither spent nor reserved of any hard budget that binds.
    free: Money,
    /// The most that the request can cost.
    amount: Money,
    currency: Arc<str>,
}

impl Shortage {
    /// What these windows lack for a request of this amount. The tightest is the one of which the least is
    /// unspent, where that is too little; else the one of which the least is unreserved. Of two that are
    /// alike it is the one that begins anew last. `None` where no budget is hard.
    pub(super) fn of(
        windows: &[Arc<BudgetWindow>],
        amount: Money,
        currency: &Arc<str>,
    ) -> Option<Self> {
        let hard = || windows.iter().filter_map(|it| Some((it, it.unspent()?)));
        let free = hard().map(|(it, _)| it.free()).min()?;
        let tightest = hard().min_by_key(|(it, unspent)| {
            let reserved = if *unspent < amount { Money::ZERO } else { it.free() };
            (*unspent >= amount, reserved, *unspent, Reverse(it.until))
        });
        let (window, unspent) = tightest?;
        let (window, currency) = (Arc::clone(window), Arc::clone(currency));
        Some(Self { window, unspent, free, amount, currency })
    }

    fn failure(self, fits: impl FnOnce(Money) -> Option<Tokens>) -> Failure {
        let Self { window, unspent, free, amount, currency } = self;
        let (name, anew) = (&window.name, window.name.anew(window.until));
        let refuse = |public: String| Failure::new(Kind::BudgetExceeded, Stage::Admit, public);
        let most = format!("this request can cost up to {amount} {currency}");
        if unspent == Money::ZERO {
            let bound = window.bound();
            return refuse(format!(
                "{name}, {bound} {currency}, is spent, and {most}; the budget {anew}"
            ));
        }
        let advice = advice(fits(free), unspent > free);
        if unspent < amount {
            let text = format!(
                "{unspent} {currency} of {name} are left, and {most}: {advice}; the budget {anew}"
            );
            return refuse(text).coded("budget_too_small");
        }
        let free = window.free();
        refuse(format!(
            "{unspent} {currency} of {name} are left, but requests that are still open have reserved \
             all but {free} of them, and {most}: come back when they are done; {advice}; the budget \
             {anew}"
        ))
    }
}

/// What the caller can do; `reserved` where more will be free once open requests are done.
fn advice(fits: Option<Tokens>, reserved: bool) -> String {
    match fits {
        Some(tokens) => format!("it fits with max_tokens of {} or less", tokens.0),
        None if reserved => String::from("a smaller max_tokens lowers what it can cost"),
        None => String::from("its input alone can cost more than that: a shorter one costs less"),
    }
}
