//! An answer that is still coming, as far as it has been passed on.

use std::{
    mem,
    sync::{Arc, atomic::Ordering},
};

use super::Cache;

/// What an answer has room for when its first piece comes: one that is not streamed is one piece.
const ROOM_BYTES: usize = 1024;

/// An answer that is put together to be kept. All of them hold no more than what is kept may take: whichever
/// would exceed that is given up.
pub(crate) struct Gathering {
    cache: Arc<Cache>,
    /// Its capacity is counted.
    body: Vec<u8>,
    given_up: bool,
}

impl Gathering {
    pub(crate) fn new(cache: Arc<Cache>) -> Self {
        Self { cache, body: Vec::new(), given_up: false }
    }

    /// Adds a piece, or gives the answer up: it is too long, or there is no room beside the others.
    pub(crate) fn push(&mut self, piece: &[u8]) {
        if self.given_up {
            return;
        }
        if self.grow(self.body.len() + piece.len()) {
            self.body.extend_from_slice(piece);
        } else {
            self.given_up = true;
            self.release();
        }
    }

    /// Where it will be kept.
    pub(crate) fn cache(&self) -> &Cache {
        &self.cache
    }

    /// What has come, if it was not given up.
    pub(crate) fn body(&self) -> Option<&[u8]> {
        (!self.given_up).then_some(&*self.body)
    }

    /// Takes what has come, alone in its buffer.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        let mut body = mem::take(&mut self.body);
        self.cache.gathered.fetch_sub(body.capacity(), Ordering::Relaxed);
        body.shrink_to_fit();
        body
    }

    /// Makes room for so many bytes; whether there is.
    fn grow(&mut self, length: usize) -> bool {
        let room = self.body.capacity();
        if length <= room {
            return true;
        }
        let most = self.cache.entry_bytes_max;
        if length > most {
            return false;
        }
        let more = length.max(room * 2).max(ROOM_BYTES).min(most) - room;
        let free = |held: usize| held.checked_add(more).filter(|it| *it <= self.cache.bytes_max);
        let took = self.cache.gathered.fetch_update(Ordering::Relaxed, Ordering::Relaxed, free);
        if took.is_err() {
            return false;
        }
        self.body.reserve_exact(room + more - self.body.len());
        // An allocator may give more than was asked for.
        let given = self.body.capacity() - room;
        self.cache.gathered.fetch_add(given.saturating_sub(more), Ordering::Relaxed);
        true
    }

    fn release(&mut self) {
        drop(self.take());
    }
}

impl Drop for Gathering {
    fn drop(&mut self) {
        self.release();
    }
}
