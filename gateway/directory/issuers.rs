//! Callers and operators who come by tokens: which issuer has signed, for which team its rules let a token
//! ask or which role they give it, and who the user is. A caller's token that was right is known for as long
//! as it is valid and its keys are not taken away, so that it costs its next request no more than a key does.
//! An operator's is verified each time: he asks seldom, and what is known of callers is then nothing to him.

use std::{borrow::Cow, sync::Arc};

use dashmap::DashMap;
use jiff::{SignedDuration, Timestamp};

use super::{
    Authenticated, Principal,
    claims::{Claims, NAME_EXPECTED},
    credential::unauthenticated,
    issuer_keys::IssuerKeys,
    operators::Operator,
    token::{Token, TokenFault, TokenTerms, Verified, verify},
};
use crate::{
    config::{Condition, Oidc},
    failure::Failure,
};

/// Tokens that are known at the most.
const KNOWN_MAX: usize = 10_000;

/// All issuers of a configuration.
#[derive(Default)]
pub(super) struct Issuers {
    all: Vec<Issuer>,
    /// Tokens that were right, by their keyed hash.
    known: DashMap<[u8; 32], KnownToken>,
}

struct Issuer {
    oidc: Oidc,
    keys: Arc<IssuerKeys>,
    /// What a token must say, and who asks by it then.
    rules: Vec<(Vec<Condition>, Arc<Principal>)>,
}

struct KnownToken {
    issuer: usize,
    generation: u64,
    until: Timestamp,
    who: Authenticated,
}

impl Issuers {
    /// These issuers. `payers` are the principals of each by the name of its key, in the order of its payers;
    /// keys that `before` knows of an issuer that stays are kept.
    pub(super) fn of(
        oidc: &[Oidc],
        payers: impl Fn(&Oidc) -> Vec<Arc<Principal>>,
        before: &Self,
    ) -> Self {
        let of = |oidc: &Oidc| {
            let kept = before.all.iter().find(|it| it.keys.are_of(oidc));
            let keys =
                kept.map_or_else(|| Arc::new(IssuerKeys::new(oidc)), |it| Arc::clone(&it.keys));
            let payers = payers(oidc);
            let rules = oidc.rules.iter();
            let rules = rules
                .filter_map(|it| Some((it.when.clone(), Arc::clone(payers.get(it.payer)?))))
                .collect();
            Issuer { oidc: oidc.clone(), keys, rules }
        };
        Self { all: oidc.iter().map(of).collect(), known: DashMap::new() }
    }

    /// Whether there is none: then nothing is a token.
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The keys of all issuers, each with how often they are refreshed.
    pub(super) fn keys(&self) -> impl Iterator<Item = (&Arc<IssuerKeys>, std::time::Duration)> {
        self.all.iter().map(|it| (&it.keys, it.oidc.refresh))
    }

    /// Who asks by this token, whose keyed hash is `hash`. `user_hash` hashes a user of a team.
    ///
    /// # Errors
    /// When it is not right, no rule matches it, or its user is none.
    pub(super) fn authenticate(
        &self,
        token: &[u8],
        hash: [u8; 32],
        now: Timestamp,
        user_hash: impl Fn(&str, &str) -> u128,
    ) -> Result<Authenticated, Failure> {
        if let Some(who) = self.known(&hash, now) {
            return Ok(who);
        }
        let signed = self.signed(token, now, |it| &it.audience);
        let ((at, issuer), generation, verified) =
            signed.map_err(|fault| unauthenticated(fault.words()))?;
        let rule = issuer.rules.iter().find(|(when, _)| matches(&verified.claims, when));
        let (_, principal) =
            rule.ok_or_else(|| unauthenticated("no rule of its issuer takes this token"))?;
        let user = verified.claims.user(&issuer.oidc.user);
        let user =
            user.map_err(|_| unauthenticated("the token's user is neither a text nor a number"))?;
        let subject = user.map(|user| user_hash(&principal.caller.team_name, &user));
        let who = Authenticated { principal: Arc::clone(principal), subject };
        let until = verified.until;
        self.keep(hash, KnownToken { issuer: at, generation, until, who: who.clone() }, now);
        Ok(who)
    }

