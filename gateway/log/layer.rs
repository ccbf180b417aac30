//! Events of the code as lines: the one way from `tracing` to the log, with the one bound on storms.

use std::{
    error::Error,
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::layer::{Context, Layer};
use xxhash_rust::xxh3::Xxh3;

use super::{
    Inner,
    line::{Line, Origin},
    storm::{About, LINES_PER_SECOND},
    writer::Rank,
};

/// Fields by which lines of one place in the code are of different kinds. Their values are from configuration
/// or from closed sets, wherever they are used.
const TELLING: [&str; 7] = ["model", "endpoint", "kind", "stage", "fault", "rule", "path"];
/// As much of a sentence as stands before how many more there were.
const SENTENCE_CHARS_MAX: usize = 200;

/// Makes a line of every event that its filter lets through.
pub(super) struct Lines(pub(super) Arc<Inner>);

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let (inner, metadata) = (&self.0, event.metadata());
        let (level, target) = (*metadata.level(), metadata.target());
        let mut fields = Fields::new(inner.format());
        // Whoever looks for a fault at a lower level wants all of it.
        if level <= Level::INFO {
            (metadata.file(), metadata.line()).hash(&mut fields.kind);
        }
        event.record(&mut fields);
        let Fields { line, kind, telling, message } = fields;
        let about = || About { level, target, message, fields: telling };
        if level > Level::INFO || inner.admits((kind.finish(), LINES_PER_SECOND), about) {
            let at = (inner.clocks.timestamp)();
            inner.push(&line.finish(Origin { at, level, target }), Rank::Operator);
        }
    }
}

/// The number of a kind that comes from no place in the code.
pub(super) fn kind(fields: &[(&'static str, &'static str)]) -> u64 {
    let mut hasher = Xxh3::new();
    fields.hash(&mut hasher);
    hasher.finish()
}

/// The fields of one event.
struct Fields {
    line: Line,
    kind: Xxh3,
    telling: Vec<(&'static str, String)>,
    message: String,
}

impl Fields {
    fn new(format: crate::config::LogFormat) -> Self {
        let (telling, message) = (Vec::new(), String::new());
        Self { line: Line::new(format), kind: Xxh3::new(), telling, message }
    }

    fn text(&mut self, name: &'static str, value: &str) {
        if TELLING.contains(&name) {
            (name, value).hash(&mut self.kind);
            self.telling.push((name, value.to_owned()));
        }
        self.line.text(name, value);
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.record_debug(field, &format_args!("{value}")),
            name => self.text(name, value),
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.line.number(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.line.number(field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.line.number(field.name(), value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.line.shown(field.name(), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => {
                self.line.message(format_args!("{value:?}"));
                let message = format!("{value:?}");
                self.message = message.chars().take(SENTENCE_CHARS_MAX).collect();
            }
            name if TELLING.contains(&name) => self.text(name, &format!("{value:?}")),
            name => self.line.shown(name, format_args!("{value:?}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Mutex, OnceLock},
        time::{Duration, Instant},
    };

    use jiff::Timestamp;
    use serde_json::Value;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;
    use crate::{
        config::{self, LogFormat},
        log::{Clocks, Log},
    };

    /// What was written.
    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Written {
        fn lines(&self) -> Vec<Value> {
            let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
        }
    }

    static START: OnceLock<Instant> = OnceLock::new();

    fn log(now: fn() -> Instant) -> (Log, Written) {
        let (written, clocks) =
            (Written::default(), Clocks { now, timestamp: || Timestamp::UNIX_EPOCH });
        let settings = config::Log { format: LogFormat::Json, ..config::Log::default() };
        (Log::to(written.clone(), (&settings, None), clocks).unwrap(), written)
    }

    /// A clock that stands.
    fn still() -> Instant {
        *START.get_or_init(Instant::now)
    }

    fn within(log: &Log, events: impl FnOnce()) {
        let lines = Lines(Arc::clone(log.inner.as_ref().unwrap()));
        let subscriber = tracing_subscriber::registry().with(lines);
        tracing::subscriber::with_default(subscriber, events);
    }

    #[test]
    fn an_event_is_one_line_with_its_fields() {
        let (log, written) = log(still);
        let error = io::Error::other("broken\nINFO forged");
        within(&log, || {
            let none = None::<&str>;
            tracing::warn!(%error, model = "a", count = 3_u64, good = true, none, "it is {}", 1);
        });
        log.finish();
        let wanted = serde_json::json!([{
            "timestamp": "1970-01-01T00:00:00.000Z", "level": "WARN", "message": "it is 1",
            "target": "signalbox::log::layer::tests", "error": "broken\nINFO forged", "model": "a",
            "count": 3, "good": true,
        }]);
        assert_eq!(Value::from(written.lines()), wanted);
    }

    #[test]
    fn a_storm_from_one_place_is_told_apart_by_model_and_endpoint_and_summed_after_ten_seconds() {
        static PASSED: Mutex<Duration> = Mutex::new(Duration::ZERO);
        let (log, written) = log(|| still() + *PASSED.lock().unwrap());
        let say = |model: &str, id: u64| tracing::warn!(model, id, "it is down");
        within(&log, || {
            for id in 0..1_244 {
                say("a", id);
            }
            say("b", 7);
            for _ in 0..50 {
                tracing::debug!("all of this");
            }
        });
        *PASSED.lock().unwrap() = Duration::from_secs(10);
        // The writer may have said it by itself by now.
        log.inner.as_ref().unwrap().push(&log.inner.as_ref().unwrap().due(Some(5)), Rank::Operator);
        log.finish();
        let due: Vec<Value> = written.lines();
        let due: Vec<&Value> =
            due.iter().filter(|it| it["more"].is_u64() || it["dropped"].is_u64()).collect();
        let of = |it: &Value, model: &str| it["model"] == model && it["more"].is_null();
        let count = |model: &str| written.lines().iter().filter(|it| of(it, model)).count();
        assert_eq!((count("a"), count("b")), (10, 1));
        assert_eq!(written.lines().iter().filter(|it| it["level"] == "DEBUG").count(), 50);
        assert_eq!(due[0]["message"], "it is down: 1234 more of this kind in the last 10 s");
        assert_eq!((&due[0]["model"], &due[0]["level"]), (&Value::from("a"), &Value::from("WARN")));
        assert_eq!(due[0]["more"], 1_234);
        assert_eq!((&due[1]["dropped"], due.len()), (&Value::from(5), 2));
    }

    #[test]
    fn what_was_held_back_is_said_at_the_end() {
        let (log, written) = log(still);
        within(&log, || (0..25).for_each(|_| tracing::error!(endpoint = "x:1", "it is down")));
        log.finish();
        let lines = written.lines();
        assert_eq!((lines.len(), &lines[10]["more"]), (11, &Value::from(15)));
        assert_eq!(lines[10]["endpoint"], "x:1");
    }
}
