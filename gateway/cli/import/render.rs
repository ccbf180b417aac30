//! The text of the configuration and of the policy, in the style of `signalbox init`.

use std::{collections::BTreeSet, fmt::Write};

use toml::Value;

use super::{
    group::{Group, Model, Route},
    kind::Kind,
    number,
    settings::{By, Settings},
};
use crate::cli::init::{known::KnownModel, render::quoted};

const COMMENT: &str = "\
# Written by `signalbox import litellm`; yours from now on. `signalbox check` judges each line, docs/CONFIG.md
# has all other keys with their defaults. Search for FILL IN and EXAMPLE before you rely on costs.
";
/// All that a model can be said to be able to do.
const CAPABILITIES: [&str; 6] =
    ["tools", "json_schema", "vision", "audio", "reasoning", "logprobs"];
/// What callers cannot ask of engines that speak Messages alone.
const NOT_IN_MESSAGES: [&str; 2] = ["audio", "logprobs"];
/// What holds where a configuration does not say how large a context is.
const CONTEXT_TOKENS_DEFAULT: u32 = 32_768;
/// The bound for callers who state none, where a configuration says nothing.
const OUTPUT_TOKENS_DEFAULT: u32 = 8_192;

/// The configuration.
pub(super) fn config(groups: &[Group], settings: &Settings, key: &str) -> String {
    let mut text = format!("{COMMENT}\n[server]\nlisten = \"127.0.0.1:8080\"       # callers\n");
    if let Some(bytes) = settings.body_bytes_max {
        let _ = writeln!(text, "body_bytes_max = {bytes}");
    }
    text.push_str(
        "\n[admin]\nlisten = \"127.0.0.1:9090\"       # operators: /metrics, /livez, /readyz\n",
    );
    if let Some(token) = &settings.admin {
        let _ = writeln!(text, "token = {}", quoted(token));
    }
    text.push_str(
        "\n[policy]\nfile = \"policy.toml\"            # what decides; `signalbox policy lint` proves it\n\n\
         [ledger]\nsqlite = \"signalbox.db\"         # each request and what it cost\n\
         currency = \"USD\"                # of all prices and budgets\n",
    );
    if settings.log.iter().any(Option::is_some) {
        text.push_str("\n[log]\n");
        for (key, value) in ["format", "level"].iter().zip(settings.log) {
            if let Some(value) = value {
                let _ = writeln!(text, "{key} = {}", quoted(value));
            }
        }
    }
    aliases(&mut text, groups);
    let catalogue = crate::cli::init::known::catalogue();
    for model in groups.iter().flat_map(|it| &it.models) {
        one(&mut text, model, known(&catalogue, model), settings);
    }
    owners(&mut text, settings, key);
    text
}

/// What is known of a model beside what the file says.
fn known<'a>(catalogue: &'a [KnownModel], model: &Model) -> Option<&'a KnownModel> {
    KnownModel::find(catalogue, &model.facts.upstream).filter(|_| model.facts.kind == Kind::Chat)
}

/// The models of which no price is written.
pub(super) fn unpriced(groups: &[Group]) -> Vec<String> {
    let catalogue = crate::cli::init::known::catalogue();
    let models = groups.iter().flat_map(|it| &it.models);
    let priced =
        |it: &Model| !it.facts.price.is_empty() || example(known(&catalogue, it)).is_some();
    models.filter(|it| !priced(it)).map(|it| it.id.clone()).collect()
}

/// What one host asks for a model.
fn example(known: Option<&KnownModel>) -> Option<&toml::Table> {
    known.and_then(|it| it.fields.get("price")).and_then(Value::as_table)
}

/// The names that are no ids of models.
fn aliases(text: &mut String, groups: &[Group]) {
    let mut lines = String::new();
    for group in groups {
        let stands = match &group.route {
            Route::Own => quoted(&group.name),
            Route::Among(..) => quoted("auto"),
            Route::Ordered(ids) => list(ids),
        };
        let own = (group.route != Route::Own).then_some(&group.name);
        for name in own.into_iter().chain(&group.others) {
            let ruled = matches!(group.route, Route::Among(..));
            let note = if ruled { "   # a rule of the policy routes it" } else { "" };
            let _ = writeln!(lines, "{} = {stands}{note}", quoted(name));
        }
    }
    if !lines.is_empty() {
        let _ = write!(
            text,
            "\n# Other names that callers may ask for; what stands first is tried first.\n[alias]\n{lines}"
        );
    }
}

fn list(texts: &[String]) -> String {
    let all: Vec<String> = texts.iter().map(|it| quoted(it)).collect();
    format!("[{}]", all.join(", "))
}

