//! What a caller tells of an answer afterwards: `POST /v1/feedback`.
//!
//! A value is only taken from whose request it was. It is on disk before its caller is answered.

use std::{borrow::Cow, fmt, pin::Pin, sync::Arc};

use bytes::Bytes;
use policies::experiment::{Experiment, OWN_METRICS};
use serde::{
    Deserialize, Deserializer as _,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;
use tokio::sync::OwnedMutexGuard;
use uuid::Uuid;

use super::{Epoch, Gateway, Inbound, guards};
use crate::{
    config,
    failure::{Failure, Kind, Stage, shown},
    outcome::{ArmName, Caller, Enrolment, Feedback},
};

/// Bytes of a body: the longest comment, each character of it written as an escape.
pub(crate) const BODY_BYTES_MAX: usize = 16 * 1024;
/// Characters of a name.
const NAME_MAX: usize = 40;
/// Bytes of a comment.
const COMMENT_BYTES_MAX: usize = 2_000;
/// No number that anybody rates by is larger; sums of its squares are far from what a number holds.
const VALUE_MAX: f64 = 1e12;
/// Values of one request, each under its own name: what callers tell must not grow the ledger as they please.
const NAMES_MAX: u32 = 32;
const DAY_MS: i64 = 86_400_000;

/// While this lives, nobody else tells anything of the same request: what counted before a value is known
/// when it is taken.
pub(crate) type Turn = OwnedMutexGuard<()>;

/// What finds whose a request was, in the ledger: by its id, for a value of this name.
pub(crate) type FindEnrolment = Box<
    dyn Fn(
            Uuid,
            Box<str>,
        )
            -> Pin<Box<dyn Future<Output = Result<Option<(Enrolment, Turn)>, Failure>> + Send>>
        + Send
        + Sync,
>;

/// A value as it was told.
#[derive(Debug, PartialEq)]
struct Told {
    /// As it was written: what is no id of ours is nobody's.
    request: Box<str>,
    name: Box<str>,
    value: f64,
    is_bool: bool,
    comment: Option<Box<str>>,
}

/// Takes a value that a caller tells of an answer; returns what was kept of it, as JSON.
///
/// # Errors
/// The caller is unknown, the body is not as it should be, the request is not the caller's or too old, or the
/// ledger cannot take it.
pub(crate) async fn feedback<B>(
    gw: &Gateway,
    find: &FindEnrolment,
    inbound: Inbound<B>,
) -> Result<serde_json::Value, Failure>
where
    B: Future<Output = Result<Bytes, Failure>>,
{
    let epoch = gw.epoch.load_full();
    let principal = epoch.directory.authenticate(&inbound.headers, inbound.at)?.principal;
    gw.recorder.accepts()?;
    let told = Told::read(&inbound.body.await?)?;
    let unknown = || unknown(&told.request);
    let request = Uuid::try_parse(&told.request).map_err(|_| unknown())?;
    let (found, _turn) = find(request, told.name.clone()).await?.ok_or_else(unknown)?;
    let caller = &principal.caller;
    if !may_tell(caller, &found) {
        return Err(unknown());
    }
    let at_ms = (gw.sources.timestamp)().as_millisecond();
    in_time(&found, at_ms, epoch.feedback)?;
    let Told { name, value, is_bool, comment, .. } = told;
    let feedback = Feedback {
        request,
        name: name.clone(),
        value,
        is_bool,
        comment: comment.filter(|_| epoch.feedback.comments),
        key: Arc::clone(&caller.key_name),
        at_ms,
        arm: found.arm.clone(),
    };
    let counted = feedback.arm.as_ref().and_then(|arm| labels(&epoch, arm, &name));
    let commit = gw.recorder.feedback(feedback)?;
    gw.recorder.durable(commit).await?;
    if let Some(arm) = &found.arm {
        guards::told(gw, (arm, found.at_ms), &name, (found.before, value));
    }
    if let Some([experiment, arm, name]) = counted {
        gw.recorder.metrics().feedback(experiment, arm, name);
    }
    Ok(serde_json::json!({ "request_id": request.to_string(), "name": name }))
}

/// The failure of a request that is nobody's, or another's: the two are not to be told apart.
fn unknown(request: &str) -> Failure {
    let public = format!(
        "there is no request `{}` of this key; expected the value of `x-signalbox-id` of one of its answers",
        shown(request)
    );
    Failure::new(Kind::InvalidRequest, Stage::Receive, public)
        .with_status(404)
        .coded("request_not_found")
        .at("request_id")
}

/// Whether this caller may tell anything of this request: it was his key's, or his key speaks for its team.
fn may_tell(caller: &Caller, found: &Enrolment) -> bool {
    let of_key = *caller.key_name == *found.key;
    of_key || (caller.feedback && *caller.team_name == *found.team)
}

/// Whether it comes in time, and is not one name too many.
fn in_time(found: &Enrolment, now_ms: i64, rules: config::Feedback) -> Result<(), Failure> {
    let days = rules.days_max;
    if now_ms.saturating_sub(found.at_ms) > i64::from(days) * DAY_MS {
        let public = format!("the request is older than {days} days; values are taken until then");
        return Err(Failure::invalid("feedback_too_late", public).at("request_id"));
    }
    if found.others >= NAMES_MAX {
        let public = format!("the request has {NAMES_MAX} values of other names; no more are kept");
        return Err(Failure::invalid("invalid_value", public).at("name"));
    }
    Ok(())
}

/// The labels by which a value is counted; nothing where the policy in force has no such arm. A name that the
/// experiment does not mention is one of the others.
fn labels<'a>(epoch: &'a Epoch, arm: &ArmName, name: &'a str) -> Option<[&'a str; 3]> {
    let experiments = epoch.names.experiments.iter();
    let experiment = experiments.into_iter().find(|it| *it.name == *arm.experiment)?;
    let arm = experiment.arms.iter().find(|it| *it.name == *arm.arm)?;
    let name = if mentions(experiment, name) { name } else { "other" };
    Some([&experiment.name, &arm.name, name])
}