    /// Whether an operator can come by a token at all.
    pub(super) fn have_operators(&self) -> bool {
        self.all.iter().any(|it| !it.oidc.operators.rules.is_empty())
    }

    /// The operator whose token this is.
    ///
    /// # Errors
    /// When it is not right, no rule matches it, or the claim that names its operator has no name: in words
    /// that have nothing of the token.
    pub(super) fn operator(
        &self,
        token: &[u8],
        now: Timestamp,
    ) -> Result<Operator, Cow<'static, str>> {
        let signed = self.signed(token, now, |it| &it.operators.audience);
        let ((_, issuer), _, Verified { claims, until }) = signed.map_err(TokenFault::words)?;
        let oidc = &issuer.oidc;
        let mut rules = oidc.operators.rules.iter();
        let rule = rules.find(|it| matches(&claims, &it.when));
        let role = rule.ok_or("no rule of its issuer makes this token an operator's")?.role;
        let claim = &*oidc.operators.name;
        let name = claims.name(claim).ok_or_else(|| {
            format!("the token's `{claim}` names no operator: expected {NAME_EXPECTED}")
        })?;
        let name = format!("oidc({}):{name}", oidc.name).into();
        Ok(Operator { name, role, expires: Some(until) })
    }

    /// What a token says that its issuer has signed for this audience and that is valid now: with the
    /// issuer, its place, and the number of its keys. A key that is not known is asked for.
    fn signed(
        &self,
        token: &[u8],
        now: Timestamp,
        audience: impl Fn(&Oidc) -> &[Box<str>],
    ) -> Result<((usize, &Issuer), u64, Verified), TokenFault> {
        let token = Token::read(token)?;
        let (at, issuer) = self.issuer(&token).ok_or(TokenFault::Issuer)?;
        let known = issuer.keys.current().ok_or(TokenFault::UnknownKey);
        let verified = known.and_then(|keys| {
            let terms = issuer.terms(audience(&issuer.oidc));
            Ok(((at, issuer), keys.generation, verify(token, &terms, &keys.set, now)?))
        });
        verified.inspect_err(|fault| {
            if *fault == TokenFault::UnknownKey {
                issuer.keys.want();
            }
        })
    }

    /// Who asks by a token that is known.
    fn known(&self, hash: &[u8; 32], now: Timestamp) -> Option<Authenticated> {
        let known = self.known.get(hash)?;
        let generation = self.all.get(known.issuer)?.keys.generation();
        (now < known.until && generation == Some(known.generation)).then(|| known.who.clone())
    }

    /// Knows a token from now on. Where there is no room, those go that have ended; where that does not help,
    /// all of them, which costs each the check of its signature once more.
    fn keep(&self, hash: [u8; 32], token: KnownToken, now: Timestamp) {
        if self.known.len() >= KNOWN_MAX {
            self.known.retain(|_, it| now < it.until);
            if self.known.len() > KNOWN_MAX / 2 {
                self.known.clear();
            }
        }
        self.known.insert(hash, token);
    }

    fn issuer(&self, token: &Token<'_>) -> Option<(usize, &Issuer)> {
        let named = token.issuer()?;
        self.all.iter().enumerate().find(|(_, it)| *it.oidc.issuer == *named)
    }
}

impl Issuer {
    fn terms<'a>(&'a self, audience: &'a [Box<str>]) -> TokenTerms<'a> {
        TokenTerms {
            issuer: &self.oidc.issuer,
            audience,
            algorithms: &self.oidc.algorithms,
            leeway: SignedDuration::try_from(self.oidc.leeway).unwrap_or(SignedDuration::ZERO),
        }
    }
}

/// Whether a token says all of this.
fn matches(claims: &Claims, when: &[Condition]) -> bool {
    when.iter().all(|it| claims.has(&it.claim, &it.values))
}

#[cfg(test)]
mod tests;
