//! A question as the query of a URL: `by=team,model&since=30d`. Pure.

use std::borrow::Cow;

use jiff::{Timestamp, tz::TimeZone};

use super::{Asked, By, Form, Point, Question, Wrong, point, zone};
use crate::failure::shown;

/// The parameters that there are.
const KNOWN: &str = "`by`, `since`, `until`, `tz`, `team`, `true_cost` and `format`";
/// The longest value, in bytes: as long as any name.
const VALUE_BYTES_MAX: usize = 256;

/// A question, and the form in which it wants its answer.
#[derive(Debug)]
pub(crate) struct Query {
    /// The question.
    pub(crate) question: Question,
    /// The form.
    pub(crate) form: Form,
}

/// The parameters as far as they are read.
#[derive(Default)]
struct Parameters<'a> {
    seen: Vec<Cow<'a, str>>,
    by: Vec<By>,
    since: Option<Point>,
    until: Option<Point>,
    zone: Option<TimeZone>,
    team: Option<String>,
    true_cost: bool,
    form: Option<Form>,
}

impl Query {
    /// Reads the query of a URL, nothing in it or nothing at all included, as of this moment.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub(crate) fn read(query: &str, now: Timestamp) -> Result<Self, Vec<Wrong>> {
        let mut read = Parameters::default();
        let mut wrong = Vec::new();
        for part in query.split('&').filter(|part| !part.is_empty()) {
            if let Err(fault) = read.take(part) {
                wrong.push(fault);
            }
        }
        let Parameters { by, since, until, zone, team, true_cost, form, .. } = read;
        let form = form.unwrap_or(Form::Json);
        let asked = Asked {
            by,
            since: since.unwrap_or(Point::Days(30)),
            until,
            team,
            focus: form == Form::Focus,
            true_cost,
        };
        match Question::new(asked, &now.to_zoned_datetime(zone.unwrap_or(TimeZone::UTC))) {
            Ok(question) if wrong.is_empty() => Ok(Self { question, form }),
            Ok(_) => Err(wrong),
            Err(more) => {
                // One fault for each parameter: what comes of a wrong one says nothing new.
                let new = |it: &Wrong| wrong.iter().all(|was| was.parameter != it.parameter);
                let more: Vec<Wrong> = more.into_iter().filter(new).collect();
                wrong.extend(more);
                Err(wrong)
            }
        }
    }
}

impl<'a> Parameters<'a> {
    /// Takes one parameter in.
    fn take(&mut self, part: &'a str) -> Result<(), Wrong> {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let named = decoded(name).map_err(|fault| Wrong::new(&shown(name), fault))?;
        let wrong = |fault: String| Wrong::new(&shown(&named), fault);
        let value = decoded(value).map_err(&wrong)?;
        if self.seen.contains(&named) {
            return Err(wrong("stands twice: expected once, with commas between names".to_owned()));
        }
        if value.len() > VALUE_BYTES_MAX {
            return Err(wrong(format!("expected at most {VALUE_BYTES_MAX} bytes")));
        }
        let put = match &*named {
            "by" => list(&value).map(|by| self.by = by),
            "since" => moment(&value).map(|at| self.since = Some(at)),
            "until" => moment(&value).map(|at| self.until = Some(at)),
            "tz" => zone(&value).map(|zone| self.zone = Some(zone)),
            "format" => form(&value).map(|form| self.form = Some(form)),
            "true_cost" => flag(&value).map(|it| self.true_cost = it),
            "team" if value.is_empty() => Err("expected a team's name".to_owned()),
            "team" => {
                self.team = Some(value.into_owned());
                Ok(())
            }
            _ => Err(format!("there is no such parameter: expected {KNOWN}")),
        };
        put.map_err(&wrong)?;
        self.seen.push(named);
        Ok(())
    }
}

fn list(text: &str) -> Result<Vec<By>, String> {
    let one = |name: &str| {
        By::ALL.into_iter().find(|by| by.name() == name).ok_or_else(|| {
            let known = By::ALL.map(By::name).join(", ");
            format!("`{}` is none of {known}", shown(name))
        })
    };
    text.split(',').map(one).collect()
}

