//! `signalbox ledger backup`: a copy of the ledger while the gateway serves.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use serde_json::json;
use uuid::Uuid;

use crate::cli::user;
use crate::{
    cli::print::{err, out},
    outcome::{AuditAction, AuditRecord},
    store::{self, BackedUp},
};

/// Options of `ledger backup`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The file to make, which must not be there yet.
    #[arg(value_name = "FILE")]
    to: PathBuf,
    /// The ledger to copy, in place of the configuration's.
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Makes the copy, and records it in the ledger's audit trail.
pub(super) fn run(config: &Path, args: &Args) -> ExitCode {
    let ledger = match crate::cli::ledger_of(args.ledger.as_deref(), config) {
        Ok(ledger) => ledger,
        Err(code) => return code,
    };
    let made = match store::backup(&ledger, &args.to) {
        Ok(made) => made,
        Err(error) => {
            err!("signalbox: {}: {error}", ledger.display());
            return ExitCode::FAILURE;
        }
    };
    let place = std::path::absolute(&args.to).unwrap_or_else(|_| args.to.clone());
    print(&place, &made, args.json);
    if made.schema < store::LEDGER_SCHEMA {
        err!(
            "note: ledger and copy have schema {}, as an older build has it, and the copy is not recorded in \
             the audit trail: this build writes to ledgers of schema {} alone",
            made.schema,
            store::LEDGER_SCHEMA
        );
        return ExitCode::SUCCESS;
    }
    // A copy that is there and not recorded is worth more than none, as where the ledger's disk is full.
    match store::record(&ledger, recorded(&place, &made), now_ms) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            err!(
                "signalbox: {}: the copy is made, and cannot be recorded in the audit trail: {error}",
                ledger.display()
            );
            ExitCode::FAILURE
        }
    }
}

fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

fn recorded(place: &Path, made: &BackedUp) -> AuditRecord {
    let head = made.audit_head.as_ref();
    let after = json!({
        "file": place.display().to_string(), "bytes": made.bytes,
        "audit_head": head.map(|it| it.0), "audit_head_hash": head.map(|it| &it.1),
    });
    AuditRecord {
        id: Uuid::now_v7(),
        at_ms: now_ms(),
        who: user::who().into(),
        what: AuditAction::LedgerBackedUp,
        subject: place.file_name().unwrap_or_default().to_string_lossy().into(),
        reason: "a copy was made by `signalbox ledger backup`".into(),
        before: None,
        after: Some(after.to_string().into()),
    }
}

fn print(place: &Path, made: &BackedUp, json: bool) {
    let head = made.audit_head.as_ref();
    if json {
        out!(
            "{}",
            json!({
                "file": place.display().to_string(), "bytes": made.bytes, "schema": made.schema,
                "audit_head": head.map(|it| it.0), "audit_head_hash": head.map(|it| &it.1),
            })
        );
        return;
    }
    out!("{}: {} bytes, readable by its owner alone", place.display(), made.bytes);
    match head {
        Some((seq, hash)) => out!("audit trail: up to record {seq}, whose hash is {hash}"),
        None => out!("audit trail: without a record"),
    }
    out!(
        "Keep with it what is not in it: the pepper (the file `pepper` beside the ledger, or what \
         `identity.pepper` names), without which keys, users and sessions are not recognised, and the \
         key of the audit trail (`audit.key` beside the ledger, or what `audit.signing_key` names)."
    );
}
