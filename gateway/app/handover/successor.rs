//! The one that takes over.

use std::{
    io::{self, BufRead, BufReader, Write},
    os::unix::net,
    path::Path,
    time::Duration,
};

use tokio::{
    net::UnixStream,
    time::{Instant, timeout},
};

use super::{
    Sockets,
    channel::Channel,
    place::{Place, trusted},
    talk::{self, Answer, Ask, ListenAddresses, Quiesced, VERSION},
};

/// For an answer of the incumbent.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// The same for one that only looks, who has little time.
const LOOK_MAX: Duration = Duration::from_secs(2);

/// The process that is in charge until this one is.
pub(in crate::app) struct Predecessor {
    channel: Channel,
    pid: u32,
    since: Instant,
}

/// Whoever is in charge of the ledger, with its sockets; nothing where nobody is.
///
/// # Errors
/// Why the one in charge does not hand over.
pub(in crate::app) async fn find(
    ledger: &Path,
    doors: ListenAddresses,
) -> Result<Option<(Predecessor, Sockets)>, String> {
    let place = Place::beside(ledger);
    let Some(stream) = reached(&place)? else { return Ok(None) };
    let stream = stream.set_nonblocking(true).and_then(|()| UnixStream::from_std(stream));
    let stream = stream.map_err(|error| format!("{}: {error}", place.shown()))?;
    if !trusted(&stream) {
        return Err(format!("{}: it is of another user", place.shown()));
    }
    let mut it = Predecessor { channel: Channel::new(stream), pid: 0, since: Instant::now() };
    it.pid = match it.ask(&Ask::Hello { version: VERSION, doors }).await? {
        Some(Answer::Offer { pid }) => pid,
        None => return Ok(None),
        Some(other) => return Err(unexpected(&other)),
    };
    let passed = it.channel.take_passed().ok_or("its sockets did not come")?;
    let sockets = passed.map(Into::into);
    proved(&sockets, doors)?;
    it.log("its sockets have come: making ready while it serves");
    Ok(Some((it, sockets)))
}

/// Why nobody was found who is in charge of the ledger, in words.
pub(in crate::app) fn found(ledger: &Path) -> String {
    Place::beside(ledger).found()
}

fn reached(place: &Place) -> Result<Option<net::UnixStream>, String> {
    match place.connect() {
        // Nobody can be there either.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(None),
        reached => reached.map_err(|error| format!("{}: {error}", place.shown())),
    }
}

/// The process that would hand over to one that listens at these doors; nothing where nobody is in
/// charge. It only asks.
///
/// # Errors
/// Why the one in charge would not.
pub(in crate::app) fn look(ledger: &Path, doors: ListenAddresses) -> Result<Option<u32>, String> {
    let Some(mut stream) = reached(&Place::beside(ledger))? else { return Ok(None) };
    let mut asked = || {
        stream.set_read_timeout(Some(LOOK_MAX))?;
        stream.set_write_timeout(Some(LOOK_MAX))?;
        // As in `ask`: whoever is refused at once may find the other end closed, and is told why.
        let _ = stream.write_all(&talk::line(&Ask::Look { version: VERSION, doors }));
        let mut answer = String::new();
        BufReader::new(&stream).read_line(&mut answer)?;
        Ok(serde_json::from_str(&answer)?)
    };
    match asked().map_err(|error: io::Error| format!("it does not answer: {error}"))? {
        Answer::Would { pid } => Ok(Some(pid)),
        Answer::Refused { why } => Err(why),
        other => Err(unexpected(&other)),
    }
}

/// They are where this configuration listens.
fn proved(sockets: &Sockets, doors: ListenAddresses) -> Result<(), String> {
    for (socket, wanted) in sockets.iter().zip([doors.server, doors.admin]) {
        let has = socket.local_addr().map_err(|error| format!("a socket of it: {error}"))?;
        if has.ip() != wanted.ip() || (wanted.port() != 0 && has.port() != wanted.port()) {
            return Err(format!("it gave a socket at {has} for {wanted}"));
        }
    }
    Ok(())
}

impl Predecessor {
    /// Its process.
    pub(in crate::app) fn pid(&self) -> u32 {
        self.pid
    }

    /// Has it take no more connections, and waits until what it has admitted is in the ledger.
    ///
    /// # Errors
    /// Why it goes on.
    pub(in crate::app) async fn quiesce(&mut self) -> Result<Quiesced, String> {
        self.log("ready but for the ledger");
        let quiesced = match self.ask(&Ask::Quiesce).await? {
            Some(Answer::Quiesced(quiesced)) => quiesced,
            None => self.gone(),
            Some(other) => return Err(unexpected(&other)),
        };
        self.log("it takes no more connections, and its entries are on disk");
        Ok(quiesced)
    }

    /// Has it leave. This process is in charge after it.
    ///
    /// # Errors
    /// Why it goes on.
    pub(in crate::app) async fn leave(mut self) -> Result<(), String> {
        match self.ask(&Ask::Serving).await? {
            Some(Answer::Yours) => {}
            None => self.gone(),
            Some(other) => return Err(unexpected(&other)),
        }
        self.log("taken over: it ends its streams and leaves");
        Ok(())
    }

    /// What is answered; nothing where it has ended. One that goes on says so first.
    async fn ask(&mut self, word: &Ask) -> Result<Option<Answer>, String> {
        // Whoever hears nothing any more may still have said why.
        let _ = self.channel.say(word).await;
        match timeout(ANSWER_MAX, self.channel.hear()).await {
            Ok(Ok(Some(Answer::Refused { why }))) => Err(why),
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionReset => Ok(None),
            Ok(Err(error)) => Err(format!("its answer cannot be read: {error}")),
            Err(_) => Err(format!("it did not answer for {ANSWER_MAX:?}")),
        }
    }

    fn gone<T: Default>(&self) -> T {
        tracing::warn!(
            predecessor = self.pid,
            "it ended during the hand-over: going on without it"
        );
        T::default()
    }

    fn log(&mut self, what: &str) {
        let took_ms = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(predecessor = self.pid, took_ms, "hand-over: {what}");
        self.since = Instant::now();
    }
}

fn unexpected(answer: &Answer) -> String {
    format!("its answer is out of turn: {answer:?}")
}
