//! Trials: each has a scripted backend before a good one, and says how its request must end.

use std::time::Duration;

use super::{
    Gateway, Reply, Setup, SimBackend, ask,
    byte_backend::{ByteBackend, Play, Step},
    gateway::{BACKEND_KEY, results},
    streamed, with,
};
use serde_json::{Value, json};
use signalbox::store::Entry;

/// A word in every answer of a scripted backend, and in no other.
pub(crate) const WORD: &str = "zyzzyva";
/// No trial takes longer.
const LONGEST: Duration = Duration::from_secs(15);
const HASTY: &str = "timeouts = { first_token_ms = 150, idle_ms = 150, total_ms = 1500 }\n";

/// Trials use up the processor: the good backend is not to be called slow for that.
const PATIENT: &str = "timeouts = { connect_ms = 10000 }\n";

/// How a request must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// With the good backend's answer.
    Other,
    /// After its first content: with one error event, and as `cut` in the ledger.
    Cut,
    /// With the scripted backend's answer, whole.
    Whole,
    /// The same, but its usage is not believed.
    Counted,
    /// With 400: every other backend would say the same.
    Refused,
}

/// The API by which a request comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Api {
    /// Chat completions.
    Chat,
    /// Messages.
    Messages,
    /// Responses.
    Responses,
}

impl Api {
    /// Each of them.
    pub(crate) const ALL: [Self; 3] = [Self::Chat, Self::Messages, Self::Responses];

    /// Where it is served.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Chat => "/v1/chat/completions",
            Self::Messages => "/v1/messages",
            Self::Responses => "/v1/responses",
        }
    }

    /// A request that is written for chat completions, as this API has it.
    pub(crate) fn request(self, chat: &Value) -> Value {
        let mut request = chat.clone();
        let fields = request.as_object_mut().expect("an object");
        match self {
            Self::Chat => {}
            Self::Messages => {
                fields.entry("max_tokens").or_insert(json!(1_000));
                if let Some(format) = fields.remove("response_format") {
                    let schema = &format["json_schema"]["schema"];
                    let format = json!({ "type": "json_schema", "schema": schema });
                    fields.insert("output_config".into(), json!({ "format": format }));
                }
                for tool in
                    fields.get_mut("tools").and_then(Value::as_array_mut).into_iter().flatten()
                {
                    let it = &tool["function"];
                    *tool = json!({ "name": it["name"], "input_schema": it["parameters"] });
                }
                if let Some(long) = fields.remove("metadata") {
                    fields.insert("metadata".into(), json!({ "user_id": long["long"] }));
                }
            }
            Self::Responses => {
                let messages = fields.remove("messages").expect("messages");
                fields.insert("input".into(), messages);
                if let Some(most) = fields.remove("max_tokens") {
                    fields.insert("max_output_tokens".into(), most);
                }
                if let Some(format) = fields.remove("response_format") {
                    let (kind, name) = (&format["type"], &format["json_schema"]["name"]);
                    let schema = &format["json_schema"]["schema"];
                    let format = if schema.is_null() {
                        json!({ "type": kind })
                    } else {
                        json!({ "type": kind, "name": name, "schema": schema })
                    };
                    fields.insert("text".into(), json!({ "format": format }));
                }
                for tool in
                    fields.get_mut("tools").and_then(Value::as_array_mut).into_iter().flatten()
                {
                    let it = &tool["function"];
                    *tool = json!({
                        "type": "function", "name": it["name"], "parameters": it["parameters"]
                    });
                }
            }
        }
        request
    }

    /// Whether a line of a stream says that the answer is whole.
    fn is_end(self, line: &str) -> bool {
        match self {
            Self::Chat => line == "data: [DONE]",
            Self::Messages => line == "event: message_stop",
            Self::Responses => {
                line == "event: response.completed" || line == "event: response.incomplete"
            }
        }
    }

    /// What an error's event begins with.
    fn error(self) -> &'static str {
        match self {
            Self::Chat => "data: {\"error\":{",
            Self::Messages | Self::Responses => "event: error\n",
        }
    }
}

/// One trial.
#[derive(Clone)]
pub(crate) struct Trial {
    name: String,
    stream: bool,
    hasty: bool,
    metered: bool,
    by_chat: bool,
    play: Play,
    end: End,
}

