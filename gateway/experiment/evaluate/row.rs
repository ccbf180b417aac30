//! One line of data.

use std::{borrow::Cow, fmt};

use policies::printable;
use serde::Deserialize;
use serde_json::value::RawValue;

/// A line that was read.
#[derive(Debug)]
pub(super) struct Row<'a> {
    /// Its number in the file, from 1.
    pub line: u64,
    pub experiment: Option<Cow<'a, str>>,
    pub unit: Cow<'a, str>,
    pub arm: Cow<'a, str>,
    pub value: f64,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RowFault {
    /// The line's number, from 1.
    pub line: u64,
    /// The field; empty where the line is no object.
    pub field: &'static str,
    /// What stands there, and what should.
    pub what: String,
}

impl fmt::Display for RowFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field {
            "" => write!(f, "line {}: {}", self.line, self.what),
            field => write!(f, "line {}: `{field}`: {}", self.line, self.what),
        }
    }
}

/// The fields as they stand there. Others than these are somebody else's.
#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow, default)]
    experiment: Option<&'a RawValue>,
    #[serde(borrow, default)]
    unit: Option<&'a RawValue>,
    #[serde(borrow, default)]
    arm: Option<&'a RawValue>,
    #[serde(borrow, default)]
    value: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> Row<'a> {
    pub(super) fn read(line: u64, text: &'a str) -> Result<Self, RowFault> {
        let fault = |found: String| {
            let what = format!("{found}; an object with `unit`, `arm` and `value` is expected");
            RowFault { line, field: "", what }
        };
        // A list would be read as the fields in their order.
        if !text.starts_with('{') {
            return Err(fault(shown(text)));
        }
        let fields: Fields<'a> =
            serde_json::from_str(text).map_err(|error| fault(error.to_string()))?;
        let experiment = match fields.experiment {
            None => None,
            some => Some(name(line, "experiment", some)?),
        };
        Ok(Self {
            line,
            experiment,
            unit: name(line, "unit", fields.unit)?,
            arm: name(line, "arm", fields.arm)?,
            value: value(line, fields.value)?,
        })
    }

    fn fault(&self, field: &'static str, what: String) -> RowFault {
        RowFault { line: self.line, field, what }
    }

    /// The unit was in another arm before.
    pub(super) fn moved(&self, other: &str) -> RowFault {
        let (unit, other, arm) = (printable(&self.unit), printable(other), printable(&self.arm));
        let what =
            format!("the unit `{unit}` is in arm `{other}` and in arm `{arm}`; one arm a unit");
        self.fault("unit", what)
    }

    /// The arm is none of those that have a share.
    pub(super) fn no_such_arm(&self, arms: &str) -> RowFault {
        let what = format!("`{}`; one of --shares is expected: {arms}", printable(&self.arm));
        self.fault("arm", what)
    }

    /// One arm more than any experiment has.
    pub(super) fn too_many_arms(&self, most: usize) -> RowFault {
        let what = format!("`{}` is arm {}; at most {most}", printable(&self.arm), most + 1);
        self.fault("arm", what)
    }
}

impl RowFault {
    /// The data end without the control.
    pub(super) fn no_control(line: u64, control: &str, experiment: Option<&str>) -> Self {
        let of = experiment.map(|it| format!(" of `{}`", printable(it))).unwrap_or_default();
        let control = printable(control);
        let what = format!("the data{of} end here without a unit of the control `{control}`");
        Self { line, field: "arm", what }
    }
}

/// A name: a text, or a whole number as it is written.
fn name<'a>(
    line: u64,
    field: &'static str,
    found: Option<&'a RawValue>,
) -> Result<Cow<'a, str>, RowFault> {
    let fault = |what: String| RowFault { line, field, what };
    let Some(raw) = found.map(RawValue::get) else {
        return Err(fault("missing or null; a text is expected".into()));
    };
    if let Ok(Text(text)) = serde_json::from_str(raw) {
        return match text.is_empty() {
            true => Err(fault("an empty text; a name is expected".into())),
            false => Ok(text),
        };
    }
    match raw.parse::<i128>() {
        Ok(_) => Ok(Cow::Borrowed(raw)),
        Err(_) => Err(fault(format!("{}; a text is expected", shown(raw)))),
    }
}

fn value(line: u64, found: Option<&RawValue>) -> Result<f64, RowFault> {
    let fault = |what: String| RowFault { line, field: "value", what };
    match found.map(RawValue::get) {
        None => Err(fault("missing or null; a number, true or false is expected".into())),
        Some("true") => Ok(1.0),
        Some("false") => Ok(0.0),
        Some(raw) => match serde_json::from_str::<f64>(raw) {
            // Beyond it, squares and cubes are no numbers any more.
            Ok(value) if value.abs() <= 1e90 => Ok(value),
            Ok(_) => Err(fault(format!("{}; at most 1e90 is expected", shown(raw)))),
            Err(_) => Err(fault(format!("{}; a number, true or false is expected", shown(raw)))),
        },
    }
}

/// What stands there, at a length that can be read.
fn shown(raw: &str) -> String {
    let short: String = raw.chars().take(40).collect();
    let more = if short.len() < raw.len() { "…" } else { "" };
    format!("{}{more}", printable(&short))
}
