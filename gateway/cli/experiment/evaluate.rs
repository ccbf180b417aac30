//! `signalbox experiment evaluate`.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::ValueEnum;
use policies::{counted, printable};

use super::probability;
use crate::{
    cli::{
        WRONG,
        print::{self, err},
    },
    experiment::{
        evaluate::{Evaluation, Look, Options},
        stats::shares_are_ok,
    },
};

/// The longest line that is read, in bytes.
const LINE_MAX: u64 = 1 << 20;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// JSON lines; `-` is standard input.
    file: PathBuf,
    /// The arm that the others are compared with [default: the first of --shares, else the first in the data]
    #[arg(long, value_name = "ARM")]
    control: Option<String>,
    /// The probability that an experiment's intervals are wrong at any look; shared among its arms.
    #[arg(long, value_name = "A", default_value = "0.05", value_parser = probability)]
    alpha: f64,
    /// Whether higher or lower values are better.
    #[arg(long, value_enum, default_value_t = Better::Higher)]
    better: Better,
    /// The share of units that each arm should have, such as a=0.5,b=0.5 [default: equal shares]
    #[arg(long, value_name = "SHARES", value_parser = shares)]
    shares: Option<Shares>,
    /// Look each time so many lines of an experiment have come [default: at its end alone]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    look_every: Option<u64>,
    /// One JSON object for each look and arm.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Better {
    Higher,
    Lower,
}

/// The shares of the arms; they add up to 1.
#[derive(Clone, Debug)]
struct Shares(Vec<(String, f64)>);

fn shares(text: &str) -> Result<Shares, String> {
    let one = |part: &str| {
        let (arm, share) = part.split_once('=')?;
        let share: f64 = share.trim().parse().ok()?;
        (!arm.trim().is_empty() && share > 0.0 && share <= 1.0)
            .then(|| (arm.trim().to_owned(), share))
    };
    let all: Option<Vec<_>> = text.split(',').map(one).collect();
    let all = all.ok_or("arms with shares above 0 are expected, such as a=0.5,b=0.5")?;
    let mut names: Vec<_> = all.iter().map(|(arm, _)| arm).collect();
    names.sort();
    if let Some(twice) = names.windows(2).find(|pair| pair.first() == pair.last()) {
        let name = twice.first().map_or("", |it| it.as_str());
        return Err(format!("`{}` stands there twice", printable(name)));
    }
    let sum: f64 = all.iter().map(|(_, share)| share).sum();
    if (sum - 1.0).abs() > 1e-6 {
        return Err(format!("the shares add up to {sum}; 1 is expected"));
    }
    Ok(Shares(all))
}

pub(super) fn run(args: &Args) -> ExitCode {
    let shares = args.shares.clone().map_or_else(Vec::new, |it| it.0);
    if let Some(control) = args.control.as_ref().filter(|_| !shares.is_empty())
        && !shares.iter().any(|(arm, _)| arm == control)
    {
        err!("signalbox: --control `{}` is not among --shares", printable(control));
        return ExitCode::from(crate::cli::USAGE);
    }
    let options = Options {
        control: args.control.clone(),
        alpha: args.alpha,
        shares,
        look_every: args.look_every,
    };
    let evaluated = input(&args.file).map_err(|error| error.to_string());
    match evaluated.and_then(|input| evaluate(input, Evaluation::new(options), args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => {
            err!("signalbox: {}: {what}", args.file.display());
            ExitCode::from(WRONG)
        }
    }
}

fn input(file: &Path) -> io::Result<Box<dyn BufRead>> {
    if file.as_os_str() == "-" {
        return Ok(Box::new(io::stdin().lock()));
    }
    Ok(Box::new(BufReader::with_capacity(1 << 16, File::open(file)?)))
}

fn evaluate(
    mut input: Box<dyn BufRead>,
    mut evaluation: Evaluation,
    args: &Args,
) -> Result<(), String> {
    let mut said = Said { out: io::BufWriter::new(io::stdout().lock()), args };
    let (mut number, mut line) = (0, Vec::new());
    loop {
        line.clear();
        number += 1;
        let read = (&mut input).take(LINE_MAX).read_until(b'\n', &mut line);
        let read = read.map_err(|error| format!("line {number}: {error}"))?;
        if read == 0 {
            break;
        }
        let text = std::str::from_utf8(&line).map_err(|_| format!("line {number}: not UTF-8"))?;
        if read as u64 == LINE_MAX && !text.ends_with('\n') {
            return Err(format!("line {number}: longer than {LINE_MAX} bytes"));
        }
        // Some programs begin a file with a mark of its byte order.
        let text = if number == 1 { text.trim_start_matches('\u{feff}') } else { text };
        if text.trim().is_empty() {
            continue;
        }
        let due = evaluation.read(number, text.trim()).map_err(|fault| fault.to_string())?;
        said.looks(&due);
    }
    let last = evaluation.end().map_err(|fault| fault.to_string())?;
    if last.is_empty() {
        return Err("no data; JSON lines with `unit`, `arm` and `value` are expected".into());
    }
    said.looks(&last);
    said.out.flush().unwrap_or_else(|error| print::end(&error));
    Ok(())
}

/// What was printed.
struct Said<'a, W: Write> {
    out: W,
    args: &'a Args,
}

