//! Whether a regular expression is one that engines can take: it compiles, and compiling it is cheap.
//!
//! Engines read several flavours (Python's, ECMAScript's, Rust's); what any of them compiles passes,
//! look-around included. What none compiles, what multiplies without end (a repetition whose body is a
//! bare repetition) and what is counted out into too many states does not: such a pattern has stopped
//! engines for everybody. One pass, bounded in depth.

use smallvec::SmallVec;

/// The deepest nesting of groups.
const DEPTH_MAX: usize = 64;
/// The most states: atoms, those under a counted repetition as often as it counts.
const STATES_MAX: u32 = 20_000;

/// What is wrong with a pattern.
pub(super) type Wrong = &'static str;

/// What repetition must know of a part of a pattern.
#[derive(Clone, Copy, Default)]
struct Item {
    /// It matches some text, and not by an endless repetition alone: what follows is told apart.
    firm: bool,
    /// Nothing but endless repetitions and what may be absent: to repeat it endlessly again can match
    /// one text in exponentially many ways.
    loose: bool,
    states: u32,
}

impl Item {
    const ATOM: Self = Self { firm: true, loose: false, states: 1 };
    /// Matches a place, not a text.
    const PLACE: Self = Self { firm: false, loose: false, states: 0 };
}

/// What stands directly before, for a repetition to repeat.
#[derive(Clone, Copy)]
enum Last {
    Nothing,
    Item(Item),
    Repeated,
}

/// A group that is open.
#[derive(Clone, Copy, Default)]
struct Level {
    /// Look-around: it matches a place.
    looks: bool,
    /// The alternative at hand.
    sequence: Item,
    /// Those before: all firm, any loose, all their states.
    others: Option<Item>,
}

impl Level {
    fn add(&mut self, item: Item) {
        self.sequence.firm |= item.firm;
        self.sequence.loose |= item.loose;
        self.sequence.states = self.sequence.states.saturating_add(item.states);
    }

    fn alternative(&mut self) {
        let mut one = std::mem::take(&mut self.sequence);
        one.loose &= !one.firm;
        self.others = Some(self.others.map_or(one, |others| Item {
            firm: others.firm && one.firm,
            loose: others.loose || one.loose,
            states: others.states.saturating_add(one.states),
        }));
    }

    fn whole(mut self) -> Item {
        self.alternative();
        let whole = self.others.unwrap_or_default();
        if self.looks { Item { states: whole.states, ..Item::PLACE } } else { whole }
    }
}

/// Checks a pattern.
///
/// # Errors
/// What is wrong with it.
pub(super) fn check(pattern: &str) -> Result<(), Wrong> {
    let mut parser = Parser { rest: pattern, open: SmallVec::new(), level: Level::default() };
    parser.run()
}

struct Parser<'p> {
    rest: &'p str,
    open: SmallVec<[Level; 4]>,
    level: Level,
}

