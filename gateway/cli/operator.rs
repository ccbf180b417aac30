//! How a command reaches the operators' listener of a gateway that runs.

use std::{
    env::{self, VarError},
    fs::File,
    io::Read,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    process::ExitCode,
};

use super::print::err;
use crate::config::{self, Secret};

/// Where the operators' listener is if nothing says so.
const URL: &str = "http://127.0.0.1:9090";

/// The longest token, in bytes: a gateway looks at none of an issuer that is longer.
const TOKEN_BYTES_MAX: u64 = 16 * 1024;

/// Where the gateway is, and what opens it.
#[derive(Debug, clap::Args)]
pub(super) struct Operator {
    /// The operators' listener of the gateway, which speaks plain http [default: that of the configuration,
    /// else http://127.0.0.1:9090].
    #[arg(long, value_name = "URL", value_parser = url)]
    url: Option<String>,
    /// The operator's own token, by reference: `env:NAME` or `file:PATH` [default: SIGNALBOX_OPERATOR_TOKEN,
    /// else SIGNALBOX_ADMIN_TOKEN, else `admin.token` of the configuration]. For figures alone,
    /// `admin.metrics_token` will do.
    #[arg(long, value_name = "REFERENCE", conflicts_with = "token_file")]
    token: Option<String>,
    /// The same in a file.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

/// The tokens that are known; one that is typed stands for both.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    /// Opens everything.
    pub(super) token: Option<Secret>,
    /// Opens the metrics alone.
    pub(super) metrics_token: Option<Secret>,
}

/// The address that is typed.
pub(super) fn url(text: &str) -> Result<String, String> {
    let url =
        config::single::base_url(text).map_err(|fault| format!("expected {}", fault.expected))?;
    if url.scheme_str() != Some("http") {
        return Err(
            "the operators' listener speaks plain http and no TLS: expected http://HOST:PORT, \
                    through a tunnel where it is on another machine"
                .to_owned(),
        );
    }
    Ok(url.to_string().trim_end_matches('/').to_owned())
}

impl Operator {
    /// The listener at this URL; its token by reference or in a file.
    pub(super) fn at(url: &str, token: Option<&str>, token_file: Option<&Path>) -> Self {
        Self {
            url: Some(url.to_owned()),
            token: token.map(str::to_owned),
            token_file: token_file.map(Path::to_owned),
        }
    }

    /// Where to ask, and with which token: what is typed, else what the configuration says, if there is one.
    pub(super) fn asked(&self, named: Option<&Path>) -> Result<(String, Tokens), ExitCode> {
        let token = self.token()?;
        let config = named.unwrap_or(Path::new(super::CONFIG));
        // One that is not named need not be there.
        let needed = self.url.is_none() || (named.is_some() && token.is_none());
        if !needed || (named.is_none() && !config.exists()) {
            let url = self.url.clone().unwrap_or_else(|| URL.to_owned());
            return Ok((url, Tokens { token, metrics_token: None }));
        }
        let admin = config::admin(config).map_err(|faults| {
            super::print_faults(&faults);
            ExitCode::from(super::WRONG)
        })?;
        let url = match &self.url {
            Some(url) => url.clone(),
            None => reached(admin.listen).ok_or_else(|| {
                err!("signalbox: `admin.listen` leaves its port to the system: name it with --url");
                ExitCode::from(super::USAGE)
            })?,
        };
        let token = token.or(admin.token);
        Ok((url, Tokens { token, metrics_token: admin.metrics_token }))
    }

    /// The token that is typed: by reference, in a file, or in the environment. Whether it can be one is
    /// known before it is sent.
    fn token(&self) -> Result<Option<Secret>, ExitCode> {
        let named = match (&self.token, &self.token_file) {
            (Some(reference), _) => Some(referred(reference)),
            (None, Some(file)) => Some((
                format!("--token-file {}", file.display()),
                start_of(file).map_err(|error| error.to_string()),
            )),
            (None, None) => VARIABLES.into_iter().find_map(variable),
        };
        let Some((place, text)) = named else { return Ok(None) };
        match text.and_then(|text| bearer(&text)) {
            Ok(token) => Ok(Some(token)),
            Err(fault) => {
                err!("signalbox: {}: {fault}", policies::printable(&place));
                Err(ExitCode::from(super::USAGE))
            }
        }
    }
}

/// The variables that have a token where none is typed; the first that says something counts.
const VARIABLES: [&str; 2] = ["SIGNALBOX_OPERATOR_TOKEN", "SIGNALBOX_ADMIN_TOKEN"];

/// A place where a token may be, and the text there, or why there is none.
type Place = (String, Result<String, String>);

/// What a variable of the environment says, if it says anything.
fn variable(name: &str) -> Option<Place> {
    let text = match env::var(name) {
        Err(VarError::NotPresent) => return None,
        Ok(text) if text.trim().is_empty() => return None,
        text => text.map_err(|_| NO_TOKEN.to_owned()),
    };
    Some((name.to_owned(), text))
}

/// What a reference leads to. One that is none may be the token itself, and is not repeated.
fn referred(reference: &str) -> Place {
    if let Some(file) = reference.strip_prefix("file:") {
        let text = start_of(Path::new(file)).map_err(|error| error.to_string());
        return (format!("--token {reference}"), text);
    }
    match reference.strip_prefix("env:") {
        Some(name) => {
            let unset = || Err("this variable is not set: expected one with a token".to_owned());
            let (_, text) = variable(name).unwrap_or_else(|| (String::new(), unset()));
            (format!("--token {reference}"), text)
        }
        None => {
            let expected = "expected where the token is to be found, as `env:NAME` or `file:PATH`";
            ("--token".to_owned(), Err(expected.to_owned()))
        }
    }
}

/// What is said of a text that no header can carry, and never the text itself.
const NO_TOKEN: &str =
    "this is no token: expected one of visible ASCII characters without spaces, on one line";

/// The beginning of a file, as much as a token could have and a little more.
fn start_of(file: &Path) -> std::io::Result<String> {
    let mut text = Vec::new();
    File::open(file)?.take(TOKEN_BYTES_MAX * 2).read_to_end(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// The token in a text, without what an editor puts around it.
pub(super) fn bearer(text: &str) -> Result<Secret, String> {
    let token = text.strip_prefix('\u{feff}').unwrap_or(text).trim();
    if token.is_empty() {
        return Err("nothing stands there: expected a token".to_owned());
    }
    if !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(NO_TOKEN.to_owned());
    }
    if token.len() as u64 > TOKEN_BYTES_MAX {
        return Err(format!("this is no token: expected at most {TOKEN_BYTES_MAX} bytes"));
    }
    Ok(Secret::new(token))
}

/// The URL by which a listener on this machine is reached; nothing where its port is not known.
fn reached(listen: SocketAddr) -> Option<String> {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    (listen.port() != 0).then(|| format!("http://{}", SocketAddr::new(ip, listen.port())))
}