impl<W: Write> Said<'_, W> {
    fn looks(&mut self, looks: &[Look]) {
        for look in looks {
            self.look(look).unwrap_or_else(|error| print::end(&error));
        }
    }

    fn look(&mut self, look: &Look) -> io::Result<()> {
        if self.args.json {
            serde_json::to_writer(&mut self.out, look)?;
            return self.out.write_all(b"\n");
        }
        writeln!(self.out, "{}", words(look, self.args))
    }
}

/// A look as a sentence or two.
fn words(look: &Look, args: &Args) -> String {
    let name = look.experiment.as_deref().map(|it| format!("{}, ", printable(it)));
    let units: u64 = look.units.0.iter().map(|(_, units)| units).sum();
    let ended = if look.is_final { ", the end" } else { "" };
    let units = counted(usize::try_from(units).unwrap_or(usize::MAX), "unit", "units");
    let head = format!("{}look {}{ended}: {units}", name.unwrap_or_default(), look.look);
    let shares = match shares_are_ok(look.srm_p) {
        false => format!(
            " The arms' units are not in their shares (p = {:.2e}): find out why before you believe it.",
            look.srm_p
        ),
        true => String::new(),
    };
    format!("{head}. {}{shares}", verdict(look, args))
}

fn verdict(look: &Look, args: &Args) -> String {
    let (Some(arm), Some(control)) = (look.arm.as_deref(), look.control.as_deref()) else {
        return "One arm alone: there is nothing to compare.".into();
    };
    let (arm, control) = (printable(arm), printable(control));
    let Some(difference) = look.difference else {
        return format!("`{arm}` against `{control}`: one of them has no units yet.");
    };
    let means = match look.means {
        (Some(arm), Some(control)) => format!(" ({} against {})", short(arm), short(control)),
        _ => String::new(),
    };
    let (Some(low), Some(high)) = (look.low, look.high) else {
        return format!(
            "`{arm}` − `{control}` = {}{means}: too little to say how sure that is.",
            short(difference)
        );
    };
    let is_better = (difference > 0.0) == (args.better == Better::Higher);
    let sure = match (look.significant, is_better) {
        (true, true) => format!("`{arm}` is better."),
        (true, false) => format!("`{arm}` is worse."),
        (false, _) => "Nothing is shown yet.".into(),
    };
    format!(
        "{sure} `{arm}` − `{control}` = {}, between {} and {}{means}.",
        short(difference),
        short(low),
        short(high)
    )
}

/// A number at a length that can be read.
fn short(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-3..1e6).contains(&size) {
        return format!("{value:.3e}");
    }
    format!("{value:.4}")
}
