//! A backend that answers by what it was asked: a function from a request's body to an answer.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// Status and body of an answer; a stream where the body is no JSON.
pub(crate) type Said = (u16, String);

type Answers = dyn Fn(&Value) -> Said + Send + Sync;

/// A running engine. It ends when this is dropped.
pub(crate) struct Engine {
    url: String,
    asked: Arc<Mutex<Vec<Value>>>,
    task: JoinHandle<()>,
}

impl Engine {
    /// One that answers like this.
    pub(crate) async fn start(answers: impl Fn(&Value) -> Said + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
        let url = format!("http://{}/v1", listener.local_addr().expect("an address"));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (noted, answers): (_, Arc<Answers>) = (Arc::clone(&asked), Arc::new(answers));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&answers), Arc::clone(&noted)));
            }
        });
        Self { url, asked, task }
    }

    /// Its base URL.
    pub(crate) fn urls(&self) -> Vec<String> {
        vec![self.url.clone()]
    }

    /// The bodies of all requests so far.
    pub(crate) fn asked(&self) -> Vec<Value> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, answers: Arc<Answers>, asked: Arc<Mutex<Vec<Value>>>) {
    let mut bytes = Vec::new();
    loop {
        let body = loop {
            if let Some(body) = take(&mut bytes) {
                break body;
            }
            if !matches!(stream.read_buf(&mut bytes).await, Ok(1..)) {
                return;
            }
        };
        asked.lock().unwrap().push(body.clone());
        let (status, said) = answers(&body);
        let json = said.starts_with('{');
        let kind = if json { "application/json" } else { "text/event-stream" };
        let head = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n",
            said.len()
        );
        if stream.write_all((head + &said).as_bytes()).await.is_err() {
            return;
        }
    }
}

/// The body of a request that is there whole.
fn take(bytes: &mut Vec<u8>) -> Option<Value> {
    let end = bytes.windows(4).position(|it| it == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length: usize = length.map_or(0, |it| it.trim().parse().expect("a length"));
    let body = bytes.get(end..end + length)?;
    let body = serde_json::from_slice(body).unwrap_or(Value::Null);
    bytes.drain(..end + length);
    Some(body)
}

/// A whole answer of this text, with this usage.
pub(crate) fn answer(text: &str, usage: &Value) -> Said {
    let choice = json!({
        "index": 0, "finish_reason": "stop", "message": { "role": "assistant", "content": text }
    });
    let usage = if usage.is_null() { Value::Null } else { usage.clone() };
    (200, json!({ "id": "c", "choices": [choice], "usage": usage }).to_string())
}

/// A usage of so much input and output.
pub(crate) fn usage(input: u32, output: u32) -> Value {
    json!({ "prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output })
}

/// One event of a stream with this text.
pub(crate) fn content(text: &str) -> String {
    let choice = json!({ "index": 0, "delta": { "content": text }, "finish_reason": null });
    let chunk = json!({
        "id": "c-1", "object": "chat.completion.chunk", "created": 7, "model": "scripted",
        "choices": [choice]
    });
    format!("data: {chunk}\n\n")
}

/// A whole stream of these texts, with this usage if there is one.
pub(crate) fn stream(texts: &[&str], usage: &Value) -> Said {
    let finish = json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }] });
    let mut said: String = texts.iter().map(|text| content(text)).collect();
    said += &format!("data: {finish}\n\n");
    if !usage.is_null() {
        said += &format!("data: {}\n\n", json!({ "choices": [], "usage": usage }));
    }
    (200, said + "data: [DONE]\n\n")
}

/// An error as engines of the OpenAI kind write it.
pub(crate) fn error(status: u16, message: &str) -> Said {
    let error = json!({ "message": message, "type": "BadRequestError", "code": status });
    (status, json!({ "error": error }).to_string())
}