/// A model with its endpoints.
fn one(text: &mut String, model: &Model, known: Option<&KnownModel>, settings: &Settings) {
    let facts = &model.facts;
    let _ = write!(text, "\n[[model]]\nid = {}\n", quoted(&model.id));
    if facts.upstream != model.id {
        let _ = writeln!(text, "upstream_model = {}", quoted(&facts.upstream));
    }
    if let Some(engine) = facts.engine {
        let _ = writeln!(text, "engine = {}", quoted(engine));
    }
    if let Some(dialect) = facts.dialect {
        let _ = writeln!(text, "dialects = [{}]", quoted(dialect));
    }
    if facts.kind != Kind::Chat {
        let _ = writeln!(text, "kind = {}", quoted(facts.kind.word()));
    }
    if let Some(space) = &model.space {
        let _ = writeln!(
            text,
            "vector_space = {}   # models share it whose vectors can be compared, and no others",
            quoted(space)
        );
    }
    room(text, model, known);
    if facts.kind == Kind::Chat {
        capabilities(text, model, known);
    }
    if !facts.tags.is_empty() {
        let tags: Vec<String> = facts.tags.iter().cloned().collect();
        let _ = writeln!(text, "tags = {}", list(&tags));
    }
    text.push_str("# zone = \"on_prem\"   # FILL IN where it runs: guards keep data in zones\n");
    let total = settings.total_ms.map(|ms| ("total_ms", ms));
    let total = total.filter(|it| !facts.timeouts.contains_key(it.0));
    let timeouts: Vec<String> = (facts.timeouts.iter().map(|(key, ms)| (*key, *ms)))
        .chain(total)
        .map(|(key, ms)| format!("{key} = {ms}"))
        .collect();
    if !timeouts.is_empty() {
        let _ = writeln!(text, "timeouts = {{ {} }}", timeouts.join(", "));
    }
    price(text, model, known);
    for (url, api_key, weight) in &model.endpoints {
        let _ = writeln!(text, "[[model.endpoint]]\nurl = {}", quoted(url));
        if let Some(api_key) = api_key {
            let _ = writeln!(text, "api_key = {}", quoted(api_key));
        }
        if *weight != 1 {
            let _ = writeln!(text, "weight = {weight}");
        }
    }
}

/// How much a model can read and write.
fn room(text: &mut String, model: &Model, known: Option<&KnownModel>) {
    let known = known.and_then(|it| it.tokens("context_tokens_max"));
    let chats = model.facts.kind == Kind::Chat;
    let holds = if chats { "   # prompt and answer together" } else { "" };
    let context = match (model.facts.context, known) {
        (Some(tokens), _) => {
            let _ = writeln!(text, "context_tokens_max = {tokens}{holds}");
            tokens
        }
        (None, Some(tokens)) => {
            let _ = writeln!(
                text,
                "context_tokens_max = {tokens}   # its maker's figure: FILL IN what its engine runs with"
            );
            tokens
        }
        (None, None) => {
            text.push_str(
                "# FILL IN: the file does not say how much it can read; 32768 holds otherwise.\n\
                 # context_tokens_max = 32768\n",
            );
            CONTEXT_TOKENS_DEFAULT
        }
    };
    if !chats {
        return;
    }
    let output = model.facts.output.map(|it| it.min(context));
    if let Some(output) = output {
        let _ = writeln!(text, "output_tokens_max = {output}");
    }
    if output.is_none() && model.facts.dialect.is_some() {
        // Messages always say how long an answer may be.
        let _ = writeln!(
            text,
            "# FILL IN: the file does not say how long its answers may be, which Messages always bound, and\n\
             # its engine may refuse what is larger than it can; {context} holds otherwise.\n\
             # output_tokens_max = {OUTPUT_TOKENS_DEFAULT}"
        );
    }
    let most = output.unwrap_or(context);
    let default = model.facts.output_default.map(|it| it.min(most));
    if let Some(default) = default.filter(|it| *it != most.min(OUTPUT_TOKENS_DEFAULT)) {
        let _ = writeln!(text, "output_tokens_default = {default}");
    }
}

fn capabilities(text: &mut String, model: &Model, known: Option<&KnownModel>) {
    let said = |it: &str| model.facts.said.get(it).copied();
    let can = |it: &&str| {
        // Messages have no word for them: whoever needs one is refused there.
        let sayable = model.facts.dialect.is_none() || !NOT_IN_MESSAGES.contains(it);
        sayable
            && said(it).unwrap_or_else(|| {
                known.is_none_or(|known| known.list("capabilities").any(|has| has == *it))
            })
    };
    let all: Vec<String> =
        CAPABILITIES.iter().filter(|it| can(it)).map(|it| (*it).to_owned()).collect();
    if known.is_none() && CAPABILITIES.iter().any(|it| said(it).is_none()) {
        text.push_str(
            "# FILL IN: what the file does not deny stands here, as until now any request was passed on.\n\
             # Strike what it cannot do: requests that need it go elsewhere, or are refused at once.\n",
        );
    }
    let _ = writeln!(text, "capabilities = {}", list(&all));
}

