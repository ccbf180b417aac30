//! A gateway in process, on ports and with a ledger of its own, and what its callers and operators
//! see of it.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::Duration,
};

use serde_json::Value;
use signalbox::{
    app::{self, Reloaded, Running},
    config,
    store::{Entry, Filter, Reader, Verification},
};

/// The key that every gateway here knows.
pub(crate) const KEY: &str = "sk-scenario-0123456789abcdef0123456789abcdef";
/// What the gateway shows to backends.
pub(crate) const BACKEND_KEY: &str = "backend-secret-77";

/// A configuration in the making.
pub(crate) struct Setup {
    server: String,
    admin: String,
    ledger: String,
    key: String,
    rest: String,
    models: String,
    files: Vec<(String, String)>,
}

impl Setup {
    /// Nothing but a key.
    pub(crate) fn new() -> Self {
        Self {
            server: String::new(),
            admin: String::new(),
            ledger: String::new(),
            key: String::new(),
            rest: String::new(),
            models: String::new(),
            files: Vec::new(),
        }
    }

    /// And a model with these replicas.
    pub(crate) fn model(self, id: &str, urls: &[String]) -> Self {
        self.model_with(id, urls, "")
    }

    /// The same with more lines.
    pub(crate) fn model_with(self, id: &str, urls: &[String], lines: &str) -> Self {
        self.priced(id, urls, ("1.00", "2.00"), lines)
    }

    /// The same at other prices of input and output.
    pub(crate) fn priced(
        self,
        id: &str,
        urls: &[String],
        (input, output): (&str, &str),
        lines: &str,
    ) -> Self {
        let price = format!("input_per_mtok = \"{input}\", output_per_mtok = \"{output}\"");
        self.listed(id, urls, &price, lines)
    }

    /// And one on so many machines of its own, each paid by the hour.
    pub(crate) fn rented(self, id: &str, urls: &[String], per_hour: &str, replicas: u32) -> Self {
        let price = format!(
            "input_per_mtok = \"1.00\", output_per_mtok = \"2.00\", per_hour = \"{per_hour}\", \
             replicas = {replicas}"
        );
        self.listed(id, urls, &price, "")
    }

    fn listed(mut self, id: &str, urls: &[String], price: &str, lines: &str) -> Self {
        self.models += &format!(
            "[[model]]\nid = \"{id}\"\nupstream_model = \"scripted\"\nprice = {{ {price} }}\n{lines}\n"
        );
        for url in urls {
            self.models +=
                &format!("[[model.endpoint]]\nurl = \"{url}\"\napi_key = \"file:backend.key\"\n");
        }
        self
    }

    /// And these lines of the last endpoint.
    pub(crate) fn endpoint(mut self, lines: &str) -> Self {
        self.models += lines;
        self
    }

    /// And these lines of `[server]`.
    pub(crate) fn server(mut self, lines: &str) -> Self {
        self.server += lines;
        self
    }

    /// And operators, with the key as their token.
    pub(crate) fn operated(mut self) -> Self {
        self.admin += "token = \"file:caller.key\"\n";
        self
    }

    /// And these lines of `[admin]`.
    pub(crate) fn admin(mut self, lines: &str) -> Self {
        self.admin += lines;
        self
    }

    /// And these lines of `[ledger]`.
    pub(crate) fn ledger(mut self, lines: &str) -> Self {
        self.ledger += lines;
        self
    }

    /// And these lines of the key.
    pub(crate) fn key(mut self, lines: &str) -> Self {
        self.key += lines;
        self
    }

    /// And these sections.
    pub(crate) fn and(mut self, sections: &str) -> Self {
        self.rest += sections;
        self
    }

    /// And this file beside it.
    pub(crate) fn file(mut self, name: &str, text: &str) -> Self {
        self.files.push((name.to_owned(), text.to_owned()));
        self
    }

    /// Writes it into a new folder.
    pub(crate) fn write(&self) -> Folder {
        let folder = Folder::empty();
        self.write_into(&folder);
        folder
    }

