//! What a simulated model is like: its pace, its room, its habits on the wire.

use std::{collections::HashMap, net::SocketAddr};

use toml::{Table, Value};

use super::fault::InjectedFault;

/// One simulated model.
#[derive(Clone, Debug)]
pub struct ModelSpec {
    /// The id by which the fleet is asked about it, and the `model` of its answers.
    pub id: Box<str>,
    /// The names that it lists and takes beside its id: the makers'.
    pub also: Vec<Box<str>>,
    /// A request for another name is answered with 404, as real engines do; else it is served.
    pub refuses_unknown: bool,
    /// How many replicas serve it, each on a port of its own; at least 1.
    pub replicas: u8,
    /// The loopback addresses of its replicas, one each; empty for as many as it has, wherever the fleet
    /// puts them.
    pub at: Vec<SocketAddr>,
    /// How fast it is.
    pub pace: Pace,
    /// Prompt and answer together, in tokens.
    pub context_tokens_max: u32,
    /// Reasoning before the content, at most; 0 is a model that does not reason.
    pub reasoning_tokens_max: u32,
    /// The length of its vectors, where a request does not say.
    pub dimensions: u32,
    /// Whether it counts tokens at `/tokenize`, as vLLM does.
    pub tokenizes: bool,
    /// Whether it reports all messages but the last as read from its cache.
    pub prefix_cache: bool,
    /// Its habits on the wire.
    pub quirks: Quirks,
    /// The fault it starts with.
    pub fault: Option<InjectedFault>,
}

/// How fast a model is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// As a real engine: silence, then one token after another. Divided by the fleet's speed.
    Natural {
        /// To the first token, before its spread of a quarter either way, which the prompt decides.
        first_token_ms: u32,
        /// From then on; at least 1.
        tokens_per_second: u32,
    },
    /// The same for every request, rendered once: a yardstick for benchmarks.
    Fixed {
        /// Before the first byte of the answer.
        latency_ms: u32,
        /// Pieces of content.
        chunks: u32,
        /// Between two pieces of a stream. The clock ticks in milliseconds: shorter intervals
        /// come in bursts of the right average.
        chunk_interval_us: u32,
    },
}

/// When a streaming model says what was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsageReporting {
    /// In an event of its own with empty `choices`, if asked.
    Asked,
    /// The same, but only a while and some comments after the finish.
    Late,
    /// In the event that carries the finish reason, asked or not.
    WithFinish,
    /// Never, and not in plain answers either.
    Never,
}

/// Habits on the wire that a reader of streams must not stumble over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quirks {
    /// When usage is told.
    pub usage: UsageReporting,
    /// Lines end with CR LF.
    pub crlf: bool,
    /// Comments (`: ping`) while it thinks and between events.
    pub comments: bool,
    /// `data:{…}` without the space.
    pub tight: bool,
    /// It writes as llama.cpp does: `content` is null beside the role, timings stand beside the usage,
    /// streams of completions tell their usage unasked, and a prompt that is too long has words of its own.
    pub llama_cpp: bool,
}

impl Quirks {
    /// No oddity at all.
    pub const NONE: Self = Self {
        usage: UsageReporting::Asked,
        crlf: false,
        comments: false,
        tight: false,
        llama_cpp: false,
    };
}

impl ModelSpec {
    /// A model of one replica, quick and without oddities, with the usual room.
    #[must_use]
    pub fn plain(id: &str) -> Self {
        Self {
            id: id.into(),
            also: Vec::new(),
            refuses_unknown: false,
            replicas: 1,
            at: Vec::new(),
            pace: Pace::Natural { first_token_ms: 40, tokens_per_second: 400 },
            context_tokens_max: 131_072,
            reasoning_tokens_max: 0,
            dimensions: 64,
            tokenizes: false,
            prefix_cache: false,
            quirks: Quirks::NONE,
            fault: None,
        }
    }

    /// The same with this pace.
    #[must_use]
    pub fn paced(mut self, first_token_ms: u32, tokens_per_second: u32) -> Self {
        self.pace = Pace::Natural { first_token_ms, tokens_per_second };
        self
    }

