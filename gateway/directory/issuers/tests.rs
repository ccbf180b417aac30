use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue};
use policies::facts::{DataClass, KeyIndex, TeamIndex};
use serde_json::{Value, json};

use crate::{
    account::Accounts,
    config::{
        Condition, Credential, Key, KeySource, Limits, Oidc, OperatorRule, Role, Team,
        TokenAlgorithm, TokenOperators, TokenRule,
    },
    directory::{Authenticated, Directory, Stranger, key_set::KeySet},
};

const PEPPER: &[u8] = b"0123456789abcdef0123456789abcdef";
const ISSUER: &str = "https://login.example.com/realms/bank";

fn made() -> Value {
    serde_json::from_str(include_str!("../token/made.json")).unwrap()
}

fn token(algorithm: &str) -> String {
    let made = made();
    let all = made["tokens"].as_array().unwrap();
    let found = all.iter().find(|it| it["algorithm"] == algorithm).unwrap();
    found["token"].as_str().unwrap().to_owned()
}

fn keys(but: Option<&str>) -> KeySet {
    let made = made();
    let keys = made["keys"].as_array().unwrap();
    let keys: Vec<_> = keys.iter().filter(|it| but.is_none_or(|but| it["kid"] != but)).collect();
    KeySet::read(json!({ "keys": keys }).to_string().as_bytes()).unwrap()
}

fn at(second: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_second(second).unwrap()
}

const NOW: i64 = 1_800_000_000;

fn team(name: &str, class: DataClass) -> Team {
    Team {
        name: name.into(),
        parent: None,
        budgets: Vec::new(),
        limits: Limits::default(),
        data_class: class,
        data_class_max: DataClass::Secret,
        priority: None,
        owner: None,
        tags: crate::outcome::Tags::default(),
    }
}

fn payer(team: u16, data_class: Option<DataClass>) -> Key {
    Key {
        name: "oidc(corp)".into(),
        team: TeamIndex(team),
        credential: Credential::Token(KeyIndex(0)),
        budgets: Vec::new(),
        limits: Limits::default(),
        data_class,
        data_class_max: None,
        priority: None,
        hints: true,
        feedback: false,
        frontend: false,
        owner: None,
        tags: crate::outcome::Tags::default(),
        expires: None,
    }
}

fn rule(claim: &str, value: &str, payer: usize) -> TokenRule {
    TokenRule { when: vec![Condition { claim: claim.into(), values: vec![value.into()] }], payer }
}

/// A rule for operators: claim, value, role.
type Ruled = (&'static str, &'static str, Role);

/// Operators of the callers' audience, by these rules.
fn operators(rules: &[Ruled]) -> TokenOperators {
    let rules = rules.iter().map(|(claim, value, role)| OperatorRule {
        when: vec![Condition { claim: (*claim).into(), values: vec![(*value).into()] }],
        role: *role,
    });
    let audience = vec!["signalbox".into()];
    TokenOperators { audience, name: "sub".into(), rules: rules.collect() }
}

fn corp(rules: Vec<TokenRule>) -> Oidc {
    Oidc {
        name: "corp".into(),
        issuer: ISSUER.into(),
        audience: vec!["signalbox".into()],
        source: KeySource::Discovery,
        algorithms: vec![TokenAlgorithm::Rs256, TokenAlgorithm::Es256, TokenAlgorithm::EdDsa],
        leeway: Duration::from_secs(60),
        user: "sub".into(),
        refresh: Duration::from_secs(300),
        rules,
        payers: vec![payer(0, None), payer(1, None), payer(1, Some(DataClass::Confidential))],
        operators: operators(&[]),
    }
}

fn directory(oidc: &[Oidc], before: &Directory) -> Directory {
    let teams = [team("default", DataClass::Public), team("retail", DataClass::Internal)];
    let payers: Vec<Key> = oidc.iter().flat_map(|it| it.payers.clone()).collect();
    before.with(&payers, &teams, &Accounts::default()).trusting(oidc, before)
}

