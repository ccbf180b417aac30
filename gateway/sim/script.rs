//! An answer as it goes over the wire: the bytes, and when each of them leaves. Pure: the clock and
//! the socket come later, in [`super::body`].

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::{
    ask::{Api, pieces},
    fault::InjectedFault,
    reply::{Reply, Used},
    spec::{ModelSpec, Pace, Quirks, UsageReporting},
};

/// One thing that happens to an answer's body.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Step {
    /// Since the request was read.
    pub at: Duration,
    /// What.
    pub act: Act,
}

/// What happens.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Act {
    /// These bytes leave.
    Send(Bytes),
    /// These bytes leave, and carry content.
    Content(Bytes),
    /// Nothing more ever happens.
    Hang,
    /// These bytes, over and over.
    Repeat(Bytes, Duration),
    /// The connection closes in the middle of the body.
    Cut,
}

/// Moments of a natural or fixed pace, divided by `speed`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tempo {
    first: Duration,
    each: Duration,
}

impl Tempo {
    /// For this request: its seed spreads the time to the first token by a quarter either way, and
    /// each 10,000 tokens of prompt add as much again.
    pub(super) fn of(pace: Pace, seed: u64, prompt_tokens: u32, speed: f64) -> Self {
        let slower = |duration: Duration| duration.div_f64(speed.max(0.001));
        match pace {
            Pace::Natural { first_token_ms, tokens_per_second } => {
                let spread = 0.75 + (seed % 1_000) as f64 / 2_000.0;
                let factor = spread + f64::from(prompt_tokens) / 10_000.0;
                Self {
                    first: slower(Duration::from_millis(first_token_ms.into()).mul_f64(factor)),
                    each: slower(Duration::from_secs(1) / tokens_per_second.max(1)),
                }
            }
            Pace::Fixed { latency_ms, chunk_interval_us, .. } => Self {
                first: Duration::from_millis(latency_ms.into()),
                each: Duration::from_micros(chunk_interval_us.into()),
            },
        }
    }

    /// When the token at this position leaves.
    fn token(&self, nth: u32) -> Duration {
        self.first + self.each * nth
    }

    /// When an answer of so many tokens is complete.
    pub(super) fn whole(&self, tokens: u32) -> Duration {
        self.token(tokens.saturating_sub(1))
    }

    /// Ten times as slow.
    pub(super) fn slow(self) -> Self {
        Self { first: self.first * 10, each: self.each * 10 }
    }
}

/// The body of a plain answer.
pub(super) fn plain(
    spec: &ModelSpec,
    reply: &Reply,
    (api, choices): (Api, u32),
    fault: Option<InjectedFault>,
) -> Bytes {
    let mut message = Map::new();
    let mut put = |name: &str, value| message.insert(name.to_owned(), value);
    put("role", json!("assistant"));
    match &reply.call {
        Some(name) => {
            put("content", Value::Null);
            let function = json!({ "name": name, "arguments": reply.content });
            let id = format!("call_{:016x}", reply.seed);
            put("tool_calls", json!([{ "id": id, "type": "function", "function": function }]));
        }
        None => {
            put("content", json!(reply.content));
        }
    }
    if !reply.reasoning.is_empty() {
        put("reasoning_content", json!(reply.reasoning));
    }
    let finish = reply.finish;
    let choice = |index| match api {
        Api::Completion => {
            let text = &reply.content;
            json!({ "index": index, "text": text, "logprobs": null, "finish_reason": finish })
        }
        _ => json!({ "index": index, "message": message, "finish_reason": finish }),
    };
    let tells = spec.quirks.usage != UsageReporting::Never && fault != Some(InjectedFault::NoUsage);
    let usage = tells.then(|| usage(reply.used, fault));
    envelope(spec, (api, reply.seed), (0..choices).map(choice).collect(), usage).into()
}

/// What every answer and every event has in common. Streams and plain answers differ in `object`
/// alone, which plain answers are told by having a `message`.
fn envelope(
    spec: &ModelSpec,
    (api, seed): (Api, u64),
    choices: Vec<Value>,
    usage: Option<Value>,
) -> String {
    let whole = choices.iter().any(|choice| choice.get("message").is_some());
    let (id, object) = match api {
        Api::Completion => ("cmpl", "text_completion"),
        _ if whole => ("chatcmpl", "chat.completion"),
        _ => ("chatcmpl", "chat.completion.chunk"),
    };
    let mut body = json!({
        "id": format!("{id}-{seed:016x}"),
        "object": object,
        "created": 1_767_225_600,
        "model": spec.id,
        "choices": choices,
    });
    if let (Some(usage), Some(fields)) = (usage, body.as_object_mut()) {
        if spec.quirks.llama_cpp {
            fields.insert("timings".to_owned(), timings(&usage));
        }
        fields.insert("usage".to_owned(), usage);
    }
    body.to_string()
}

