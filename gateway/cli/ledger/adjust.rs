//! `signalbox ledger adjust`: a closed entry's cost, corrected and recorded.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use policies::facts::Money;
use serde_json::json;
use uuid::Uuid;

use crate::cli::user;
use crate::{
    cli::print::{err, out},
    outcome::{REASON_CHARS_MAX, wrong_reason},
    store::{self, Corrected, Correction},
};

/// Units of the currency that no budget, and so no entry, is above.
const COST_UNITS_MAX: i64 = 4_000_000_000;

/// Options of `ledger adjust`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The entry's id, as `x-signalbox-id` of the answer had it.
    #[arg(value_name = "ID", value_parser = id)]
    id: Uuid,
    /// What it costs from now on: a decimal of the ledger's currency, such as 0.0042.
    #[arg(long, value_name = "X", value_parser = cost, allow_hyphen_values = true)]
    cost: Money,
    /// Why, in words; they stand in the audit trail.
    #[arg(long, value_name = "T", value_parser = reason)]
    reason: String,
    /// The ledger to correct, in place of the configuration's.
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

fn id(text: &str) -> Result<Uuid, String> {
    let expected = "expected the `x-signalbox-id` of an answer, such as \
                    0190b6b1-7d2c-7c3a-9e57-3f6c2f1a8b90";
    Uuid::try_parse(text).map_err(|_| format!("it is no id: {expected}"))
}

fn cost(text: &str) -> Result<Money, String> {
    let expected = format!(
        "expected a decimal from 0 to {COST_UNITS_MAX} with at most nine digits after the point"
    );
    let cost = Money::parse(text).map_err(|error| format!("{error}: {expected}"))?;
    let most = COST_UNITS_MAX.saturating_mul(1_000_000_000);
    if cost.nano() > most { Err(expected) } else { Ok(cost) }
}

fn reason(text: &str) -> Result<String, String> {
    let reason = text.trim();
    match wrong_reason(reason) {
        _ if reason.is_empty() => Err("it is empty: expected why the cost is corrected".into()),
        Some(wrong) => {
            Err(format!("it {wrong}: expected at most {REASON_CHARS_MAX} characters on one line"))
        }
        None => Ok(reason.into()),
    }
}

/// Corrects the entry, or says why it cannot be.
pub(super) fn run(config: &Path, args: &Args) -> ExitCode {
    let ledger = match crate::cli::ledger_of(args.ledger.as_deref(), config) {
        Ok(ledger) => ledger,
        Err(code) => return code,
    };
    let who = user::who();
    let correction = Correction {
        id: Uuid::now_v7(),
        request: args.id,
        cost: args.cost,
        now_ms: || jiff::Timestamp::now().as_millisecond(),
        who: &who,
        reason: &args.reason,
    };
    match store::adjust(&ledger, &correction) {
        Ok(done) => said(args, &done),
        Err(error) => {
            err!("signalbox: {}: {error}", ledger.display());
            ExitCode::FAILURE
        }
    }
}

fn said(args: &Args, done: &Corrected) -> ExitCode {
    let Args { cost, json, .. } = args;
    let id = args.id.to_string();
    let refused = match done {
        Corrected::Done { before, currency } if *json => {
            let (before, cost) = (before.to_string(), cost.to_string());
            let of = json!({ "id": id, "changed": true, "before": before, "cost": cost,
                             "currency": currency });
            out!("{of}");
            return ExitCode::SUCCESS;
        }
        Corrected::Done { before, currency } => {
            out!("{id} costs {cost} {currency} from now on, and cost {before} before");
            out!("A gateway that runs counts it in its budgets from its next start on.");
            return ExitCode::SUCCESS;
        }
        Corrected::Same if *json => {
            let cost = cost.to_string();
            out!("{}", json!({ "id": id, "changed": false, "before": cost, "cost": cost }));
            return ExitCode::SUCCESS;
        }
        Corrected::Same => {
            out!("{id} costs {cost} already: nothing to correct");
            return ExitCode::SUCCESS;
        }
        Corrected::Open => {
            "it is open: it can be corrected once it has ended, or was closed after its gateway's end"
        }
        Corrected::Refused => "it was refused, and cost nothing",
        Corrected::Unknown => {
            "there is no entry of this id: it is another ledger's, or was too old to be kept \
             (`ledger.retention_days`)"
        }
    };
    err!("signalbox: {id}: {refused}");
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_is_a_decimal_that_no_budget_is_above() {
        for good in ["0", "0.000000001", "12.5", "4000000000"] {
            assert_eq!(cost(good).unwrap().to_string(), good);
        }
        for wrong in ["", "-1", "1e3", "0.0000000001", "4000000000.1", "99999999999999", "1,5", "x"]
        {
            let told = cost(wrong).unwrap_err();
            assert!(told.contains("expected a decimal from 0 to 4000000000"), "{wrong}: {told}");
        }
    }

    #[test]
    fn an_id_is_told_from_what_is_none() {
        assert!(id("0190b6b1-7d2c-7c3a-9e57-3f6c2f1a8b90").is_ok());
        for wrong in ["", "nope", "7", "0190b6b1", "0190b6b1-7d2c-7c3a-9e57-3f6c2f1a8b9z", "-1"] {
            let told = id(wrong).unwrap_err();
            assert!(told.starts_with("it is no id: expected the `x-signalbox-id`"), "{told}");
        }
    }

    #[test]
    fn a_reason_is_a_line_of_words() {
        assert_eq!(reason("  too dear ").unwrap(), "too dear");
        for wrong in ["", "  ", "a\nb", &"x".repeat(501)] {
            reason(wrong).unwrap_err();
        }
    }
}
