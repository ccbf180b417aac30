//! How a command reaches the operators' listener of a gateway that runs.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    process::ExitCode,
};

use super::print::err;
use crate::config::{self, Secret};

/// Where the operators' listener is if nothing says so.
const URL: &str = "http://127.0.0.1:9090";

/// Where the gateway is, and what opens it.
#[derive(Debug, clap::Args)]
pub(super) struct Operator {
    /// The operators' listener of the gateway [default: that of the configuration, else
    /// http://127.0.0.1:9090].
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

fn url(text: &str) -> Result<String, String> {
    let url =
        config::single::base_url(text).map_err(|fault| format!("expected {}", fault.expected))?;
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

    /// The token that is typed: in a file, or in the environment.
    fn token(&self) -> Result<Option<Secret>, ExitCode> {
        let Some(file) = &self.token_file else {
            let variable = std::env::var("SIGNALBOX_ADMIN_TOKEN").ok();
            return Ok(variable
                .filter(|it| !it.trim().is_empty())
                .map(|it| Secret::new(it.trim())));
        };
        let wrong = |fault: &dyn std::fmt::Display| {
            err!("signalbox: --token-file {}: {fault}", file.display());
            ExitCode::from(super::USAGE)
        };
        let text = config::read_text(file).map_err(|error| wrong(&error))?;
        match text.trim() {
            "" => Err(wrong(&"the file is empty: expected a token")),
            token => Ok(Some(Secret::new(token))),
        }
    }
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