    /// Writes it over what is in the folder.
    pub(crate) fn write_into(&self, folder: &Folder) {
        let file = |name: &str, text: &str| {
            std::fs::write(folder.0.join(name), text).expect("a file");
        };
        file("caller.key", KEY);
        file("backend.key", BACKEND_KEY);
        let Self { server, admin, ledger, key, rest, models, files } = self;
        for (name, text) in files {
            file(name, text);
        }
        let text = format!(
            "[server]\n{}{}{server}\n[admin]\n{}{admin}[ledger]\ndurability = \"process\"\n{ledger}\n\
             {rest}\n{models}\n\
             [[key]]\nname = \"scenario\"\nsecret = \"file:caller.key\"\n{key}\n",
            if server.contains("listen") { "" } else { "listen = \"127.0.0.1:0\"\n" },
            // Nobody has to notice that a gateway of a scenario ends.
            if server.contains("drain_grace_ms") { "" } else { "drain_grace_ms = 0\n" },
            "listen = \"127.0.0.1:0\"\n",
        );
        file("signalbox.toml", &text);
    }

    /// Starts it.
    pub(crate) async fn start(self) -> Gateway {
        let folder = self.write();
        let config = config::load(Some(&folder.config())).expect("a good configuration");
        let running = app::start(config).await.expect("a gateway");
        Gateway { running, folder, client: client() }
    }
}

/// A folder that is gone when this is dropped.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    /// A new one with nothing in it.
    pub(crate) fn empty() -> Self {
        static NTH: AtomicU32 = AtomicU32::new(0);
        let name = format!("signalbox-scene-{}-{}", std::process::id(), NTH.fetch_add(1, Relaxed));
        let folder = Self(std::env::temp_dir().join(name));
        let _ = std::fs::remove_dir_all(&folder.0);
        std::fs::create_dir_all(&folder.0).expect("a folder");
        folder
    }

    /// Its configuration.
    pub(crate) fn config(&self) -> PathBuf {
        self.0.join("signalbox.toml")
    }

    /// Its ledger.
    pub(crate) fn ledger(&self) -> PathBuf {
        self.0.join("signalbox.db")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A caller's client.
pub(crate) fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30));
    builder.build().expect("a client")
}

/// A gateway that runs.
pub(crate) struct Gateway {
    running: Running,
    folder: Folder,
    /// Keeps connections.
    pub(crate) client: reqwest::Client,
}

impl Gateway {
    /// Where callers connect.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.running.addr
    }

    /// Where operators connect.
    pub(crate) fn admin_addr(&self) -> SocketAddr {
        self.running.admin_addr
    }

    /// An address at the callers' door.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.running.addr)
    }

    /// A chat request with the key, not yet sent.
    pub(crate) fn post(&self, body: &Value) -> reqwest::RequestBuilder {
        self.post_to("/v1/chat/completions", body)
    }

    /// A request to this path.
    pub(crate) fn post_to(&self, path: &str, body: &Value) -> reqwest::RequestBuilder {
        let request = self.client.post(self.url(path)).bearer_auth(KEY);
        request.header("content-type", "application/json").body(body.to_string())
    }

    /// Asks and reads the whole answer.
    pub(crate) async fn ask(&self, body: &Value) -> Reply {
        Reply::of(self.post(body)).await
    }

    /// A page at the operators' door.
    pub(crate) async fn admin(&self, path: &str) -> Reply {
        let url = format!("http://{}{path}", self.running.admin_addr);
        Reply::of(self.client.get(url)).await
    }

    /// The same to an operator.
    pub(crate) async fn operator(&self, path: &str) -> Reply {
        let url = format!("http://{}{path}", self.running.admin_addr);
        Reply::of(self.client.get(url).bearer_auth(KEY)).await
    }

    /// Puts another configuration in force.
    pub(crate) async fn reload(&self, setup: &Setup) -> Reloaded {
        setup.write_into(&self.folder);
        let config = config::load(Some(&self.folder.config())).expect("a good configuration");
        self.running.reload(config).await.expect("addresses that can be used")
    }

    /// The metrics as they are now.
    pub(crate) async fn metrics(&self) -> Samples {
        Samples::parse(&self.admin("/metrics").await.text())
    }

    /// Its ledger.
    pub(crate) fn ledger(&self) -> PathBuf {
        self.folder.ledger()
    }

    /// The entries as they are now.
    pub(crate) fn books(&self) -> Books {
        Books::read(&self.folder.ledger())
    }

    /// Waits until the books are as expected.
    pub(crate) async fn until(&self, expected: impl Fn(&Books) -> bool) -> Books {
        let look = async || {
            let books = self.books();
            if expected(&books) { Ok(books) } else { Err(books.entries) }
        };
        super::wait::found("what is to be in the books", look).await
    }

    /// Drains it, and leaves what it has written.
    pub(crate) async fn stop(self) -> Folder {
        drop(self.client);
        self.running.shutdown().await;
        self.folder
    }

    /// Drains it and reads its books, which must be right.
    pub(crate) async fn close(self) -> Books {
        let Self { running, folder, client } = self;
        drop(client);
        running.shutdown().await;
        let books = Books::read(&folder.ledger());
        assert_eq!(books.verification.faults, Vec::<String>::new());
        assert_eq!(books.verification.open, 0, "{:?}", books.entries);
        books
    }
}

