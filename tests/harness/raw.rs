//! A caller that writes its own HTTP, wrong where it likes.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::KEY;

/// Sends these bytes on a connection of their own and reads until the gateway closes it.
pub(crate) async fn send(addr: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(addr).await.expect("a connection");
    // The gateway may answer and close before it has read all.
    let _ = stream.write_all(request).await;
    read(&mut stream).await
}

/// What comes until the connection is closed.
pub(crate) async fn read(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let whole = stream.read_to_end(&mut answer);
    let ended = tokio::time::timeout(Duration::from_secs(10), whole).await;
    let _ = ended.expect("the gateway closes the connection");
    String::from_utf8_lossy(&answer).into_owned()
}

/// A chat request with the key, these header lines (each ending in CR LF) and this body.
pub(crate) fn chat(lines: &str, body: &[u8]) -> Vec<u8> {
    let mut request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n\
         content-length: {}\r\nconnection: close\r\n{lines}\r\n",
        body.len(),
    )
    .into_bytes();
    request.extend_from_slice(body);
    request
}

/// How many answers these bytes begin.
pub(crate) fn answers(text: &str) -> usize {
    text.matches("HTTP/1.").count()
}
