//! What the file says beside its models: how one is chosen, what comes after it, and for how
//! much.

use super::{
    book::{Book, View},
    deployment::Reading,
    number,
    secret::Reference,
};

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Settings {
    /// How one of several is chosen.
    pub by: By,
    /// How often another replica of a model is tried.
    pub retry: Option<u64>,
    /// How long an attempt may take.
    pub total_ms: Option<u32>,
    /// What comes after a name, with the path of each.
    pub fallbacks: Vec<Fallback>,
    /// Other names: path, name, and the name that each stands for.
    pub aliases: Vec<(String, String, String)>,
    /// What all may spend: an amount and its window.
    pub budget: Option<(String, &'static str)>,
    /// Requests of all at once, and of a key.
    pub concurrent: [Option<u64>; 2],
    /// The largest body.
    pub body_bytes_max: Option<u64>,
    /// Where the operators' token stands.
    pub admin: Option<String>,
    /// `[log]`: the format and the level.
    pub log: [Option<&'static str>; 2],
}

/// How one of several models is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum By {
    /// By shares.
    #[default]
    Weight,
    /// The one with the fewest requests.
    Load,
    /// The one that begins to answer soonest.
    Latency,
    /// The cheapest.
    Cost,
}

impl By {
    /// Its word in a policy.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Weight => "weight",
            Self::Load => "load",
            Self::Latency => "latency",
            Self::Cost => "cost",
        }
    }
}

/// What comes after a name.
#[derive(Debug)]
pub(super) struct Fallback {
    /// Where it stands in the file.
    pub path: String,
    /// The name; none stands for all that have no others.
    pub of: Option<String>,
    /// The names that come after it, in order.
    pub to: Vec<String>,
    /// Whether they are meant for prompts that are too long alone.
    pub context: bool,
}

const TWICE: &str = "router_settings says it";

/// Reads the settings of a file.
pub(super) fn read(root: &View<'_>, reading: &mut Reading<'_>) -> Settings {
    let mut settings = Settings::default();
    let book = &mut reading.book;
    let router = root.get("router_settings");
    let litellm = root.get("litellm_settings");
    let general = root.get("general_settings");
    let both = [router.as_ref(), litellm.as_ref()];
    strategy(&mut settings, router.as_ref(), book);
    tries(&mut settings, both, book);
    fallbacks(&mut settings, both, book);
    other_names(&mut settings, both, book);
    litellm.iter().for_each(|it| spending(&mut settings, it, book));
    litellm.iter().for_each(|it| log(&mut settings, it, book));
    if let Some(view) = &general {
        bounds(&mut settings, view, book);
    }
    if let Some(view) = general.and_then(|it| it.get("master_key")) {
        master_key(&mut settings, &view, reading);
    }
    settings
}

fn strategy(settings: &mut Settings, router: Option<&View<'_>>, book: &mut Book) {
    let Some(view) = router.and_then(|it| it.get("routing_strategy")) else { return };
    let (by, exact) = match view.text().unwrap_or_default() {
        "simple-shuffle" => (By::Weight, true),
        "least-busy" => (By::Load, true),
        "latency-based-routing" => (By::Latency, true),
        "cost-based-routing" => (By::Cost, true),
        "usage-based-routing" | "usage-based-routing-v2" => (By::Load, false),
        _ => {
            book.left(&view.path, "no such way to choose is known: shares hold, by = \"weight\"");
            return;
        }
    };
    settings.by = by;
    let said = format!("by = \"{}\" of routes over several models", by.word());
    if exact {
        let more = "; replicas of one model are chosen by latency and load, and by their weight";
        book.carried(&view.path, said + more);
    } else {
        book.near(
            &view.path,
            said + ": by requests under way, not by the tokens of the last minute",
        );
    }
}

/// The value of the first that has one; the other is said to be that.
fn first<'a>(from: [Option<&View<'a>>; 2], keys: [&str; 2], book: &mut Book) -> Option<View<'a>> {
    let mut found: Vec<_> =
        from.into_iter().zip(keys).filter_map(|(it, key)| it?.get(key)).collect();
    found.iter().skip(1).for_each(|it| book.left(&it.path, TWICE));
    found.truncate(1);
    found.pop()
}

