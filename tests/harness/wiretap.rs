//! A backend that keeps all that it is told, and the search for what must not be found: marks, each planted
//! where one secret stands, in whatever spelling.

use std::{
    collections::{BTreeSet, hash_map::RandomState},
    hash::BuildHasher,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use memchr::memmem;
use sha2::{Digest, Sha256};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// So many letters in a row are no accident, and a secret that is shown cut short is found by them.
const PART: usize = 10;
const LIST: &str = "{\"object\":\"list\",\"data\":[{\"id\":\"scripted\"}]}";

/// A random text that stands for one secret.
#[derive(Debug)]
pub(crate) struct Mark {
    /// What it stands for.
    pub(crate) name: &'static str,
    /// The secret as it is used.
    pub(crate) value: String,
    core: String,
    /// Where it stands by design: beginnings of names of sinks, each with the reason.
    kept: &'static [(&'static str, &'static str)],
}

impl Mark {
    /// A new one behind this beginning. It is made of letters, for what looks like a key is taken out of
    /// texts of backends, and would hide that the rest of the text is not.
    pub(crate) fn new(
        name: &'static str,
        begins: &str,
        kept: &'static [(&'static str, &'static str)],
    ) -> Self {
        let mut core = String::new();
        for _ in 0..3 {
            let mut bits = RandomState::new().hash_one(name);
            for _ in 0..12 {
                core.push(char::from(b'a' + u8::try_from(bits % 26).expect("a letter")));
                bits /= 26;
            }
        }
        Self { name, value: format!("{begins}{core}"), core, kept }
    }

    /// One that somebody else has made.
    pub(crate) fn made(
        name: &'static str,
        value: &str,
        kept: &'static [(&'static str, &'static str)],
    ) -> Self {
        let core = value.trim_start_matches("sk-sb-").to_owned();
        Self { name, value: value.to_owned(), core, kept }
    }

    /// Its spellings: what each is called, the bytes, and whether they count in any case.
    fn forms(&self) -> Vec<(&'static str, Vec<u8>, bool)> {
        let mut forms = Vec::new();
        let hash: [u8; 32] = Sha256::digest(self.value.as_bytes()).into();
        forms.push(("its plain hash", hash.to_vec(), false));
        forms.push(("its plain hash in hexadecimal", each(&hash, |it| format!("{it:02x}")), true));
        for part in [&self.core[..PART], &self.core[self.core.len() - PART..]] {
            let bytes = part.as_bytes();
            forms.push(("itself", part.to_ascii_lowercase().into_bytes(), true));
            forms.push(("hexadecimal", each(bytes, |it| format!("{it:02x}")), true));
            forms.push(("percent-encoded", each(bytes, |it| format!("%{it:02x}")), true));
            forms.push(("escaped for JSON", each(bytes, |it| format!("\\u{it:04x}")), true));
            for before in 0..3 {
                let shifted = [&vec![b' '; before][..], bytes].concat();
                let (from, to) = ((before * 8).div_ceil(6), shifted.len() * 8 / 6);
                for last in ["+/", "-_"] {
                    forms.push(("base64", base64(&shifted, last)[from..to].to_vec(), false));
                }
            }
        }
        forms
    }
}

fn each(bytes: &[u8], digits: impl Fn(&u8) -> String) -> Vec<u8> {
    bytes.iter().map(digits).collect::<String>().into_bytes()
}

fn base64(bytes: &[u8], last: &str) -> Vec<u8> {
    let alphabet = ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(last.chars());
    let alphabet: Vec<u8> = alphabet.map(|it| u8::try_from(it).expect("ASCII")).collect();
    let bit = |at: usize| bytes.get(at / 8).map_or(0, |byte| byte >> (7 - at % 8) & 1);
    let digit = |at: usize| (0..6).fold(0, |digit, more| digit << 1 | bit(at * 6 + more));
    (0..(bytes.len() * 8).div_ceil(6)).map(|at| alphabet[usize::from(digit(at))]).collect()
}

/// All that somebody may read, by what it is.
#[derive(Debug, Default)]
pub(crate) struct Sinks(Vec<(String, Vec<u8>)>);

impl Sinks {
    /// And this.
    pub(crate) fn add(&mut self, name: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.0.push((name.into(), bytes.into()));
    }

    /// What is found where it must not be; and exceptions that nothing needs.
    pub(crate) fn search(&self, marks: &[Mark]) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut needed = BTreeSet::new();
        let marks: Vec<_> = marks.iter().map(|mark| (mark, mark.forms())).collect();
        for (sink, bytes) in &self.0 {
            let lower = bytes.to_ascii_lowercase();
            for (mark, forms) in &marks {
                for (form, spelled, any_case) in forms {
                    let within = if *any_case { &lower } else { bytes };
                    let Some(at) = memmem::find(within, spelled) else { continue };
                    let kept = mark.kept.iter().find(|(kept, _)| sink.starts_with(kept));
                    let Some((kept, _)) = kept else {
                        let around = &bytes[at.saturating_sub(120)..(at + 60).min(bytes.len())];
                        let around = String::from_utf8_lossy(around).escape_debug().to_string();
                        found.insert(format!("{} in {sink} as {form}: {around}", mark.name));
                        continue;
                    };
                    needed.insert((mark.name, *kept));
                }
            }
        }
        let all =
            marks.iter().flat_map(|(it, _)| it.kept.iter().map(move |(kept, _)| (it.name, *kept)));
        let idle = all.filter(|it| !needed.contains(it));
        found.extend(idle.map(|(name, kept)| format!("{name} is not in {kept} any more")));
        found
    }
}

