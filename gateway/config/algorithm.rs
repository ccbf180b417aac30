//! The algorithms by which tokens may be signed: those of a pair of keys, and no others. Where one secret
//! signs and verifies, whoever can verify can forge; and `none` is no signature.

use policies::{
    Fault,
    document::{Faults, Section, kind},
};

/// An algorithm of RFC 7518 or RFC 8037.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenAlgorithm {
    /// RSA PKCS #1 1.5 with SHA-256.
    Rs256,
    /// RSA PKCS #1 1.5 with SHA-384.
    Rs384,
    /// RSA PKCS #1 1.5 with SHA-512.
    Rs512,
    /// RSA PSS with SHA-256.
    Ps256,
    /// RSA PSS with SHA-384.
    Ps384,
    /// RSA PSS with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// Ed25519.
    EdDsa,
}

impl TokenAlgorithm {
    /// Every algorithm.
    pub const ALL: [Self; 9] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
    ];

    /// Its name in the header of a token.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The algorithm of this name, in its exact spelling.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }
}

/// Reads `algorithms`.
pub(super) fn algorithms(it: &mut Section<'_>, faults: &mut Faults) -> Vec<TokenAlgorithm> {
    let Some(list) = it.list("algorithms") else {
        return vec![TokenAlgorithm::Rs256, TokenAlgorithm::Es256];
    };
    if list.is_empty() {
        faults.push(Fault::new(it.at("algorithms"), "nothing", "at least one algorithm"));
    }
    let mut found = Vec::new();
    for (path, value) in list {
        let Some(name) = value.as_str() else {
            faults.push(Fault::new(path, kind(value), "a text"));
            continue;
        };
        match TokenAlgorithm::named(name) {
            Some(it) => found.push(it),
            None => {
                let known = TokenAlgorithm::ALL.iter().map(|it| it.name());
                faults.push_unknown(path, name, "an algorithm of a pair of keys", known);
            }
        }
    }
    found
}
