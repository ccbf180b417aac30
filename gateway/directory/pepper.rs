//! The pepper: the secret with which keys, end users and sessions are hashed. It stands beside the ledger
//! unless the configuration names another.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::config::Secret;

/// The name of its file.
const FILE: &str = "pepper";
/// A pepper is as long as the hashes that it keys.
const PEPPER_BYTES_MIN: usize = 32;

/// The text whose keyed hash is the fingerprint, and how much of the hash.
const FINGERPRINT_OF: &[u8] = b"\nfingerprint of the pepper";
const FINGERPRINT_BYTES: usize = 8;

type Keyed = Hmac<Sha256>;

/// A pepper, ready to hash: the keyed state is computed once and cloned for each hash.
#[derive(Clone)]
pub(super) struct Pepper(Keyed);

impl Pepper {
    pub(super) fn new(pepper: &[u8]) -> Self {
        // HMAC takes keys of any length; the fallback is never taken.
        let keyed = Keyed::new_from_slice(pepper)
            .unwrap_or_else(|_| Keyed::new(&hmac::digest::Key::<Keyed>::default()));
        Self(keyed)
    }

    /// The keyed hash of a text.
    pub(super) fn digest(&self, text: &[u8]) -> [u8; 32] {
        self.digest_of(&[text])
    }

    /// What tells it from other peppers and says nothing of it, in 16 digits: a keyed hash of a fixed text,
    /// which is no key and no user since it begins with a line break.
    pub(super) fn fingerprint(&self) -> String {
        let digest = self.digest(FINGERPRINT_OF);
        hex(digest.get(..FINGERPRINT_BYTES).unwrap_or(&digest))
    }

    /// The keyed hash of texts, one after the other.
    pub(super) fn digest_of(&self, texts: &[&[u8]]) -> [u8; 32] {
        let mut keyed = self.0.clone();
        texts.iter().for_each(|text| keyed.update(text));
        keyed.finalize().into_bytes().into()
    }
}

/// The fingerprint of a pepper.
pub(crate) fn fingerprint(pepper: &Secret) -> String {
    Pepper::new(pepper.expose().as_bytes()).fingerprint()
}

/// The pepper beside the ledger: read, or made on first use, readable by its owner alone. It is there
/// whole or not at all, whatever happens meanwhile; who comes second reads what the first has made.
///
/// # Errors
/// When it can be neither read nor made, or is too short to be one.
pub(crate) fn load_or_create_pepper(folder: &Path, random: [u8; 32]) -> io::Result<Secret> {
    load_or_create_secret(folder, FILE, random)
}

/// A secret beside the ledger, in a file of this name: as the pepper.
///
/// # Errors
/// When it can be neither read nor made, or is too short to be one.
pub(crate) fn load_or_create_secret(
    folder: &Path,
    name: &str,
    random: [u8; 32],
) -> io::Result<Secret> {
    if let Some(secret) = load_secret(folder, name)? {
        return Ok(secret);
    }
    create_secret(folder, name, &hex(&random))?;
    load_secret(folder, name)?.ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// The pepper beside the ledger, if one was made.
///
/// # Errors
/// When it cannot be read, or is too short to be one.
pub(crate) fn load_pepper(folder: &Path) -> io::Result<Option<Secret>> {
    load_secret(folder, FILE)
}

fn load_secret(folder: &Path, name: &str) -> io::Result<Option<Secret>> {
    let text = match fs::read_to_string(folder.join(name)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        text => text?,
    };
    let text = text.trim();
    if text.len() < PEPPER_BYTES_MIN {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("the {name} is too short")));
    }
    Ok(Some(Secret::new(text)))
}

fn create_secret(folder: &Path, name: &str, secret: &str) -> io::Result<()> {
    // A name that no other process has, in whatever container, and that says nothing of the secret.
    let own = Pepper::new(secret.as_bytes()).digest(b"name of the file while it is written");
    let half = folder.join(format!("{name}.{}", hex(&own)));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&half)?;
    let made = file
        .write_all(secret.as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::hard_link(&half, folder.join(name)));
    fs::remove_file(&half)?;
    match made {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        // The name must outlive a power cut as well: without it, hashes of keys would be worth nothing.
        Ok(()) => {
            fs::File::open(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })?
                .sync_all()
        }
        error => error,
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
