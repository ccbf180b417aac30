//! The public keys of an issuer, from a JSON Web Key Set (RFC 7517), and the check of a signature by one of
//! them. A key that is of no use here is passed over and said; a document that is none, or far too large, is
//! refused, so that the set before it goes on to serve.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm};
use serde_json::{Map, Value};

use crate::{config::TokenAlgorithm, failure::shown};

/// The largest document of keys.
pub(crate) const KEY_SET_BYTES_MAX: usize = 256 * 1024;
/// Keys of one set at the most.
const KEYS_MAX: usize = 64;
/// Bits of an RSA key: fewer can be broken, and more are not verified.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2_048..=8_192;

/// The keys of an issuer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct KeySet {
    keys: Vec<VerifyingKey>,
    /// What is said of each key that is of no use here.
    pub passed_over: Vec<String>,
}

/// A public key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct VerifyingKey {
    name: Option<Box<str>>,
    /// The only algorithm that it is for, if it names one.
    only: Option<TokenAlgorithm>,
    material: Material,
}

#[derive(Debug, PartialEq, Eq)]
enum Material {
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

/// The key for a token.
pub(crate) enum Found<'a> {
    /// This one.
    Key(&'a VerifyingKey),
    /// None of that name, or none at all for the algorithm.
    Nothing,
    /// The token names none, and more than one is of its algorithm.
    Several,
    /// The key of that name is of another algorithm.
    OfAnotherAlgorithm,
}

/// Why a document is no set of keys.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeySetFault {
    #[error("a document of more than {KEY_SET_BYTES_MAX} bytes")]
    TooLarge,
    #[error("no JSON Web Key Set, `{{ \"keys\": […] }}`")]
    Malformed,
    #[error("{0} keys, and at most {KEYS_MAX} are taken")]
    TooMany(usize),
    #[error("no key that can be used: {0}")]
    NoKey(String),
}

impl KeySet {
    /// Reads a document.
    ///
    /// # Errors
    /// When it is too large, is none, has too many keys, or none that can be used.
    pub(crate) fn read(document: &[u8]) -> Result<Self, KeySetFault> {
        if document.len() > KEY_SET_BYTES_MAX {
            return Err(KeySetFault::TooLarge);
        }
        let set: Value = serde_json::from_slice(document).map_err(|_| KeySetFault::Malformed)?;
        let list = set.get("keys").and_then(Value::as_array).ok_or(KeySetFault::Malformed)?;
        if list.len() > KEYS_MAX {
            return Err(KeySetFault::TooMany(list.len()));
        }
        let mut read = Self::default();
        for (at, key) in list.iter().enumerate() {
            match key.as_object().ok_or("no object").and_then(VerifyingKey::read) {
                Ok(key) => read.keys.push(key),
                Err(why) => {
                    let name = key.get("kid").and_then(Value::as_str).map_or_else(
                        || format!("key {}", at + 1),
                        |name| format!("key `{}`", shown(name)),
                    );
                    read.passed_over.push(format!("{name}: {why}"));
                }
            }
        }
        if read.keys.is_empty() {
            let why = read.passed_over.join(", ");
            return Err(KeySetFault::NoKey(if why.is_empty() {
                "the list is empty".into()
            } else {
                why
            }));
        }
        Ok(read)
    }

    /// How many keys it has.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether each of its keys is in another set too.
    pub(crate) fn within(&self, other: &Self) -> bool {
        self.keys.iter().all(|key| other.keys.contains(key))
    }

    /// The key of this name for this algorithm. A token that names none is taken only where there is no
    /// choice.
    pub(crate) fn find(&self, name: Option<&str>, algorithm: TokenAlgorithm) -> Found<'_> {
        let fits = |key: &&VerifyingKey| key.is_for(algorithm);
        let Some(name) = name else {
            let mut fitting = self.keys.iter().filter(fits);
            return match (fitting.next(), fitting.next()) {
                (Some(key), None) => Found::Key(key),
                (Some(_), Some(_)) => Found::Several,
                (None, _) => Found::Nothing,
            };
        };
        let named = || self.keys.iter().filter(|key| key.name.as_deref() == Some(name));
        match named().find(fits) {
            Some(key) => Found::Key(key),
            None if named().next().is_some() => Found::OfAnotherAlgorithm,
            None => Found::Nothing,
        }
    }
}