fn fresh(rules: Vec<TokenRule>) -> Directory {
    let directory = directory(&[corp(rules)], &Directory::empty(PEPPER));
    install(&directory, keys(None));
    directory
}

fn install(directory: &Directory, keys: KeySet) {
    directory.issuer_keys().next().unwrap().0.install(keys, at(NOW));
}

fn any(payer: usize) -> TokenRule {
    TokenRule { when: Vec::new(), payer }
}

fn ask(directory: &Directory, token: &str, now: i64) -> Result<Authenticated, String> {
    let mut headers = HeaderMap::new();
    let value = HeaderValue::try_from(format!("Bearer {token}")).unwrap();
    headers.insert("authorization", value);
    directory.authenticate(&headers, at(now)).map_err(|failure| {
        assert_eq!((failure.status(), failure.code), (401, "invalid_api_key"));
        let said = format!("{failure:?}");
        assert!(!said.contains("eyJ") && !said.contains("ann"), "{said}");
        failure.public.to_string()
    })
}

fn who(directory: &Directory) -> Result<(String, String, DataClass), String> {
    let it = ask(directory, &token("RS256"), NOW)?;
    let caller = &it.principal.caller;
    Ok((caller.key_name.to_string(), caller.team_name.to_string(), caller.data_class))
}

#[test]
fn the_first_rule_that_matches_says_the_team_and_the_class() {
    let is = |team: &str, class| Ok(("oidc(corp)".to_owned(), team.to_owned(), class));
    let retail = || is("retail", DataClass::Internal);
    assert_eq!(who(&fresh(vec![rule("groups", "retail", 1), any(0)])), retail());
    assert_eq!(
        who(&fresh(vec![rule("groups", "cards", 1), any(0)])),
        is("default", DataClass::Public)
    );
    let raised = is("retail", DataClass::Confidential);
    assert_eq!(who(&fresh(vec![rule("realm_access.roles", "user", 2), any(0)])), raised);
    let both = vec![rule("groups", "staff", 1), rule("groups", "retail", 2)];
    assert_eq!(who(&fresh(both)), retail());
    let mut all = rule("groups", "retail", 1);
    all.when.push(Condition { claim: "sub".into(), values: vec!["ben".into()] });
    let refused = who(&fresh(vec![all])).unwrap_err();
    assert_eq!(refused, "no rule of its issuer takes this token");
}

#[test]
fn the_user_is_the_claim_hashed_within_the_team() {
    let directory = fresh(vec![rule("groups", "retail", 1)]);
    let asked = ask(&directory, &token("ES256"), NOW).unwrap();
    assert_eq!(asked.subject, Some(directory.user_hash("retail", "ann")));
    // The second time it is known.
    assert_eq!(ask(&directory, &token("ES256"), NOW).unwrap().subject, asked.subject);
    let mut other = corp(vec![any(0)]);
    for (claim, expected) in
        [("absent", Ok(None)), ("groups", Err(())), ("exp", Ok(Some("4000000000")))]
    {
        other.user = claim.into();
        let directory = self::directory(&[other.clone()], &Directory::empty(PEPPER));
        install(&directory, keys(None));
        let subject = ask(&directory, &token("ES256"), NOW).map(|it| it.subject).map_err(drop);
        let expected = expected.map(|it| it.map(|it| directory.user_hash("default", it)));
        assert_eq!(subject, expected, "{claim}");
    }
}

/// A directory with the keys of this issuer.
fn with_operators(operators: TokenOperators) -> Directory {
    let of = Oidc { operators, ..corp(vec![any(0)]) };
    let directory = directory(&[of], &Directory::empty(PEPPER));
    install(&directory, keys(None));
    directory
}

