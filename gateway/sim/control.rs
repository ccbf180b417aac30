//! The control address of the simulated fleet: faults, kills, and what was seen.

use std::sync::atomic::Ordering::Relaxed;

use http::{Method, Response, StatusCode, request::Parts};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    Cluster, Unknown,
    body::Body,
    engine::{error, json_body},
    fault::{InjectedFault, Order},
    listener::ListenerState,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    model: String,
    replica: Option<usize>,
    fault: Option<String>,
    times: Option<u32>,
    one_in: Option<u32>,
}

/// Answers one request at the control address.
pub(super) async fn answer(cluster: &Cluster, head: &Parts, body: &[u8]) -> Response<Body> {
    let path = head.uri.path();
    if (&head.method, path) == (&Method::GET, "/sim/seen") {
        return told(&seen(cluster));
    }
    if (&head.method, path) == (&Method::GET, "/sim/faults") {
        let faults = InjectedFault::ALL.iter().map(|it| (it.name().to_owned(), it.says().into()));
        return told(&Value::Object(faults.collect()));
    }
    if head.method != Method::POST {
        return error(StatusCode::NOT_FOUND, "no such path");
    }
    let order: Told = match serde_json::from_slice(body) {
        Ok(order) => order,
        Err(wrong) => return error(StatusCode::BAD_REQUEST, &wrong.to_string()),
    };
    match obey(cluster, path, &order).await {
        Some(Ok(())) => told(&json!({ "done": true })),
        Some(Err(wrong)) => error(StatusCode::BAD_REQUEST, &wrong),
        None => error(StatusCode::NOT_FOUND, "no such path"),
    }
}

async fn obey(cluster: &Cluster, path: &str, order: &Told) -> Option<Result<(), String>> {
    let (model, replica) = (order.model.as_str(), order.replica);
    let said = |result: Result<(), Unknown>| Some(result.map_err(|unknown| unknown.to_string()));
    match path {
        "/sim/kill" => said(cluster.turn(model, replica, ListenerState::Dead).await),
        "/sim/revive" => said(cluster.turn(model, replica, ListenerState::Open).await),
        "/sim/fault" => match order.fault() {
            Err(wrong) => Some(Err(wrong)),
            Ok(fault) => said(cluster.fault(model, replica, fault).await),
        },
        _ => None,
    }
}

impl Told {
    /// The fault that is to be put in force, or none.
    fn fault(&self) -> Result<Option<Order>, String> {
        let Some(name) = self.fault.as_deref() else { return Ok(None) };
        let Some(fault) = InjectedFault::from_name(name) else {
            let names: Vec<&str> = InjectedFault::ALL.iter().map(|fault| fault.name()).collect();
            return Err(format!("no such fault; there are: {}", names.join(", ")));
        };
        let one_in = self.one_in.unwrap_or(1);
        match (one_in, fault) {
            (0, _) => Err("one_in is 0; at least 1 is expected".into()),
            (2.., InjectedFault::Refuse) => {
                Err("one_in is of requests, and `refuse` closes the port to all of them".into())
            }
            _ => Ok(Some(Order { fault, times: self.times, one_in })),
        }
    }
}

fn seen(cluster: &Cluster) -> Value {
    let models = cluster.engines.iter().map(|engine| {
        let id = &engine.spec.id;
        let replicas = cluster.of(id).map(|replica| {
            json!({
                "url": format!("http://{}/v1", replica.addr),
                "open": replica.is_open(),
                "requests": replica.requests.load(Relaxed),
            })
        });
        let mut seen = engine.tally.seen().fields();
        seen.insert("replicas".to_owned(), replicas.collect());
        (id.to_string(), Value::Object(seen))
    });
    Value::Object(models.collect::<Map<_, _>>())
}

fn told(value: &Value) -> Response<Body> {
    json_body(StatusCode::OK, Body::Whole(value.to_string().into()))
}
