//! Secrets, form by form.

use classify::Content::Secret;

use crate::{
    draw::Rng,
    form::Form,
    scheme::{Said, Scheme},
};

const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const CAPITALS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const HEX: &str = "0123456789abcdef";

/// What its maker begins a token with, its alphabet and its length.
const TOKENS: &[(&str, &str, usize)] = &[
    ("ghp_", LETTERS, 36),
    ("gho_", LETTERS, 36),
    ("github_pat_", LETTERS, 82),
    ("glpat-", LETTERS, 20),
    ("npm_", LETTERS, 36),
    ("hf_", LETTERS, 34),
    ("sk-proj-", LETTERS, 64),
    ("sk-ant-api03-", LETTERS, 93),
    ("sk-", LETTERS, 48),
    ("AIza", LETTERS, 35),
    ("gsk_", LETTERS, 52),
    ("xoxb-123456789012-", LETTERS, 24),
    ("sk_live_", LETTERS, 24),
    ("whsec_", LETTERS, 32),
    ("AKIA", CAPITALS, 16),
    ("ASIA", CAPITALS, 16),
    ("dop_v1_", HEX, 64),
    ("hvs.", LETTERS, 24),
    ("glsa_", LETTERS, 41),
    ("shpat_", HEX, 32),
];

const SAID: &[Said] = &[
    ("en", "{}"),
    ("en", "Why does {} not work?"),
    ("en", "export TOKEN={}\n"),
    ("en", "curl -H 'Authorization: Bearer {}' https://api.example.com"),
    ("zh", "我的密钥是 {}，帮我看看"),
    ("id", "tolong cek token {} ini"),
    ("th", "โทเค็น {} ใช้ไม่ได้"),
    ("vi", "Khóa của tôi: {}"),
    ("ja", "キー「{}」が無効です"),
    ("it", "La chiave è `{}`."),
    ("en", "{\"key\": \"{}\"}"),
];

fn token(rng: &mut Rng) -> String {
    let (head, alphabet, count) = rng.pick(TOKENS);
    format!("{head}{}", rng.of(alphabet, count))
}

fn no_token(rng: &mut Rng) -> String {
    let (head, alphabet, _) = rng.pick(TOKENS);
    let (other, seven) = (rng.of(LETTERS, 40), rng.of(alphabet, 7));
    let (hex, few) = (rng.of(HEX, 64), rng.of(HEX, 12));
    match rng.below(10) {
        0 => format!("Use {head}{seven} here"),
        1 => format!("Set it to {head}{} in the file", "x".repeat(40)),
        2 => format!("A key begins with {head} and goes on"),
        3 => format!("sha256:{hex}"),
        4 => format!("commit {}", &hex[..40]),
        5 => format!("{}-{}-4{}-a{}-{few}", &hex[..8], &hex[8..12], &hex[12..15], &hex[15..18]),
        6 => format!("the cache key {other} was not there"),
        7 => format!("token={head}{}", "your-key-goes-here-please-replace"),
        8 => format!("data:image/png;base64,{other}{other}"),
        _ => format!("let task_{seven} = risk-adjusted-returns-of-the-year-and-of-the-month;"),
    }
}

/// Three parts of base64url, of which two are JSON.
fn web_token(rng: &mut Rng) -> String {
    let head = rng.pick(&["eyJhbGciOiJIUzI1NiJ9", "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9"]);
    let (claims, signed) = (rng.of(LETTERS, 60), rng.of(LETTERS, 43));
    format!("{head}.eyJzdWIiOiI{claims}.{signed}")
}

fn no_web_token(rng: &mut Rng) -> String {
    let other = rng.of(LETTERS, 30);
    match rng.below(4) {
        0 => format!("eyJhbGciOiJIUzI1NiJ9 {other}"),
        1 => format!("eyJhbGciOiJIUzI1NiJ9.{other}"),
        2 => format!("{other}.{other}.{other}"),
        _ => "eyJhbGciOiJIUzI1NiJ9.eyJzdWIi.<signature>".to_owned(),
    }
}

fn private_key(rng: &mut Rng) -> String {
    let kinds = ["RSA ", "EC ", "", "OPENSSH ", "ENCRYPTED ", "DSA "];
    let (kind, body) = (rng.pick(&kinds), rng.of(LETTERS, 64));
    format!("-----BEGIN {kind}PRIVATE KEY-----\n{body}\n{body}\n-----END {kind}PRIVATE KEY-----")
}

