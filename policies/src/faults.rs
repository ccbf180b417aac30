//! Faults being collected. A long list repeats its mistake once for each of its items: a few of a kind are
//! told in full, and of the rest only how many there are, so that fifty thousand of them cost as little and
//! are read as fast as ten.

use std::collections::{BTreeSet, HashMap};

use crate::fault::{Fault, suggested};

/// Faults of one kind that are told in full.
pub const FAULTS_OF_A_KIND_MAX: usize = 10;

/// The faults of a document, in the order in which they were found.
#[derive(Debug, Default)]
pub struct Faults {
    list: Vec<Fault>,
    kinds: HashMap<String, Kind>,
    count: usize,
    /// The paths of keys that were asked for, if that is wanted.
    keys: Option<BTreeSet<String>>,
}

/// What is known of the faults of one kind.
#[derive(Debug, Default)]
struct Kind {
    /// Where those that are told in full stand in the list.
    told: Vec<usize>,
}

impl Faults {
    /// No faults yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// No faults yet; the keys of all tables that stand in no list are noted as they are asked for.
    #[must_use]
    pub fn with_keys() -> Self {
        Self { keys: Some(BTreeSet::new()), ..Self::default() }
    }

    /// Notes the keys of a table, if that is wanted; `path` is made only then.
    pub(crate) fn note_keys(&mut self, path: impl FnOnce() -> String, known: &[&str]) {
        let Some(keys) = &mut self.keys else { return };
        let path = path();
        if !path.is_empty() {
            keys.extend(known.iter().map(|key| format!("{path}.{key}")));
        }
    }

    /// The paths of the keys that were noted, such as `server.listen`, whether they stand in the document or
    /// not.
    #[must_use]
    pub fn keys(&self) -> &BTreeSet<String> {
        static NONE: BTreeSet<String> = BTreeSet::new();
        self.keys.as_ref().unwrap_or(&NONE)
    }

    /// Adds a fault.
    pub fn push(&mut self, fault: Fault) {
        let kind = kind(&fault.path, fault.found.trim_matches('`'), &fault.expected);
        self.count += 1 + fault.more;
        if let Some(last) = self.last_of_full(&kind) {
            last.more += 1 + fault.more;
            return;
        }
        self.kinds.entry(kind).or_default().told.push(self.list.len());
        self.list.push(fault);
    }

    /// Adds a fault whose expectation, which begins with `what`, takes an effort to word: it is worded only
    /// where it is told, and once for each text that was found.
    pub fn push_worded(
        &mut self,
        path: impl Into<String>,
        found: &str,
        what: &str,
        expected: impl FnOnce() -> String,
    ) {
        let path = path.into();
        let kind = kind(&path, found, what);
        self.count += 1;
        if let Some(last) = self.last_of_full(&kind) {
            last.more += 1;
            return;
        }
        let fault = Fault::new(path, format!("`{found}`"), "");
        let told = &mut self.kinds.entry(kind).or_default().told;
        let mut before = told.iter().filter_map(|at| self.list.get(*at));
        let expected = match before.find(|other| other.found == fault.found) {
            Some(same) => same.expected.clone(),
            None => expected(),
        };
        told.push(self.list.len());
        self.list.push(Fault { expected, ..fault });
    }

    /// Adds a name that is not among `known`, with the nearest of them.
    pub fn push_unknown<'a>(
        &mut self,
        path: impl Into<String>,
        found: &str,
        what: &str,
        known: impl Iterator<Item = &'a str> + Clone,
    ) {
        self.push_worded(path, found, what, || suggested(found, what, known));
    }

    /// The last fault of this kind that is told, if no more of them are.
    fn last_of_full(&mut self, kind: &str) -> Option<&mut Fault> {
        let told = &self.kinds.get(kind)?.told;
        let full = told.len() >= FAULTS_OF_A_KIND_MAX;
        self.list.get_mut(*told.last().filter(|_| full)?)
    }

    /// How many there are, those included that are not told in full.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Those that are told in full.
    pub fn iter(&self) -> std::slice::Iter<'_, Fault> {
        self.list.iter()
    }

    /// Those that are told in full; the last of each kind says how many more there are.
    #[must_use]
    pub fn into_vec(self) -> Vec<Fault> {
        self.list
    }
}

