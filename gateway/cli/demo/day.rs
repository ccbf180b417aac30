//! A bank's day as a pure function of the hour and a seed: what is asked when and by whom, and what goes
//! wrong. Times are milliseconds or minutes of the day that is replayed, counted from its beginning at 09:00.

use policies::facts::{Language, Task};

use crate::sim::prompts::Prompt;

/// The hour of the day's beginning.
pub(super) const FIRST_HOUR: u32 = 9;
/// The milliseconds of an hour.
pub(super) const HOUR_MS: u64 = 3_600_000;
/// The milliseconds of a minute.
pub(super) const MINUTE_MS: u64 = 60_000;
/// When the budget of the team `kiosk` is meant to be spent, in minutes since the beginning: 15:30.
pub(super) const KIOSK_SPENT_AT: u64 = 390;

/// A text from here on, in bytes, is a long document.
const LONG: usize = 50_000;

/// Who asks, by the key that is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Caller {
    /// Customers' applications, of the team `retail-banking`.
    Customers,
    /// The bank's own people, of the team `operations`.
    Staff,
    /// A machine in a branch, of the team `kiosk`.
    Kiosk,
}

/// One request that comes at its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Arrival {
    /// When, in milliseconds since the beginning.
    pub at_ms: u64,
    /// Who asks.
    pub caller: Caller,
    /// Which of the prompts.
    pub prompt: usize,
    /// Which of its customers asks, and how hard he is to please: any number, the same for the same seed.
    pub draw: u64,
}

/// A while in which one model is not as it should be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trouble {
    /// What it is, as a name.
    pub name: &'static str,
    /// Whose.
    pub model: &'static str,
    /// The fault at the control address of the simulated models.
    pub fault: &'static str,
    /// Of so many requests one meets it; 1 is all of them.
    pub one_in: u32,
    /// Its first minute since the beginning.
    pub from_min: u64,
    /// The first minute after it.
    pub until_min: u64,
}

/// 10:20 to 10:40: the model that serves most languages takes no connection, at any of its endpoints.
pub(super) const OUTAGE: Trouble = Trouble {
    name: "outage",
    model: "qwen3.5-397b",
    fault: "refuse",
    one_in: 1,
    from_min: 80,
    until_min: 100,
};
/// 13:30 to 14:00: the model that serves what no rule names takes ten times as long.
pub(super) const SLOW: Trouble = Trouble {
    name: "slow",
    model: "gpt-oss-120b",
    fault: "slow",
    one_in: 1,
    from_min: 270,
    until_min: 300,
};
/// 11:00 to 13:00: every third answer of a model breaks off, which an arm of the experiment alone has then.
pub(super) const CUT: Trouble = Trouble {
    name: "cut",
    model: "minimax-m2.5",
    fault: "error_mid",
    one_in: 3,
    from_min: 120,
    until_min: 240,
};
/// All of them, in the order of their beginnings.
pub(super) const TROUBLES: [Trouble; 3] = [OUTAGE, CUT, SLOW];

impl Trouble {
    /// Whether this moment lies in it.
    pub(super) const fn has(&self, at_ms: u64) -> bool {
        self.from_min * MINUTE_MS <= at_ms && at_ms < self.until_min * MINUTE_MS
    }
}

/// How much is asked at the beginning of each hour of the clock, in thousandths of the busiest moment;
/// between two hours it goes evenly from one to the other.
const LOAD: [u64; 24] = [
    90, 60, 50, 50, 60, 100, 180, 320, 480, 620, 930, 1_000, 760, 500, 840, 990, 930, 700, 460,
    400, 420, 360, 240, 140,
];

/// How often customers ask for a task.
const CUSTOMERS: [(Task, u64); 8] = [
    (Task::Banking, 20),
    (Task::OpenQa, 8),
    (Task::Chat, 8),
    (Task::ClosedQa, 4),
    (Task::Writing, 4),
    (Task::Translation, 4),
    (Task::Rewriting, 2),
    (Task::Brainstorming, 2),
];

/// How often the bank's people ask for a task, summaries left out: those are written towards the evening.
const STAFF: [(Task, u64); 5] = [
    (Task::Coding, 10),
    (Task::Extraction, 8),
    (Task::Classification, 8),
    (Task::Math, 6),
    (Task::ToolUse, 6),
];

