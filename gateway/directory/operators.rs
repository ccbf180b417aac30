//! Who may ask at the operators' door, by the keyed hashes of their tokens. Those who come by an issuer's
//! tokens are asked for among the issuers, with the same bearer.

use std::{borrow::Cow, sync::Arc};

use subtle::ConstantTimeEq;

use super::pepper::Pepper;
use crate::config::{self, Admin, Credential, Role};

/// An operator as answers, audit trail and log know him.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Operator {
    /// His name.
    pub name: Arc<str>,
    /// What he may do.
    pub role: Role,
    /// His token is not valid from this moment on.
    pub expires: Option<jiff::Timestamp>,
}

/// Why a bearer is taken for no operator.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stranger {
    /// No operator has this token.
    Unknown,
    /// This one has had it.
    Expired(Arc<Operator>),
    /// It is a token of an issuer, or looks like one, and makes nobody an operator: in words that have
    /// nothing of it.
    Refused(Cow<'static, str>),
}

/// The keyed hash of a token.
type Hash = [u8; 32];

/// Everybody who may ask at the operators' door.
#[derive(Default)]
pub(super) struct Operators {
    known: Vec<(Hash, Arc<Operator>)>,
    /// What opens the metrics alone.
    metrics: Option<Hash>,
}

impl Operators {
    /// Those of this section, hashed with this pepper.
    pub(super) fn new(pepper: &Pepper, admin: &Admin) -> Self {
        let of_token = |token: &config::Secret| pepper.digest(token.expose().as_bytes());
        let first = admin.token.as_ref().map(|token| {
            let name = config::ADMIN.into();
            (of_token(token), Arc::new(Operator { name, role: Role::Admin, expires: None }))
        });
        let named = admin.operators.iter().filter_map(|it| {
            let hash = match &it.credential {
                Credential::Hash(hash) | Credential::Rotated { hash, .. } => *hash,
                Credential::Secret(token) => of_token(token),
                Credential::Token(_) | Credential::Nobody => return None,
            };
            let (name, role, expires) = (Arc::clone(&it.name), it.role, it.expires);
            Some((hash, Arc::new(Operator { name, role, expires })))
        });
        let metrics = admin.metrics_token.as_ref().map(of_token);
        Self { known: first.into_iter().chain(named).collect(), metrics }
    }

    /// The operator whose token has this hash. Each hash is compared, and each in constant time. Of two with
    /// one token, which only a `hash` can hide, it is the one who may do less.
    pub(super) fn find(
        &self,
        hash: &Hash,
        now: jiff::Timestamp,
    ) -> Result<Arc<Operator>, Stranger> {
        let found = self.known.iter().filter(|(known, _)| known.ct_eq(hash).into());
        let found = found.map(|(_, it)| it).min_by_key(|it| it.role).ok_or(Stranger::Unknown)?;
        if found.expires.is_some_and(|at| at <= now) {
            return Err(Stranger::Expired(Arc::clone(found)));
        }
        Ok(Arc::clone(found))
    }

    /// Whether there is any.
    pub(super) fn any(&self) -> bool {
        !self.known.is_empty()
    }

    /// Whether a token with this hash opens the metrics alone; nothing where no token does.
    pub(super) fn opens_metrics(&self, hash: &Hash) -> bool {
        self.metrics.as_ref().is_some_and(|metrics| metrics.ct_eq(hash).into())
    }

    /// Whether a token is set for the metrics alone.
    pub(super) fn guards_metrics(&self) -> bool {
        self.metrics.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    fn operator(name: &str, role: Role, credential: Credential) -> config::Operator {
        config::Operator { name: name.into(), role, credential, expires: None }
    }

    #[test]
    fn an_operator_is_recognised_by_his_token_or_by_its_hash() {
        let pepper = Pepper::new(b"0123456789abcdef0123456789abcdef");
        let secret = |token: &str| Credential::Secret(Secret::new(token));
        let until: jiff::Timestamp = "2027-01-31T00:00:00Z".parse().unwrap();
        let mut operators = vec![
            operator("mei.tan", Role::Operator, secret("token-of-mei")),
            operator("raj", Role::Viewer, Credential::Hash(pepper.digest(b"token-of-raj"))),
            operator("twice", Role::Admin, secret("token-of-raj")),
            operator("nobody", Role::Admin, Credential::Nobody),
        ];
        operators[0].expires = Some(until);
        let admin = Admin {
            listen: "127.0.0.1:0".parse().unwrap(),
            token: Some(Secret::new("token-of-all")),
            metrics_token: Some(Secret::new("token-of-prometheus")),
            operators,
        };
        let all = Operators::new(&pepper, &admin);
        let find = |token: &str, now| all.find(&pepper.digest(token.as_bytes()), now);
        let named = |token: &str| {
            find(token, jiff::Timestamp::UNIX_EPOCH).map(|it| (it.name.to_string(), it.role)).ok()
        };
        assert_eq!(named("token-of-mei"), Some(("mei.tan".into(), Role::Operator)));
        assert_eq!(named("token-of-raj"), Some(("raj".into(), Role::Viewer)), "the smaller role");
        assert_eq!(named("token-of-all"), Some(("admin".into(), Role::Admin)));
        for stranger in ["", "token-of-me", "token-of-prometheus", "TOKEN-OF-MEI"] {
            assert_eq!(named(stranger), None, "{stranger}");
        }
        let second = jiff::SignedDuration::from_secs(1);
        assert!(find("token-of-mei", until - second).is_ok());
        assert!(
            matches!(find("token-of-mei", until), Err(Stranger::Expired(it)) if &*it.name == "mei.tan")
        );
        let opens = |token: &str| all.opens_metrics(&pepper.digest(token.as_bytes()));
        assert!(opens("token-of-prometheus") && !opens("token-of-mei") && !opens(""));
        assert!(all.any() && !Operators::default().any());
        assert!(!Operators::default().opens_metrics(&pepper.digest(b"")));
    }
}
