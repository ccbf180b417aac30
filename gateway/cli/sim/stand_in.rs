//! A fleet that stands in for the backends of a configuration, at their addresses.

use std::{
    collections::HashSet,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use http::Uri;

use crate::{
    config::Config,
    sim::{ModelSpec, ten},
};

/// The models of a configuration with those endpoints that can be stood in for, and what is said of others.
pub(super) fn specs(config: &Config) -> (Vec<ModelSpec>, Vec<String>) {
    let (ten, mut notes, mut taken) = (ten(), Vec::new(), HashSet::new());
    let mut specs = Vec::new();
    for (model, facts) in config.models.iter().zip(&config.policy.fleet().models) {
        let mut addresses = Vec::new();
        for endpoint in &model.endpoints {
            match address(&endpoint.url) {
                Ok(addr) if taken.insert(addr) => addresses.push(addr),
                Ok(_) => notes.push(format!(
                    "{}: another model stands at {} already",
                    model.id, endpoint.url
                )),
                Err(why) => notes.push(format!("{}: {} {why}", model.id, endpoint.url)),
            }
        }
        if addresses.is_empty() {
            continue;
        }
        let like = ten.iter().find(|it| it.is_called(&model.upstream_model) || *it.id == *model.id);
        let like = like.cloned().unwrap_or_else(|| ModelSpec::plain(&model.id));
        let also = Some(model.upstream_model.clone()).filter(|it| **it != *model.id);
        let spec = ModelSpec { id: (*model.id).into(), also: also.into_iter().collect(), ..like };
        specs.push(spec.context(facts.context_tokens_max.0).at(addresses));
    }
    (specs, notes)
}

/// Where a simulated replica has to listen to be this endpoint.
fn address(url: &Uri) -> Result<SocketAddr, &'static str> {
    let host = url.host().unwrap_or_default();
    let ip = match host.trim_start_matches('[').trim_end_matches(']') {
        "localhost" => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        host => host.parse().ok().filter(IpAddr::is_loopback),
    };
    let Some(ip) = ip else { return Err("is not on loopback") };
    if url.scheme_str() != Some("http") {
        return Err("wants TLS, which the simulated fleet does not speak");
    }
    if url.path() != "/v1" {
        return Err("has another path than /v1, where the simulated fleet serves");
    }
    Ok(SocketAddr::new(ip, url.port_u16().unwrap_or(80)))
}