/// Whose token it is at the operators' door, or what is told.
fn operator(directory: &Directory, token: &str, now: i64) -> Result<(String, Role), String> {
    directory.operator(token.as_bytes(), at(now)).map_or_else(
        |stranger| match stranger {
            Stranger::Refused(why) => Err(why.into_owned()),
            Stranger::Unknown => Err("unknown".into()),
            Stranger::Expired(_) => panic!("an issuer's token is not kept"),
        },
        |it| {
            assert_eq!(it.expires, Some(at(4_000_000_060)), "its `exp` and the leeway");
            Ok((it.name.to_string(), it.role))
        },
    )
}

#[test]
fn the_first_rule_that_matches_says_the_role_and_a_token_that_none_matches_is_refused() {
    use Role::{Admin, Operator, Viewer};
    let token = token("RS256");
    let none = "no rule of its issuer makes this token an operator's";
    let cases: [(&[Ruled], Result<Role, &str>); 7] = [
        (&[("groups", "retail", Viewer)], Ok(Viewer)),
        (&[("groups", "retail", Admin), ("groups", "staff", Viewer)], Ok(Admin)),
        (&[("groups", "staff", Viewer), ("groups", "retail", Admin)], Ok(Viewer)),
        (&[("groups", "cards", Admin), ("realm_access.roles", "user", Operator)], Ok(Operator)),
        (&[("groups", "cards", Admin), ("sub", "ben", Admin)], Err(none)),
        (&[("groups", "Retail", Admin), ("absent", "", Admin)], Err(none)),
        // Without any rule nothing is an issuer's at this door.
        (&[], Err("unknown")),
    ];
    for (rules, expected) in cases {
        let directory = with_operators(operators(rules));
        assert_eq!(directory.has_operators(), !rules.is_empty());
        for _ in 0..2 {
            let found = operator(&directory, &token, NOW);
            let expected = expected.map(|role| ("oidc(corp):ann".into(), role));
            assert_eq!(found, expected.map_err(str::to_owned), "{rules:?}");
        }
    }
}

#[test]
fn an_operators_token_is_verified_as_a_callers_is_and_each_time() {
    let directory = with_operators(operators(&[("groups", "retail", Role::Admin)]));
    let found = |token: &str, now| operator(&directory, token, now);
    let made = made();
    for it in made["tokens"].as_array().unwrap() {
        let text = it["token"].as_str().unwrap();
        let (caller, operator) = (ask(&directory, text, NOW).map(drop), found(text, NOW).map(drop));
        assert_eq!(caller, operator, "{}", it["algorithm"]);
    }
    let forged = made["forged"].as_str().unwrap();
    assert_eq!(found(forged, NOW), ask(&directory, forged, NOW).map(|_| panic!("forged")));
    let end = 4_000_000_060;
    assert!(found(&token("RS256"), end - 1).is_ok());
    assert_eq!(found(&token("RS256"), end).unwrap_err(), "the token has expired");
    // A caller of the same token is known meanwhile, which is nothing to the other door.
    assert!(ask(&directory, &token("RS256"), NOW).is_ok());
    install(&directory, keys(Some("rsa")));
    assert_eq!(found(&token("RS256"), NOW).unwrap_err(), "the token's key is not known (yet)");
    assert!(directory.issuer_keys().next().unwrap().0.wanted());
    for strange in ["", "eyJ", "eyJ.a", "sk-sb-0123456789abcdef"] {
        assert_eq!(found(strange, NOW).unwrap_err(), "unknown", "{strange}");
    }
    assert!(found("eyJ.eyJ.eyJ", NOW).unwrap_err().starts_with("the token is no JWT"));
    let long = format!("eyJ{}.x.y", "A".repeat(20_000));
    assert_eq!(found(&long, NOW).unwrap_err(), "the token is longer than 16384 bytes");
}

