//! `signalbox ledger verify`: the proof of the books, and of the counters that were made beside them.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use serde_json::json;

use super::counters::{self, Compared};
use crate::{
    cli::{
        operator::{self, Operator},
        print::{err, out},
        top::Source,
    },
    record::StoreError,
    store::{Reader, Verification},
};

/// Options of `ledger verify`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A copy of the ledger to prove, in place of the configuration's.
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
    /// Compare what the gateway at this operators' listener has counted since it began, by its `/metrics`,
    /// with its entries.
    #[arg(long, value_name = "URL", value_parser = operator::url)]
    metrics: Option<String>,
    /// The token for it, by reference: `env:NAME` or `file:PATH` [default: SIGNALBOX_OPERATOR_TOKEN, else
    /// SIGNALBOX_ADMIN_TOKEN, else `admin.token` or `admin.metrics_token` of the configuration].
    #[arg(long, value_name = "REFERENCE", requires = "metrics", conflicts_with = "token_file")]
    token: Option<String>,
    /// The same in a file.
    #[arg(long, value_name = "FILE", requires = "metrics")]
    token_file: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Proves the books, or says what is wrong with them.
pub(super) fn run(config: &Path, args: &Args) -> ExitCode {
    let file = match crate::cli::ledger_of(args.ledger.as_deref(), config) {
        Ok(file) => file,
        Err(code) => return code,
    };
    let verified = Reader::open(&file).and_then(|reader| reader.verify());
    let mut verified = match verified {
        Ok(verified) => verified,
        Err(StoreError::Damaged(fault)) => Verification::damaged(fault),
        Err(error) => {
            err!("signalbox: {}: {error}", file.display());
            return ExitCode::FAILURE;
        }
    };
    let compared = match compared(config, &file, args) {
        Ok(compared) => compared,
        Err(code) => return code,
    };
    if let Some(it) = &compared {
        verified.notes.extend(it.note.clone());
        verified.faults.extend(it.faults.iter().cloned());
    }
    if args.json {
        out!("{}", as_json(&verified, compared.as_ref()));
    } else {
        print(&verified);
        compared.iter().for_each(|it| out!("{}", it.line()));
    }
    if verified.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(crate::cli::WRONG) }
}

/// The gateway's counters beside the ledger, where that is asked for.
fn compared(config: &Path, file: &Path, args: &Args) -> Result<Option<Compared>, ExitCode> {
    let Some(url) = &args.metrics else { return Ok(None) };
    let at = Operator::at(url, args.token.as_deref(), args.token_file.as_deref());
    let (url, tokens) = at.asked(config.exists().then_some(config))?;
    let told = |what: &str| {
        err!("signalbox: {url}: {}", policies::printable(what));
        ExitCode::FAILURE
    };
    let source = Source::new(&url, tokens.token.or(tokens.metrics_token));
    let source = source.map_err(|error| told(&error.to_string()))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| told(&error.to_string()))?;
    let compared = runtime.block_on(counters::compare(file, &source));
    compared.map(Some).map_err(|why| told(&why))
}

fn as_json(it: &Verification, compared: Option<&Compared>) -> serde_json::Value {
    let metrics = compared
        .map(|it| json!({ "boot": it.boot, "figures": it.figures, "compared": it.note.is_none() }));
    json!({
        "open": it.open, "settled": it.settled, "recovered": it.recovered,
        "unchecked": it.unchecked, "priced": it.priced, "unpriced": it.unpriced,
        "adjusted": it.adjusted, "left_open": it.left_open, "notes": it.notes, "audit": it.audit,
        "audit_signed": it.signed.as_ref().map(|(seq, _)| seq),
        "audit_key": it.signed.as_ref().map(|(_, key)| key), "cost": it.cost.to_string(),
        "faults": it.faults, "metrics": metrics,
    })
}

fn print(it: &Verification) {
    for fault in &it.faults {
        out!("{fault}");
    }
    for note in &it.notes {
        out!("note: {note}");
    }
    if it.unchecked > 0 {
        let rows = policies::counted(it.unchecked, "row is", "rows are");
        out!("{rows} of an earlier version, without a checksum");
    }
    let said = if it.faults.is_empty() { "the ledger is right" } else { "the ledger is wrong" };
    out!(
        "{said}: {} settled, {} recovered, {} open, cost {}",
        it.settled,
        it.recovered,
        it.open,
        it.cost
    );
    let priced = policies::counted(it.priced, "cost", "costs");
    let unpriced = match it.unpriced {
        0 => String::new(),
        more => format!(", {more} not, for attempts at several prices or prices that are not kept"),
    };
    let adjusted = match it.adjusted {
        0 => String::new(),
        more => format!("; {}", policies::counted(more, "correction", "corrections")),
    };
    out!("prices: {priced} reckoned again{unpriced}{adjusted}");
    let records = policies::counted(it.audit, "record", "records");
    let signed = match &it.signed {
        Some((seq, key)) => format!("signed up to record {seq} by the key {key}"),
        None if it.audit > 0 => String::from("unsigned"),
        None => return,
    };
    out!("audit trail: {records}, {signed}");
}
