//! An issuer of tokens: it signs them, and serves its keys over loopback, or does what a test says instead.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// What the issuer does with whoever asks for its keys.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Does {
    /// It answers.
    Serves,
    /// It answers with this status.
    Fails(u16),
    /// It leads elsewhere.
    Redirects,
    /// It shows a page to people.
    Page,
    /// It answers with 5 MB.
    Floods,
    /// It closes the connection.
    Closes,
}

/// A key that signs.
pub(crate) enum Signer {
    /// ES256.
    Es256(EcdsaKeyPair),
    /// EdDSA.
    EdDsa(Ed25519KeyPair),
}

/// An issuer.
pub(crate) struct Issuer {
    addr: SocketAddr,
    state: Arc<State>,
    task: JoinHandle<()>,
}

struct State {
    keys: Mutex<Vec<Value>>,
    does: Mutex<Does>,
    asked: AtomicUsize,
    name: String,
}

fn part(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A token with this header and these claims, whatever it is that signs them.
pub(crate) fn token(header: &Value, claims: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let [header, claims] = [header, claims].map(|it| part(it.to_string().as_bytes()));
    let text = format!("{header}.{claims}");
    format!("{text}.{}", part(&sign(text.as_bytes())))
}

impl Signer {
    /// A new key.
    pub(crate) fn es256() -> Self {
        let (random, by) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
        let document = EcdsaKeyPair::generate_pkcs8(by, &random).expect("a key");
        let pair = EcdsaKeyPair::from_pkcs8(by, document.as_ref(), &random);
        Self::Es256(pair.expect("a key"))
    }

    /// A new key.
    pub(crate) fn ed_dsa() -> Self {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("a key");
        Self::EdDsa(Ed25519KeyPair::from_pkcs8(document.as_ref()).expect("a key"))
    }

    /// Its public half, under this name.
    pub(crate) fn public(&self, kid: &str) -> Value {
        match self {
            Self::Es256(pair) => {
                let point = pair.public_key().as_ref();
                let (x, y) = (part(&point[1..33]), part(&point[33..65]));
                json!({ "kty": "EC", "crv": "P-256", "kid": kid, "use": "sig", "x": x, "y": y })
            }
            Self::EdDsa(pair) => {
                let x = part(pair.public_key().as_ref());
                json!({ "kty": "OKP", "crv": "Ed25519", "kid": kid, "x": x })
            }
        }
    }

    /// A token with these claims, signed by it as the key of this name.
    pub(crate) fn token(&self, kid: &str, claims: &Value) -> String {
        let algorithm = match self {
            Self::Es256(_) => "ES256",
            Self::EdDsa(_) => "EdDSA",
        };
        let header = json!({ "alg": algorithm, "typ": "JWT", "kid": kid });
        token(&header, claims, |text| match self {
            Self::Es256(pair) => {
                let signed = pair.sign(&SystemRandom::new(), text);
                signed.expect("a signature").as_ref().to_vec()
            }
            Self::EdDsa(pair) => pair.sign(text).as_ref().to_vec(),
        })
    }
}

impl Issuer {
    /// One with these keys.
    pub(crate) async fn start(keys: Vec<Value>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
        let addr = listener.local_addr().expect("an address");
        let state = Arc::new(State {
            keys: Mutex::new(keys),
            does: Mutex::new(Does::Serves),
            asked: AtomicUsize::new(0),
            name: format!("http://{addr}/realms/bank"),
        });
        let serves = Arc::clone(&state);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let serves = Arc::clone(&serves);
                tokio::spawn(async move { serves.answer(stream).await });
            }
        });
        Self { addr, state, task }
    }

    /// Its `iss`.
    pub(crate) fn name(&self) -> &str {
        &self.state.name
    }

    /// Where its keys are.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/keys", self.addr)
    }

    /// It has other keys from now on.
    pub(crate) fn has(&self, keys: Vec<Value>) {
        *self.state.keys.lock().unwrap() = keys;
    }

    /// It does something else from now on.
    pub(crate) fn does(&self, what: Does) {
        *self.state.does.lock().unwrap() = what;
    }

    /// How often it was asked for its keys.
    pub(crate) fn asked(&self) -> usize {
        self.state.asked.load(SeqCst)
    }

    /// The claims of a token of Ann's for this gateway, valid for ten minutes, with others beside them.
    pub(crate) fn claims(&self, with: Value) -> Value {
        let until = jiff::Timestamp::now().as_second() + 600;
        let mut claims =
            json!({ "iss": self.name(), "aud": ["signalbox"], "sub": "ann", "exp": until });
        claims.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
        claims
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl State {
    async fn answer(&self, mut stream: TcpStream) {
        let mut head = Vec::new();
        while !head.windows(4).any(|it| it == b"\r\n\r\n") {
            if stream.read_buf(&mut head).await.unwrap_or(0) == 0 {
                return;
            }
        }
        let head = String::from_utf8_lossy(&head);
        let discovery = head.contains("/.well-known/openid-configuration");
        if !discovery {
            self.asked.fetch_add(1, SeqCst);
        }
        let does = *self.does.lock().unwrap();
        let (status, more, body) = match does {
            Does::Closes => return,
            Does::Fails(status) => (status, String::new(), "broken".to_owned()),
            Does::Redirects => {
                (302, "location: http://127.0.0.1:1/elsewhere\r\n".into(), String::new())
            }
            Does::Page => (200, String::new(), "<html><body>Sign in</body></html>".into()),
            Does::Floods => (200, String::new(), " ".repeat(5_000_000)),
            Does::Serves if discovery => {
                let (at, _) = self.name.rsplit_once("/realms").unwrap();
                let document = json!({ "issuer": self.name, "jwks_uri": format!("{at}/keys") });
                (200, String::new(), document.to_string())
            }
            Does::Serves => {
                let keys = json!({ "keys": *self.keys.lock().unwrap() });
                (200, String::new(), keys.to_string())
            }
        };
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status} It\r\ncontent-length: {length}\r\nconnection: close\r\n{more}\r\n"
        );
        // Whoever has heard enough does not listen to the end.
        let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
    }
}
