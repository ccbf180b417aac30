//! The control address of the simulated fleet: faults, kills, and what was seen.

use std::sync::atomic::Ordering::Relaxed;

use http::{Method, Response, StatusCode, request::Parts};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    Cluster, Unknown,
    body::Body,
    engine::{error, json_body},
    fault::InjectedFault,
    listener::ListenerState,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    model: String,
    replica: Option<usize>,
    fault: Option<String>,
    times: Option<u32>,
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
    let order: Order = match serde_json::from_slice(body) {
        Ok(order) => order,
        Err(wrong) => return error(StatusCode::BAD_REQUEST, &wrong.to_string()),
    };
    match obey(cluster, path, &order).await {
        Some(Ok(())) => told(&json!({ "done": true })),
        Some(Err(wrong)) => error(StatusCode::BAD_REQUEST, &wrong),
        None => error(StatusCode::NOT_FOUND, "no such path"),
    }
}

async fn obey(cluster: &Cluster, path: &str, order: &Order) -> Option<Result<(), String>> {
    let (model, replica) = (order.model.as_str(), order.replica);
    let said = |result: Result<(), Unknown>| Some(result.map_err(|unknown| unknown.to_string()));
    match path {
        "/sim/kill" => said(cluster.turn(model, replica, ListenerState::Dead).await),
        "/sim/revive" => said(cluster.turn(model, replica, ListenerState::Open).await),
        "/sim/fault" => match order.fault.as_deref().map(InjectedFault::from_name) {
            Some(None) => {
                let names: Vec<&str> =
                    InjectedFault::ALL.iter().map(|fault| fault.name()).collect();
                Some(Err(format!("no such fault; there are: {}", names.join(", "))))
            }
            fault => said(cluster.fault(model, replica, fault.flatten(), order.times).await),
        },
        _ => None,
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