/// In which languages, and for what, customers ask in the chat whose models are compared.
const CHAT: ([Language; 2], [Task; 3]) =
    ([Language::Th, Language::Ms], [Task::Banking, Task::Chat, Task::OpenQa]);
/// What makes the chat's sequence another one than that of all else.
const CHAT_SEED: u64 = 0x2545_f491_4f6c_dd1d;

/// How often a language is heard in the morning, from noon on, and from 16:00 on. Others are not heard.
const LANGUAGES: [(Language, [u64; 3]); 15] = [
    (Language::En, [30, 22, 26]),
    (Language::ZhHans, [16, 10, 9]),
    (Language::Ms, [12, 9, 6]),
    (Language::Ta, [8, 5, 4]),
    (Language::Yue, [7, 4, 3]),
    (Language::ZhHant, [5, 4, 3]),
    (Language::Th, [6, 14, 10]),
    (Language::Vi, [5, 13, 9]),
    (Language::Id, [6, 14, 12]),
    (Language::Tl, [3, 5, 8]),
    (Language::Hi, [2, 4, 8]),
    (Language::My, [2, 3, 4]),
    (Language::Km, [2, 3, 3]),
    (Language::Ja, [3, 3, 2]),
    (Language::Ko, [2, 3, 2]),
];

/// The day's prompts and how many requests its busiest hour would have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Day<'a> {
    /// What can be asked.
    pub prompts: &'a [Prompt],
    /// Requests of an hour that is as busy as the busiest moment.
    pub peak: u32,
    /// Requests of such an hour in the chat in Thai and Malay, beside these.
    pub chat_peak: u32,
    /// The same day for the same seed.
    pub seed: u64,
}

impl Day<'_> {
    /// The requests of one hour, counted from 0 at the beginning, in the order of their times.
    pub(super) fn hour(&self, hour: u32) -> Vec<Arrival> {
        self.drawn(hour, (self.peak, self.seed), |at_ms, dice| self.asked(at_ms, dice))
    }

    /// The requests of the same hour in the chat in Thai and Malay.
    pub(super) fn chat(&self, hour: u32) -> Vec<Arrival> {
        let is_asked = |prompt: &Prompt| is_of_chat(prompt) && prompt.data_class.is_none();
        self.drawn(hour, (self.chat_peak, self.seed ^ CHAT_SEED), |_, dice| {
            let all = self.prompts.iter().enumerate();
            let prompt = dice.pick(all.map(|(at, it)| (at, u64::from(is_asked(it)))))?;
            Some((Caller::Customers, prompt))
        })
    }

    /// An hour of requests at this peak.
    fn drawn(
        &self,
        hour: u32,
        (peak, seed): (u32, u64),
        asked: impl Fn(u64, &mut Dice) -> Option<(Caller, usize)>,
    ) -> Vec<Arrival> {
        let mut dice = Dice(seed ^ u64::from(hour).wrapping_mul(0xd134_2543_de82_ef95));
        let begins = u64::from(hour) * HOUR_MS;
        let mean_gap = HOUR_MS as f64 / f64::from(peak.max(1));
        let (mut arrivals, mut since) = (Vec::new(), 0.0);
        loop {
            // As at the busiest moment, then thinned to what this moment has.
            since += -(1.0 - dice.unit()).ln() * mean_gap;
            if since >= HOUR_MS as f64 {
                return arrivals;
            }
            let at_ms = begins + since as u64;
            if dice.below(1_000) < load(at_ms)
                && let Some((caller, prompt)) = asked(at_ms, &mut dice)
            {
                let draw = Dice(seed ^ at_ms.wrapping_mul(0x9fb2_1c65_1e98_df25)).next();
                arrivals.push(Arrival { at_ms, caller, prompt, draw });
            }
        }
    }

    /// How many requests the kiosk makes before its budget is meant to be spent.
    pub(super) fn kiosk_requests(&self) -> u64 {
        let hours =
            (0..=u32::try_from(KIOSK_SPENT_AT / 60).unwrap_or(0)).flat_map(|it| self.hour(it));
        let theirs =
            hours.filter(|it| it.caller == Caller::Kiosk && it.at_ms < KIOSK_SPENT_AT * MINUTE_MS);
        theirs.count() as u64
    }

    /// Who asks what at this moment.
    fn asked(&self, at_ms: u64, dice: &mut Dice) -> Option<(Caller, usize)> {
        let hour = clock_hour(at_ms);
        let caller = dice.pick(caller_weights(hour))?;
        let prompts = || self.prompts.iter().enumerate();
        let language = match caller {
            Caller::Kiosk => Language::En,
            Caller::Customers | Caller::Staff => {
                let asked = |language| {
                    prompts().any(|(_, it)| it.language == language && weight(caller, it, hour) > 0)
                };
                let heard = LANGUAGES.into_iter().filter(|(language, _)| asked(*language));
                dice.pick(heard.map(|(language, heard)| (language, heard_at(heard, hour))))?
            }
        };
        let of_language = prompts().filter(|(_, it)| it.language == language);
        let prompt = dice.pick(of_language.map(|(at, it)| (at, weight(caller, it, hour))))?;
        Some((caller, prompt))
    }
}

