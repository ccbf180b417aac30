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

/// The longest token, in bytes: no server reads a longer header.
const TOKEN_BYTES_MAX: u64 = 4 * 1024;

/// Where the gateway is, and what opens it.
#[derive(Debug, clap::Args)]
pub(super) struct Operator {
    /// The operators' listener of the gateway, which speaks plain http [default: that of the configuration,
    /// else http://127.0.0.1:9090].
    #[arg(long, value_name = "URL", value_parser = url)]
    url: Option<String>,
    /// A file with `admin.token`, or for figures alone `admin.metrics_token`, where the gateway wants one
    /// [default: SIGNALBOX_ADMIN_TOKEN, else that of the configuration].
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

    /// The token that is typed: in a file, or in the environment. Whether it can be one is known before it is
    /// sent.
    fn token(&self) -> Result<Option<Secret>, ExitCode> {
        let (place, text) = match &self.token_file {
            Some(file) => (
                format!("--token-file {}", file.display()),
                start_of(file).map_err(|error| error.to_string()),
            ),
            None => match env::var("SIGNALBOX_ADMIN_TOKEN") {
                Err(VarError::NotPresent) => return Ok(None),
                Ok(text) if text.trim().is_empty() => return Ok(None),
                text => ("SIGNALBOX_ADMIN_TOKEN".to_owned(), text.map_err(|_| NO_TOKEN.to_owned())),
            },
        };
        match text.and_then(|text| bearer(&text)) {
            Ok(token) => Ok(Some(token)),
            Err(fault) => {
                err!("signalbox: {}: {fault}", policies::printable(&place));
                Err(ExitCode::from(super::USAGE))
            }
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