fn tries(settings: &mut Settings, from: [Option<&View<'_>>; 2], book: &mut Book) {
    if let Some(view) = first(from, ["num_retries"; 2], book) {
        settings.retry = view.text().and_then(number::whole).map(|it| it.min(5));
        match settings.retry {
            Some(n) => {
                let said = "models asked for by id, and aliases in an order, are tried once \
                            more at another replica";
                book.near(&view.path, format!("retry = {n} of rules; {said}"));
            }
            None => book.left(&view.path, "it is no whole number"),
        }
    }
    if let Some(view) = first(from, ["timeout", "request_timeout"], book) {
        settings.total_ms = view.text().and_then(number::millis);
        match settings.total_ms {
            Some(_) => {
                book.near(
                    &view.path,
                    "timeouts.total_ms of models that state none: of one attempt",
                );
            }
            None => book.left(&view.path, "it is no number of seconds above 0"),
        }
    }
}

fn fallbacks(settings: &mut Settings, from: [Option<&View<'_>>; 2], book: &mut Book) {
    for (key, context) in [("fallbacks", false), ("context_window_fallbacks", true)] {
        let Some(list) = first(from, [key; 2], book) else { continue };
        for item in list.items() {
            for (name, to) in item.entries() {
                let of = (name != "*").then(|| name.to_owned());
                let names = to.texts().into_iter().map(str::to_owned).collect();
                settings.fallbacks.push(Fallback { path: to.path, of, to: names, context });
            }
        }
    }
    if let Some(view) = first(from, ["default_fallbacks"; 2], book) {
        let to = view.texts().into_iter().map(str::to_owned).collect();
        settings.fallbacks.push(Fallback { path: view.path, of: None, to, context: false });
    }
}

fn other_names(settings: &mut Settings, from: [Option<&View<'_>>; 2], book: &mut Book) {
    let Some(view) = first(from, ["model_group_alias"; 2], book) else { return };
    for (name, to) in view.entries() {
        let inner = to.get("model");
        if let Some(hidden) = to.get("hidden") {
            let why = if hidden.yes() == Some(true) {
                "GET /v1/models lists each alias for keys that may use one of its models"
            } else {
                "no alias is hidden"
            };
            book.left(&hidden.path, why);
        }
        let stands = inner.unwrap_or(to);
        match stands.text() {
            Some(of) => {
                settings.aliases.push((stands.path.clone(), name.to_owned(), of.to_owned()));
            }
            None => book.left(&stands.path, "an alias stands for the name of a model"),
        }
    }
}

fn spending(settings: &mut Settings, view: &View<'_>, book: &mut Book) {
    let (amount, window) = (view.get("max_budget"), view.get("budget_duration"));
    let Some(amount) = amount else {
        window.iter().for_each(|it| book.left(&it.path, "there is no max_budget beside it"));
        return;
    };
    let Some(money) = amount.text().and_then(number::amount) else {
        book.left(&amount.path, "an amount is 0 to 4,000,000,000, with nine decimals at the most");
        window.iter().for_each(|it| book.left(&it.path, "there is no budget that it is of"));
        return;
    };
    book.carried(&amount.path, "budget.amount of the team `default`");
    let nearest = match &window {
        None => "total",
        Some(view) => match view.text().and_then(number::seconds).map(number::window) {
            Some((window, true)) => {
                book.carried(
                    &view.path,
                    format!("budget.window = \"{window}\" of the calendar, in UTC"),
                );
                window
            }
            Some((window, false)) => {
                let said = "the nearest window of the calendar";
                book.near(&view.path, format!("budget.window = \"{window}\", {said}"));
                window
            }
            None => {
                book.left(&view.path, "it is no duration: the budget is for a month");
                "month"
            }
        },
    };
    settings.budget = Some((money, nearest));
}

fn log(settings: &mut Settings, view: &View<'_>, book: &mut Book) {
    for (nth, (key, word, to)) in [
        ("json_logs", "json", "log.format = \"json\""),
        ("set_verbose", "debug", "log.level = \"debug\""),
    ]
    .into_iter()
    .enumerate()
    {
        let Some(view) = view.get(key) else { continue };
        match view.yes() {
            Some(true) => {
                if let Some(slot) = settings.log.get_mut(nth) {
                    *slot = Some(word);
                }
                book.carried(&view.path, to);
            }
            Some(false) => book.carried(&view.path, "as it is without the key"),
            None => book.left(&view.path, "it is true or false"),
        }
    }
}

fn bounds(settings: &mut Settings, view: &View<'_>, book: &mut Book) {
    for (nth, (key, to)) in [
        ("global_max_parallel_requests", "limits.concurrent of the team `default`"),
        ("max_parallel_requests", "limits.concurrent of the first key: write it at others too"),
    ]
    .into_iter()
    .enumerate()
    {
        let Some(view) = view.get(key) else { continue };
        let found = view.text().and_then(number::whole).filter(|it| (1..=1_000_000).contains(it));
        match (found, settings.concurrent.get_mut(nth)) {
            (Some(_), Some(slot)) => {
                *slot = found;
                book.near(&view.path, to);
            }
            _ => book.left(&view.path, "it is no whole number from 1 to 1,000,000"),
        }
    }
    if let Some(view) = view.get("max_request_size_mb") {
        let bytes = view.text().and_then(number::whole).and_then(|it| it.checked_mul(1 << 20));
        settings.body_bytes_max = bytes.filter(|it| (1 << 10..=1 << 30).contains(it));
        match settings.body_bytes_max {
            Some(_) => book.carried(&view.path, "server.body_bytes_max"),
            None => book.left(&view.path, "server.body_bytes_max is 1 KiB to 1 GiB"),
        }
    }
}

fn master_key(settings: &mut Settings, view: &View<'_>, reading: &mut Reading<'_>) {
    let Some(value) = view.text() else { return };
    let keys = "callers get keys of their own: the first is in the file, `signalbox key create` makes more";
    settings.admin = match reading.secrets.reference(value, &view.path, "SIGNALBOX_ADMIN_TOKEN") {
        Reference::Kept(it) => {
            reading.book.near(&view.path, format!("admin.token = \"{it}\"; {keys}"));
            Some(it)
        }
        Reference::Moved(it) => {
            let said = "at least 20 characters: the key itself is not written";
            reading.book.near(&view.path, format!("admin.token = \"{it}\", {said}; {keys}"));
            Some(it)
        }
        Reference::Placeholder => {
            reading.book.left(&view.path, "it is no secret");
            None
        }
    };
}
