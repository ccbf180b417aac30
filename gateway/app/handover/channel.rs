//! Lines and sockets over a Unix socket.

use std::{
    io::{self, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    time::Duration,
};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncWriteExt, Interest},
    net::UnixStream,
};

use super::{Passed, talk};

/// A line has at most so many bytes.
const LINE_BYTES_MAX: usize = 1024 * 1024;
/// Read at once.
const READ_BYTES: usize = 4 * 1024;
/// For the other end to take a word.
const WRITE_MAX: Duration = Duration::from_secs(5);

/// One of the two ends.
pub(super) struct Channel {
    stream: UnixStream,
    read: Vec<u8>,
    passed: Vec<OwnedFd>,
}

impl Channel {
    pub(super) fn new(stream: UnixStream) -> Self {
        Self { stream, read: Vec::new(), passed: Vec::new() }
    }

    /// The process at the other end, where the system knows it.
    pub(super) fn peer(&self) -> Option<i32> {
        self.stream.peer_cred().ok()?.pid()
    }

    /// Says a word.
    pub(super) async fn say(&mut self, word: &impl Serialize) -> io::Result<()> {
        in_time(self.stream.write_all(&talk::line(word))).await
    }

    /// Says a word, and sends sockets along.
    pub(super) async fn pass(
        &mut self,
        word: &impl Serialize,
        sockets: [BorrowedFd<'_>; 2],
    ) -> io::Result<()> {
        let line = talk::line(word);
        let send = || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            if !control.push(SendAncillaryMessage::ScmRights(&sockets)) {
                return Err(io::Error::other("no room for two sockets"));
            }
            let text = [IoSlice::new(&line)];
            Ok(sendmsg(self.stream.as_fd(), &text, &mut control, SendFlags::NOSIGNAL)?)
        };
        let sent = in_time(self.stream.async_io(Interest::WRITABLE, send)).await?;
        in_time(self.stream.write_all(line.get(sent..).unwrap_or_default())).await
    }

    /// The next word; nothing when the other end is closed.
    ///
    /// # Errors
    /// What cannot be read, and `InvalidData` where it is no word.
    pub(super) async fn hear<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        let end = loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                break end;
            }
            if self.read.len() > LINE_BYTES_MAX {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a line without an end"));
            }
            if self.more().await? == 0 {
                return Ok(None);
            }
        };
        let line: Vec<u8> = self.read.drain(..=end).collect();
        Ok(Some(serde_json::from_slice(&line)?))
    }

    /// The sockets that came with words, if there were two.
    pub(super) fn take_passed(&mut self) -> Option<Passed> {
        std::mem::take(&mut self.passed).try_into().ok()
    }

    async fn more(&mut self) -> io::Result<usize> {
        let Self { stream, read, passed } = self;
        let receive = || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let mut buffer = [0; READ_BYTES];
            let mut text = [IoSliceMut::new(&mut buffer)];
            let flags = RecvFlags::CMSG_CLOEXEC;
            let received = recvmsg(stream.as_fd(), &mut text, &mut control, flags)?;
            for message in control.drain() {
                if let RecvAncillaryMessage::ScmRights(sockets) = message {
                    passed.extend(sockets);
                }
            }
            read.extend_from_slice(buffer.get(..received.bytes).unwrap_or_default());
            Ok(received.bytes)
        };
        stream.async_io(Interest::READABLE, receive).await
    }
}

async fn in_time<T>(writing: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let late = |_| Err(io::Error::from(io::ErrorKind::TimedOut));
    tokio::time::timeout(WRITE_MAX, writing).await.unwrap_or_else(late)
}