/// Whether a prompt is one of the chat whose models are compared: streamed, in one language.
pub(super) fn is_of_chat(prompt: &Prompt) -> bool {
    let (languages, tasks) = CHAT;
    let is_said = languages.contains(&prompt.language) && tasks.contains(&prompt.task);
    is_said && prompt.stream && !prompt.mixed
}

/// The hour of the clock, 0 to 23.
pub(super) fn clock_hour(at_ms: u64) -> u64 {
    (u64::from(FIRST_HOUR) + at_ms / HOUR_MS) % 24
}

/// The time of the clock, such as `10:20`.
pub(super) fn clock(at_ms: u64) -> String {
    format!("{:02}:{:02}", clock_hour(at_ms), at_ms / MINUTE_MS % 60)
}

/// How much is asked at this moment, in thousandths of the busiest.
fn load(at_ms: u64) -> u64 {
    let hour = clock_hour(at_ms) as usize;
    let at = |hour: usize| LOAD.get(hour % LOAD.len()).copied().unwrap_or_default();
    let gone = at_ms % HOUR_MS;
    (at(hour) * (HOUR_MS - gone) + at(hour + 1) * gone) / HOUR_MS
}

/// How much of an hour's traffic is whose.
fn caller_weights(hour: u64) -> impl Iterator<Item = (Caller, u64)> + Clone {
    let (staff, kiosk) = match hour {
        9..16 => (26, 8),
        16..20 => (38, 8),
        _ => (10, 4),
    };
    [(Caller::Customers, 66), (Caller::Staff, staff), (Caller::Kiosk, kiosk)].into_iter()
}

fn heard_at([morning, noon, evening]: [u64; 3], hour: u64) -> u64 {
    match hour {
        6..12 => morning,
        12..16 => noon,
        _ => evening,
    }
}

/// How likely it is that this caller, of those who speak the language, asks this.
fn weight(caller: Caller, prompt: &Prompt, hour: u64) -> u64 {
    let of = |tasks: &[(Task, u64)]| {
        tasks.iter().find(|(task, _)| *task == prompt.task).map_or(0, |(_, weight)| *weight)
    };
    match caller {
        // Its questions are alike, so that its budget lasts as long for the same number of them.
        Caller::Kiosk => u64::from(prompt.task == Task::Banking && !prompt.mixed),
        Caller::Customers => of(&CUSTOMERS),
        Caller::Staff if prompt.task != Task::Summarization => of(&STAFF),
        Caller::Staff if prompt.text.len() >= LONG => 12 * u64::from(hour >= 15),
        Caller::Staff => match hour {
            9..15 => 4,
            15..17 => 16,
            _ => 40,
        },
    }
}