/// The books at one moment.
#[derive(Debug)]
pub(crate) struct Books {
    /// The oldest first.
    pub(crate) entries: Vec<Entry>,
    /// What they say about themselves.
    pub(crate) verification: Verification,
}

impl Books {
    /// Reads a ledger.
    pub(crate) fn read(path: &Path) -> Self {
        let reader = Reader::open(path).expect("a ledger");
        let verification = reader.verify().expect("it can be read");
        let mut entries = reader.entries(Filter::default()).expect("it can be read");
        entries.reverse();
        Self { entries, verification }
    }

    /// The one entry.
    pub(crate) fn only(&self) -> &Entry {
        assert_eq!(self.entries.len(), 1, "{:?}", self.entries);
        &self.entries[0]
    }

    /// The one entry's outcome.
    pub(crate) fn outcome(&self) -> &str {
        self.only().outcome.as_deref().expect("closed")
    }
}

/// Attempts of an entry: the results, in order.
pub(crate) fn results(entry: &Entry) -> Vec<String> {
    let attempts: Value =
        serde_json::from_str(entry.attempts.as_deref().unwrap_or("[]")).expect("JSON");
    let attempts = attempts.as_array().expect("a list");
    attempts.iter().map(|it| it["result"].as_str().expect("a text").to_owned()).collect()
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    /// Its status.
    pub(crate) status: u16,
    /// Its head.
    pub(crate) headers: reqwest::header::HeaderMap,
    /// Its body.
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// Sends and reads.
    pub(crate) async fn of(request: reqwest::RequestBuilder) -> Self {
        let answer = request.send().await.expect("an answer");
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Self { status, headers, body: answer.bytes().await.expect("a whole body").into() }
    }

    /// A header, or nothing.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("UTF-8")
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// The data of each event.
    pub(crate) fn events(&self) -> Vec<String> {
        let text = self.text();
        let data = text.lines().filter_map(|line| line.strip_prefix("data:"));
        data.map(|data| data.trim().to_owned()).collect()
    }

    /// Whether the stream came to a real end.
    pub(crate) fn done(&self) -> bool {
        self.events().last().is_some_and(|last| last == "[DONE]")
    }
}

/// Metrics, line by line.
#[derive(Debug)]
pub(crate) struct Samples(Vec<(String, f64)>);

impl Samples {
    fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let sample = |line: &str| {
            let (series, value) = line.rsplit_once(' ').expect("a sample");
            (series.to_owned(), value.parse().expect("a number"))
        };
        Self(lines.filter(|line| !line.is_empty()).map(sample).collect())
    }

    /// The sum of all series of this name that carry all these labels (`name="value"`).
    pub(crate) fn sum(&self, name: &str, labels: &[&str]) -> f64 {
        let fits = |series: &str| {
            series.split('{').next() == Some(name) && labels.iter().all(|it| series.contains(it))
        };
        self.0.iter().filter(|(series, _)| fits(series)).fold(0.0, |sum, (_, value)| sum + value)
    }
}
