//! The key that signs the audit trail: the configuration's, or one that stands beside the ledger as the
//! pepper does. It is never in it.

use std::{io, path::Path};

use uuid::Uuid;

use crate::{
    config::Secret,
    directory,
    outcome::{AuditAction, AuditRecord},
    record::StoreError,
    store::{Signer, Sqlite},
};

/// The name of the file.
const FILE: &str = "audit.key";
/// The name of the configuration's.
const CONFIGURED: &str = "audit.signing_key";
/// Who does what no person does.
const BY_GATEWAY: &str = "gateway";

/// Has this store sign its audit trail with the key of the configuration; where that has none, with the one
/// that stands in this folder, which is made where there is none.
pub(super) fn sign(
    store: &mut Sqlite,
    (configured, folder): (Option<&Secret>, &Path),
    now_ms: fn() -> i64,
) -> Result<(), StoreError> {
    let failed = |error: io::Error| {
        let told = format!("{}: {error}", folder.join(FILE).display());
        StoreError::Failed(Box::new(io::Error::new(error.kind(), told)))
    };
    let (subject, text) = match configured {
        Some(key) => (CONFIGURED, key.clone()),
        None => {
            let made = directory::load_or_create_secret(folder, FILE, rand::random());
            (FILE, made.map_err(failed)?)
        }
    };
    let signer = seed(&text).and_then(|seed| Signer::new(&seed, now_ms)).ok_or_else(|| {
        let expected = "it is no key: expected 64 hexadecimal digits";
        failed(io::Error::new(io::ErrorKind::InvalidData, expected))
    })?;
    let public_key = signer.public_key();
    let introduced = AuditRecord {
        id: Uuid::now_v7(),
        at_ms: now_ms(),
        who: BY_GATEWAY.into(),
        what: AuditAction::AuditKeyChanged,
        subject: subject.into(),
        reason: "the key that signs the audit trail from here on".into(),
        before: None,
        after: Some(serde_json::json!({ "public_key": public_key }).to_string().into()),
    };
    store.sign(signer, introduced)
}

fn seed(text: &Secret) -> Option<[u8; 32]> {
    let digits = text.expose();
    let mut seed = [0; 32];
    for (at, byte) in seed.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    (digits.len() == 64).then_some(seed)
}