fn mentions(experiment: &Experiment, name: &str) -> bool {
    let judged = &experiment.judged;
    let guarded = experiment.guard.feedback_min.iter().map(|(name, _)| name);
    guarded.chain(&judged.metrics).chain([&judged.primary]).any(|it| **it == *name)
}

/// The fields of a body as they stand there.
#[derive(Default)]
struct Fields<'a> {
    request_id: Option<&'a RawValue>,
    name: Option<&'a RawValue>,
    value: Option<&'a RawValue>,
    comment: Option<&'a RawValue>,
    /// A field that is none of these, or that stands there again.
    wrong: Option<(Box<str>, &'static str)>,
}

struct FieldsVisitor;

impl<'a> Visitor<'a> for FieldsVisitor {
    type Value = Fields<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `request_id`, `name` and `value`")
    }

    fn visit_map<M: MapAccess<'a>>(self, mut map: M) -> Result<Fields<'a>, M::Error> {
        let mut fields = Fields::default();
        while let Some(key) = map.next_key::<FieldName<'a>>()? {
            let value: &RawValue = map.next_value()?;
            let place = match &*key.0 {
                "request_id" => &mut fields.request_id,
                "name" => &mut fields.name,
                "value" => &mut fields.value,
                "comment" => &mut fields.comment,
                _ => {
                    fields.wrong.get_or_insert((key.0.into(), "no field of a feedback"));
                    continue;
                }
            };
            if place.replace(value).is_some() {
                fields.wrong.get_or_insert((key.0.into(), "there twice"));
            }
        }
        Ok(fields)
    }
}

#[derive(Deserialize)]
struct FieldName<'a>(#[serde(borrow)] Cow<'a, str>);

impl Told {
    fn read(body: &[u8]) -> Result<Self, Failure> {
        let fields = fields(body)?;
        if let Some((field, why)) = fields.wrong {
            let public = format!(
                "`{}` is {why}; expected `request_id`, `name`, `value` and, if you like, `comment`",
                shown(&field)
            );
            return Err(Failure::invalid("unsupported_parameter", public).at(shown(&field)));
        }
        let request = text("request_id", "the value of `x-signalbox-id`", fields.request_id)?;
        let named = "1 to 40 of a-z, 0-9, `_`, `.` and `-`";
        let name = text("name", named, fields.name)?;
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_.-".contains(&b);
        if name.is_empty() || name.len() > NAME_MAX || !name.bytes().all(fits) {
            return Err(wrong("name", &format!("`{}`", shown(&name)), named));
        }
        if OWN_METRICS.contains(&&*name) {
            let expected = "another one: the gateway reckons this by itself";
            return Err(wrong("name", &format!("`{name}`"), expected));
        }
        let (value, is_bool) = value(fields.value)?;
        let expected = "a text of at most 2000 bytes";
        let comment = fields.comment.map(|it| text("comment", expected, Some(it))).transpose()?;
        if let Some(long) = comment.as_ref().filter(|it| it.len() > COMMENT_BYTES_MAX) {
            return Err(wrong("comment", &format!("{} bytes", long.len()), expected));
        }
        Ok(Self { request, name, value, is_bool, comment })
    }
}

fn fields(body: &[u8]) -> Result<Fields<'_>, Failure> {
    let malformed = |error: serde_json::Error| {
        let public = format!("the body is no feedback: {error}");
        let code = if error.is_data() { "invalid_type" } else { "invalid_json" };
        Failure::invalid(code, public)
    };
    let mut json = serde_json::Deserializer::from_slice(body);
    let fields = json.deserialize_map(FieldsVisitor).map_err(malformed)?;
    json.end().map_err(malformed)?;
    Ok(fields)
}

