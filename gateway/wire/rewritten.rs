//! A request that was written anew as a chat completion, beside its caller's own bytes: what is read and
//! decided by is the chat completion, and engines that speak the caller's dialect get the caller's bytes.

use bytes::Bytes;

use super::{
    Purpose, ReadLimits, Surface, Unsayable,
    chat_body::{self, ChatBody},
    conversation::Conversation,
    field::wrong_type,
    json::{Json, Members, Path},
    openai, remote,
    request::{Request, native::Native},
    scan::{Scanner, Shape, Span},
    shield,
};
use crate::failure::Failure;

/// How a dialect's requests are read.
pub(super) struct Dialect {
    /// Its members as a conversation.
    pub(super) read: for<'a> fn(Members<'a>) -> Result<Conversation<'a>, Failure>,
    /// The field that bounds the output.
    pub(super) output: &'static str,
    /// Whether no answer is asked for without it.
    pub(super) bounded: bool,
    /// The fields that chat completions have under the same name.
    pub(super) shared: &'static [&'static str],
    /// What its list of messages is called.
    pub(super) messages: &'static str,
    /// What the instructions before it are called.
    pub(super) instructions: &'static str,
    /// Parts of paths in a chat completion, and what they are called here.
    pub(super) names: &'static [(&'static str, &'static str)],
    /// The fields that an answer repeats, and what it says where a request does not have them.
    pub(super) repeated: &'static [(&'static str, &'static str)],
}

/// Reads a body of such a dialect.
///
/// # Errors
/// What is wrong with it, by the names of its own dialect.
pub(super) fn read(
    (surface, dialect): (&'static Surface, &Dialect),
    body: Bytes,
    limits: &ReadLimits,
    purpose: Purpose,
) -> Result<Request, Failure> {
    openai::checked(&body)?;
    let (native, chat) = written(dialect, &body, limits)?;
    let (output, stated) = native.output;
    if dialect.bounded && stated.is_none() && purpose == Purpose::Answer {
        return Err(Path::Top(output).missing());
    }
    let ChatBody { bytes, origins } = chat;
    let request = openai::chat(surface, bytes.into(), limits);
    let request = request.map_err(|failure| match &native.unsayable {
        // What was left out for that is no fault of its own.
        Some(Unsayable { path, what }) => {
            Failure::invalid("unsupported_parameter", format!("{path} is {what}")).at(path.clone())
        }
        None => renamed(failure, dialect, &origins),
    })?;
    Ok(Request { native: Some(Box::new(Native { body, ..native })), ..request })
}

fn written(
    dialect: &Dialect,
    body: &[u8],
    limits: &ReadLimits,
) -> Result<(Native, ChatBody), Failure> {
    let mut scanner = Scanner::strict(body, limits.depth_max);
    let (shape, whole) = scanner.value()?;
    scanner.end()?;
    if shape != Shape::Object {
        return Err(wrong_type("the body", shape, "an object"));
    }
    let members = Members::read(whole.of(body))?;
    for (name, value) in members.left() {
        // An engine may read it all the same, and nobody has looked at it.
        if openai::has(&name) && !dialect.shared.contains(&&*name) {
            let public = format!("{name} is a field of chat completions, and of none of this API");
            return Err(Failure::invalid("unsupported_parameter", public).at(name));
        }
        // What chat completions have as well is looked at there.
        if let Some(expected) = shield::expected(name.as_bytes()).filter(shield::Expected::anywhere)
        {
            shield::check(expected, &name, &mut Scanner::lenient(value.bytes), limits)?;
        }
    }
    let place = |name| members.get(name).map(|it: Json<'_>| place(it.bytes, body));
    let native = Native {
        body: Bytes::new(),
        model: place("model").unwrap_or_default(),
        talk: place(dialect.messages).unwrap_or_default(),
        inside: whole.start + 1,
        output: (dialect.output, place(dialect.output)),
        unsayable: None,
        hides_reasoning: false,
        repeated: dialect
            .repeated
            .iter()
            .filter_map(|(name, _)| Some((*name, place(name)?)))
            .collect(),
    };
    let conversation = (dialect.read)(members)?;
    if conversation.unsayable.is_some() {
        remote::check_body(whole.of(body), &limits.media_hosts)?;
    }
    let chat = chat_body::write(&conversation, body.len());
    let Conversation { unsayable, hides_reasoning, .. } = conversation;
    Ok((Native { unsayable, hides_reasoning, ..native }, chat))
}

/// Where a slice of the body stands in it.
fn place(slice: &[u8], body: &[u8]) -> Span {
    let start = (slice.as_ptr() as usize).saturating_sub(body.as_ptr() as usize);
    Span::new(start, start + slice.len())
}

/// What is said of a field of the chat completion, by the caller's own name for it.
fn renamed(failure: Failure, dialect: &Dialect, origins: &[Option<usize>]) -> Failure {
    let Some(param) = failure.param.clone() else { return failure };
    let meant = match param.strip_prefix("messages[").and_then(|it| it.split_once(']')) {
        Some((position, rest)) => {
            let origin = position.parse().ok().and_then(|it: usize| origins.get(it).copied());
            match origin.flatten() {
                Some(origin) => format!("{}[{origin}]{rest}", dialect.messages),
                None => dialect.instructions.to_owned(),
            }
        }
        None => match &*param {
            "messages" => dialect.messages.to_owned(),
            "max_tokens" => dialect.output.to_owned(),
            _ => param.to_string(),
        },
    };
    let rename = |path: String, (from, to): &(&str, &str)| match path.strip_prefix(from) {
        Some(rest) => format!("{to}{rest}"),
        None if from.starts_with('.') => path.replacen(from, to, 1),
        None => path,
    };
    let meant = dialect.names.iter().fold(meant, rename);
    let public = failure.public.replace(&*param, &meant);
    Failure { public: public.into(), ..failure }.at(meant)
}