    /// The same with this much room, in tokens.
    #[must_use]
    pub fn context(mut self, tokens: u32) -> Self {
        self.context_tokens_max = tokens;
        self
    }

    /// The same that reasons for at most so many tokens.
    #[must_use]
    pub fn reasoning(mut self, tokens: u32) -> Self {
        self.reasoning_tokens_max = tokens;
        self
    }

    /// The same that counts tokens.
    #[must_use]
    pub fn tokenizing(mut self) -> Self {
        self.tokenizes = true;
        self
    }

    /// The same that tells of a prefix cache.
    #[must_use]
    pub fn caching(mut self) -> Self {
        self.prefix_cache = true;
        self
    }

    /// The same with so many replicas.
    #[must_use]
    pub fn replicas(mut self, replicas: u8) -> Self {
        self.replicas = replicas;
        self
    }

    /// The same at these addresses, a replica each.
    #[must_use]
    pub fn at(mut self, addresses: Vec<SocketAddr>) -> Self {
        self.at = addresses;
        self
    }

    /// Whether it serves a model of this name.
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
        *self.id == *name || self.also.iter().any(|it| **it == *name)
    }

    /// The same with these habits.
    #[must_use]
    pub fn quirks(mut self, quirks: Quirks) -> Self {
        self.quirks = quirks;
        self
    }

    /// The same at a fixed pace.
    #[must_use]
    pub fn fixed(mut self, latency_ms: u32, chunks: u32, chunk_interval_us: u32) -> Self {
        self.pace = Pace::Fixed { latency_ms, chunks, chunk_interval_us };
        self
    }

    /// The same with a fault from the start.
    #[must_use]
    pub fn faulty(mut self, fault: InjectedFault) -> Self {
        self.fault = Some(fault);
        self
    }
}

/// The ten models of the demo. Paces are invented, in the order in which such models stand to each
/// other; contexts are the models' own. Every habit on the wire occurs at least once.
#[must_use]
pub fn ten() -> Vec<ModelSpec> {
    let makers = makers();
    let plain = |id| {
        let also = makers.get(id).cloned().into_iter().collect();
        ModelSpec { also, ..ModelSpec::plain(id) }
    };
    let q = Quirks::NONE;
    vec![
        plain("qwen3.5-397b").paced(620, 55).context(262_144).reasoning(48).caching().replicas(2),
        plain("qwen3-coder-next")
            .paced(240, 140)
            .context(262_144)
            .caching()
            .quirks(Quirks { tight: true, ..q }),
        plain("deepseek-v3.2")
            .paced(780, 45)
            .context(163_840)
            .reasoning(64)
            .caching()
            .quirks(Quirks { comments: true, ..q }),
        plain("kimi-k2.6")
            .paced(900, 40)
            .context(262_144)
            .reasoning(72)
            .quirks(Quirks { usage: UsageReporting::Late, ..q }),
        plain("glm-5.2")
            .paced(850, 60)
            .context(1_048_576)
            .reasoning(40)
            .caching()
            .quirks(Quirks { crlf: true, ..q }),
        plain("minimax-m2.5")
            .paced(500, 80)
            .context(196_608)
            .reasoning(56)
            .quirks(Quirks { usage: UsageReporting::WithFinish, ..q }),
        plain("gpt-oss-120b").paced(310, 180).reasoning(32).replicas(2),
        plain("gpt-oss-20b").paced(150, 260).reasoning(20).replicas(2),
        plain("gemma-4-31b").paced(280, 90).context(262_144).quirks(Quirks {
            crlf: true,
            comments: true,
            llama_cpp: true,
            ..q
        }),
        plain("sea-lion-v4")
            .paced(330, 75)
            .replicas(2)
            .quirks(Quirks { usage: UsageReporting::Never, ..q }),
    ]
}

/// The makers' names of the catalogue's models, by our ids.
fn makers() -> HashMap<String, Box<str>> {
    let table: Table = policies::CATALOGUE.parse().unwrap_or_default();
    let models = table.get("model").and_then(Value::as_array).into_iter().flatten();
    let named = |model: &Value| {
        let text = |key: &str| model.get(key).and_then(Value::as_str);
        Some((text("id")?.to_owned(), text("upstream_model")?.into()))
    };
    models.filter_map(named).collect()
}