fn flag(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| format!("`{}`: expected true or false", shown(text)))
}

fn moment(text: &str) -> Result<Point, String> {
    point(text).map_err(|fault| match text.contains(' ') {
        // `+08:00` as somebody types it.
        true => format!("{fault}; a `+` in a URL is a space, write %2B"),
        false => fault,
    })
}

fn form(text: &str) -> Result<Form, String> {
    Form::ALL.into_iter().find(|form| form.name() == text).ok_or_else(|| {
        format!("`{}` is none of {}", shown(text), Form::ALL.map(Form::name).join(", "))
    })
}

/// A name or a value as it is meant: a plus is a space, and a percent sign begins a byte.
pub(crate) fn decoded(text: &str) -> Result<Cow<'_, str>, String> {
    if !text.contains(['+', '%']) {
        return Ok(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                let (high, low) = (digit(rest.next()), digit(rest.next()));
                let value = high.zip(low).map(|(high, low)| high * 16 + low);
                value.and_then(|it| u8::try_from(it).ok()).ok_or_else(|| {
                    "expected two hexadecimal digits after each percent sign".to_owned()
                })?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).map(Cow::Owned).map_err(|_| "expected UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<(Query, String), Vec<(String, String)>> {
        let now: Timestamp = "2026-11-29T16:05:00Z".parse().unwrap();
        let pair = |wrong: Wrong| (wrong.parameter, wrong.fault);
        let read = Query::read(query, now);
        read.map(|it| {
            let shown = format!("{:?} {:?}", it.question.by, it.question.team);
            (it, shown)
        })
        .map_err(|wrong| wrong.into_iter().map(pair).collect())
    }

    #[test]
    fn a_question_is_read_from_a_url() {
        let (query, shown) = read("").unwrap();
        assert_eq!((query.form, &*shown), (Form::Json, "[Team] None"));
        assert_eq!(query.question.window.local(query.question.window.from), "2026-10-30 16:05");
        let text = "by=team,day&since=2026-11-01T08%3A00%2b08:00&tz=Asia%2FSingapore\
                    &team=r%C3%A9tail+bank&format=csv&";
        let (query, shown) = read(text).unwrap();
        assert_eq!((query.form, &*shown), (Form::Csv, "[Team, Day] Some(\"rétail bank\")"));
        assert_eq!(query.question.window.local(query.question.window.from), "2026-11-01 08:00");
        assert_eq!(query.question.window.zone_name(), "Asia/Singapore");
        assert!(read("format=focus").unwrap().0.question.focus);
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once_each_with_its_name() {
        let wrong = read("by=team,colour&since=soon&tz=Mars&format=xml&limit=3&team=").unwrap_err();
        let names: Vec<&str> = wrong.iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, ["by", "since", "tz", "format", "limit", "team"]);
        for (query, name, words) in [
            ("by=colour", "by", "`colour` is none of team, key, model, language, task, rule, day"),
            ("by=", "by", "`` is none of team"),
            ("by=team,team", "by", "`team` stands twice"),
            ("by=team&by=model", "by", "stands twice: expected once, with commas"),
            ("format=focus&by=day", "by", "rows of FOCUS are always by day"),
            ("format=focus&true_cost=true", "format", "rows of FOCUS have what was charged"),
            ("true_cost=yes", "true_cost", "`yes`: expected true or false"),
            ("format=table", "format", "`table` is none of json, csv, focus"),
            ("since=soon", "since", "`soon` is none of: a number and"),
            ("since=2027-01-01", "since", "has not come yet"),
            ("since=2026-11-01T00:00:00+08:00", "since", "a `+` in a URL is a space, write %2B"),
            ("until=%zz", "until", "two hexadecimal digits"),
            ("team=%ff", "team", "expected UTF-8"),
            ("%1b[2J=1", "\\u{1b}[2J", "there is no such parameter: expected `by`, `since`"),
        ] {
            let wrong = read(query).unwrap_err();
            assert_eq!(wrong.len(), 1, "{query}: {wrong:?}");
            assert_eq!(wrong[0].0, name);
            assert!(wrong[0].1.contains(words), "{query}: {wrong:?}");
        }
    }
}
