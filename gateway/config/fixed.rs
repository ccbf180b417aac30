//! What of a configuration is read at the start only: a process listens, writes and hashes by it to its
//! end. A reload that says something else there is refused, and its operator told of each key.

use std::{fmt, time::Duration};

use super::{Admin, Config, Durability, Identity, Ledger, Secret, Server, Tracing, Wait, Webhook};

/// A key that is read at the start only, and has another value in a configuration that came later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixedChange {
    /// The path of the key, such as `server.listen`.
    pub path: String,
    /// The value in force, as a file would state it; of a secret only whether there is one.
    pub before: String,
    /// The value that would take a restart.
    pub after: String,
}

impl fmt::Display for FixedChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} -> {}", self.path, self.before, self.after)
    }
}

/// A value as it is compared and shown.
#[derive(PartialEq)]
enum Value<'a> {
    Said(String),
    Hidden(Option<&'a Secret>),
}

impl Value<'_> {
    /// A text between quotes, as in the file.
    fn text(text: impl fmt::Display) -> Self {
        Self::Said(format!("{:?}", text.to_string()))
    }

    fn number(number: impl fmt::Display) -> Self {
        Self::Said(number.to_string())
    }

    fn ms(time: Duration) -> Self {
        Self::number(time.as_millis())
    }

    /// What is shown of it beside another one.
    fn shown(self, secret: &str) -> String {
        match self {
            Self::Said(text) => text,
            Self::Hidden(Some(_)) => secret.to_owned(),
            Self::Hidden(None) => "nothing".to_owned(),
        }
    }
}

type Values<'a> = Vec<(&'static str, Value<'a>)>;

/// The keys that are read at the start only and differ, in the order of the sections.
pub(crate) fn fixed_changes(before: &Config, after: &Config) -> Vec<FixedChange> {
    let differ = values(before).into_iter().zip(values(after));
    let differ = differ.filter(|((_, before), (_, after))| before != after);
    // Where one person is enough, before or after, it has no effect, and nobody has changed it.
    let both = before.two_persons.is_some() && after.two_persons.is_some();
    let differ = differ.filter(|((path, _), _)| both || *path != EXPIRE_HOURS);
    let change = |((path, before), (_, after)): ((&str, Value<'_>), (_, Value<'_>))| {
        let first = before == Value::Hidden(None);
        let after = after.shown(if first { "a secret" } else { "another secret" });
        FixedChange { path: path.to_owned(), before: before.shown("a secret"), after }
    };
    differ.map(change).collect()
}

/// Every value that is read at the start only.
fn values(config: &Config) -> Values<'_> {
    // By which name it is found is of no matter.
    let Identity { pepper, source: _ } = &config.identity;
    let mut values = server(&config.server);
    values.extend(admin(&config.admin));
    values.extend(ledger(&config.ledger));
    values.extend(tracing(config.tracing.as_ref()));
    values.extend(webhook(config.webhook.as_ref()));
    values.extend([
        ("identity.pepper", Value::Hidden(pepper.as_ref())),
        ("audit.signing_key", Value::Hidden(config.audit_key.as_ref())),
        ("audit.two_persons", Value::Said(config.two_persons.is_some().to_string())),
        (EXPIRE_HOURS, expire_hours(config)),
        ("budget.wait_ms", Value::ms(config.budget_wait)),
        ("cache.bytes_max", Value::number(config.cache.bytes_max)),
        ("cache.wait_ms", Value::ms(config.cache.wait)),
        ("metrics.series_max", Value::number(config.series_max)),
    ]);
    values
}

const EXPIRE_HOURS: &str = "audit.proposals_expire_hours";

/// After how many hours a proposal expires; of no effect where one person is enough.
fn expire_hours(config: &Config) -> Value<'_> {
    let hours = config.two_persons.map(|it| it.expire_ms / 3_600_000);
    Value::Said(hours.map_or_else(|| "nothing".to_owned(), |it| it.to_string()))
}

/// Taken apart by name, as the other sections are, so that no key can be forgotten here.
fn server(it: &Server) -> Values<'_> {
    let Server {
        listen,
        body_bytes_max,
        header_timeout,
        body_timeout,
        write_timeout,
        drain_timeout,
        drain_grace,
        body_in_flight_bytes_max,
        early_head,
        why_header,
        connections_max,
        cors_origins,
    } = it;
    vec![
        ("server.listen", Value::text(listen)),
        ("server.body_bytes_max", Value::number(body_bytes_max)),
        ("server.header_timeout_ms", Value::ms(*header_timeout)),
        ("server.body_timeout_ms", Value::ms(*body_timeout)),
        ("server.write_timeout_ms", Value::ms(*write_timeout)),
        ("server.drain_timeout_ms", Value::ms(*drain_timeout)),
        ("server.drain_grace_ms", Value::ms(*drain_grace)),
        ("server.body_in_flight_bytes_max", Value::number(body_in_flight_bytes_max)),
        ("server.early_head_ms", Value::ms(*early_head)),
        ("server.why_header", Value::Said(why_header.to_string())),
        ("server.connections_max", Value::number(connections_max)),
        ("server.cors_origins", Value::Said(format!("{cors_origins:?}"))),
    ]
}

fn admin(it: &Admin) -> Values<'_> {
    // Whoever may knock is let in by what a reload takes over.
    let Admin { listen, token: _, metrics_token: _, operators: _ } = it;
    vec![("admin.listen", Value::text(listen))]
}

fn ledger(it: &Ledger) -> Values<'_> {
    let Ledger { currency, sqlite, durability, wait, retention_days, disk_free_bytes_min } = it;
    let durability = match durability {
        Durability::Power => "power",
        Durability::Process => "process",
    };
    let wait = match wait {
        Wait::FirstByte => "first_byte",
        Wait::Dispatch => "dispatch",
    };
    vec![
        ("ledger.currency", Value::text(currency)),
        ("ledger.sqlite", Value::text(sqlite.display())),
        ("ledger.durability", Value::text(durability)),
        ("ledger.wait", Value::text(wait)),
        ("ledger.retention_days", Value::number(retention_days)),
        ("ledger.disk_free_bytes_min", Value::number(disk_free_bytes_min)),
    ]
}

fn tracing(it: Option<&Tracing>) -> Values<'_> {
    let nothing = || Value::Said("nothing".to_owned());
    let Some(Tracing { otlp, sample, headers }) = it else {
        return vec![
            ("tracing.otlp", nothing()),
            ("tracing.sample", nothing()),
            ("tracing.headers", Value::Hidden(None)),
        ];
    };
    vec![
        ("tracing.otlp", Value::text(otlp)),
        ("tracing.sample", Value::number(sample)),
        ("tracing.headers", Value::Hidden(headers.as_ref())),
    ]
}

fn webhook(it: Option<&Webhook>) -> Values<'_> {
    let nothing = || Value::Said("nothing".to_owned());
    let (url, secret, timeout) = match it {
        None => (nothing(), None, nothing()),
        Some(Webhook { url, secret, timeout }) => {
            (Value::text(url), Some(secret), Value::ms(*timeout))
        }
    };
    vec![
        ("webhook.url", url),
        ("webhook.secret", Value::Hidden(secret)),
        ("webhook.timeout_ms", timeout),
    ]
}