fn price(text: &mut String, model: &Model, known: Option<&KnownModel>) {
    let prices = &model.facts.price;
    if !prices.is_empty() {
        let parts: Vec<String> = prices
            .iter()
            .map(|(key, nano)| format!("{key} = \"{}\"", number::shown(*nano)))
            .collect();
        let _ = writeln!(text, "price = {{ {} }}", parts.join(", "));
        return;
    }
    if model.facts.kind != Kind::Chat {
        text.push_str(
            "# FILL IN: the file says no price. While it is free, budgets and reports count nothing.\n\
             # price = { input_per_mtok = \"0.02\" }\nprice = \"free\"\n",
        );
        return;
    }
    let Some(price) = example(known) else {
        text.push_str(
            "# FILL IN: the file says no price. While it is free, budgets and reports count nothing.\n\
             # price = { input_per_mtok = \"0.20\", output_per_mtok = \"0.60\" }\nprice = \"free\"\n",
        );
        return;
    };
    let parts: Vec<String> = price.iter().map(|(key, value)| format!("{key} = {value}")).collect();
    let _ = writeln!(
        text,
        "# An EXAMPLE: what one host asks for it, in USD for a million tokens. Write yours here.\n\
         price = {{ {} }}",
        parts.join(", ")
    );
}

/// The team and the key.
fn owners(text: &mut String, settings: &Settings, key: &str) {
    let limits = |it: Option<u64>| it.map(|it| format!("limits = {{ concurrent = {it} }}\n"));
    let [all, each] = settings.concurrent.map(limits);
    if settings.budget.is_some() || all.is_some() {
        text.push_str(
            "\n# All keys that name no other team, together.\n[[team]]\nname = \"default\"\n",
        );
        if let Some((amount, window)) = &settings.budget {
            let _ = writeln!(
                text,
                "budget = {{ amount = {}, window = {} }}",
                quoted(amount),
                quoted(window)
            );
        }
        text.push_str(&all.unwrap_or_default());
    }
    let _ = write!(
        text,
        "\n# `signalbox key create` makes others, which need no lines here.\n\
         [[key]]\nname = \"first\"\nsecret = {}\n{}",
        quoted(key),
        each.unwrap_or_default()
    );
}

/// The policy.
pub(super) fn policy(groups: &[Group], settings: &Settings) -> String {
    let mut text = String::from(
        "\
# What decides. Rules are read from the top: the first that matches and has a route routes, else the default
# route does. A rule without a route is a guard: it binds every route, and models asked for by name.
version = \"imported-1\"

# Requests for \"auto\", which no caller makes yet.
",
    );
    let retry = settings.retry.map_or_else(String::new, |it| format!("retry = {it}\n"));
    default(&mut text, groups, settings);
    let mut names: Vec<String> = Vec::new();
    for group in groups {
        let Route::Among(ids, by, weights) = &group.route else { continue };
        let base = format!("asked-{}", crate::cli::init::known::id_of(&group.name));
        let name = |n: usize| if n == 1 { base.clone() } else { format!("{base}-{n}") };
        let name = (1..).map(name).find(|it| !names.contains(it)).unwrap_or_default();
        let asked: Vec<String> =
            std::iter::once(&group.name).chain(&group.others).cloned().collect();
        let _ = write!(
            text,
            "\n[[rule]]\nname = {}\nwhen = {{ model = {} }}\nroute = {{ among = {}, by = \"{}\"{} }}\n\
             on_unservable = \"refuse\"\n{retry}",
            quoted(&name),
            list(&asked),
            list(ids),
            by.word(),
            shares(*by, weights)
        );
        names.push(name);
    }
    text.push_str(GO_ON);
    text
}

/// The default route: all models, but where vectors have several spaces none with vectors, as `auto` says
/// nothing of which of them a caller has.
fn default(text: &mut String, groups: &[Group], settings: &Settings) {
    let models: Vec<&Model> = groups.iter().flat_map(|it| &it.models).collect();
    let spaces: BTreeSet<&String> = models.iter().filter_map(|it| it.space.as_ref()).collect();
    let by = settings.by.word();
    if let [only] = models.as_slice() {
        let _ = writeln!(text, "[default]\nroute = [{}]", quoted(&only.id));
        return;
    }
    if spaces.len() < 2 {
        let _ = writeln!(text, "[default]\nroute = {{ among = [\"*\"], by = \"{by}\" }}");
        return;
    }
    let of = |space: Option<&String>| -> Vec<String> {
        let these = models.iter().filter(|it| it.space.as_ref() == space);
        these.map(|it| it.id.clone()).collect()
    };
    let without = of(None);
    let (says, ids) = if without.is_empty() {
        ("those of its first model alone", of(models.first().and_then(|it| it.space.as_ref())))
    } else {
        ("none of them", without)
    };
    let _ = writeln!(
        text,
        "# There are vectors of {} spaces, which cannot be compared: \"auto\" reaches {says}.\n\
         [default]\nroute = {{ among = {}, by = \"{by}\" }}",
        spaces.len(),
        list(&ids)
    );
}

fn shares(by: By, weights: &[(String, u32)]) -> String {
    if by != By::Weight || weights.iter().all(|(_, it)| *it == 1) {
        return String::new();
    }
    let all: Vec<String> =
        weights.iter().map(|(id, it)| format!("{} = {it}", quoted(id))).collect();
    format!(", weights = {{ {} }}", all.join(", "))
}

/// What follows the rules.
const GO_ON: &str = r#"
# Then: signalbox policy lint                     what it can never do, each with a request that shows it
#       signalbox explain request.json            the decision for one request, nothing is sent
# docs/POLICY.md has all conditions.
"#;
