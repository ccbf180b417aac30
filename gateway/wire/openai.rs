//! Reading `POST /v1/chat/completions`: shapes, limits and refused parameters, in one pass.

use bytes::Bytes;
use policies::facts::{Dialect, Needs, Tokens};
use smallvec::SmallVec;

use super::{
    ReadLimits,
    request::{Fields, Limit, Request, Role, Said, StreamOptions},
    scan::{Fault, Kind, Scan, Span, Text},
};
use crate::failure::Failure;

/// Parameters that would let a caller choose templates, hosts or prices.
const REFUSED: [&str; 10] = [
    "chat_template",
    "prompt_embeds",
    "kv_transfer_params",
    "mock_response",
    "api_base",
    "base_url",
    "user_config",
    "fallbacks",
    "input_cost_per_token",
    "extra_headers",
];
/// What may stand in `chat_template_kwargs`.
const TEMPLATE_KEYS: [&str; 2] = ["enable_thinking", "thinking"];
/// Top-level fields at the most.
const FIELDS_MAX: usize = 256;

/// Why a body is refused: it is no JSON, or the JSON is not of the right shape.
pub(super) enum Trouble {
    Json(Fault),
    Shape(Box<Failure>),
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        Self::Json(fault)
    }
}

/// Reads a chat request.
///
/// # Errors
/// When the body is no JSON, has the wrong shape or asks for what is refused.
pub(super) fn chat(body: Bytes, limits: &ReadLimits) -> Result<Request, Failure> {
    if let Err(error) = std::str::from_utf8(&body) {
        let at = error.valid_up_to();
        return Err(not_json(Fault { what: "bytes that are not UTF-8", at }));
    }
    let mut reader = Reader {
        fields: Fields { n: 1, ..Fields::default() },
        limits,
        seen: Seen::default(),
        wrong: None,
    };
    let mut scan = Scan::new(&body, limits.depth_max);
    if let Err(fault) = reader.body(&mut scan) {
        // A wrong shape ends the pass early; a fault of the JSON itself is the better news.
        return Err(reader.wrong.unwrap_or_else(|| not_json(fault)));
    }
    reader.check()?;
    let fields = reader.fields;
    Ok(Request { body, dialect: Dialect::OpenAi, fields })
}

fn not_json(fault: Fault) -> Failure {
    let public = format!("the body is not valid JSON: {} at byte {}", fault.what, fault.at);
    Failure::invalid("invalid_json", public)
}

fn wrong_shape(param: &str, found: Kind, expected: &str) -> Failure {
    let public = format!("{param}: found {}, expected {expected}", found.name());
    Failure::invalid("invalid_type", public).at(param.to_owned())
}

fn unsupported(param: &str, public: String) -> Failure {
    Failure::invalid("unsupported_parameter", public).at(param.to_owned())
}

/// Top-level keys met so far.
#[derive(Default)]
struct Seen {
    keys: SmallVec<[Box<str>; 16]>,
    messages: bool,
    model: bool,
}

struct Reader<'l> {
    fields: Fields,
    limits: &'l ReadLimits,
    seen: Seen,
    /// The first wrong shape.
    wrong: Option<Failure>,
}

type Read<T> = Result<T, Fault>;

