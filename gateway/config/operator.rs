//! `[[operator]]`: who may see and change what the gateway does, as which role, and how he is recognised.

use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
    sync::Arc,
};

use policies::{
    Fault,
    document::{Faults, Section},
};
use toml::Table;

use super::{
    Credential, Secret,
    fields::word,
    key::{credential, expires},
    names::unique,
    outside::Outside,
};

/// `[admin]`, with the operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// Where operators connect.
    pub listen: SocketAddr,
    /// The bearer token of the operator [`ADMIN`].
    pub token: Option<Secret>,
    /// A token that opens `/metrics` alone.
    pub metrics_token: Option<Secret>,
    /// The operators, in the order of the file. On any address but loopback, one of the role `admin` is
    /// required, or [`Self::token`], or an issuer that has signed for one.
    pub operators: Vec<Operator>,
}

/// `[[operator]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// The name, by which audit trail, books and log know him.
    pub name: Arc<str>,
    /// What he may do.
    pub role: Role,
    /// How he is recognised.
    pub credential: Credential,
    /// Not valid from this moment on.
    pub expires: Option<jiff::Timestamp>,
}

/// What an operator may do; who has a greater role may do all that a smaller one may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// He reads, and changes nothing.
    Viewer,
    /// He also stops and resumes what runs.
    Operator,
    /// He also changes who may ask, for how much, and by which policy.
    Admin,
}

impl Role {
    /// Every role, the smallest first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Operator, Self::Admin];

    /// The word for it in the configuration and in answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

/// The name of the operator whose token is `admin.token`.
pub const ADMIN: &str = "admin";

/// Who changes things and is no operator, by the names that the audit trail has for them.
const NO_PERSONS: [&str; 3] = ["file", "gateway", "guard"];

/// What stands in the audit trail before the name of an account whose commands change something.
const BY_COMMAND: &str = "cli:";

/// What each credential so far is of, in words.
type Owners = HashMap<Credential, String>;

/// Reads all operators of a table into its `[admin]`.
pub(super) fn operators(
    root: &mut Section<'_>,
    (admin, table): (&mut Admin, &Table),
    outside: &Outside<'_>,
    faults: &mut Faults,
) {
    let mut taken = HashSet::new();
    let mut owners = Owners::new();
    let tokens = [("admin.token", &admin.token), ("admin.metrics_token", &admin.metrics_token)];
    for (path, token) in tokens {
        let credential = token.clone().map(Credential::Secret);
        owners.extend(credential.map(|it| (it, format!("`{path}`"))));
    }
    for mut section in root.tables("operator", faults) {
        let name = unique(&mut section, "name", &mut taken, faults);
        reserved(name, has_token(table), &section, faults);
        admin.operators.push(operator((name, section), &mut owners, outside, faults));
    }
}

/// Holds that somebody may do everything where others than this machine can knock: by a token of the
/// configuration, or `by_issuer`.
pub(super) fn guarded(admin: &Admin, table: &Table, by_issuer: bool, faults: &mut Faults) {
    let listen = admin.listen;
    let named = admin.operators.iter().any(|it| it.role == Role::Admin);
    if !listen.ip().is_loopback() && !has_token(table) && !named && !by_issuer {
        let expected = format!(
            "a token, or an [[operator]] or [[oidc.operator]] of the role `admin`, because {listen} is not \
             a loopback address"
        );
        faults.push(Fault::new("admin.token", "nothing", expected));
    }
}

/// Whether `admin.token` stands in a table. One that cannot be read is a fault by itself.
fn has_token(table: &Table) -> bool {
    table.get("admin").is_some_and(|it| it.get("token").is_some())
}

/// Refuses names that the audit trail has for others.
fn reserved(name: &str, has_token: bool, it: &Section<'_>, faults: &mut Faults) {
    let lower = name.to_ascii_lowercase();
    let expected = match name {
        _ if lower.starts_with(BY_COMMAND) => {
            "another name: the audit trail has `cli:` before the names of accounts on the machine"
        }
        ADMIN if has_token => "another name: `admin` is the operator of `admin.token`",
        _ if NO_PERSONS.contains(&name) => {
            "another name: the audit trail says so of changes that no operator made"
        }
        _ => return,
    };
    faults.push(Fault::new(it.at("name"), format!("`{name}`"), expected));
}

/// An operator in a sentence, whether his name can be one or not.
fn called(name: &str) -> String {
    if name.is_empty() { "another operator".to_owned() } else { format!("operator `{name}`") }
}

fn operator(
    (name, mut it): (&str, Section<'_>),
    owners: &mut Owners,
    outside: &Outside<'_>,
    faults: &mut Faults,
) -> Operator {
    let role = role(&mut it, faults);
    let credential = credential(&mut it, "token", outside, faults);
    if let Some(credential) = &credential {
        let written = if matches!(credential, Credential::Hash(_)) { "hash" } else { "token" };
        match owners.get(credential) {
            Some(owner) => {
                let expected = format!("a {written} of his own");
                faults.push(Fault::new(it.at(written), format!("that of {owner}"), expected));
            }
            None => drop(owners.insert(credential.clone(), called(name))),
        }
    }
    let expires = expires(&mut it, faults);
    it.close(faults);
    let credential = credential.unwrap_or(Credential::Nobody);
    Operator { name: name.into(), role, credential, expires }
}

/// The role, which must stand there.
pub(super) fn role(it: &mut Section<'_>, faults: &mut Faults) -> Role {
    let roles = Role::ALL.map(|it| (it.name(), it));
    if it.get("role").is_none() {
        let expected = "what he may do: `viewer`, `operator` or `admin`";
        faults.push(Fault::new(it.at("role"), "nothing", expected));
    }
    word(it, "role", &roles, Role::Viewer, faults)
}