impl Trial {
    /// A plain request.
    pub(crate) fn plain(name: &str, steps: Vec<Step>, end: End) -> Self {
        Self {
            name: name.to_owned(),
            stream: false,
            hasty: false,
            metered: false,
            by_chat: false,
            play: steps.into(),
            end,
        }
    }

    /// A streamed one.
    pub(crate) fn stream(name: &str, steps: Vec<Step>, end: End) -> Self {
        Self { stream: true, ..Self::plain(name, steps, end) }
    }

    /// One of each, with the same steps.
    pub(crate) fn both(name: &str, steps: &[Step], end: End) -> [Self; 2] {
        [Self::plain(name, steps.to_vec(), end), Self::stream(name, steps.to_vec(), end)]
    }

    /// The scripted model has little time.
    pub(crate) fn hasty(self) -> Self {
        Self { hasty: true, ..self }
    }

    /// The caller asks for usage, and must get it once, with its cost.
    pub(crate) fn metered(self) -> Self {
        Self { metered: true, ..self }
    }

    /// It is held by chat completions alone: what it looks for is in no other API's answer.
    pub(crate) fn by_chat(self) -> Self {
        Self { by_chat: true, ..self }
    }

    /// It is answered after so many bytes of a large request.
    pub(crate) fn early(mut self, bytes: usize) -> Self {
        self.play.read_first = bytes;
        self
    }

    fn request(&self, nth: usize) -> Value {
        let alias = format!("alias{nth}");
        let request = if self.stream { streamed(&alias) } else { ask(&alias) };
        if self.metered {
            return with(request, json!({ "stream_options": { "include_usage": true } }));
        }
        if self.play.read_first == usize::MAX {
            return request;
        }
        with(request, json!({ "metadata": { "long": "zyz ".repeat(500_000) } }))
    }

    /// What is wrong with an answer, if anything is.
    fn wrong(
        &self,
        api: Api,
        (script, nth): (&ByteBackend, usize),
        reply: &Reply,
    ) -> Option<&'static str> {
        let text = String::from_utf8_lossy(&reply.body);
        let own = format!("a{nth}");
        let (status, model, attempts) = match self.end {
            End::Other => (200, "b", "2"),
            End::Refused => (400, "", "1"),
            _ => (200, own.as_str(), "1"),
        };
        let done = text.split(['\n', '\r']).filter(|line| api.is_end(line)).count();
        let errors = text.matches(api.error()).count();
        let tail = (done, errors, text.contains(WORD));
        let expected = match self.end {
            End::Other => (usize::from(self.stream), 0, false),
            End::Cut => (0, 1, true),
            End::Refused => (0, 0, false),
            _ => (usize::from(self.stream), 0, true),
        };
        let shown = format!("{text} {:?}", reply.headers);
        let secrets = [BACKEND_KEY, &script.addr.to_string(), "zyzzyva.internal", "set-cookie"];
        let count = |name| reply.headers.get_all(name).iter().count();
        let after = text.trim_end().rsplit(['\n', '\r']).take(2).any(|line| api.is_end(line));
        let last = text.ends_with("\n\n") && after;
        let refused = self.end == End::Refused;
        match () {
            () if reply.status != status => Some("status"),
            () if !refused && reply.header("x-signalbox-model") != model => Some("model"),
            () if !refused && reply.header("x-signalbox-attempts") != attempts => Some("attempts"),
            () if count("x-signalbox-model") > 1 => Some("two models"),
            () if tail != expected => Some("[DONE], errors, or whose words"),
            () if done == 1 && !last => Some("something after [DONE]"),
            () if secrets.iter().any(|secret| shown.contains(secret)) => Some("a secret"),
            () if text.matches("\"cost\":\"").count() != usize::from(self.metered) => Some("costs"),
            () if script.requests() != 1 => Some("requests"),
            () if script.took_a_flood() => Some("it took the whole flood"),
            () => None,
        }
    }

    /// What is wrong with the entries whose first attempt was at the scripted backend.
    fn wrong_books(&self, entries: &[&Entry]) -> Option<&'static str> {
        let [entry] = entries else { return Some("not one entry") };
        let outcome = match self.end {
            End::Cut => "cut",
            End::Refused => "failed",
            _ => "ok",
        };
        let refused = entry.failure_kind.as_deref() == Some("invalid_request");
        let attempts = if self.end == End::Other { 2 } else { 1 };
        match () {
            () if entry.outcome.as_deref() != Some(outcome) => Some("outcome"),
            () if results(entry).len() != attempts => Some("attempts in the ledger"),
            () if (self.end == End::Refused) != refused => Some("kind"),
            () if !refused && (entry.input_tokens == 0 || entry.output_tokens == 0) => {
                Some("no tokens")
            }
            () => None,
        }
    }
}

