//! Prometheus' text format, read as strictly as it is specified: what a lenient reader lets pass would only
//! show in somebody's dashboards.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    io::Write,
    process::{Command, Stdio},
};

/// One line: its metric, its labels and its value.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) value: f64,
}

impl Line {
    /// The value of a label, empty where it has none of this name.
    pub(crate) fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }
}

/// Metrics by name: what kind they are, what they say they are, and their lines.
#[derive(Debug, Default)]
pub(crate) struct Exposition {
    pub(crate) helps: HashMap<String, String>,
    pub(crate) kinds: HashMap<String, String>,
    pub(crate) lines: Vec<Line>,
}

impl Exposition {
    /// Reads a scrape.
    ///
    /// # Panics
    /// With the line that is not as it should be.
    pub(crate) fn of(text: &str) -> Self {
        let mut all = Self::default();
        let mut seen = HashSet::new();
        let mut family = String::new();
        assert!(text.ends_with('\n'), "the last line has no end");
        for line in text[..text.len() - 1].split('\n') {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').expect("a help text");
                let before = all.helps.insert(name.to_owned(), help.to_owned());
                assert!(before.is_none() && !help.trim().is_empty(), "{line}");
                name.clone_into(&mut family);
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("a type");
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                assert!(name == family && all.kinds.insert(name.into(), kind.into()).is_none());
            } else {
                let sample = sample(line).unwrap_or_else(|why| panic!("{why}: {line:?}"));
                let ends = ["", "_bucket", "_sum", "_count"];
                let of = ends.iter().find(|it| sample.name == format!("{family}{it}"));
                let histogram = all.kinds[&family] == "histogram";
                assert!(
                    of.is_some_and(|end| end.is_empty() != histogram),
                    "{line}: not of {family}"
                );
                let counts = all.kinds[&family] != "gauge";
                assert!(!counts || sample.value >= 0.0, "below nothing: {line}");
                assert!(seen.insert((sample.name.clone(), sample.labels.clone())), "twice: {line}");
                all.lines.push(sample);
            }
        }
        all.histograms();
        all
    }

    /// The lines of a metric.
    pub(crate) fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Line> {
        self.lines.iter().filter(move |it| it.name == name)
    }

    /// The value of the one line of this metric with these labels, if there is one.
    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let fits = |it: &&Line| labels.iter().all(|(name, value)| it.label(name) == *value);
        let mut lines = self.named(name).filter(fits);
        let value = lines.next()?.value;
        assert!(lines.next().is_none(), "{name} {labels:?}: more than one");
        Some(value)
    }

    /// Buckets never fall, and the last one is the count.
    fn histograms(&self) {
        let mut above: HashMap<(String, BTreeMap<String, String>), (f64, f64)> = HashMap::new();
        for it in &self.lines {
            let mut labels = it.labels.clone();
            if let (Some(name), Some(le)) = (it.name.strip_suffix("_bucket"), labels.remove("le")) {
                let le = if le == "+Inf" { f64::INFINITY } else { le.parse().expect("a bound") };
                let last = above.entry((name.to_owned(), labels)).or_insert((f64::MIN, 0.0));
                assert!(le > last.0 && it.value >= last.1, "{it:?} after {last:?}");
                *last = (le, it.value);
            } else if let Some(name) = it.name.strip_suffix("_count") {
                let all = above[&(name.to_owned(), labels)];
                assert_eq!(all, (f64::INFINITY, it.value), "{it:?}");
            }
        }
    }
}

fn is_name(text: &str, also: char) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == also;
    text.chars().all(fits) && text.starts_with(|c: char| !c.is_ascii_digit())
}

fn sample(line: &str) -> Result<Line, &'static str> {
    let end = line.find(['{', ' ']).ok_or("no value")?;
    let (name, mut rest) = line.split_at(end);
    if !is_name(name, ':') {
        return Err("no name");
    }
    let mut labels = BTreeMap::new();
    if let Some(mut inner) = rest.strip_prefix('{') {
        while !inner.starts_with('}') {
            let (label, value) = inner.split_once("=\"").ok_or("no label")?;
            let (value, after) = quoted(value)?;
            if !is_name(label, '_') || labels.insert(label.to_owned(), value).is_some() {
                return Err("a label's name");
            }
            inner = after.strip_prefix(',').unwrap_or(after);
        }
        rest = &inner[1..];
    }
    let value = rest.strip_prefix(' ').ok_or("no space before the value")?;
    let value = value.parse().map_err(|_| "no number")?;
    Ok(Line { name: name.to_owned(), labels, value })
}

/// A label's value up to its closing quote, and what comes after.
fn quoted(text: &str) -> Result<(String, &str), &'static str> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => match chars.next().map(|it| it.1) {
                Some('n') => value.push('\n'),
                Some(c @ ('\\' | '"')) => value.push(c),
                _ => return Err("an escape that there is not"),
            },
            c => value.push(c),
        }
    }
    Err("no closing quote")
}

/// What Prometheus' own `promtool check metrics` says of a scrape: nothing if all is well, `None` where it is
/// not installed. In `tests/run` it is, and has to be found.
pub(crate) fn promtool(text: &str) -> Option<String> {
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]);
    let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let required = std::env::var_os("TEST_WITH_PROMTOOL").is_some();
    let mut child = match pipes.spawn() {
        Ok(child) => child,
        Err(error) => {
            assert!(!required, "promtool: {error}");
            return None;
        }
    };
    child.stdin.take().expect("its input").write_all(text.as_bytes()).expect("it reads");
    let done = child.wait_with_output().expect("it ends");
    let said = [done.stdout, done.stderr].concat();
    Some(format!(
        "{}{}",
        if done.status.success() { "" } else { "failed: " },
        String::from_utf8_lossy(&said)
    ))
}
