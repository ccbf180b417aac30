//! `signalbox init`: from the URLs of backends to a gateway that serves.
//!
//! It asks each backend for its models, by the question of `check --online`, and writes a configuration, a
//! policy, the pepper and a first key, together or not at all. What it does not know it says in a comment
//! instead of guessing. Nothing that is there is touched without `--force`.

mod choice;
pub(super) mod files;
pub(super) mod known;
pub(super) mod models;
pub(super) mod render;

use std::{
    io::{self, BufRead, IsTerminal, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use futures_util::future::join_all;

use self::{
    choice::{Backend, Choice, Flags},
    files::NewFile,
    models::Models,
    render::Head,
};
use super::{
    check,
    print::{err, out},
};
use crate::{
    app::{self, BackendFault, FaultKind, ListedBackend, ListedModel},
    config::{Endpoint, single},
    directory,
};

/// Writes a configuration, a policy and a first key, from what backends say of themselves.
///
/// Asks for backends on a terminal, or takes them by --backend. The key is shown once, on standard output;
/// all else is said on standard error, so that KEY=$(signalbox init …) keeps it.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Folder for signalbox.toml, policy.toml and pepper [default: .]
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
    /// A backend, once for each; NAME chooses among its models and names the one taken
    #[arg(long = "backend", value_name = "[NAME=]URL")]
    backends: Vec<String>,
    /// Where the backends' API key stands, as env:NAME or file:path: once for all, or once for each in their
    /// order (`none` for one without)
    #[arg(long = "api-key", value_name = "env:NAME")]
    api_keys: Vec<String>,
    /// Where the backends run, such as `on_prem`: once for all, or once for each; confidential data stays in
    /// the first
    #[arg(long = "zone", value_name = "ZONE")]
    zones: Vec<String>,
    /// Team of the first key [default: default]
    #[arg(long, value_name = "NAME")]
    team: Option<String>,
    /// Name of the first key [default: first]
    #[arg(long, value_name = "NAME")]
    key_name: Option<String>,
    /// Ask no backend: each is NAME=URL, by its model's name at its engine
    #[arg(long)]
    offline: bool,
    /// Replace files that are there; they are kept as <name>.old, <name>.old.2, …
    #[arg(long)]
    force: bool,
}

/// Why nothing was written: the code to end with, and the words.
type Stopped = (ExitCode, String);

/// What is written where.
struct Place {
    config: PathBuf,
    folder: PathBuf,
}

/// Runs the command.
pub(super) async fn run(args: Args, config: Option<PathBuf>) -> ExitCode {
    match init(&args, config).await {
        Ok(code) => code,
        Err((code, wrong)) => {
            err!("signalbox: {wrong}");
            err!("Nothing was written.");
            code
        }
    }
}

async fn init(args: &Args, config: Option<PathBuf>) -> Result<ExitCode, Stopped> {
    let place = Place::new(args, config)?;
    if !args.force {
        place.is_free()?;
    }
    let choice = args.choice(&place.folder)?;
    let catalogue = known::catalogue();
    let mut found = Models::default();
    let listed = if args.offline { offline(&choice)? } else { online(&choice, &place).await? };
    for (backend, listed) in choice.backends.iter().zip(&listed) {
        found.take(backend, listed, &catalogue).map_err(failed)?;
    }
    for note in &found.notes {
        err!("note: {note}");
    }
    tell(&found);
    let key = place.write(&choice, &found, args.force)?;
    err!();
    let code = judge(&place, &key);
    Ok(code)
}

impl Args {
    /// What flags say, or who sits at the terminal.
    fn choice(&self, folder: &Path) -> Result<Choice, Stopped> {
        let flags = Flags {
            backends: self.backends.clone(),
            api_keys: self.api_keys.clone(),
            zones: self.zones.clone(),
            team: self.team.clone(),
            key_name: self.key_name.clone(),
        };
        let resolves = |reference: &str| single::secret(folder, reference).map(drop);
        let asks = flags.backends.is_empty();
        if asks && !io::stdin().is_terminal() {
            let missing = "--backend is missing, and nobody can be asked without a terminal: say \
                           --backend http://HOST:PORT/v1, once for each backend";
            return Err((ExitCode::from(super::USAGE), missing.to_owned()));
        }
        let choice = if asks {
            // Who answers waits for each backend; the runtime has other threads.
            let listed = |backend: &Backend| {
                tokio::task::block_in_place(|| {
                    tokio::runtime::Handle::current().block_on(listed(backend, folder))
                })
            };
            let probe = |backend: &Backend| {
                if self.offline { Ok(()) } else { listed(backend).map(drop) }
            };
            choice::by_answers(&flags, (&resolves, &probe), &mut line)
        } else {
            choice::by_flags(&flags, &resolves)
        };
        choice.map_err(|wrong| (ExitCode::from(super::USAGE), wrong))
    }
}

/// Puts a question to whoever sits at the terminal.
fn line(question: &str) -> io::Result<Option<String>> {
    let mut out = io::stderr();
    out.write_all(question.as_bytes())?;
    out.flush()?;
    let mut line = String::new();
    let read = io::stdin().lock().read_line(&mut line)?;
    Ok((read > 0).then_some(line))
}

fn failed(wrong: String) -> Stopped {
    (ExitCode::FAILURE, wrong)
}

/// What each backend lists, by the names that were given.
fn offline(choice: &Choice) -> Result<Vec<ListedBackend>, Stopped> {
    let named = |backend: &Backend| {
        let name = backend.name.as_deref().ok_or_else(|| {
            let url = &backend.url;
            let wrong = format!("--offline: which model is at {url}? say --backend NAME={url}");
            (ExitCode::from(super::USAGE), wrong)
        })?;
        Ok(ListedBackend { base: backend.url.clone(), models: vec![ListedModel::named(name)] })
    };
    choice.backends.iter().map(named).collect()
}

/// What each backend lists; a line for each is said.
async fn online(choice: &Choice, place: &Place) -> Result<Vec<ListedBackend>, Stopped> {
    let answers = join_all(choice.backends.iter().map(|it| listed(it, &place.folder))).await;
    let (mut listed, mut wrong) = (Vec::new(), 0);
    for (backend, answer) in choice.backends.iter().zip(answers) {
        match answer {
            Ok(found) => {
                let number = found.models.len();
                let plural = if number == 1 { "" } else { "s" };
                let with = if found.base == backend.url { "" } else { ", with /v1 at its end" };
                err!("{}: {number} model{plural} listed{with}", found.base);
                listed.push(found);
            }
            Err(fault) => {
                wrong += 1;
                err!("{}: WRONG: {fault}", backend.url);
            }
        }
    }
    if wrong == 0 {
        return Ok(listed);
    }
    let all = choice.backends.len();
    Err(failed(format!(
        "{wrong} of {all} backends cannot be asked for models; start what is down, or leave it out; or \
         --offline with --backend NAME=URL, which asks nobody"
    )))
}

/// What one backend lists, or what is wrong with it.
async fn listed(backend: &Backend, folder: &Path) -> Result<ListedBackend, String> {
    let authorization = authorization(backend, folder)?;
    let found = app::list_backend(&backend.url, authorization).await;
    found.map_err(|fault| in_words(fault, backend))
}

/// What is wrong with a backend, and which flag mends it.
fn in_words(fault: BackendFault, backend: &Backend) -> String {
    let hint = match (fault.kind, &backend.api_key) {
        (FaultKind::Unauthorized, None) => "say --api-key env:NAME".to_owned(),
        (FaultKind::Unauthorized, Some(reference)) => format!("is what {reference} says right?"),
        (FaultKind::NotFound, _) => {
            let url = &backend.url;
            format!("is the url right? (one that lists no models: --offline --backend NAME={url})")
        }
        _ => fault.hint.clone(),
    };
    BackendFault { hint, ..fault }.to_string()
}

fn authorization(backend: &Backend, folder: &Path) -> Result<Option<http::HeaderValue>, String> {
    let Some(reference) = &backend.api_key else { return Ok(None) };
    let unread = |found| format!("its API key is {found}");
    let api_key = Some(single::secret(folder, reference).map_err(unread)?);
    let endpoint = Endpoint { url: http::Uri::default(), api_key, weight: 1, concurrency_max: 0 };
    let unfit = |_| format!("its API key, {reference}, cannot stand in a header");
    endpoint.authorization().map_err(unfit)
}

/// Says what will be written of each model.
fn tell(found: &Models<'_>) {
    let width = found.models.iter().map(|it| it.id.chars().count()).max().unwrap_or(0);
    for model in &found.models {
        let known = match model.known {
            Some(_) => "in the catalogue; its price is an EXAMPLE",
            None => "not in the catalogue: fill in what it can do and costs",
        };
        let replicas = match model.endpoints.len() {
            1 => String::new(),
            n => format!("{n} replicas, "),
        };
        err!("  {:width$}  {replicas}{known}", model.id);
    }
}

impl Place {
    fn new(args: &Args, config: Option<PathBuf>) -> Result<Self, Stopped> {
        let config = match (config, &args.folder) {
            (Some(_), Some(_)) => {
                let wrong = "--config beside DIR: say one of them".to_owned();
                return Err((ExitCode::from(super::USAGE), wrong));
            }
            (Some(config), None) => config,
            (None, Some(file)) if file.exists() && !file.is_dir() => {
                let file = file.display();
                let wrong =
                    format!("{file} is a file: DIR is a folder, --config {file} names a file");
                return Err((ExitCode::from(super::USAGE), wrong));
            }
            (None, Some(folder)) => folder.join(super::CONFIG),
            (None, None) => PathBuf::from(super::CONFIG),
        };
        Ok(Self { folder: config.parent().unwrap_or(Path::new("")).to_owned(), config })
    }

    fn policy(&self) -> PathBuf {
        self.folder.join("policy.toml")
    }

    /// Whether nothing stands where something is to be written.
    fn is_free(&self) -> Result<(), Stopped> {
        let taken = |path: &PathBuf| std::fs::symlink_metadata(path).is_ok();
        match [self.config.clone(), self.policy()].into_iter().find(taken) {
            None => Ok(()),
            Some(path) => {
                let (old, path) = (files::free_old(&path), path.display());
                let old = old.display();
                Err(failed(format!(
                    "{path} is already there: --force replaces it, and keeps {old}"
                )))
            }
        }
    }

    /// Writes everything; returns the key.
    fn write(&self, choice: &Choice, found: &Models<'_>, force: bool) -> Result<String, Stopped> {
        let (pepper, made) = self.pepper().map_err(failed)?;
        let key = directory::new_key(rand::random());
        let hash = directory::hash_line(pepper.as_bytes(), &key);
        let head = Head {
            comment: COMMENT.to_owned(),
            policy:
                "file = \"policy.toml\"            # what decides; `signalbox policy lint` proves it"
                    .into(),
            identity: IDENTITY.to_owned(),
            team: choice.team.clone(),
            key_name: choice.key_name.clone(),
            credential: format!(
                "# Of the key that was shown once; `signalbox key create` makes others.\nhash = \"{hash}\""
            ),
        };
        let file = |path: PathBuf, text: String, secret| NewFile { path, text, secret };
        let mut new = vec![
            file(self.config.clone(), render::config(&head, &found.models), false),
            file(self.policy(), render::policy(&found.models), false),
        ];
        if made {
            new.push(file(self.folder.join("pepper"), pepper, true));
        }
        files::write(&new, force).map_err(failed)?;
        let names = new.iter().map(|it| super::typed(&it.path)).collect::<Vec<_>>();
        err!("Written: {}", names.join(", "));
        Ok(key)
    }

    /// The pepper, and whether it is yet to be written. One that is there is kept, whatever is forced: all
    /// keys of its ledger hang on it.
    fn pepper(&self) -> Result<(String, bool), String> {
        let path = self.folder.join("pepper");
        let found = directory::load_pepper(&self.folder);
        match found.map_err(|error| format!("{}: {error}", path.display()))? {
            Some(pepper) => Ok((pepper.expose().to_owned(), false)),
            None => {
                let random: [u8; 32] = rand::random();
                Ok((random.iter().map(|byte| format!("{byte:02x}")).collect(), true))
            }
        }
    }
}

const COMMENT: &str = "\
# Written by `signalbox init`; yours from now on. `signalbox check` judges each line, docs/CONFIG.md has all
# other keys with their defaults. Search for FILL IN and EXAMPLE before you rely on costs.
";

const IDENTITY: &str = "
[identity]
pepper = \"file:pepper\"          # keys and users are hashed with it: BACK IT UP, without it no key opens
";

/// Judges what was written, as `check` does, shows the key, and says what comes next.
fn judge(place: &Place, key: &str) -> ExitCode {
    let judged = check::judged(&place.config);
    match &judged {
        Ok((_, good)) => err!("{good}"),
        Err(faults) => super::print_faults(faults),
    }
    err!("\nThe first key, shown once:");
    out!("{key}");
    match judged {
        Ok((config, _)) => {
            let serve = super::command_of(&place.config, "serve");
            err!(
                "\n{}",
                next(&serve, &config.server.listen.to_string(), "KEY=…   # the key above")
            );
            ExitCode::SUCCESS
        }
        Err(_) => ExitCode::from(super::WRONG),
    }
}

/// The commands that come next: serve, and ask.
pub(super) fn next(serve: &str, addr: &str, key: &str) -> String {
    format!(
        "Next:\n  {serve}\n  {key}\n  curl http://{addr}/v1/chat/completions \\\n    -H \"authorization: \
         Bearer $KEY\" -H 'content-type: application/json' \\\n    -d '{{\"model\": \"auto\", \
         \"messages\": [{{\"role\": \"user\", \"content\": \"What is a signal box?\"}}]}}'"
    )
}