fn usage(used: Used, fault: Option<InjectedFault>) -> Value {
    let beyond = u32::from(fault == Some(InjectedFault::WrongUsage)) * 1_000_000_000;
    let (prompt, completion) = (used.prompt + beyond, used.completion + beyond);
    json!({
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": { "cached_tokens": used.cached },
        "completion_tokens_details": { "reasoning_tokens": used.reasoning },
    })
}

/// The figures that llama.cpp puts beside the usage: the same once more, under names of its own.
fn timings(usage: &Value) -> Value {
    json!({
        "cache_n": usage.pointer("/prompt_tokens_details/cached_tokens"),
        "prompt_n": usage.get("prompt_tokens"),
        "prompt_ms": 36.815,
        "predicted_n": usage.get("completion_tokens"),
        "predicted_ms": 104.14,
    })
}

/// What llama.cpp says of a prompt that is too long.
pub(super) fn llama_cpp_too_long(most: u32, needed: u32) -> Bytes {
    let message = format!(
        "request ({needed} tokens) exceeds the available context size ({most} tokens), try increasing it"
    );
    let error = json!({
        "code": 400,
        "message": message,
        "type": "exceed_context_size_error",
        "n_prompt_tokens": needed,
        "n_ctx": most,
    });
    json!({ "error": error }).to_string().into()
}

/// The steps of a streamed answer without fault.
pub(super) fn stream(spec: &ModelSpec, reply: &Reply, tell: Tell, tempo: Tempo) -> Vec<Step> {
    let called = (tell.api, reply.seed);
    let mut pen = Pen { spec, called, tempo, nth: 0, steps: Vec::new() };
    if spec.quirks.comments {
        pen.comment(Duration::ZERO);
        pen.comment(tempo.first / 2);
    }
    for index in 0..tell.choices {
        pen.choice(reply, index);
    }
    let told = usage(reply.used, tell.fault);
    let unasked = spec.quirks.llama_cpp && tell.api == Api::Completion;
    let with_finish = (unasked || spec.quirks.usage == UsageReporting::WithFinish)
        && tell.fault != Some(InjectedFault::NoUsage);
    for index in 0..tell.choices {
        let last = index + 1 == tell.choices;
        pen.finish(reply.finish, index, (with_finish && last).then_some(&told));
    }
    let asked = tell.include_usage && !unasked && tell.fault != Some(InjectedFault::NoUsage);
    if asked && matches!(spec.quirks.usage, UsageReporting::Asked | UsageReporting::Late) {
        if spec.quirks.usage == UsageReporting::Late {
            pen.nth += 4;
            pen.comment(tempo.token(pen.nth));
        }
        pen.event(&envelope(spec, called, Vec::new(), Some(told)), false);
    }
    pen.event("[DONE]", false);
    pen.steps
}

/// How a stream is to be told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tell {
    /// By which API.
    pub api: Api,
    /// How many choices, one after another.
    pub choices: u32,
    /// Whether usage was asked for.
    pub include_usage: bool,
    /// The fault in force; only those of usage matter here.
    pub fault: Option<InjectedFault>,
}

/// Writes events in a model's own hand.
struct Pen<'a> {
    spec: &'a ModelSpec,
    called: (Api, u64),
    tempo: Tempo,
    nth: u32,
    steps: Vec<Step>,
}

impl Pen<'_> {
    fn choice(&mut self, reply: &Reply, index: u32) {
        if matches!(self.called, (Api::Completion, _)) {
            for piece in pieces(&reply.content) {
                let choice = json!({ "index": index, "text": piece, "finish_reason": null });
                self.event(&envelope(self.spec, self.called, vec![choice], None), true);
                self.nth += 1;
            }
            return;
        }
        let nothing = if self.spec.quirks.llama_cpp { Value::Null } else { json!("") };
        self.delta(index, json!({ "role": "assistant", "content": nothing }), false);
        for piece in pieces(&reply.reasoning) {
            self.delta(index, json!({ "reasoning_content": piece }), true);
            self.nth += 1;
        }
        if let Some(name) = &reply.call {
            let id = format!("call_{:016x}", reply.seed);
            let function = json!({ "name": name, "arguments": "" });
            let call = json!({ "index": 0, "id": id, "type": "function", "function": function });
            self.delta(index, json!({ "tool_calls": [call] }), true);
        }
        for (nth, piece) in pieces(&reply.content).enumerate() {
            if self.spec.quirks.comments && nth % 16 == 15 {
                self.comment(self.tempo.token(self.nth));
            }
            let delta = match reply.call {
                Some(_) => {
                    json!({ "tool_calls": [{ "index": 0, "function": { "arguments": piece } }] })
                }
                None => json!({ "content": piece }),
            };
            self.delta(index, delta, true);
            self.nth += 1;
        }
    }

    fn delta(&mut self, index: u32, delta: Value, content: bool) {
        let choice = json!({ "index": index, "delta": delta, "finish_reason": null });
        self.event(&envelope(self.spec, self.called, vec![choice], None), content);
    }

    fn finish(&mut self, reason: &str, index: u32, usage: Option<&Value>) {
        let choice = match self.called {
            (Api::Completion, _) => {
                json!({ "index": index, "text": "", "finish_reason": reason })
            }
            _ => json!({ "index": index, "delta": {}, "finish_reason": reason }),
        };
        self.event(&envelope(self.spec, self.called, vec![choice], usage.cloned()), false);
    }

    fn event(&mut self, payload: &str, content: bool) {
        let bytes = framed(self.spec.quirks, payload);
        // The role comes with the first token; what follows the last token follows at once.
        let at = self.tempo.token(self.nth);
        let act = if content { Act::Content(bytes) } else { Act::Send(bytes) };
        self.steps.push(Step { at, act });
    }

    fn comment(&mut self, at: Duration) {
        let line = if self.spec.quirks.crlf { ": ping\r\n\r\n" } else { ": ping\n\n" };
        self.steps.push(Step { at, act: Act::Send(Bytes::from_static(line.as_bytes())) });
    }
}