impl Reader<'_> {
    /// Ends the pass with a wrong shape.
    fn wrong<T>(&mut self, scan: &Scan<'_>, failure: Failure) -> Read<T> {
        self.wrong.get_or_insert(failure);
        scan.fault("a wrong shape")
    }

    /// Demands a kind of value.
    fn demand(
        &mut self,
        scan: &mut Scan<'_>,
        kinds: &[Kind],
        param: &str,
        expected: &str,
    ) -> Read<Kind> {
        let found = scan.kind()?;
        if kinds.contains(&found) {
            return Ok(found);
        }
        self.wrong(scan, wrong_shape(param, found, expected))
    }

    fn body(&mut self, scan: &mut Scan<'_>) -> Read<()> {
        if scan.kind()? != Kind::Object {
            let public = "the body must be a JSON object";
            return self.wrong(scan, Failure::invalid("invalid_type", public));
        }
        let span = scan.object(|scan, key| self.field(scan, key))?;
        self.fields.open = span.from + 1;
        scan.end()
    }

    fn field(&mut self, scan: &mut Scan<'_>, key: Text) -> Read<()> {
        let bytes = scan.bytes();
        let name = key.of(bytes);
        self.note(scan, &name)?;
        match &*name {
            "model" => {
                self.demand(scan, &[Kind::Text], "model", "a model's name")?;
                self.fields.model = scan.text()?;
                let Span { from, to } = self.fields.model.span;
                self.fields.model_span = Span { from: from - 1, to: to + 1 };
                self.seen.model = true;
            }
            "messages" => self.messages(scan)?,
            "stream" => {
                let kinds = [Kind::True, Kind::False, Kind::Null];
                let found = self.demand(scan, &kinds, "stream", "a boolean")?;
                self.fields.stream = found == Kind::True;
                scan.skip()?;
            }
            "stream_options" => self.stream_options(scan)?,
            "max_tokens" => self.fields.max_tokens = self.limit(scan, "max_tokens")?,
            "max_completion_tokens" => {
                self.fields.max_completion_tokens = self.limit(scan, "max_completion_tokens")?;
            }
            "n" => self.choices(scan)?,
            "user" => self.fields.user[0] = self.optional_text(scan)?,
            "safety_identifier" => self.fields.user[1] = self.optional_text(scan)?,
            "metadata" => self.metadata(scan)?,
            "tools" | "functions" => self.tools(scan, &name)?,
            "response_format" => self.response_format(scan)?,
            "reasoning_effort" | "reasoning" => {
                if scan.kind()? != Kind::Null {
                    self.need(Needs::REASONING);
                }
                scan.skip()?;
            }
            "logprobs" => {
                if scan.kind()? == Kind::True {
                    self.need(Needs::LOGPROBS);
                }
                scan.skip()?;
            }
            "chat_template_kwargs" => self.template_keys(scan)?,
            "guided_json" | "guided_grammar" | "guided_regex" => self.schema(scan, &name)?,
            refused if REFUSED.contains(&refused) => {
                let public = format!("`{refused}` is not supported");
                return self.wrong(scan, unsupported(refused, public));
            }
            _ => drop(scan.skip()?),
        }
        Ok(())
    }

    /// Keeps the key, so that none stands twice: a backend might read the other one.
    fn note(&mut self, scan: &Scan<'_>, name: &str) -> Read<()> {
        if self.seen.keys.len() == FIELDS_MAX {
            let public = format!("the body has more than {FIELDS_MAX} fields");
            return self.wrong(scan, Failure::invalid("invalid_request", public));
        }
        if self.seen.keys.iter().any(|key| **key == *name) {
            let public = format!("`{name}` stands in the body twice");
            let failure = Failure::invalid("duplicate_parameter", public).at(name.to_owned());
            return self.wrong(scan, failure);
        }
        self.seen.keys.push(name.into());
        Ok(())
    }

    fn need(&mut self, need: Needs) {
        self.fields.needs = self.fields.needs.with(need);
    }

    fn optional_text(&mut self, scan: &mut Scan<'_>) -> Read<Option<Text>> {
        if scan.kind()? == Kind::Text {
            return scan.text().map(Some);
        }
        scan.skip().map(|_| None)
    }

    fn whole_number(&mut self, scan: &mut Scan<'_>, param: &str) -> Read<Option<(Span, u64)>> {
        if scan.kind()? == Kind::Null {
            return scan.skip().map(|_| None);
        }
        let expected = "a whole number of at least 1";
        self.demand(scan, &[Kind::Number], param, expected)?;
        let span = scan.skip()?;
        let text = std::str::from_utf8(span.of(scan.bytes())).unwrap_or("");
        match text.parse::<u64>() {
            Ok(number) if number > 0 => Ok(Some((span, number))),
            _ => {
                let public = format!("{param}: found {text}, expected {expected}");
                let failure = Failure::invalid("invalid_value", public).at(param.to_owned());
                self.wrong(scan, failure)
            }
        }
    }

    fn limit(&mut self, scan: &mut Scan<'_>, param: &str) -> Read<Option<Limit>> {
        let number = self.whole_number(scan, param)?;
        Ok(number.map(|(span, number)| {
            let tokens = Tokens(u32::try_from(number).unwrap_or(u32::MAX));
            Limit { span, tokens }
        }))
    }

    fn choices(&mut self, scan: &mut Scan<'_>) -> Read<()> {
        let Some((_, number)) = self.whole_number(scan, "n")? else { return Ok(()) };
        match u8::try_from(number).ok().filter(|n| *n <= self.limits.n_max) {
            Some(n) => self.fields.n = n,
            None => {
                let public = format!("n: at most {} choices are allowed", self.limits.n_max);
                return self.wrong(scan, unsupported("n", public));
            }
        }
        Ok(())
    }

    fn stream_options(&mut self, scan: &mut Scan<'_>) -> Read<()> {
        let kinds = [Kind::Object, Kind::Null];
        let found = self.demand(scan, &kinds, "stream_options", "an object")?;
        let mut options = StreamOptions { null: found == Kind::Null, ..Default::default() };
        options.span = if options.null {
            scan.skip()?
        } else {
            scan.object(|scan, key| {
                options.filled = true;
                let wanted = key.of(scan.bytes()) == "include_usage";
                let kind = scan.kind()?;
                let span = scan.skip()?;
                if wanted {
                    options.include_usage = Some((span, kind == Kind::True));
                }
                Ok(())
            })?
        };
        self.fields.stream_options = Some(options);
        Ok(())
    }

    fn metadata(&mut self, scan: &mut Scan<'_>) -> Read<()> {
        if scan.kind()? != Kind::Object {
            return scan.skip().map(drop);
        }
        let span = scan.object(|scan, key| {
            if key.of(scan.bytes()) == "user_id" {
                self.fields.user[2] = self.optional_text(scan)?;
                return Ok(());
            }
            scan.skip().map(drop)
        });
        span.map(drop)
    }

    fn tools(&mut self, scan: &mut Scan<'_>, param: &str) -> Read<()> {
        let kinds = [Kind::Array, Kind::Null];
        if self.demand(scan, &kinds, param, "a list of tools")? == Kind::Null {
            return scan.skip().map(drop);
        }
        let mut count = 0;
        let span = scan.array(|scan, _| {
            count += 1;
            scan.skip().map(drop)
        })?;
        if count > self.limits.tools_max {
            let max = self.limits.tools_max;
            let public = format!("{param}: {count} tools, at most {max} are allowed");
            return self.wrong(scan, unsupported(param, public));
        }
        if count > 0 {
            self.need(Needs::TOOLS);
        }
        self.fields.tools = u16::try_from(count).unwrap_or(u16::MAX);
        self.fields.tally.add_json(span.len());
        Ok(())
    }

    fn response_format(&mut self, scan: &mut Scan<'_>) -> Read<()> {
        let kinds = [Kind::Object, Kind::Null];
        if self.demand(scan, &kinds, "response_format", "an object")? == Kind::Null {
            return scan.skip().map(drop);
        }
        let mut named = None;
        let span = scan.object(|scan, key| {
            if key.of(scan.bytes()) == "type" {
                named = self.optional_text(scan)?;
                return Ok(());
            }
            scan.skip().map(drop)
        })?;
        let kind = named.map(|named| named.of(scan.bytes()).into_owned());
        self.fields.schema = kind.as_deref() == Some("json_schema");
        self.fields.json = kind.as_deref() == Some("json_object");
        if self.fields.schema {
            self.need(Needs::JSON_SCHEMA);
        }
        self.schema_size(scan, "response_format", span)
    }

    fn schema(&mut self, scan: &mut Scan<'_>, param: &str) -> Read<()> {
        let span = scan.skip()?;
        self.need(Needs::JSON_SCHEMA);
        self.schema_size(scan, param, span)
    }

    fn schema_size(&mut self, scan: &Scan<'_>, param: &str, span: Span) -> Read<()> {
        let max = self.limits.schema_bytes_max;
        if span.len() <= max {
            return Ok(());
        }
        let public = format!("{param}: {} bytes, at most {max} are allowed", span.len());
        self.wrong(scan, unsupported(param, public))
    }

    fn template_keys(&mut self, scan: &mut Scan<'_>) -> Read<()> {
        if scan.kind()? != Kind::Object {
            return scan.skip().map(drop);
        }
        let span = scan.object(|scan, key| {
            let name = key.of(scan.bytes());
            if !TEMPLATE_KEYS.contains(&&*name) {
                let param = format!("chat_template_kwargs.{name}");
                let public = format!("`{param}` is not supported");
                return self.wrong(scan, unsupported(&param, public));
            }
            if scan.kind()? == Kind::True {
                self.need(Needs::REASONING);
            }
            scan.skip().map(drop)
        });
        span.map(drop)
    }

    fn messages(&mut self, scan: &mut Scan<'_>) -> Read<()> {
        self.demand(scan, &[Kind::Array], "messages", "a list of messages")?;
        self.seen.messages = true;
        scan.array(|scan, at| self.message(scan, at))?;
        Ok(())
    }

    fn message(&mut self, scan: &mut Scan<'_>, at: usize) -> Read<()> {
        let param = |rest: &str| format!("messages[{at}]{rest}");
        if scan.kind()? != Kind::Object {
            let found = scan.kind()?;
            return self.wrong(scan, wrong_shape(&param(""), found, "a message"));
        }
        let number = self.fields.messages;
        self.fields.messages += 1;
        let first = self.fields.said.len();
        let mut role = None;
        scan.object(|scan, key| {
            match &*key.of(scan.bytes()) {
                "role" => role = Some(self.role(scan, at)?),
                "content" => self.content(scan, at, number)?,
                _ => {
                    let span = scan.skip()?;
                    self.fields.tally.add_json(span.len());
                }
            }
            Ok(())
        })?;
        let Some(role) = role else {
            let public = format!("{}: missing", param(".role"));
            let failure = Failure::invalid("missing_required_parameter", public);
            return self.wrong(scan, failure.at(param(".role")));
        };
        for said in self.fields.said.iter_mut().skip(first) {
            said.role = role;
        }
        Ok(())
    }

    fn role(&mut self, scan: &mut Scan<'_>, at: usize) -> Read<Role> {
        let expected = "system, developer, user, assistant, tool or function";
        let found = scan.kind()?;
        if found != Kind::Text {
            let failure = wrong_shape(&format!("messages[{at}].role"), found, expected);
            return self.wrong(scan, failure);
        }
        let text = scan.text()?;
        match &*text.of(scan.bytes()) {
            "system" | "developer" => Ok(Role::System),
            "user" => Ok(Role::User),
            "assistant" => Ok(Role::Assistant),
            "tool" | "function" => Ok(Role::Tool),
            _ => {
                let param = format!("messages[{at}].role");
                let public = format!("{param}: found another role, expected {expected}");
                self.wrong(scan, Failure::invalid("invalid_value", public).at(param))
            }
        }
    }

    fn content(&mut self, scan: &mut Scan<'_>, at: usize, message: u32) -> Read<()> {
        match scan.kind()? {
            Kind::Text => {
                let text = scan.text()?;
                self.said(scan, text, message);
                Ok(())
            }
            Kind::Null => scan.skip().map(drop),
            Kind::Array => {
                scan.array(|scan, part| self.part(scan, at, part, message))?;
                Ok(())
            }
            found => {
                let param = format!("messages[{at}].content");
                self.wrong(scan, wrong_shape(&param, found, "a text or a list of parts"))
            }
        }
    }

    fn said(&mut self, scan: &Scan<'_>, text: Text, message: u32) {
        if text.span.len() == 0 {
            return;
        }
        self.fields.tally.add(text.span.of(scan.bytes()), text.escaped);
        // The role may stand behind the content: it is filled in when the message ends.
        self.fields.said.push(Said { message, role: Role::Tool, text });
    }

    fn part(&mut self, scan: &mut Scan<'_>, at: usize, part: usize, message: u32) -> Read<()> {
        let param = |rest: &str| format!("messages[{at}].content[{part}]{rest}");
        let found = scan.kind()?;
        if found != Kind::Object {
            return self.wrong(scan, wrong_shape(&param(""), found, "a part of a message"));
        }
        let (mut named, mut text, mut media) = (None, None, None);
        scan.object(|scan, key| {
            match &*key.of(scan.bytes()) {
                "type" => named = self.optional_text(scan)?,
                "text" => text = self.optional_text(scan)?,
                "image_url" | "video_url" | "audio_url" => media = self.url(scan)?,
                _ => drop(scan.skip()?),
            }
            Ok(())
        })?;
        let named = named.map(|named| named.of(scan.bytes()).into_owned());
        match named.as_deref() {
            Some("image_url" | "video_url" | "image") => self.media(Needs::VISION),
            Some("input_audio" | "audio_url") => self.media(Needs::AUDIO),
            _ => {}
        }
        if let Some(text) = text {
            self.said(scan, text, message);
        }
        let Some(url) = media else { return Ok(()) };
        let url = url.of(scan.bytes());
        if remote_allowed(&url, &self.limits.media_hosts) {
            return Ok(());
        }
        let public = "only `data:` URLs and https URLs of configured hosts are allowed";
        let param = param(".image_url");
        self.wrong(scan, unsupported(&param, format!("{param}: {public}")))
    }

    fn media(&mut self, need: Needs) {
        self.need(need);
        self.fields.media += 1;
    }

    /// `"url"`, or `{"url": …}`.
    fn url(&mut self, scan: &mut Scan<'_>) -> Read<Option<Text>> {
        if scan.kind()? != Kind::Object {
            return self.optional_text(scan);
        }
        let mut url = None;
        scan.object(|scan, key| {
            if key.of(scan.bytes()) == "url" {
                url = self.optional_text(scan)?;
                return Ok(());
            }
            scan.skip().map(drop)
        })?;
        Ok(url)
    }

    /// What must stand in a body, whatever its order.
    fn check(&self) -> Result<(), Failure> {
        let missing = |param: &'static str| {
            let public = format!("{param}: missing");
            Err(Failure::invalid("missing_required_parameter", public).at(param))
        };
        if !self.seen.model {
            return missing("model");
        }
        if !self.seen.messages {
            return missing("messages");
        }
        if self.fields.messages == 0 {
            let public = "messages: found an empty list, expected at least one message";
            return Err(Failure::invalid("invalid_value", public).at("messages"));
        }
        Ok(())
    }
}

/// Media come with the request, or over https from a host that the configuration names.
fn remote_allowed(url: &str, hosts: &[Box<str>]) -> bool {
    if url.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:")) {
        return true;
    }
    let Some(rest) = url.strip_prefix("https://") else { return false };
    let host = rest.split(['/', '?', '#']).next().unwrap_or("");
    hosts.iter().any(|allowed| **allowed == *host)
}