#[test]
fn each_door_has_its_own_audience() {
    let token = token("ES256");
    let rules = [("groups", "retail", Role::Viewer)];
    let others = TokenOperators { audience: vec!["others".into()], ..operators(&rules) };
    let directory = with_operators(others);
    let refused = "the token is not for this gateway: its `aud` is another";
    assert!(ask(&directory, &token, NOW).is_ok());
    assert_eq!(operator(&directory, &token, NOW).unwrap_err(), refused);
    // For operators alone: the callers' door is closed, whoever comes.
    let operators = operators(&rules);
    let alone = Oidc { audience: Vec::new(), payers: Vec::new(), operators, ..corp(Vec::new()) };
    let directory = self::directory(&[alone], &Directory::empty(PEPPER));
    install(&directory, keys(None));
    assert!(operator(&directory, &token, NOW).is_ok());
    assert_eq!(ask(&directory, &token, NOW).err().as_deref(), Some(refused));
}

#[test]
fn an_operator_is_called_by_the_claim_that_is_chosen_or_is_refused() {
    for (claim, expected) in [
        ("sub", Some("oidc(corp):ann")),
        ("exp", Some("oidc(corp):4000000000")),
        ("groups", None),
        ("realm_access", None),
        ("absent", None),
    ] {
        let rules = operators(&[("groups", "retail", Role::Viewer)]);
        let directory = with_operators(TokenOperators { name: claim.into(), ..rules });
        match (operator(&directory, &token("RS256"), NOW), expected) {
            (found, Some(name)) => assert_eq!(found.unwrap().0, name),
            (found, None) => {
                let told = found.unwrap_err();
                let begins = format!("the token's `{claim}` names no operator: expected 1 to 100");
                assert!(told.starts_with(&begins), "{told}");
            }
        }
    }
}

#[test]
fn a_known_token_ends_when_it_ends_and_when_its_key_goes() {
    let directory = fresh(vec![any(0)]);
    let end = 4_000_000_060;
    assert!(ask(&directory, &token("RS256"), end - 1).is_ok());
    assert_eq!(ask(&directory, &token("RS256"), end).err().unwrap(), "the token has expired");
    assert!(ask(&directory, &token("RS256"), NOW).is_ok());
    assert!(ask(&directory, &token("ES256"), NOW).is_ok());
    // More keys, and the same: what is known stays known. One key less: it does not.
    install(&directory, keys(Some("rsa")));
    let refused = ask(&directory, &token("RS256"), NOW).err().unwrap();
    assert_eq!(refused, "the token's key is not known (yet)");
    assert!(ask(&directory, &token("ES256"), NOW).is_ok());
    install(&directory, keys(None));
    assert!(ask(&directory, &token("RS256"), NOW).is_ok());
}

#[test]
fn a_key_that_is_not_known_is_wanted_and_nothing_else_is() {
    let directory = directory(&[corp(vec![any(0)])], &Directory::empty(PEPPER));
    let wanted = || {
        let it = directory.issuer_keys().next().unwrap().0;
        let wanted = it.wanted();
        it.begin();
        wanted
    };
    assert!(ask(&directory, &token("RS256"), NOW).is_err() && wanted(), "no keys yet");
    install(&directory, keys(Some("rsa")));
    assert!(ask(&directory, &token("RS256"), NOW).is_err() && wanted());
    assert!(ask(&directory, &token("ES256"), NOW).is_ok() && !wanted());
    assert!(ask(&directory, &token("PS256"), NOW).is_err() && !wanted(), "not allowed");
    assert!(ask(&directory, made()["forged"].as_str().unwrap(), NOW).is_err() && !wanted());
    assert!(ask(&directory, "eyJ.eyJ.eyJ", NOW).is_err() && !wanted());
}

