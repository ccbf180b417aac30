//! `signalbox top`: what a gateway does right now, by model and by team, from its `/metrics`.
//!
//! The gateway does nothing for it that a scrape would not do: all figures are differences between two reads,
//! made here.

mod canvas;
mod exposition;
mod figures;
mod live;
mod reading;
mod screen;
mod show;
mod source;
mod state;
mod table;
#[cfg(test)]
mod tests;

use std::{
    io::IsTerminal,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use self::{
    live::Readings,
    source::{Source, Trouble},
    state::{By, State},
};
use super::print::{self, err};
use crate::config::{self, Secret};

/// Where the operators' listener is if nothing says so.
const URL: &str = "http://127.0.0.1:9090";
/// The width of a frame where nothing says another one, in cells.
const WIDTH: u16 = 100;
/// The widest frame, in cells.
const WIDTH_MAX: u16 = 400;

/// Options of `top`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The operators' listener of the gateway [default: that of the configuration, else
    /// http://127.0.0.1:9090].
    #[arg(long, value_name = "URL", value_parser = url)]
    url: Option<String>,
    /// A file with `admin.token` or `admin.metrics_token`, where the gateway wants one [default:
    /// SIGNALBOX_ADMIN_TOKEN, else that of the configuration].
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// How often it is read: 1s, 500ms, 1m.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = interval)]
    interval: Duration,
    /// Print one frame as text after two reads so far apart, and end.
    #[arg(long)]
    once: bool,
    /// The table that comes first to the keys.
    #[arg(long, value_enum, default_value = "model")]
    by: By,
}

fn url(text: &str) -> Result<String, String> {
    let url =
        config::single::base_url(text).map_err(|fault| format!("expected {}", fault.expected))?;
    Ok(url.to_string().trim_end_matches('/').to_owned())
}

fn interval(text: &str) -> Result<Duration, String> {
    let (digits, unit) =
        text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let scale = match unit {
        "ms" => Some(1),
        "s" => Some(1_000),
        "m" => Some(60_000),
        _ => None,
    };
    let millis = scale.and_then(|scale| digits.parse::<u64>().ok()?.checked_mul(scale));
    millis.filter(|it| (100..=3_600_000).contains(it)).map(Duration::from_millis).ok_or_else(|| {
        format!("`{text}`: expected a number and `ms`, `s` or `m`, from 100ms to 60m")
    })
}

/// Shows it, or says why it cannot.
pub(super) async fn run(named: Option<PathBuf>, args: Args) -> ExitCode {
    let is_terminal = std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
    if !args.once && !is_terminal {
        err!("signalbox: this is no terminal: `signalbox top --once` prints one frame as text");
        return ExitCode::from(super::USAGE);
    }
    let (url, token) = match asked(named.as_deref(), &args) {
        Ok(asked) => asked,
        Err(code) => return code,
    };
    let source = match Source::new(&url, token) {
        Ok(source) => source,
        Err(error) => {
            err!("signalbox: {error}");
            return ExitCode::FAILURE;
        }
    };
    let colours = std::env::var_os("NO_COLOR").is_none_or(|it| it.is_empty());
    let state = State::new(url.clone(), args.by, colours);
    if args.once {
        return match once(&source, state, args.interval).await {
            Ok(text) => {
                print::answer(format_args!("{text}"));
                ExitCode::SUCCESS
            }
            Err(trouble) => {
                err!("signalbox: {url}: {}", policies::printable(&trouble.to_string()));
                ExitCode::FAILURE
            }
        };
    }
    match live::live(source, state, args.interval).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            err!("signalbox: the terminal: {error}");
            ExitCode::FAILURE
        }
    }
}

/// One frame as text.
async fn once(source: &Source, mut state: State, every: Duration) -> Result<String, Trouble> {
    let mut readings = Readings::default();
    readings.push(source.read().await?);
    tokio::time::sleep(every).await;
    live::take(&mut state, &mut readings, Ok(source.read().await?));
    (state.at, state.wall) = (source.at(), live::wall());
    let columns = std::env::var("COLUMNS").ok().and_then(|it| it.parse().ok());
    Ok(screen::text(&state, columns.unwrap_or(WIDTH).clamp(20, WIDTH_MAX)))
}

/// Where to ask, and with which token: what is typed, else what the configuration says, if there is one.
fn asked(named: Option<&Path>, args: &Args) -> Result<(String, Option<Secret>), ExitCode> {
    let token = token(args)?;
    let config = named.unwrap_or(Path::new(super::CONFIG));
    // One that is not named need not be there.
    let needed = args.url.is_none() || (named.is_some() && token.is_none());
    if !needed || (named.is_none() && !config.exists()) {
        return Ok((args.url.clone().unwrap_or_else(|| URL.to_owned()), token));
    }
    let admin = config::admin(config).map_err(|faults| {
        super::print_faults(&faults);
        ExitCode::from(super::WRONG)
    })?;
    let url = match &args.url {
        Some(url) => url.clone(),
        None => reached(admin.listen).ok_or_else(|| {
            err!("signalbox: `admin.listen` leaves its port to the system: name it with --url");
            ExitCode::from(super::USAGE)
        })?,
    };
    Ok((url, token.or(admin.token).or(admin.metrics_token)))
}

/// The token that is typed: in a file, or in the environment.
fn token(args: &Args) -> Result<Option<Secret>, ExitCode> {
    let Some(file) = &args.token_file else {
        let variable = std::env::var("SIGNALBOX_ADMIN_TOKEN").ok();
        return Ok(variable.filter(|it| !it.trim().is_empty()).map(|it| Secret::new(it.trim())));
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

/// The URL by which a listener on this machine is reached; nothing where its port is not known.
fn reached(listen: SocketAddr) -> Option<String> {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    (listen.port() != 0).then(|| format!("http://{}", SocketAddr::new(ip, listen.port())))
}