impl Parser<'_> {
    fn next(&mut self) -> Option<char> {
        let mut rest = self.rest.chars();
        let next = rest.next();
        self.rest = rest.as_str();
        next
    }

    fn eat(&mut self, text: &str) -> bool {
        let after = self.rest.strip_prefix(text);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    /// Passes over everything to this character; what stood before it.
    fn until(&mut self, end: char) -> Result<&str, Wrong> {
        let (before, after) = self.rest.split_once(end).ok_or("a group that is not closed")?;
        self.rest = after;
        Ok(before)
    }

    fn run(&mut self) -> Result<(), Wrong> {
        let mut last = Last::Nothing;
        while let Some(next) = self.next() {
            if let Some((least, most)) = self.times(next) {
                last = self.repeat(last, least, most)?;
                continue;
            }
            self.flush(last);
            last = match next {
                '|' => {
                    self.level.alternative();
                    Last::Nothing
                }
                '(' => self.open()?,
                ')' => Last::Item(self.close()?),
                '^' | '$' => Last::Item(Item::PLACE),
                '[' => {
                    self.set()?;
                    Last::Item(Item::ATOM)
                }
                '\\' => {
                    self.escape()?;
                    Last::Item(Item::ATOM)
                }
                _ => Last::Item(Item::ATOM),
            };
        }
        self.flush(last);
        if !self.open.is_empty() {
            return Err("a group that is not closed");
        }
        match self.level.whole().states {
            0..=STATES_MAX => Ok(()),
            _ => Err("a pattern of too many states"),
        }
    }

    /// How often what stands before is repeated, if this character says so.
    fn times(&mut self, next: char) -> Option<(u32, Option<u32>)> {
        match next {
            '*' => Some((0, None)),
            '+' => Some((1, None)),
            '?' => Some((0, Some(1))),
            '{' => self.counted(),
            _ => None,
        }
    }

    fn flush(&mut self, last: Last) {
        if let Last::Item(item) = last {
            self.level.add(item);
        }
    }

    /// After `(`: opens a group, or passes over one that stands for itself.
    fn open(&mut self) -> Result<Last, Wrong> {
        const UNKNOWN: Wrong = "a group of an unknown kind";
        let mut level = Level::default();
        if self.eat("?") {
            match self.next() {
                Some(':' | '>' | '|') => {}
                Some('=' | '!') => level.looks = true,
                Some('#') => return self.until(')').map(|_| Last::Nothing),
                Some('<') if self.eat("=") || self.eat("!") => level.looks = true,
                Some('<') => self.name('>')?,
                Some('P') if self.eat("<") => self.name('>')?,
                Some('P') if self.eat("=") || self.eat(">") => {
                    self.name(')')?;
                    return Ok(Last::Item(Item::ATOM));
                }
                Some('(') => self.name(')')?,
                Some('a'..='z' | 'A'..='Z' | '-' | '^') => {
                    let flag = |flag: char| flag.is_ascii_alphabetic() || flag == '-';
                    self.rest = self.rest.trim_start_matches(flag);
                    match self.next() {
                        Some(':') => {}
                        Some(')') => return Ok(Last::Nothing),
                        _ => return Err(UNKNOWN),
                    }
                }
                _ => return Err(UNKNOWN),
            }
        }
        if self.open.len() >= DEPTH_MAX {
            return Err("too deep a nesting of groups");
        }
        self.open.push(std::mem::replace(&mut self.level, level));
        Ok(Last::Nothing)
    }

    fn name(&mut self, end: char) -> Result<(), Wrong> {
        match self.until(end)? {
            "" => Err("a group without a name"),
            _ => Ok(()),
        }
    }

    fn close(&mut self) -> Result<Item, Wrong> {
        let outer = self.open.pop().ok_or("a bracket that closes nothing")?;
        Ok(std::mem::replace(&mut self.level, outer).whole())
    }

    /// After `\`.
    fn escape(&mut self) -> Result<(), Wrong> {
        match self.next() {
            None => Err("an escape without its character"),
            // `\p{L}`, `\u{1F600}`, `\k<name>`: what is in the braces counts nothing.
            Some('p' | 'P' | 'u' | 'x' | 'N') if self.eat("{") => {
                self.until('}').map(drop).map_err(|_| "an escape that is not closed")
            }
            Some(_) => Ok(()),
        }
    }

    /// After `[`: passes over the set.
    fn set(&mut self) -> Result<(), Wrong> {
        const OPEN: Wrong = "a set that is not closed";
        self.eat("^");
        let mut low = self.eat("]").then_some(']');
        loop {
            match self.next().ok_or(OPEN)? {
                ']' => return Ok(()),
                '\\' => {
                    self.next().ok_or(OPEN)?;
                    low = None;
                }
                '[' if self.rest.starts_with(':') && self.rest.contains(":]") => {
                    let (_, after) = self.rest.split_once(":]").ok_or(OPEN)?;
                    self.rest = after;
                    low = None;
                }
                '-' if low.is_some() && !self.rest.starts_with([']', '\\', '[']) => {
                    let high = self.next().ok_or(OPEN)?;
                    if low.is_some_and(|low| low > high) {
                        return Err("a range that runs backwards");
                    }
                    low = None;
                }
                other => low = Some(other),
            }
        }
    }

    /// After `{`: how often, if this is a repetition at all.
    fn counted(&mut self) -> Option<(u32, Option<u32>)> {
        let (inside, after) = self.rest.split_once('}')?;
        let number = |digits: &str| {
            let all = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            all.then(|| digits.parse().unwrap_or(u32::MAX))
        };
        let (least, most) = match inside.split_once(',') {
            None => number(inside).map(|times| (times, Some(times)))?,
            Some((least, "")) => (number(least)?, None),
            Some(("", most)) => (0, Some(number(most)?)),
            Some((least, most)) => (number(least)?, Some(number(most)?)),
        };
        self.rest = after;
        Some((least, most))
    }

    fn repeat(&mut self, last: Last, least: u32, most: Option<u32>) -> Result<Last, Wrong> {
        let item = match last {
            Last::Nothing => return Err("nothing to repeat"),
            Last::Repeated => return Err("a repetition of a repetition"),
            Last::Item(item) => item,
        };
        if most.is_some_and(|most| most < least) {
            return Err("a repetition whose most is below its least");
        }
        if most.is_none() && item.loose {
            return Err("an endless repetition of an endless repetition");
        }
        let _ = self.eat("?") || self.eat("+"); // lazy, possessive
        let states = item.states.saturating_mul(most.unwrap_or(least.max(1)));
        if states > STATES_MAX {
            return Err("a repetition of too many states");
        }
        self.level.add(Item {
            firm: item.firm && least > 0 && most.is_some(),
            loose: item.loose || most.is_none(),
            states,
        });
        Ok(Last::Repeated)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_an_engine_compiles_passes() {
        for pattern in [
            "",
            "a|b",
            "^[a-z0-9]+(-[a-z0-9]+)*$",
            r"^[\w.+-]+@([\w-]+\.)+[\w-]{2,}$",
            r"\d{4}-\d{2}-\d{2}",
            r"(?=.*\d)(?!x)(?<=a)(?<!b).{8,}",
            "(?P<year>[0-9]{4})(?P=year)|(?<n>x)",
            "(?i)abc(?#a remark)(?-i:d)(?s:.)(?>e)",
            r"[]a][^]b][[:alpha:]][\]\-][a-]",
            "{}a{,b}{x}a{1,}b{,3}c{2}?d*?e++",
            r"(?:\p{L}|\u{1F600}|\x41|\\)+",
            r"[^\x00-\x1f]{0,4000}",
            "([^\"\\\\]|\\\\.)*",
            "(a+b)*(a?b?)+(你|好)*",
            "^.{1,20000}$",
            "(1)?(?(1)a|b)",
        ] {
            assert_eq!(check(pattern), Ok(()), "{pattern}");
        }
    }

    #[test]
    fn what_no_engine_should_see_does_not() {
        let deep = format!("{}a{}", "(".repeat(65), ")".repeat(65));
        for pattern in [
            "(",
            ")",
            "a)",
            "[",
            "[a",
            "[]",
            "*",
            "+a",
            "a|*",
            "(?",
            "(?)",
            "(?<>a)",
            "(?<a",
            "\\",
            r"\p{L",
            "a**",
            "a{2}{3}",
            "a{3,2}",
            "[z-a]",
            "a{1,1000000}",
            "a{1000000}",
            "a{99999999999999999999}",
            "((a{1,50}){1,50}){1,50}",
            "(a+)+",
            "(a*)*",
            "((a+)+)+",
            "(a+|b)*",
            "(a*b*)+",
            "(a+a+)+$",
            r"(\w+\s?)*",
            "((a+)?)*",
            "((?=a)a+)+",
            "(?:(?:a{2,}))*",
            &deep,
        ] {
            assert!(check(pattern).is_err(), "{pattern}");
        }
    }

    proptest! {
        #[test]
        fn every_text_has_a_verdict(pattern in r"[ab()\[\]{}*+?|\\^$,0-9:<>=!P-]{0,60}|\PC{0,60}") {
            let _ = check(&pattern);
        }

        #[test]
        fn plain_text_passes(pattern in "[a-z0-9 ]{0,60}") {
            prop_assert_eq!(check(&pattern), Ok(()));
        }

        /// A counted repetition has as many states as it counts out, at any depth.
        #[test]
        fn states_multiply(counts in prop::collection::vec(1..200u32, 1..5)) {
            let pattern = counts.iter().fold("a".to_owned(), |inner, n| format!("(?:{inner}){{{n}}}"));
            let states = counts.iter().map(|n| u64::from(*n)).product::<u64>();
            prop_assert_eq!(check(&pattern).is_ok(), states <= 20_000, "{}", pattern);
        }
    }
}