#[test]
fn a_reload_keeps_the_keys_of_an_issuer_that_stays() {
    let before = fresh(vec![any(0)]);
    assert!(ask(&before, &token("RS256"), NOW).is_ok());
    // Other rules bind what was known before.
    let stays = directory(&[corp(vec![rule("groups", "cards", 1)])], &before);
    let refused = ask(&stays, &token("RS256"), NOW).err().unwrap();
    assert_eq!(refused, "no rule of its issuer takes this token");
    let moved = Oidc { source: KeySource::File("keys.json".into()), ..corp(vec![any(0)]) };
    let moved = directory(&[moved], &before);
    assert_eq!(
        ask(&moved, &token("RS256"), NOW).err().unwrap(),
        "the token's key is not known (yet)"
    );
    // Without issuers, nothing is a token.
    let none = directory(&[], &before);
    assert_eq!(ask(&none, &token("RS256"), NOW).err().unwrap(), "the API key is not known");
}

#[test]
fn only_a_bearer_is_a_token_and_two_that_differ_are_none() {
    let directory = fresh(vec![any(0)]);
    let token = token("RS256");
    let asked = |pairs: &[(&'static str, &str)]| {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::try_from(*value).unwrap());
        }
        directory.authenticate(&headers, at(NOW)).map(drop).map_err(|it| (it.status(), it.public))
    };
    let bearer = format!("Bearer {token}");
    assert_eq!(asked(&[("x-api-key", &token)]), Err((401, "the API key is not known".into())));
    assert_eq!(asked(&[("authorization", &bearer), ("x-api-key", &token)]), Ok(()));
    let differ = asked(&[("authorization", &bearer), ("x-api-key", "sk-sb-one")]);
    assert_eq!(differ.map_err(|it| it.0), Err(400));
    let long = format!("Bearer eyJ{}.x.y", "A".repeat(20_000));
    let refused = asked(&[("authorization", &long)]).unwrap_err();
    assert_eq!(refused, (401, "the token is longer than 16384 bytes".into()));
}

#[test]
fn no_more_tokens_are_known_than_there_is_room_for() {
    let directory = fresh(vec![any(0)]);
    let who = ask(&directory, &token("RS256"), NOW).unwrap();
    let known = |until: i64| super::KnownToken {
        issuer: 0,
        generation: 0,
        until: at(until),
        who: who.clone(),
    };
    let hash = |nth: usize| {
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&nth.to_be_bytes());
        hash
    };
    // Those that have ended make room.
    for nth in 0..super::KNOWN_MAX {
        directory.issuers.keep(hash(nth), known(NOW), at(NOW - 1));
    }
    directory.issuers.keep(hash(1_000_000), known(NOW + 9), at(NOW));
    assert!(directory.issuers.known.len() <= 2);
    for nth in 0..3 * super::KNOWN_MAX {
        directory.issuers.keep(hash(nth), known(NOW + 9), at(NOW));
        assert!(directory.issuers.known.len() <= super::KNOWN_MAX);
    }
}

/// What a token costs beside a key, said and not judged: `--nocapture` shows it.
#[test]
fn a_known_token_costs_about_what_a_key_does() {
    let directory = fresh(vec![any(0)]);
    let of = |credential: &str| {
        let value = HeaderValue::try_from(format!("Bearer {credential}")).unwrap();
        HeaderMap::from_iter([(http::header::AUTHORIZATION, value)])
    };
    // The least of many rounds: whatever else runs on the machine is not in it.
    let least = |calls: u32, headers: &HeaderMap, forget: bool| {
        let round = || {
            let began = Instant::now();
            for _ in 0..calls {
                if forget {
                    directory.issuers.known.clear();
                }
                drop(directory.authenticate(headers, at(NOW)));
            }
            began.elapsed() / calls
        };
        (0..30).map(|_| round()).min().unwrap()
    };
    let (token, key) = (of(&token("RS256")), of("sk-sb-0123456789abcdef"));
    let (first, known) = (least(5, &token, true), least(50, &token, false));
    let key = least(50, &key, false);
    println!("a token first: {first:?}, known: {known:?}; a key that is not known: {key:?}");
}
