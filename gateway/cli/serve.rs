//! `signalbox serve`

use std::{
    convert::Infallible,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use policies::lint::Finding;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::print::err;
use crate::{
    app::{self, Change, NamesChanged, Notice, Reloaded, Running, StartWarning, Watched, notify},
    config::Config,
    log::{Clocks, Log},
};

/// How often the files of the configuration are looked at. What has changed at one look is read at the
/// next, so that it is in force within a second.
const LOOK_EVERY: Duration = Duration::from_millis(300);
/// Faults of a configuration that a line of the log names.
const FAULTS_MAX: usize = 10;

/// Names of a kind that the line of a reload lists.
const NAMES_MAX: usize = 10;

/// Options of `serve`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Ends at once when its standard input does: for a program that starts it and must not be outlived.
    #[arg(long, hide = true)]
    until_stdin_ends: bool,
}

/// Serves until SIGTERM or SIGINT, or until a successor does, then drains. A second signal ends it at once.
pub(super) async fn run(path: PathBuf, args: Args) -> ExitCode {
    if args.until_stdin_ends {
        end_with_stdin();
    }
    // Whoever tells all gateways to reload means those that are starting as well.
    let Ok(hangup) = signal(SignalKind::hangup()) else { return deaf() };
    let config = match app::check(&path) {
        Ok(config) => config,
        Err(faults) => {
            super::print_faults(&faults);
            return ExitCode::from(super::WRONG);
        }
    };
    let watched = Watched::new(&path, config.policy_file.as_deref());
    let clocks = Clocks { now: Instant::now, timestamp: jiff::Timestamp::now };
    let log = match Log::start(&config.log, clocks) {
        Ok(log) => log,
        Err(error) => {
            err!("signalbox: cannot write a log: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = serve(&path, config, (hangup, watched), log.clone()).await;
    log.finish();
    code
}

async fn serve(
    path: &Path,
    config: Config,
    (hangup, watched): (Signal, Watched),
    log: Log,
) -> ExitCode {
    let plain = |says| StartWarning { says, ..StartWarning::default() };
    let mut warnings: Vec<_> = app::warnings(&config).into_iter().map(plain).collect();
    warnings.extend(config.unread_variables.iter().cloned().map(plain));
    warnings.extend(dead_ends(&config.dead_ends));
    let running = match app::succeed_or_start(config, log.clone()).await {
        Ok(running) => running,
        Err(error) => {
            log.finish();
            err!("signalbox: {error}");
            return ExitCode::FAILURE;
        }
    };
    running.say_started(path, &warnings).await;
    let Ok(mut stop) = Stop::listen() else { return deaf() };
    notify(Notice::Ready);
    let succeeded = tokio::select! {
        () = stop.told() => None,
        pid = running.succeeded() => Some(pid),
        never = reloading(path, &running, (hangup, watched)) => match never {},
    };
    drain(running, stop, succeeded).await
}

async fn drain(running: Running, mut stop: Stop, succeeded: Option<i32>) -> ExitCode {
    if let Some(successor) = succeeded {
        notify(Notice::Succeeded(successor));
        tracing::info!(successor, "draining: another process serves");
    } else {
        notify(Notice::Stopping);
        tracing::info!("draining; a second signal ends it at once");
    }
    let told = async {
        if succeeded.is_some() {
            // Whoever stops a service signals all of it: the first one says what is done already.
            stop.told().await;
            tracing::info!("draining already; a second signal ends it at once");
        }
        stop.told().await;
    };
    tokio::select! {
        () = running.shutdown() => ExitCode::SUCCESS,
        () = told => {
            tracing::warn!("told to stop twice: not waiting");
            ExitCode::FAILURE
        }
    }
}

/// Reloads at SIGHUP and whenever the files have changed.
async fn reloading(
    path: &Path,
    running: &Running,
    (mut hangup, mut watched): (Signal, Watched),
) -> Infallible {
    let mut look = tokio::time::interval(LOOK_EVERY);
    // Whether the files say something that was refused.
    let mut stale = false;
    loop {
        tokio::select! {
            _ = hangup.recv() => {
                watched.mark();
                stale = !reload(path, running, &mut watched, stale).await;
            }
            _ = look.tick() => {
                if watched.changed() {
                    stale = !reload(path, running, &mut watched, stale).await;
                }
            }
        }
    }
}

/// Whatever is wrong with the files, the configuration in force stays. False if something is; `stale` if it
/// was before.
async fn reload(path: &Path, running: &Running, watched: &mut Watched, stale: bool) -> bool {
    let config = match app::load(path) {
        Ok(config) => config,
        Err(faults) => {
            running.refuse_reload();
            let all: usize = faults.iter().map(|fault| 1 + fault.more).sum();
            stays(all, faults.iter().map(ToString::to_string));
            return false;
        }
    };
    watched.follow(config.policy_file.as_deref());
    let dead_ends = config.dead_ends.clone();
    match running.reload(config).await {
        Ok(reloaded @ Reloaded::InForce { .. }) => {
            in_force(&reloaded);
            warn_of(&dead_ends);
            return true;
        }
        Ok(Reloaded::Unchanged) => {
            match stale {
                true => tracing::info!(
                    "what is on disk is in force again: the configuration is the same as before what was \
                     refused"
                ),
                false => tracing::info!("the configuration is the same"),
            }
            return true;
        }
        Ok(Reloaded::NeedsRestart(changes)) => {
            let said: Vec<String> = changes.iter().map(ToString::to_string).collect();
            tracing::error!(
                changes = said.len(),
                "this takes a restart; all of the configuration in force stays: {}",
                said.join("; ")
            );
        }
        Ok(Reloaded::NeedsSecond(held)) => tracing::error!(
            changes = held.len(),
            "this takes a second person; all of the configuration in force stays: {}",
            held.join("; ")
        ),
        Err(error) => stays(1, [error.to_string()].into_iter()),
    }
    false
}

/// Says in one line why the configuration in force stays.
fn stays(faults: usize, said: impl ExactSizeIterator<Item = String>) {
    let more = said.len().checked_sub(FAULTS_MAX).filter(|more| *more > 0);
    let mut text = said.take(FAULTS_MAX).collect::<Vec<_>>().join("; ");
    if let Some(more) = more {
        text += &format!("; and {more} more: `signalbox check` says them");
    }
    tracing::error!(faults, "the configuration in force stays: {text}");
}

/// Which of the changed names of a section are meant.
type Which = fn(&NamesChanged) -> &[Arc<str>];

/// Says in one line what is in force now, and what was before.
fn in_force(reloaded: &Reloaded) {
    let Reloaded::InForce { version, hash, before, changed, prices, models, names, config_hash } =
        reloaded
    else {
        return;
    };
    let other_document = changed.contains(&"policy");
    let changed = changed.join(",");
    let of = |wanted: fn(&Change) -> Option<&str>| listed(models.iter().filter_map(wanted));
    let named = |section: &str, which: Which| {
        let it = names.iter().find(|it| it.section == section)?;
        listed(which(it).iter().map(|name| &**name))
    };
    let [added, removed, altered]: [Which; 3] =
        [|it| &it.added, |it| &it.removed, |it| &it.changed];
    let models_added = of(|it| if let Change::Added(id) = it { Some(id) } else { None });
    let models_removed = of(|it| if let Change::Removed(id) = it { Some(id) } else { None });
    let models_changed = of(|it| if let Change::Changed(id) = it { Some(id) } else { None });
    let policy = match before == hash {
        true => format!("policy {hash} as before"),
        false if other_document => format!("policy {before} -> {hash}"),
        false => format!("policy {before} -> {hash}, of the same document"),
    };
    tracing::info!(
        changed,
        config_hash = %config_hash,
        policy_version = %version,
        policy_hash = %hash,
        price_version = %prices,
        models_added,
        models_removed,
        models_changed,
        teams_added = named("teams", added),
        teams_removed = named("teams", removed),
        teams_changed = named("teams", altered),
        keys_added = named("keys", added),
        keys_removed = named("keys", removed),
        keys_changed = named("keys", altered),
        operators_added = named("operators", added),
        operators_removed = named("operators", removed),
        operators_changed = named("operators", altered),
        aliases_added = named("aliases", added),
        aliases_removed = named("aliases", removed),
        aliases_changed = named("aliases", altered),
        "another configuration is in force: {policy}"
    );
}

/// The first of these names and how many more there are; `None` where there is none.
fn listed<'a>(names: impl Iterator<Item = &'a str>) -> Option<String> {
    let names: Vec<&str> = names.collect();
    let shown = names.get(..NAMES_MAX).unwrap_or(&names).join(",");
    match names.len().checked_sub(NAMES_MAX).filter(|more| *more > 0) {
        Some(more) => Some(format!("{shown} and {more} more")),
        None => (!names.is_empty()).then_some(shown),
    }
}

/// Which requests end nowhere under a policy.
fn dead_ends(all: &[Finding]) -> Vec<StartWarning> {
    let shown = all.iter().take(super::DEAD_ENDS_MAX).map(|it| {
        let example = it.example.clone().map(|example| ("example", example));
        let fields = [("path", it.path.clone()), ("rule", it.rule.clone())].into_iter();
        StartWarning {
            says: format!("policy: {}", it.says),
            fields: fields.chain(example).collect(),
        }
    });
    let more = super::more_dead_ends(all);
    let more = more.map(|it| StartWarning { says: format!("policy: {it}"), fields: Vec::new() });
    shown.chain(more).collect()
}

/// Says which requests end nowhere under the policy that is in force.
fn warn_of(dead_ends: &[Finding]) {
    for Finding { path, rule, says, example, .. } in dead_ends.iter().take(super::DEAD_ENDS_MAX) {
        tracing::warn!(path, rule, example, "policy: {says}");
    }
    if let Some(more) = super::more_dead_ends(dead_ends) {
        tracing::warn!("policy: {more}");
    }
}

/// What is open then is recovered at the next start, as after any crash.
fn end_with_stdin() {
    // A thread of its own: the runtime would wait for one of its threads that reads.
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        std::process::exit(1);
    });
}

fn deaf() -> ExitCode {
    err!("signalbox: cannot listen for signals");
    ExitCode::FAILURE
}

/// The signals that end the process. One listener for all of them: none is lost between two waits.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    fn listen() -> std::io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        Ok(Self { terminate, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn told(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