/// Whether an entry's first attempt was at this model.
fn first_at(entry: &Entry, model: &str) -> bool {
    let attempts = entry.attempts.as_deref().unwrap_or("[]");
    let attempts: Value = serde_json::from_str(attempts).expect("JSON");
    attempts[0]["model"] == model
}

async fn answer(gateway: &Gateway, api: Api, request: &Value) -> Result<Reply, String> {
    let request = gateway.post_to(api.path(), &api.request(request));
    let sent = request.timeout(LONGEST).send().await;
    let answer = sent.map_err(|error| format!("{error:?}"))?;
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let body = answer.bytes().await.map_err(|error| format!("a broken body: {error:?}"))?;
    Ok(Reply { status, headers, body: body.into() })
}

/// Holds all trials by each API by which a model is asked.
pub(crate) async fn hold(trials: Vec<Trial>) {
    for api in Api::ALL {
        let fits = |it: &&Trial| api == Api::Chat || !(it.metered || it.by_chat);
        hold_by(api, trials.iter().filter(fits).cloned().collect()).await;
    }
}

/// Holds all trials at once, through one gateway: none may harm another.
async fn hold_by(api: Api, trials: Vec<Trial>) {
    if trials.is_empty() {
        return;
    }
    let (good, mut scripts) = (SimBackend::start(), Vec::new());
    let (mut setup, mut aliases) = (Setup::new(), String::from("[alias]\n"));
    for (nth, trial) in trials.iter().enumerate() {
        let script = ByteBackend::start(vec![trial.play.clone()]).await;
        let lines = if trial.hasty { HASTY } else { PATIENT };
        setup = setup.model_with(&format!("a{nth}"), &script.urls(), lines);
        aliases += &format!("alias{nth} = [\"a{nth}\", \"b\"]\n");
        scripts.push(script);
    }
    let gateway = setup.model_with("b", &good.urls(), PATIENT).and(&aliases).start().await;
    let requests: Vec<_> = trials.iter().enumerate().map(|(nth, it)| it.request(nth)).collect();
    let asked = requests.iter().map(|request| answer(&gateway, api, request));
    let replies = futures_util::future::join_all(asked).await;
    let metrics = gateway.metrics().await;
    let books = gateway.close().await;
    let mut wrong = Vec::new();
    for (nth, (trial, reply)) in trials.iter().zip(&replies).enumerate() {
        let (script, model) = (&scripts[nth], format!("a{nth}"));
        let entries = books.entries.iter().filter(|it| first_at(it, &model));
        let entries: Vec<_> = entries.collect();
        let label = format!("model=\"{model}\"");
        let estimated = metrics.sum("signalbox_usage_estimated_total", &[&label]) > 0.0;
        let counted = match trial.end {
            End::Whole => estimated.then_some("its usage was not believed"),
            End::Counted | End::Cut => (!estimated).then_some("its usage was believed"),
            _ => None,
        };
        let found = match reply {
            Ok(reply) => trial.wrong(api, (script, nth), reply),
            Err(error) => Some(error.as_str()),
        };
        if let Some(found) = found.or(counted).or_else(|| trial.wrong_books(&entries)) {
            let kind = if trial.stream { "stream" } else { "plain" };
            let shown = reply.as_ref().map(|it| (it.status, &it.headers, clipped(&it.body)));
            let (name, end) = (&trial.name, trial.end);
            wrong.push(format!(
                "{name} ({api:?}, {kind}) {end:?}: {found}\n  {shown:?}\n  {entries:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(books.entries.len(), trials.len());
}

fn clipped(body: &[u8]) -> String {
    String::from_utf8_lossy(body).chars().take(400).collect()
}
