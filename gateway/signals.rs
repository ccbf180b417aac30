//! What a decision may know of a request, as [`Signals`]: read from the request, its caller, its hints and
//! what is left of the caller's budgets. Never a word of the text goes further than this room.

mod background;
pub(crate) mod class;
mod forwarded;
pub(crate) mod header;

use std::sync::Arc;

use classify::Prompt;
use http::{HeaderMap, HeaderName, HeaderValue};
use policies::{
    facts::{CivilTime, Complexity, Contents, Hinted, Language, Money, Signals, Task, Tokens},
    labels,
};
use smallvec::SmallVec;
use xxhash_rust::xxh3::xxh3_128;

use self::{
    forwarded::Forwarded,
    header::{LANGUAGE, SESSION, TAGS, TASK},
};
use crate::{
    failure::{Failure, shown},
    outcome::{Caller, ContentClasses, TAG_BYTES_MAX, TAGS_MAX, Tag, tag},
    wire::{Request, contents},
};

/// The longest session id.
const SESSION_BYTES_MAX: usize = 256;

/// What is known beside the request itself.
pub(crate) struct SignalInputs<'a> {
    /// Hashes users and sessions.
    pub hash: &'a (dyn Fn(&str) -> u128 + Sync),
    /// The user that the caller's token names, hashed: he counts, whatever the request says.
    pub subject: Option<u128>,
    /// Which class a request is raised to by what it contains.
    pub content_classes: &'a ContentClasses,
    /// What a model has found in its texts, where one was asked.
    pub checked: Contents,
    /// The most that one media part can cost with any model.
    pub media_tokens_max: Tokens,
    /// The smallest budget left.
    pub budget_left: Option<Money>,
    /// What may be reserved, the grace of budgets included.
    pub budget_free: Option<Money>,
    /// The request's id, as the unit of experiments.
    pub request: u128,
    /// The time in the policy's zone.
    pub at: jiff::civil::DateTime,
}

/// The signals of a request.
///
/// # Errors
/// When a header that looks like ours is none, or one of ours says what cannot be. Whether the caller may
/// send this class of data is asked of [`class::forbidden`].
pub(crate) fn of(
    request: &Request,
    headers: &HeaderMap,
    caller: &Caller,
    signal_inputs: &SignalInputs<'_>,
) -> Result<Signals, Failure> {
    let none = HeaderMap::new();
    let forwarded = Forwarded::of(headers, caller)?;
    let headers = if header::any(headers)? { headers } else { &none };
    let hints = Hints::of(headers, caller)?;
    let (reading, recognised) = read(request);
    let contains = highest(contents(request), &signal_inputs.checked);
    let raised = signal_inputs.content_classes.raised(&contains);
    let keyed = signal_inputs.hash;
    Ok(Signals {
        operation: request.surface().operation,
        stream: request.stream(),
        dialect: request.surface().dialect,
        requested: Arc::from(&*request.model()),
        language: hints.language.unwrap_or(reading.language),
        languages: reading.languages,
        language_confidence: hints.language.map_or(reading.language_confidence, |_| 1.0),
        task: hints.task.unwrap_or(reading.task),
        task_confidence: hints.task.map_or(reading.task_confidence, |_| 1.0),
        hinted: Hinted { language: hints.language.is_some(), task: hints.task.is_some() },
        complexity: reading.complexity,
        contains,
        needs: request.needs(),
        input_tokens: request.input_tokens(),
        input_tokens_bound: request.input_tokens_bound(signal_inputs.media_tokens_max),
        output_tokens_asked: request.output_tokens_asked(),
        n: request.n(),
        data_class: class::of(headers, caller, raised)?,
        team_path: caller.team_path.clone(),
        key: caller.key,
        unit_user: signal_inputs
            .subject
            .or_else(|| forwarded.user.map(keyed))
            .or_else(|| request.user().map(|user| keyed(&user))),
        session: session(headers)?.or(forwarded.chat).map(keyed),
        unit_key: Some(xxh3_128(caller.key_name.as_bytes())),
        request: signal_inputs.request,
        tags: tags(headers, caller, recognised)?,
        at: civil(signal_inputs.at),
        budget_left: signal_inputs.budget_left,
        budget_free: signal_inputs.budget_free,
    })
}

/// What was recognised of a request, never a word of its text.
pub(crate) fn known(signals: &Signals) -> serde_json::Value {
    let languages: Vec<_> =
        signals.languages.iter().map(|(it, share)| serde_json::json!([it.code(), share])).collect();
    let tags = signals.tags.iter().map(|(name, value)| (String::from(&**name), (**value).into()));
    let tags: serde_json::Map<_, _> = tags.collect();
    serde_json::json!({
        "language": signals.language.code(), "language_confidence": signals.language_confidence,
        "languages": languages,
        "task": signals.task.code(), "task_confidence": signals.task_confidence,
        "complexity": signals.complexity.code(), "contains": contains(&signals.contains),
        "data_class": signals.data_class.code(), "input_tokens": signals.input_tokens.0,
        "needs": signals.needs.names().collect::<Vec<_>>(), "requested": &*signals.requested,
        "tags": tags,
    })
}

/// The higher count of both, kind by kind: who is asked as well takes nothing away.
fn highest(mut recognised: Contents, checked: &Contents) -> Contents {
    for (kind, count) in checked.found() {
        recognised.add_many(kind, count.saturating_sub(recognised.count(kind)));
    }
    recognised
}

/// How often each kind of content is there, of those that are.
pub(crate) fn contains(contents: &Contents) -> serde_json::Value {
    let counts = contents.found().map(|(kind, count)| (kind.code().to_owned(), count.into()));
    serde_json::Value::Object(counts.collect())
}