/// The failure of a field that has another kind of value than it should, or none.
fn wrong_kind(field: &'static str, raw: Option<&RawValue>, expected: &str) -> Failure {
    let code = if raw.is_some() { "invalid_type" } else { "missing_required_parameter" };
    wrong(field, kind(raw), expected).coded(code)
}

fn wrong(field: &'static str, found: &str, expected: &str) -> Failure {
    let public = format!("{field}: found {found}, expected {expected}");
    Failure::invalid("invalid_value", public).at(field)
}

/// What stands there, in words that repeat nothing of it.
fn kind(raw: Option<&RawValue>) -> &'static str {
    match raw.and_then(|raw| raw.get().as_bytes().first()) {
        None => "nothing",
        Some(b'"') => "a text",
        Some(b'{') => "an object",
        Some(b'[') => "a list",
        Some(b't' | b'f') => "true or false",
        Some(b'n') => "null",
        Some(_) => "a number",
    }
}

fn text(field: &'static str, expected: &str, raw: Option<&RawValue>) -> Result<Box<str>, Failure> {
    let text = raw.and_then(|raw| serde_json::from_str::<Cow<'_, str>>(raw.get()).ok());
    text.map(Into::into).ok_or_else(|| wrong_kind(field, raw, expected))
}

/// The value as a number, and whether it was true or false.
fn value(raw: Option<&RawValue>) -> Result<(f64, bool), Failure> {
    let expected = "true, false or a number from -1e12 to 1e12";
    match raw.map(RawValue::get) {
        Some("true") => Ok((1.0, true)),
        Some("false") => Ok((0.0, true)),
        Some(number) if kind(raw) == "a number" => match number.parse::<f64>() {
            Ok(value) if value.abs() <= VALUE_MAX => Ok((value, false)),
            _ => Err(wrong("value", "a number beyond that", expected)),
        },
        _ => Err(wrong_kind("value", raw, expected)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "019b7c4a-0000-7000-8000-000000000001";

    fn read(rest: &str) -> Result<Told, String> {
        let body = format!(r#"{{"request_id":"{ID}",{rest}}}"#);
        Told::read(body.as_bytes()).map_err(|it| it.param.unwrap_or_default().into_owned())
    }

    #[test]
    fn a_value_is_true_false_or_a_number() {
        for (written, value, is_bool) in [
            ("true", 1.0, true),
            ("false", 0.0, true),
            ("0.25", 0.25, false),
            ("-3", -3.0, false),
            ("1e12", 1e12, false),
        ] {
            let told = read(&format!(r#""name":"success","value":{written}"#)).unwrap();
            assert_eq!((told.value, told.is_bool), (value, is_bool), "{written}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_by_its_field() {
        let long = "x".repeat(COMMENT_BYTES_MAX + 1);
        for (rest, field) in [
            (r#""name":"success""#, "value"),
            (r#""name":"success","value":null"#, "value"),
            (r#""name":"success","value":"true""#, "value"),
            (r#""name":"success","value":[1]"#, "value"),
            (r#""name":"success","value":1e13"#, "value"),
            (r#""name":"success","value":1e999"#, "value"),
            (r#""name":"success","value":-1e999"#, "value"),
            (r#""value":1"#, "name"),
            (r#""name":"","value":1"#, "name"),
            (r#""name":"Success","value":1"#, "name"),
            (r#""name":"a b","value":1"#, "name"),
            (r#""name":7,"value":1"#, "name"),
            (r#""name":"schema_valid","value":1"#, "name"),
            (r#""name":"cost_per_success","value":1"#, "name"),
            (&format!(r#""name":"{}","value":1"#, "x".repeat(41)), "name"),
            (r#""name":"a","value":1,"comment":null"#, "comment"),
            (&format!(r#""name":"a","value":1,"comment":"{long}""#), "comment"),
            (r#""name":"a","value":1,"user":"x""#, "user"),
            (r#""name":"a","value":1,"value":2"#, "value"),
            (r#""name":"a","value":NaN"#, ""),
            (r#""name":"a","value":1} {"#, ""),
        ] {
            assert_eq!(read(rest), Err(field.to_owned()), "{rest}");
        }
        for body in ["", "[]", "null", "7", "{", "\u{feff}{}", "\"x\""] {
            assert!(Told::read(body.as_bytes()).is_err(), "{body}");
        }
        assert!(read(&format!(r#""name":"{}","value":1"#, "x".repeat(40))).is_ok());
    }

    proptest! {
        /// Whatever comes in, it is a value within its bounds or a failure of the caller's.
        #[test]
        fn any_body_is_taken_or_refused(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            match Told::read(&body) {
                Ok(told) => prop_assert!(told.value.abs() <= VALUE_MAX),
                Err(failure) => prop_assert_eq!(failure.status(), 400),
            }
        }

        #[test]
        fn a_number_is_kept_as_it_was_told(value in -1e12..1e12f64) {
            let told = read(&format!(r#""name":"a","value":{value:e}"#)).unwrap();
            prop_assert_eq!((told.value, told.is_bool), (value, false));
        }
    }
}