fn no_private_key(rng: &mut Rng) -> String {
    let body = rng.of(LETTERS, 64);
    match rng.below(5) {
        0 => format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----"),
        1 => format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----"),
        2 => "The private key begins with BEGIN PRIVATE KEY in its first line".to_owned(),
        3 => "---------- private key ----------".to_owned(),
        _ => "| a | b |\n|-----|-----|\n| PRIVATE KEY | none |".to_owned(),
    }
}

fn password(rng: &mut Rng) -> String {
    let count = rng.within(8, 16);
    rng.of(LETTERS, count)
}

fn connection(rng: &mut Rng) -> String {
    let scheme = rng.pick(&["postgres", "mysql", "mongodb+srv", "redis", "amqp", "https"]);
    let (user, password) = (rng.pick(&["app", "root", "svc_bank", ""]), password(rng));
    format!("{scheme}://{user}:{password}@db.example.com:5432/ledger")
}

fn no_connection(rng: &mut Rng) -> String {
    let scheme = rng.pick(&["postgres", "mysql", "mongodb+srv", "redis", "amqp", "https"]);
    let rest = "db.example.com:5432/ledger";
    let stands = rng.pick(&["<password>", "${DB_PASSWORD}", "***", "{password}", "%s", "$PASS"]);
    match rng.below(5) {
        0 => format!("{scheme}://{rest}"),
        1 => format!("{scheme}://app@{rest}"),
        2 | 3 => format!("{scheme}://app:{stands}@{rest}"),
        _ => format!("see {scheme}://{rest} and ask ops@bank.example: all of it"),
    }
}

fn string(rng: &mut Rng) -> String {
    let (field, password) = (rng.pick(&["Password", "PWD", "Pwd", "password"]), password(rng));
    match rng.below(3) {
        0 => format!("Server=db01;Database=core;User Id=app;{field}={password};"),
        1 => format!("Data Source=10.0.0.5;Initial Catalog=x;{field}={password};Encrypt=true"),
        _ => format!("host=db;uid=app;{field}={password}"),
    }
}

fn no_string(rng: &mut Rng) -> String {
    let stands = rng.pick(&["<password>", "${PASSWORD}", "********", "{0}", "[secret]", "xxxxxx"]);
    match rng.below(4) {
        0 | 1 => format!("Server=db01;Database=core;User Id=app;Password={stands};"),
        2 => "Password: must have eight characters; a digit; a capital".to_owned(),
        _ => "def login(user, password=None): return server".to_owned(),
    }
}

fn field(rng: &mut Rng) -> String {
    let names = ["aws_secret_access_key", "AccountKey", "client_secret", "API_KEY", "api-key"];
    let (name, value) = (rng.pick(&names), rng.of(LETTERS, 40));
    match rng.below(4) {
        0 => format!("{name}={value}"),
        1 => format!("{name}: {value}"),
        2 => format!("{{\"{name}\": \"{value}\"}}"),
        _ => format!("{name} = '{value}'"),
    }
}

fn no_field(rng: &mut Rng) -> String {
    let names = ["aws_secret_access_key", "AccountKey", "client_secret", "API_KEY", "api-key"];
    let (name, value) = (rng.pick(&names), rng.of(LETTERS, 40));
    match rng.below(5) {
        0 => format!("{name}=${{SECRET_FROM_THE_VAULT_1}}"),
        1 => format!("{name}: <your-key-goes-here-1234567>"),
        2 => format!("{name}=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
        3 => format!("{name} = os.environ['THE_KEY_OF_ENVIRONMENT_1']"),
        _ => format!("cache_id={value}"),
    }
}

const SECRET: Scheme = Scheme { kind: Secret, told: SAID, alone: &[Form::Bare], ..Scheme::PLAIN };

pub(crate) const SCHEMES: &[Scheme] = &[
    Scheme { name: "tokens of APIs and clouds", draw: token, misses: Some(no_token), ..SECRET },
    Scheme { name: "JSON Web Tokens", draw: web_token, misses: Some(no_web_token), ..SECRET },
    Scheme { name: "private keys", draw: private_key, misses: Some(no_private_key), ..SECRET },
    Scheme { name: "passwords in URLs", draw: connection, misses: Some(no_connection), ..SECRET },
    Scheme {
        name: "passwords in connection strings",
        draw: string,
        misses: Some(no_string),
        told: &[("en", "{}"), ("en", "Why does \"{}\" time out?"), ("zh", "连接串：{}")],
        ..SECRET
    },
    Scheme {
        name: "long values of named fields",
        draw: field,
        misses: Some(no_field),
        told: &[("en", "{}"), ("en", "In .env:\n{}\n"), ("id", "isi berkasnya {}")],
        ..SECRET
    },
];
