//! A receiver of what the gateway posts, such as the webhook's messages: it answers as a test says, and keeps
//! what came.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use serde_json::Value;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use super::{collector::request, wait};

/// What it does with one message.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Does {
    /// It answers with this status.
    Answers(u16),
    /// It says this, as JSON.
    Says(&'static str),
    /// It sends the sender to another path of its own.
    Redirects,
    /// It answers with a body that has no end.
    Floods,
    /// It never answers.
    Hangs,
}

/// What came: the head and the body of a request.
#[derive(Clone, Debug)]
pub(crate) struct Came {
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Came {
    /// A header, or nothing.
    pub(crate) fn header(&self, name: &str) -> &str {
        let named = |line: &'_ str| line.to_ascii_lowercase().starts_with(&format!("{name}: "));
        let line = self.head.lines().find(|line| named(line));
        line.map_or("", |line| &line[name.len() + 2..])
    }

    /// The message.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("a message in JSON")
    }
}

/// A running receiver.
pub(crate) struct Receiver {
    addr: SocketAddr,
    came: Arc<Mutex<Vec<Came>>>,
    task: JoinHandle<()>,
}

impl Receiver {
    /// One that does this, one after the other, and the last again and again.
    pub(crate) async fn that(does: Vec<Does>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
        let addr = listener.local_addr().expect("an address");
        let came = Arc::<Mutex<Vec<Came>>>::default();
        let (keeps, next) = (Arc::clone(&came), Arc::new(AtomicUsize::new(0)));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (does, keeps, next) = (does.clone(), Arc::clone(&keeps), Arc::clone(&next));
                tokio::spawn(async move {
                    serve(stream, &keeps, || {
                        let nth = next.fetch_add(1, SeqCst).min(does.len() - 1);
                        does[nth]
                    })
                    .await;
                });
            }
        });
        Self { addr, came, task }
    }

    /// The section of a configuration that sends messages to it, signed by the secret of this file.
    pub(crate) fn section(&self, secret: &str) -> String {
        format!("[webhook]\nurl = \"http://{}/hook\"\nsecret = \"file:{secret}\"\n", self.addr)
    }

    /// The address of a path of its own.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// What came until now.
    pub(crate) fn came(&self) -> Vec<Came> {
        self.came.lock().unwrap().clone()
    }

    /// The same once so many have come.
    pub(crate) async fn after(&self, messages: usize) -> Vec<Came> {
        wait::until(&format!("{messages} messages"), || self.came().len() >= messages).await;
        self.came()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, came: &Mutex<Vec<Came>>, next: impl Fn() -> Does) {
    let mut bytes = Vec::new();
    while let Some((head, body)) = request(&mut stream, &mut bytes).await {
        let body = String::from_utf8(body).expect("text");
        came.lock().unwrap().push(Came { head, body });
        let answer = match next() {
            Does::Answers(status) => format!("HTTP/1.1 {status} It\r\ncontent-length: 2\r\n\r\nok"),
            Does::Says(json) => {
                let length = json.len();
                format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{json}")
            }
            Does::Redirects => {
                "HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n".to_owned()
            }
            Does::Floods => "HTTP/1.1 200 It\r\ncontent-length: 99999999999\r\n\r\n".to_owned(),
            Does::Hangs => return std::future::pending().await,
        };
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
        if answer.contains("99999999999") {
            while stream.write_all(&[b'x'; 4_096]).await.is_ok() {}
        }
    }
}