impl VerifyingKey {
    /// Reads a key, or says why it is of no use.
    fn read(key: &Map<String, Value>) -> Result<Self, &'static str> {
        let text = |name: &str| key.get(name).and_then(Value::as_str);
        if key.get("use").is_some_and(|it| it != "sig") {
            return Err("not for signatures");
        }
        let operations = key.get("key_ops").map(|it| it.as_array().map_or(&[][..], |it| it));
        if operations.is_some_and(|all| !all.iter().any(|it| it == "verify")) {
            return Err("not for verifying");
        }
        let only = match key.get("alg") {
            None | Some(Value::Null) => None,
            Some(name) => Some(
                name.as_str()
                    .and_then(TokenAlgorithm::named)
                    .ok_or("of an algorithm that is not taken")?,
            ),
        };
        let bytes = |name: &str| {
            let decoded = text(name).and_then(|it| URL_SAFE_NO_PAD.decode(it).ok());
            decoded.filter(|it| !it.is_empty()).ok_or("a part of it is missing or no base64url")
        };
        let material = match (text("kty"), text("crv")) {
            (Some("RSA"), _) => rsa(&bytes("n")?, &bytes("e")?)?,
            (Some("EC"), Some("P-256")) => Material::P256(point(&bytes("x")?, &bytes("y")?, 32)?),
            (Some("EC"), Some("P-384")) => Material::P384(point(&bytes("x")?, &bytes("y")?, 48)?),
            (Some("OKP"), Some("Ed25519")) => Material::Ed25519(
                Some(bytes("x")?)
                    .filter(|it| it.len() == 32)
                    .ok_or("of another length than its curve")?,
            ),
            _ => return Err("of a kind or a curve that is not taken"),
        };
        let read = Self { name: text("kid").map(Into::into), only, material };
        match only {
            Some(algorithm) if !read.is_for(algorithm) => Err("its `alg` is not of its kind"),
            _ => Ok(read),
        }
    }

    /// Whether it can have signed by this algorithm.
    fn is_for(&self, algorithm: TokenAlgorithm) -> bool {
        use TokenAlgorithm as A;
        let kind = match self.material {
            Material::Rsa { .. } => {
                matches!(algorithm, A::Rs256 | A::Rs384 | A::Rs512 | A::Ps256 | A::Ps384 | A::Ps512)
            }
            Material::P256(_) => algorithm == A::Es256,
            Material::P384(_) => algorithm == A::Es384,
            Material::Ed25519(_) => algorithm == A::EdDsa,
        };
        kind && self.only.is_none_or(|only| only == algorithm)
    }

    /// Whether it has signed this text so.
    pub(crate) fn has_signed(
        &self,
        algorithm: TokenAlgorithm,
        text: &[u8],
        signature: &[u8],
    ) -> bool {
        use TokenAlgorithm as A;
        let by: &dyn VerificationAlgorithm = match (&self.material, algorithm) {
            (Material::Rsa { modulus, exponent }, _) => {
                let by = match algorithm {
                    A::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
                    A::Rs384 => &signature::RSA_PKCS1_2048_8192_SHA384,
                    A::Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
                    A::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
                    A::Ps384 => &signature::RSA_PSS_2048_8192_SHA384,
                    A::Ps512 => &signature::RSA_PSS_2048_8192_SHA512,
                    A::Es256 | A::Es384 | A::EdDsa => return false,
                };
                let key = RsaPublicKeyComponents { n: modulus, e: exponent };
                return self.is_for(algorithm) && key.verify(by, text, signature).is_ok();
            }
            (Material::P256(_), A::Es256) => &signature::ECDSA_P256_SHA256_FIXED,
            (Material::P384(_), A::Es384) => &signature::ECDSA_P384_SHA384_FIXED,
            (Material::Ed25519(_), A::EdDsa) => &signature::ED25519,
            _ => return false,
        };
        let (Material::P256(key) | Material::P384(key) | Material::Ed25519(key)) = &self.material
        else {
            return false;
        };
        self.is_for(algorithm) && UnparsedPublicKey::new(by, key).verify(text, signature).is_ok()
    }
}

/// An RSA key that is neither weak nor beyond what is verified.
fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<Material, &'static str> {
    let bare = |number: &[u8]| {
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        number.get(zeros..).unwrap_or_default().to_vec()
    };
    let (modulus, exponent) = (bare(modulus), bare(exponent));
    let unused = modulus.first().map_or(0, |first| first.leading_zeros());
    let bits = (modulus.len() * 8).saturating_sub(usize::try_from(unused).unwrap_or(0));
    if !RSA_BITS.contains(&bits) {
        return Err("fewer than 2048 bits, or more than 8192");
    }
    Ok(Material::Rsa { modulus, exponent })
}

/// A point of a curve, uncompressed.
fn point(x: &[u8], y: &[u8], bytes: usize) -> Result<Vec<u8>, &'static str> {
    if x.len() != bytes || y.len() != bytes {
        return Err("of another length than its curve");
    }
    Ok([&[4], x, y].concat())
}

#[cfg(test)]
mod tests;