/// One event, by the model's habits.
pub(super) fn framed(quirks: Quirks, payload: &str) -> Bytes {
    let field = if quirks.tight { "data:" } else { "data: " };
    let end = if quirks.crlf { "\r\n\r\n" } else { "\n\n" };
    Bytes::from([field, payload, end].concat())
}

/// The same steps, broken as the fault says; faults that are not about a stream's body change
/// nothing.
pub(super) fn broken(mut steps: Vec<Step>, fault: InjectedFault, quirks: Quirks) -> Vec<Step> {
    let ping = Bytes::from_static(b": ping\n\n");
    let first = steps.first().map_or(Duration::ZERO, |step| step.at);
    match fault {
        InjectedFault::StallContent => return vec![Step { at: Duration::ZERO, act: Act::Hang }],
        InjectedFault::StallPings => {
            let act = Act::Repeat(ping, Duration::from_millis(100));
            return vec![Step { at: Duration::ZERO, act }];
        }
        InjectedFault::ErrorFirst => {
            return vec![Step { at: first, act: Act::Send(framed(quirks, ERROR)) }];
        }
        InjectedFault::DoneFirst => {
            return vec![Step { at: first, act: Act::Send(framed(quirks, "[DONE]")) }];
        }
        InjectedFault::Prelude => {
            let event = r#"{"choices":[{"index":0,"delta":{"role":"assistant"}}]}"#;
            let event = framed(quirks, event);
            let chunk = Bytes::from(event.repeat(64 * 1024 / event.len()));
            let send = |_| Step { at: first, act: Act::Send(chunk.clone()) };
            return (0..1_000).map(send).chain([Step { at: first, act: Act::Hang }]).collect();
        }
        InjectedFault::Garbage => {
            let bytes = Bytes::from_static(b"data: \xff\xfe{{{ not json \x00\n\n");
            return vec![Step { at: first, act: Act::Send(bytes) }];
        }
        InjectedFault::EndlessEvent => {
            let mut event = b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"".to_vec();
            event.resize(4 << 20, b'a');
            let hang = Step { at: first, act: Act::Hang };
            return vec![Step { at: first, act: Act::Send(event.into()) }, hang];
        }
        InjectedFault::StallMid
        | InjectedFault::ErrorMid
        | InjectedFault::CutEvent
        | InjectedFault::NoDone => {
            shorten(&mut steps, 3);
        }
        InjectedFault::Half => shorten(&mut steps, 2),
        _ => return steps,
    }
    let at = steps.last().map_or(first, |step| step.at);
    let mut push = |act| steps.push(Step { at, act });
    match fault {
        InjectedFault::StallMid => push(Act::Hang),
        InjectedFault::ErrorMid => push(Act::Send(framed(quirks, ERROR))),
        InjectedFault::CutEvent => {
            push(Act::Send(Bytes::from_static(b"data: {\"choices\":[{\"index\":0,\"del")));
            push(Act::Cut);
        }
        InjectedFault::Half => push(Act::Cut),
        _ => {}
    }
    steps
}

/// The error that a broken stream or a broken 200 carries.
pub(super) const ERROR: &str =
    r#"{"error":{"message":"engine is out of memory","type":"internal_error","code":500}}"#;

/// Keeps a part of the content, at least one piece, and what came before.
fn shorten(steps: &mut Vec<Step>, part: usize) {
    let is_content = |step: &Step| matches!(step.act, Act::Content(_));
    let keep = (steps.iter().filter(|step| is_content(step)).count() / part).max(1);
    let end = steps.iter().enumerate().filter(|(_, step)| is_content(step)).nth(keep - 1);
    steps.truncate(end.map_or(0, |(at, _)| at + 1));
}
