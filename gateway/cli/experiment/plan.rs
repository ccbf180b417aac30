//! `signalbox experiment plan`.

use std::process::ExitCode;

use super::probability;
use crate::{
    cli::{
        USAGE,
        print::{err, out},
    },
    experiment::stats::sizes,
};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The control's rate, such as 0.5 for every second request; or, with --deviation, its mean.
    #[arg(long, value_name = "RATE")]
    baseline: f64,
    /// The difference that is worth finding, in the same unit, such as 0.05 for 0.50 to 0.55.
    #[arg(long, value_name = "DIFFERENCE", allow_hyphen_values = true)]
    effect: f64,
    /// The standard deviation of a unit's value, where it is a number and not a rate.
    #[arg(long, value_name = "SD")]
    deviation: Option<f64>,
    /// Units that take part, as 2000/day, or an hour or a week.
    #[arg(long, value_name = "UNITS/TIME", value_parser = traffic)]
    traffic: Option<Traffic>,
    /// Arms of equal shares, the control among them.
    #[arg(long, value_name = "N", default_value_t = 2,
        value_parser = clap::value_parser!(u16).range(2..=256))]
    arms: u16,
    /// The probability to see a difference where there is none.
    #[arg(long, value_name = "A", default_value = "0.05", value_parser = probability)]
    alpha: f64,
    /// The probability to find the difference if it is there.
    #[arg(long, value_name = "P", default_value = "0.8", value_parser = probability)]
    power: f64,
}

/// Units a day.
#[derive(Clone, Copy, Debug)]
struct Traffic(f64);

fn traffic(text: &str) -> Result<Traffic, String> {
    let read = || {
        let (units, per) = text.split_once('/')?;
        let units: f64 = units.trim().parse().ok()?;
        let days = match per.trim() {
            "hour" => 1.0 / 24.0,
            "day" => 1.0,
            "week" => 7.0,
            _ => return None,
        };
        (units > 0.0 && units.is_finite()).then_some(Traffic(units / days))
    };
    read().ok_or_else(|| "units a time are expected, such as 2000/day".into())
}

pub(super) fn run(args: &Args) -> ExitCode {
    match planned(args) {
        Ok(lines) => {
            out!("{}", lines.join("\n"));
            ExitCode::SUCCESS
        }
        Err(what) => {
            err!("signalbox: {what}");
            ExitCode::from(USAGE)
        }
    }
}

fn planned(args: &Args) -> Result<Vec<String>, String> {
    let variances = variances(args)?;
    let alpha = args.alpha / f64::from(args.arms - 1);
    let sizes = sizes(args.effect, variances, alpha, args.power)
        .ok_or("--effect is too small, or there is no spread: no number of units finds it")?;
    let arms = f64::from(args.arms);
    let line = |what: &str, each: f64| {
        let all = (each.ceil() * arms).ceil();
        let days = args.traffic.map(|traffic| {
            let days = (all / traffic.0).ceil();
            format!(", {days} {}", if days == 1.0 { "day" } else { "days" })
        });
        format!("{what}  {all:>9} units, {} an arm{}", each.ceil(), days.unwrap_or_default())
    };
    Ok(vec![
        format!(
            "{} → {}, {} arms, alpha {}, power {}",
            args.baseline,
            // Without what binary fractions add at the end.
            (1e9 * (args.baseline + args.effect)).round() / 1e9,
            args.arms,
            args.alpha,
            args.power
        ),
        line("looked at any time, at most", sizes.sequential),
        line("looked at once, at the end ", sizes.fixed),
    ])
}

fn variances(args: &Args) -> Result<(f64, f64), String> {
    if let Some(deviation) = args.deviation {
        if !(deviation > 0.0 && deviation.is_finite()) {
            return Err("--deviation: a number above 0 is expected".into());
        }
        if !args.baseline.is_finite() {
            return Err("--baseline: a number is expected".into());
        }
        return Ok((deviation * deviation, deviation * deviation));
    }
    let rates = [args.baseline, args.baseline + args.effect];
    if rates.iter().any(|rate| !(0.0..=1.0).contains(rate)) {
        return Err(format!(
            "--baseline {} with --effect {} is no rate between 0 and 1; a number wants --deviation",
            args.baseline, args.effect
        ));
    }
    let [control, arm] = rates.map(|rate| rate * (1.0 - rate));
    Ok((control, arm))
}