impl Extend<Fault> for Faults {
    fn extend<T: IntoIterator<Item = Fault>>(&mut self, faults: T) {
        faults.into_iter().for_each(|fault| self.push(fault));
    }
}

/// What faults of one kind have in common: the place but for its numbers and names, and how the expectation
/// begins.
fn kind(path: &str, found: &str, expected: &str) -> String {
    let expected = expected.split([';', ':']).next().unwrap_or_default();
    let place = match path {
        place if place.starts_with("alias.") => "alias",
        // An unknown key stands in its own path.
        place if expected == "a known key" => place
            .strip_suffix(found)
            .unwrap_or_else(|| place.rsplit_once('.').map_or(place, |(section, _)| section)),
        place => ["weights.", "latency.", "load."]
            .iter()
            .find_map(|names| place.find(names).and_then(|at| place.get(..at + names.len())))
            .unwrap_or(place),
    };
    let mut kind: String = place.chars().filter(|it| !it.is_ascii_digit()).collect();
    kind.push('|');
    // Names stand between backticks.
    for plain in expected.split('`').step_by(2) {
        kind.extend(plain.chars().filter(|it| !it.is_ascii_digit()));
    }
    kind
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_each_kind_ten_are_told_and_the_rest_are_counted() {
        let mut faults = Faults::new();
        for at in 0..1_234 {
            faults.push_unknown(format!("key[{at}].team"), "nope", "a team", ["note"].into_iter());
            faults.push(Fault::new(format!("key[{at}].name"), "nothing", "a name"));
            let named = format!("alias.x{at}.y{at}[0]");
            faults.push(Fault::new(named, "nothing", format!("at most `x{at}`, which is {at}")));
            let unknown = format!("key[{at}].k{at}.x");
            faults.push_unknown(unknown, &format!("k{at}.x"), "a known key", ["name"].into_iter());
        }
        assert_eq!((faults.count(), faults.is_empty()), (4 * 1_234, false));
        let faults = faults.into_vec();
        assert_eq!(faults.len(), 40);
        let last: Vec<String> = faults.iter().skip(36).map(ToString::to_string).collect();
        assert_eq!(
            last[0],
            "key[9].team: found `nope`, expected a team; did you mean `note`? And 1,224 more like it"
        );
        assert!(last.iter().all(|it| it.ends_with("nd 1,224 more like it")), "{last:?}");
        assert!(faults.iter().take(36).all(|it| it.more == 0));
    }

    #[test]
    fn a_suggestion_is_made_once_for_a_name_and_never_for_what_is_not_told() {
        let (mut faults, mut asked) = (Faults::new(), 0);
        for at in 0..100 {
            let found = if at < 5 { "same" } else { "other" };
            faults.push_worded(format!("key[{at}].team"), found, "a team", || {
                asked += 1;
                format!("a team: {found}")
            });
        }
        assert_eq!(asked, 2);
        assert!(
            faults
                .iter()
                .all(|it| it.expected == format!("a team: {}", it.found.trim_matches('`')))
        );
    }

    #[test]
    fn what_was_collected_elsewhere_is_counted_with_the_rest() {
        let mut faults = Faults::new();
        let fault =
            |at: usize, more| Fault { more, ..Fault::new(format!("rule[{at}].x"), "1", "2") };
        faults.extend((0..10).map(|at| fault(at, if at == 9 { 30 } else { 0 })));
        faults.extend([fault(10, 5)]);
        assert_eq!(faults.count(), 46);
        assert_eq!(faults.into_vec().last().map(|it| it.more), Some(36));
    }
}