/// Numbers that look random and are the same for the same seed (SplitMix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// At least 0 and below 1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn below(&mut self, most: u64) -> u64 {
        self.next() % most.max(1)
    }

    /// One of these, by their weights; none where all weigh nothing.
    fn pick<T>(&mut self, all: impl Iterator<Item = (T, u64)> + Clone) -> Option<T> {
        let mut left = self.below(all.clone().map(|(_, weight)| weight).sum());
        for (one, weight) in all {
            if left < weight {
                return Some(one);
            }
            left -= weight;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;
    use crate::sim::prompts::prompts;

    fn count(day: &Day<'_>, hour: u32) -> usize {
        day.hour(hour).len()
    }

    #[test]
    fn the_day_of_the_demo_is_this_one() {
        let prompts = prompts().unwrap();
        let day =
            Day { prompts: &prompts, peak: 750, chat_peak: 360, seed: super::super::replay::SEED };
        let hours: Vec<usize> = (0..8).map(|it| count(&day, it)).collect();
        let expected = [566, 707, 659, 457, 466, 657, 712, 581];
        assert_eq!((hours.as_slice(), day.kiosk_requests()), (&expected[..], 302));
        assert_eq!((0..8).map(|it| day.chat(it).len()).sum::<usize>(), 2_408);
    }

    #[test]
    fn there_are_two_peaks_and_a_lunch_and_a_night() {
        let prompts = prompts().unwrap();
        let day = Day { prompts: &prompts, peak: 3_000, chat_peak: 1, seed: 7 };
        let (ten, lunch, three, night) =
            (count(&day, 1), count(&day, 4), count(&day, 6), count(&day, 18));
        assert!(ten > lunch * 5 / 4 && three > lunch * 5 / 4, "{ten} {lunch} {three}");
        assert!(night * 8 < ten && night > 0, "{night} {ten}");
        assert_eq!((clock(0), clock(80 * MINUTE_MS)), ("09:00".into(), "10:20".into()));
        assert_eq!(clock(15 * HOUR_MS + 61_000), "00:01");
    }

    #[test]
    fn languages_and_tasks_change_over_the_day() {
        let prompts = prompts().unwrap();
        let day = Day { prompts: &prompts, peak: 3_000, chat_peak: 1, seed: 7 };
        let share = |hour: u32, is: &dyn Fn(&Prompt) -> bool| {
            let all = day.hour(hour);
            all.iter().filter(|it| is(&prompts[it.prompt])).count() * 1_000 / all.len()
        };
        let chinese = |it: &Prompt| it.language == Language::ZhHans;
        let thai = |it: &Prompt| it.language == Language::Th;
        let summary = |it: &Prompt| it.task == Task::Summarization;
        assert!(share(1, &chinese) > share(6, &chinese), "Chinese in the morning");
        assert!(share(1, &thai) < share(6, &thai), "Thai in the afternoon");
        assert!(share(1, &summary) * 3 < share(8, &summary), "summaries in the evening");
        let heard: Vec<_> = (0..8).flat_map(|it| day.hour(it)).collect();
        let heard: HashSet<_> = heard.iter().map(|it| prompts[it.prompt].language.code()).collect();
        for code in ["en", "th", "ms", "vi", "id", "zh-Hans", "ta"] {
            assert!(heard.contains(code), "{code}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        /// Arrivals are in order, within their hour, the same for the same seed, as many as the curve says,
        /// and the kiosk asks what costs alike.
        #[test]
        fn an_hour_keeps_its_laws(hour in 0_u32..24, seed in any::<u64>(), peak in 20_u32..900) {
            let prompts = prompts().unwrap();
            let day = Day { prompts: &prompts, peak, chat_peak: peak, seed };
            let arrivals = day.hour(hour);
            prop_assert_eq!(&arrivals, &day.hour(hour));
            prop_assert!(arrivals.is_sorted_by_key(|it| it.at_ms));
            for it in &arrivals {
                prop_assert_eq!(it.at_ms / HOUR_MS, u64::from(hour));
                let prompt = &prompts[it.prompt];
                if it.caller == Caller::Kiosk {
                    prop_assert!(prompt.task == Task::Banking && prompt.language == Language::En);
                }
            }
            let minutes = (0..60).map(|it| load(u64::from(hour) * HOUR_MS + it * MINUTE_MS));
            let expected = minutes.sum::<u64>() as f64 / 60_000.0 * f64::from(peak);
            let off = (arrivals.len() as f64 - expected).abs();
            prop_assert!(off <= 6.0 * expected.sqrt() + 3.0, "{} of {expected}", arrivals.len());
            // The chat is a sequence of its own, and all of it is of the experiment's languages and tasks.
            let chat = day.chat(hour);
            prop_assert!(chat != arrivals && chat == day.chat(hour));
            prop_assert!(chat.iter().all(|it| is_of_chat(&prompts[it.prompt])));
        }
    }
}
