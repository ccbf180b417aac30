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
    env::{self, VarError},
    fs::File,
    io::{IsTerminal, Read},
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
/// The longest token, in bytes: no server reads a longer header.
const TOKEN_BYTES_MAX: u64 = 4 * 1024;

/// Options of `top`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The operators' listener of the gateway, which speaks plain http [default: that of the configuration,
    /// else http://127.0.0.1:9090].
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
    /// Which table stands first, that of models or that of teams. Keys for order and for rows are for that
    /// one; Tab puts the other one first.
    #[arg(long, value_enum, default_value = "model")]
    by: By,
}

fn url(text: &str) -> Result<String, String> {
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
    if let Some(fault) = (!args.once).then(|| no_screen(env::var("TERM").ok().as_deref())).flatten()
    {
        err!("signalbox: {fault}");
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
    let colours = env::var_os("NO_COLOR").is_none_or(|it| it.is_empty());
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

/// Why no screen can be drawn on a terminal that says this of itself; nothing where one can.
fn no_screen(term: Option<&str>) -> Option<String> {
    let found = match term {
        None | Some("") => "TERM is not set",
        Some("dumb") => "TERM is `dumb`",
        Some(_) => return None,
    };
    Some(format!(
        "{found}, so no screen can be drawn here: `signalbox top --once` prints one frame as text"
    ))
}

/// One frame as text.
async fn once(source: &Source, mut state: State, every: Duration) -> Result<String, Trouble> {
    let mut readings = Readings::default();
    readings.push(source.read().await?);
    tokio::time::sleep(every).await;
    live::take(&mut state, &mut readings, Ok(source.read().await?));
    (state.at, state.wall) = (source.at(), live::wall());
    let columns = env::var("COLUMNS").ok().and_then(|it| it.parse().ok());
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

/// The token that is typed: in a file, or in the environment. Whether it can be one is known before it is
/// sent.
fn token(args: &Args) -> Result<Option<Secret>, ExitCode> {
    let (place, text) = match &args.token_file {
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
fn bearer(text: &str) -> Result<Secret, String> {
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
