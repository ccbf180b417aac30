//! The two listeners, for callers and for operators: from their sections to values.

use std::net::{Ipv4Addr, SocketAddr};

use policies::{
    Fault,
    document::{Faults, Section},
};
use toml::Value;

use super::{
    Admin, Server,
    fields::{MIB, address, bytes, later, millis, millis_or_none, number, own_token, texts_of},
    outside::Outside,
    url::is_origin,
};

/// The listener for callers.
pub(super) fn server(mut it: Section<'_>, faults: &mut Faults) -> Server {
    let origin = (
        "an origin such as \"https://chat.example.com\", without a path; never \"*\": every page would \
         be let in",
        is_origin as fn(&str) -> bool,
    );
    let origins = texts_of(&mut it, "cors_origins", origin, faults);
    let server = Server {
        cors_origins: origins.into_iter().map(|it| it.to_ascii_lowercase().into()).collect(),
        listen: address(&mut it, "listen", loopback(8080), faults),
        body_bytes_max: bytes(number(
            &mut it,
            "body_bytes_max",
            32 * MIB,
            1_024..=1_024 * MIB,
            faults,
        )),
        header_timeout: millis(&mut it, "header_timeout_ms", 10_000, faults),
        body_timeout: millis(&mut it, "body_timeout_ms", 30_000, faults),
        write_timeout: millis(&mut it, "write_timeout_ms", 60_000, faults),
        drain_timeout: millis_or_none(&mut it, "drain_timeout_ms", 120_000, faults),
        drain_grace: millis_or_none(&mut it, "drain_grace_ms", 5_000, faults),
        body_in_flight_bytes_max: bytes(number(
            &mut it,
            "body_in_flight_bytes_max",
            1_024 * MIB,
            MIB..=1_024 * 1_024 * MIB,
            faults,
        )),
        early_head: millis(&mut it, "early_head_ms", 15_000, faults),
        why_header: it.read("why_header", "true or false", faults, Value::as_bool) == Some(true),
        connections_max: bytes(number(&mut it, "connections_max", 16_384, 1..=1_000_000, faults)),
    };
    // It will say whose addresses audits name; until then it must not seem to do anything.
    let none = "nothing, or []: no address is named anywhere by this version";
    let empty = |value: &Value| value.as_array()?.is_empty().then_some(());
    it.read("trusted_proxies", none, faults, empty);
    later(&mut it, &["tls"], faults);
    it.close(faults);
    server
}

/// The listener for operators, of whom none is read yet.
pub(super) fn admin(mut it: Section<'_>, outside: &Outside<'_>, faults: &mut Faults) -> Admin {
    let listen = address(&mut it, "listen", loopback(9090), faults);
    let key = own_token(&mut it, "token", outside, faults);
    let metrics_token = own_token(&mut it, "metrics_token", outside, faults);
    it.close(faults);
    Admin { listen, token: key, metrics_token, operators: Vec::new() }
}

/// Two listeners cannot be opened on one port where the addresses of one are among those of the other.
pub(super) fn apart(server: &Server, admin: &Admin, faults: &mut Faults) {
    let (one, other) = (server.listen, admin.listen);
    // An unspecified IPv6 address is that of IPv4 as well.
    let holds = |all: SocketAddr, it: SocketAddr| {
        all.ip().is_unspecified() && (all.is_ipv6() || it.is_ipv4())
    };
    let same = one.ip().to_canonical() == other.ip().to_canonical();
    let meet = same || holds(one, other) || holds(other, one);
    if one.port() == other.port() && one.port() != 0 && meet {
        let expected = "another address than `server.listen`: callers never meet operators";
        faults.push(Fault::new("admin.listen", other.to_string(), expected));
    }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}