/// What a model answers: at a path that begins so, plainly and as a stream. Nothing is silence.
#[derive(Clone, Debug)]
pub(crate) struct Answers {
    /// `/good/`
    pub(crate) path: &'static str,
    /// All bytes of the answer.
    pub(crate) plain: String,
    /// The same where a stream is asked for.
    pub(crate) stream: String,
}

/// The backend. It ends when this is dropped.
pub(crate) struct Wiretap {
    /// Where it listens.
    pub(crate) addr: SocketAddr,
    heard: Arc<Mutex<Vec<u8>>>,
    task: JoinHandle<()>,
}

impl Wiretap {
    /// Begins to listen.
    pub(crate) async fn start(answers: Vec<Answers>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
        let addr = listener.local_addr().expect("an address");
        let heard: Arc<Mutex<Vec<u8>>> = Arc::default();
        let (hears, answers) = (Arc::clone(&heard), Arc::new(answers));
        let task = tokio::spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                open.spawn(serve(stream, Arc::clone(&hears), Arc::clone(&answers)));
            }
        });
        Self { addr, heard, task }
    }

    /// All that it was told.
    pub(crate) fn heard(&self) -> Vec<u8> {
        self.heard.lock().unwrap().clone()
    }

    /// How often it was told this.
    pub(crate) fn times(&self, text: &str) -> usize {
        memmem::find_iter(&self.heard(), text).count()
    }
}

impl Drop for Wiretap {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, heard: Arc<Mutex<Vec<u8>>>, answers: Arc<Vec<Answers>>) {
    let mut request = Vec::new();
    while !whole(&request) {
        if !matches!(stream.read_buf(&mut request).await, Ok(1..)) {
            return;
        }
    }
    heard.lock().unwrap().extend_from_slice(&request);
    let text = String::from_utf8_lossy(&request);
    let path = text.split(' ').nth(1).unwrap_or_default();
    let answers = answers.iter().find(|it| path.starts_with(it.path)).expect("a model");
    let streams = text.contains("\"stream\":true");
    let answer = match text.starts_with("GET ") {
        true => json(200, LIST),
        false => if streams { &answers.stream } else { &answers.plain }.clone(),
    };
    if answer.is_empty() {
        let _ = stream.read(&mut [0; 64]).await;
        return;
    }
    let _ = stream.write_all(answer.as_bytes()).await;
}

/// An answer of this status and body, the last on its connection.
pub(crate) fn json(status: u16, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status} It\r\ncontent-type: application/json\r\nconnection: close\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
}

fn whole(request: &[u8]) -> bool {
    let Some(end) = memmem::find(request, b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    request.len() >= end + 4 + length.map_or(0, |it| it.trim().parse().expect("a length"))
}

#[test]
fn a_mark_is_found_in_every_spelling() {
    let mark = Mark::new("a key", "sk-", &[("answer", "it is asked for")]);
    let forms = mark.forms();
    assert!(forms.len() > 20, "{forms:?}");
    let core = mark.core.clone();
    for (at, before) in ["", "x", "xy"].into_iter().enumerate() {
        let text = format!("{before}{core}zz");
        let mut sinks = Sinks::default();
        sinks.add("answer", core.clone());
        assert_eq!(sinks.search(std::slice::from_ref(&mark)), BTreeSet::new());
        sinks.add("log", base64(text.as_bytes(), ["+/", "-_", "+/"][at]));
        assert_eq!(sinks.search(std::slice::from_ref(&mark)).len(), 1);
    }
    for (form, bytes, _) in forms {
        let mut sinks = Sinks::default();
        sinks.add("log", [b"before ", &bytes[..], b" behind"].concat());
        let found = sinks.search(std::slice::from_ref(&mark));
        assert!(found.iter().any(|it| it.starts_with("a key in log")), "{form}: {found:?}");
        assert!(found.iter().any(|it| it.contains("not in answer any more")), "{found:?}");
    }
    assert_eq!(base64(b"any carnal pleas", "+/"), b"YW55IGNhcm5hbCBwbGVhcw");
}