/// What the texts of a request are, and the tag by which one is known that its caller's program makes beside
/// his talk.
pub(crate) fn read(request: &Request) -> (classify::Reading, Option<Tag>) {
    let turns = request.turns();
    let turns: SmallVec<[&str; 4]> = turns.iter().map(AsRef::as_ref).collect();
    let asks = request.surface().has_messages() && request.tools() == 0;
    let recognised = turns.last().filter(|_| asks).and_then(|it| background::tag(it));
    let mut reading = classify::classify(&Prompt {
        system: &request.system(),
        turns: &turns,
        tools: request.tools(),
        tools_text: request.tools_text(),
        json_schema: request.json_schema(),
        has_media: request.media_parts() > 0,
    });
    // Texts that are embedded or ranked ask for nothing.
    if !request.surface().operation.writes() {
        reading.task = Task::None;
        (reading.task_confidence, reading.complexity) = (1.0, Complexity::Easy);
    }
    (reading, recognised)
}

/// A moment as a policy's calendar and clock show it.
pub(crate) fn civil(at: jiff::civil::DateTime) -> CivilTime {
    let weekday = at.weekday().to_monday_zero_offset();
    let minute = i32::from(at.hour()) * 60 + i32::from(at.minute());
    CivilTime {
        weekday: u8::try_from(weekday).unwrap_or(0),
        minute: u16::try_from(minute).unwrap_or(0),
    }
}

/// What the caller states instead of the classifier.
#[derive(Default)]
struct Hints {
    language: Option<Language>,
    task: Option<Task>,
}

impl Hints {
    fn of(headers: &HeaderMap, caller: &Caller) -> Result<Self, Failure> {
        if !caller.hints {
            return Ok(Self::default());
        }
        let language = label(headers, &LANGUAGE, labels::language, Language::ALL)?;
        let task = label(headers, &TASK, labels::task, Task::ALL)?;
        Ok(Self { language, task })
    }
}

/// What a header says. Sent twice, it must say the same: which of two classes holds is not ours to guess.
fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Failure> {
    let mut all = headers.get_all(name).iter();
    let Some(value) = all.next() else { return Ok(None) };
    let text = plain(value, name)?;
    for other in all {
        let other = plain(other, name)?;
        if other != text {
            let found = format!("`{}` and `{}`", shown(text), shown(other));
            return Err(wrong(name, &found, "one value"));
        }
    }
    Ok(Some(text))
}

fn plain<'a>(value: &'a HeaderValue, name: &HeaderName) -> Result<&'a str, Failure> {
    let wrong = |_| wrong(name, "bytes beyond ASCII", "plain ASCII");
    value.to_str().map(str::trim).map_err(wrong)
}

fn label<T: std::fmt::Display>(
    headers: &HeaderMap,
    name: &HeaderName,
    read: impl Fn(&str) -> Option<T>,
    all: &[T],
) -> Result<Option<T>, Failure> {
    let Some(found) = text(headers, name)? else { return Ok(None) };
    if let Some(label) = read(found) {
        return Ok(Some(label));
    }
    let all: Vec<_> = all.iter().map(ToString::to_string).collect();
    let mut expected = format!("one of {}", all.join(", "));
    if let Some(meant) = policies::did_you_mean(found, all.iter().map(String::as_str)) {
        expected = format!("{expected}; {meant}");
    }
    Err(wrong(name, &quoted(found), &expected))
}

fn session(headers: &HeaderMap) -> Result<Option<&str>, Failure> {
    match text(headers, &SESSION)? {
        Some(id) if id.is_empty() || id.len() > SESSION_BYTES_MAX => {
            let found = format!("{} characters", id.len());
            Err(wrong(&SESSION, &found, &format!("1 to {SESSION_BYTES_MAX}")))
        }
        id => Ok(id),
    }
}

/// The tags of the caller's key and teams, and behind them those of the request: what an administrator has
/// set, no caller overwrites, and what was recognised counts where nobody has said anything of it. Several
/// headers are one list, as HTTP has it of lists.
fn tags(
    headers: &HeaderMap,
    caller: &Caller,
    recognised: Option<Tag>,
) -> Result<SmallVec<[Tag; 2]>, Failure> {
    let mut tags = SmallVec::<[Tag; 2]>::new();
    for value in headers.get_all(TAGS) {
        let parts = plain(value, &TAGS)?.split(',').map(str::trim);
        for part in parts.filter(|part| !part.is_empty()) {
            tags.push(tag(part).ok_or_else(|| {
                let expected = format!("k=v,… with 1 to {TAG_BYTES_MAX} characters each");
                wrong(&TAGS, &quoted(part), &expected)
            })?);
        }
    }
    if tags.len() > TAGS_MAX {
        let found = format!("{} tags", tags.len());
        return Err(wrong(&TAGS, &found, &format!("at most {TAGS_MAX}")));
    }
    if !caller.tags.is_empty() {
        tags.retain(|(name, _)| caller.tags.iter().all(|(set, _)| set != name));
        tags.insert_many(0, caller.tags.iter().cloned());
    }
    tags.extend(recognised.filter(|(name, _)| tags.iter().all(|(known, _)| known != name)));
    Ok(tags)
}

fn quoted(found: &str) -> String {
    if found.is_empty() { String::from("nothing") } else { format!("`{}`", shown(found)) }
}

fn wrong(name: &HeaderName, found: &str, expected: &str) -> Failure {
    Failure::invalid("invalid_header", format!("header {name}: found {found}, expected {expected}"))
        .at(name.as_str().to_owned())
}
