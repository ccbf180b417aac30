//! A collector of spans that takes them, or does what a test says instead.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, AtomicUsize, Ordering::SeqCst},
    },
};

use prost::Message;
use signalbox::record::trace::message::{Export, KeyValue, ScopeSpans, Span, Value};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// Instead of a status: it never answers.
pub(crate) const SILENT: u16 = 0;

/// A collector.
pub(crate) struct Collector {
    addr: SocketAddr,
    heard: Arc<Heard>,
    task: JoinHandle<()>,
}

struct Heard {
    status: AtomicU16,
    batches: AtomicUsize,
    heads: Mutex<Vec<String>>,
    spans: Mutex<Vec<Seen>>,
}

/// A span as it came in.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Itself.
    pub(crate) span: Span,
    /// Its attributes, and those of its process.
    pub(crate) about: BTreeMap<String, String>,
}

impl Seen {
    /// An attribute, or nothing.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.about.get(name).map_or("", |it| it)
    }

    /// Its id in hexadecimal digits.
    pub(crate) fn id(&self) -> String {
        hex(&self.span.span_id)
    }

    /// Its parent's.
    pub(crate) fn parent(&self) -> String {
        hex(&self.span.parent_span_id)
    }

    /// Its trace's.
    pub(crate) fn trace(&self) -> String {
        hex(&self.span.trace_id)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|it| format!("{it:02x}")).collect()
}

fn about(attributes: &[KeyValue]) -> impl Iterator<Item = (String, String)> {
    attributes.iter().map(|it| {
        let value = it.value.as_ref().and_then(|it| it.value.as_ref());
        let value = match value.expect("a value") {
            Value::Text(text) => text.clone(),
            Value::Bool(yes) => yes.to_string(),
            Value::Int(number) => number.to_string(),
            Value::Double(number) => number.to_string(),
        };
        (it.key.clone(), value)
    })
}

impl Collector {
    /// One that answers with this status.
    pub(crate) async fn answering(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
        let addr = listener.local_addr().expect("an address");
        let heard = Arc::new(Heard {
            status: status.into(),
            batches: AtomicUsize::new(0),
            heads: Mutex::default(),
            spans: Mutex::default(),
        });
        let hears = Arc::clone(&heard);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let hears = Arc::clone(&hears);
                tokio::spawn(async move { hears.serve(stream).await });
            }
        });
        Self { addr, heard, task }
    }

    /// One that takes spans.
    pub(crate) async fn start() -> Self {
        Self::answering(200).await
    }

    /// Answers with another status from now on.
    pub(crate) fn answers(&self, status: u16) {
        self.heard.status.store(status, SeqCst);
    }

    /// The section of a configuration that sends it this share.
    pub(crate) fn section(&self, sample: &str) -> String {
        format!("[tracing]\notlp = \"http://{}\"\nsample = {sample}\n", self.addr)
    }

    /// How many batches came, taken or not.
    pub(crate) fn batches(&self) -> usize {
        self.heard.batches.load(SeqCst)
    }

    /// The heads of the requests that came.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heard.heads.lock().unwrap().clone()
    }

    /// The spans that it has taken.
    pub(crate) fn spans(&self) -> Vec<Seen> {
        self.heard.spans.lock().unwrap().clone()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Heard {
    async fn serve(&self, mut stream: TcpStream) {
        let mut bytes = Vec::new();
        loop {
            let Some(body) = request(&mut stream, &mut bytes).await else { return };
            self.heads.lock().unwrap().push(body.0);
            self.batches.fetch_add(1, SeqCst);
            let status = self.status.load(SeqCst);
            if status == SILENT {
                return std::future::pending().await;
            }
            if status == 200 {
                self.take(&body.1);
            }
            let head = format!("HTTP/1.1 {status} It\r\ncontent-length: 0\r\n\r\n");
            if stream.write_all(head.as_bytes()).await.is_err() {
                return;
            }
        }
    }

    fn take(&self, body: &[u8]) {
        let export = Export::decode(body).expect("a message");
        let mut spans = self.spans.lock().unwrap();
        for resource in export.resource_spans {
            let whose = resource.resource.expect("a process").attributes;
            for scope in resource.scope_spans {
                let scope = ScopeSpans::decode(&*scope).expect("a message");
                assert_eq!(scope.scope.expect("a scope").name, "signalbox");
                let seen = |span: Span| Seen {
                    about: about(&whose).chain(about(&span.attributes)).collect(),
                    span,
                };
                spans.extend(scope.spans.into_iter().map(seen));
            }
        }
    }
}

/// The next request of a connection: its head and its body.
pub(super) async fn request(
    stream: &mut TcpStream,
    bytes: &mut Vec<u8>,
) -> Option<(String, Vec<u8>)> {
    loop {
        if let Some(end) = bytes.windows(4).position(|it| it == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..end].to_vec()).expect("text");
            let length = head.lines().find_map(|it| it.strip_prefix("content-length: "));
            let length: usize = length.map_or(0, |it| it.parse().expect("a number"));
            if bytes.len() >= end + 4 + length {
                let body = bytes[end + 4..end + 4 + length].to_vec();
                bytes.drain(..end + 4 + length);
                return Some((head, body));
            }
        }
        if stream.read_buf(bytes).await.ok()? == 0 {
            return None;
        }
    }
}
