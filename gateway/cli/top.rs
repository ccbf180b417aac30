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

use std::{env, io::IsTerminal, path::PathBuf, process::ExitCode, time::Duration};

pub(super) use self::{exposition::samples, source::Source};
use self::{
    live::Readings,
    source::Trouble,
    state::{By, State},
};
use super::{
    operator::Operator,
    print::{self, err},
};

/// The width of a frame where nothing says another one, in cells.
const WIDTH: u16 = 100;
/// The widest frame, in cells.
const WIDTH_MAX: u16 = 400;

/// Options of `top`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    at: Operator,
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
    let (url, token) = match args.at.asked(named.as_deref()) {
        Ok((url, admin)) => (url, admin.token.or(admin.metrics_token)),
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
