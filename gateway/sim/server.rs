//! The sockets of the simulated fleet: one port a replica, hyper on each connection.

use std::{
    convert::Infallible,
    net::{SocketAddr, TcpListener},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Collected};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::{net::TcpStream, sync::watch, task::JoinSet, time::sleep};

use super::{
    Cluster,
    ask::{self, Api},
    body::Body,
    control,
    engine::{Engine, Fuse, Line, error, json_body},
    fault::{InjectedFault, Order},
    listener::ListenerState,
};

/// One replica of one model.
#[derive(Debug)]
pub(super) struct Replica {
    /// The model.
    pub engine: Arc<Engine>,
    /// Its port, for good.
    pub addr: SocketAddr,
    /// Whether the port is to be open.
    wanted: watch::Sender<ListenerState>,
    /// Whether it is.
    shown: watch::Sender<ListenerState>,
    /// The fault in force.
    fuse: Fuse,
    /// Requests for an answer so far.
    pub requests: AtomicU64,
}

impl Replica {
    /// A replica at this address.
    pub(super) fn new(engine: Arc<Engine>, addr: SocketAddr) -> Self {
        let (wanted, shown) =
            (watch::Sender::new(ListenerState::Open), watch::Sender::new(ListenerState::Open));
        let (fuse, requests) = (Fuse::default(), AtomicU64::new(0));
        Self { engine, addr, wanted, shown, fuse, requests }
    }

    /// Puts a fault in force, or none; says what that makes of the port.
    pub(super) fn light(&self, order: Option<Order>) -> ListenerState {
        let refuse = order.is_some_and(|it| it.fault == InjectedFault::Refuse);
        self.fuse.set(order.filter(|_| !refuse));
        if refuse { ListenerState::Refusing } else { ListenerState::Open }
    }

    /// The fault it starts with.
    pub(super) fn begin(&self, fault: Option<InjectedFault>) {
        let order = fault.map(|fault| Order { fault, times: None, one_in: 1 });
        self.wanted.send_replace(self.light(order));
    }

    /// Opens or closes the port, and returns when that is done.
    pub(super) async fn turn(&self, state: ListenerState) {
        let mut shown = self.shown.subscribe();
        self.wanted.send_replace(state);
        // An error means that the replica has ended: then its port is closed for good.
        let _ = shown.wait_for(|shown| *shown == state).await;
    }

    /// Whether the port is open.
    pub(super) fn is_open(&self) -> bool {
        *self.shown.borrow() == ListenerState::Open
    }
}

/// Serves one replica until it is dropped. Its connections live and end with it.
pub(super) async fn run(replica: Arc<Replica>, listener: TcpListener) {
    let mut wanted = replica.wanted.subscribe();
    let mut listener = tokio::net::TcpListener::from_std(listener).ok();
    let mut connections = JoinSet::new();
    loop {
        let state = *wanted.borrow_and_update();
        match (state, &listener) {
            (ListenerState::Open, None) => {
                listener = tokio::net::TcpListener::bind(replica.addr).await.ok();
                if listener.is_none() {
                    // Somebody else holds the port for a moment.
                    sleep(Duration::from_millis(20)).await;
                }
            }
            (ListenerState::Open, Some(open)) => {
                replica.shown.send_replace(state);
                tokio::select! {
                    accepted = open.accept() => if let Ok((stream, _)) = accepted {
                        connections.spawn(connection(Arc::clone(&replica), stream));
                    },
                    Some(_) = connections.join_next() => {}
                    changed = wanted.changed() => if changed.is_err() { return },
                }
            }
            (ListenerState::Refusing | ListenerState::Dead, _) => {
                listener = None;
                if state == ListenerState::Dead {
                    connections.shutdown().await;
                }
                replica.shown.send_replace(state);
                if wanted.changed().await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn connection(replica: Arc<Replica>, stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    replica.engine.tally.connected();
    let line = Arc::new(Line::default());
    let mut wanted = replica.wanted.subscribe();
    let served = service_fn(|request| {
        let (replica, line) = (Arc::clone(&replica), Arc::clone(&line));
        async move { Ok::<_, Infallible>(route(&replica, &line, request).await) }
    });
    let mut hyper = http1::Builder::new().serve_connection(TokioIo::new(stream), served);
    let mut wreck = pin!(line.wreck.notified());
    loop {
        tokio::select! {
            _ = &mut hyper => return,
            () = &mut wreck => {
                let stream = hyper.into_parts().io.into_inner();
                let _ = stream.set_zero_linger();
                return;
            }
            _ = wanted.changed() => {}
        }
        if *wanted.borrow_and_update() == ListenerState::Refusing {
            Pin::new(&mut hyper).graceful_shutdown();
        }
    }
}

async fn route(replica: &Replica, line: &Line, request: Request<Incoming>) -> Response<Body> {
    let engine = &replica.engine;
    let api = Api::at(request.uri().path());
    match (request.method(), request.uri().path()) {
        (&Method::POST, _) if let Some(api) = api => {
            let (head, body) = request.into_parts();
            let Ok(body) = body.collect().await else {
                return error(StatusCode::BAD_REQUEST, "the body broke off");
            };
            let body = body.to_bytes();
            replica.requests.fetch_add(1, Relaxed);
            let in_flight = engine.tally.begin(head.headers, body.clone());
            engine.answer(api, (&replica.fuse, line), in_flight, body).await
        }
        (&Method::GET, "/v1/models") => {
            let spec = &engine.spec;
            // As vLLM lists a model that is served by several names.
            let root = spec.also.first().unwrap_or(&spec.id);
            let model = |id: &str| {
                json!({
                    "id": id, "object": "model", "owned_by": "vllm", "root": root, "parent": null,
                    "max_model_len": spec.context_tokens_max,
                })
            };
            let names = spec.also.iter().chain([&spec.id]);
            let models: Vec<_> = names.map(|name| model(name)).collect();
            let list = json!({ "object": "list", "data": models });
            json_body(StatusCode::OK, Body::Whole(list.to_string().into()))
        }
        (&Method::POST, "/tokenize") if engine.spec.tokenizes => {
            match request.into_body().collect().await {
                Ok(body) => tokenized(engine, &body.to_bytes()),
                Err(_) => error(StatusCode::BAD_REQUEST, "the body broke off"),
            }
        }
        (&Method::GET, "/health") => Response::new(Body::Whole(Bytes::new())),
        _ => error(StatusCode::NOT_FOUND, "no such path"),
    }
}

/// The tokens of a chat, as vLLM counts them out.
fn tokenized(engine: &Engine, body: &[u8]) -> Response<Body> {
    let count = match ask::read(body) {
        Ok(ask) => ask.prompt_tokens,
        Err(wrong) => return error(StatusCode::BAD_REQUEST, &wrong),
    };
    let said = json!({
        "count": count, "max_model_len": engine.spec.context_tokens_max,
        "tokens": (0..count).collect::<Vec<_>>(), "token_strs": null,
    });
    json_body(StatusCode::OK, Body::Whole(said.to_string().into()))
}

/// Serves the control address until it is dropped.
pub(super) async fn control(cluster: Arc<Cluster>, listener: TcpListener) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                connections.spawn(control_connection(Arc::clone(&cluster), stream));
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn control_connection(cluster: Arc<Cluster>, stream: TcpStream) {
    let served = service_fn(|request: Request<Incoming>| {
        let cluster = Arc::clone(&cluster);
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
            Ok::<_, Infallible>(control::answer(&cluster, &head, &body).await)
        }
    });
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), served).await;
}
