//! A bank's day, replayed at speed. Requests come at their time, whether or not those before them are
//! answered, as people's do; what goes wrong in the models happens at its time too.

use std::time::{Duration, Instant};

use policies::facts::Money;
use serde_json::{Value, json};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::JoinSet,
    time::{sleep, sleep_until},
};

use super::{
    BoxError,
    acts::Stage,
    budgets::Budgets,
    callers::{self, Callers},
    day::{Arrival, Caller, Day, FIRST_HOUR, HOUR_MS, MINUTE_MS, TROUBLES, Trouble, clock},
    drive::Stranger,
    folder::Folder,
    gateway::Gateway,
    monitoring, say,
    trial::Trial,
    verdict::{self, Record, Verdict, quantile},
};
use crate::sim::prompts::Prompt;

/// What the day's sequence of requests is drawn from: each run has the same.
pub(super) const SEED: u64 = 2_026;
/// Requests in the busiest hour, if the pace allows.
const PEAK: u32 = 750;
/// Requests a second of real time at the busiest moment, so that two cores are enough for all of it.
const PER_SECOND_MAX: u32 = 25;
/// Requests in the chat in Thai and Malay in the busiest hour, and a second of real time, beside these.
const CHAT_PEAK: u32 = 360;
const CHAT_PER_SECOND_MAX: u32 = 30;
/// Requests under way at once; more wait.
const AT_ONCE: usize = 64;
/// A request that is sent later than this after its time is late.
const LATE: Duration = Duration::from_millis(250);
/// What a request of the kiosk costs on average, measured: the simulated models answer alike in each run.
const KIOSK_REQUEST: Money = Money::from_nano(32_300);
/// How long nothing is asked when the day is over: a Prometheus that samples each second sees its end.
const QUIET: Duration = Duration::from_secs(2);

/// The day that is replayed.
pub(super) struct Replay<'a> {
    /// What it is played on.
    pub stage: &'a Stage<'a>,
    /// Its hours.
    pub hours: u32,
    /// How many times faster than the clock it goes.
    pub pace: u32,
}

/// How the day ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Played {
    /// Whether all was as it must be.
    pub good: bool,
    /// Whether somebody ended it before its time.
    pub interrupted: bool,
}

/// Something that happens at its time.
enum Moment {
    Asked(Arrival),
    Begins(Trouble),
    Ends(Trouble),
    HourIsOver,
}

/// The day's requests at this pace.
fn day(prompts: &[Prompt], pace: u32) -> Day<'_> {
    let at_most = |peak: u32, per_second: u32| peak.min(per_second * 3_600 / pace.max(1));
    let chat_peak = at_most(CHAT_PEAK, CHAT_PER_SECOND_MAX);
    Day { prompts, peak: at_most(PEAK, PER_SECOND_MAX), chat_peak, seed: SEED }
}

/// What the teams may spend on so many hours of the day, at this pace.
pub(super) fn budgets(folder: &Folder, prompts: &[Prompt], (hours, pace): (u32, u32)) -> Budgets {
    let day = day(prompts, pace);
    let requests = (0..hours).map(|hour| day.hour(hour).len() + day.chat(hour).len()).sum();
    let kiosk = i64::try_from(day.kiosk_requests()).unwrap_or(i64::MAX);
    let kiosk = Money::from_nano(KIOSK_REQUEST.nano().saturating_mul(kiosk));
    Budgets::day(&folder.ledger(), requests, kiosk)
}

/// All that happens in these hours, in the order of time.
fn moments(day: &Day<'_>, hours: u32) -> Vec<(u64, Moment)> {
    let mut all = Vec::new();
    for trouble in TROUBLES {
        if trouble.until_min * MINUTE_MS <= u64::from(hours) * HOUR_MS {
            all.push((trouble.from_min * MINUTE_MS, Moment::Begins(trouble)));
            all.push((trouble.until_min * MINUTE_MS, Moment::Ends(trouble)));
        }
    }
    for hour in 0..hours {
        let asked = day.hour(hour).into_iter().chain(day.chat(hour));
        all.extend(asked.map(|it| (it.at_ms, Moment::Asked(it))));
        all.push((u64::from(hour + 1) * HOUR_MS, Moment::HourIsOver));
    }
    all.sort_by_key(|(at_ms, _)| *at_ms);
    all
}

impl<'a> Replay<'a> {
    /// Replays the day on this gateway, tells of it, and judges it.
    pub(super) async fn play(
        &self,
        gateway: &Gateway,
        hangup: &mut Signal,
    ) -> Result<Played, BoxError> {
        let mut signals = Signals {
            hangup,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        };
        say(&self.heading())?;
        let since_ms = jiff::Timestamp::now().as_millisecond();
        let mut run = Run::new(self, gateway, since_ms)?;
        self.write_day(since_ms, None)?;
        let interrupted = run.all(&mut signals).await?;
        let entries = verdict::entries(self.stage.folder, since_ms, &run.records).await?;
        self.write_day(since_ms, Some(jiff::Timestamp::now().as_millisecond()))?;
        let verdict = Verdict {
            records: &run.records,
            entries: &entries,
            kiosk: self.stage.folder.kiosk_money()?,
            minutes: run.now_ms / MINUTE_MS,
            has_preset: self.stage.folder.has_preset(),
        };
        let mut scene = verdict.scene(&format!(
            "\nThe day from {} to {}, {} times as fast as the clock; {} of its requests were sent late",
            clock(0),
            clock(run.now_ms),
            self.pace,
            run.late
        ));
        if self.stage.folder.has_preset() {
            run.trial.judge(&run.records, run.now_ms / MINUTE_MS, &mut scene).await?;
        }
        scene.text.push_str(&format!("\n{}", verdict.teams()));
        say(&scene.text)?;
        if !interrupted {
            tokio::select! {
                () = sleep(QUIET) => {}
                () = signals.end(gateway) => return Ok(Played { good: scene.good, interrupted: true }),
            }
        }
        Ok(Played { good: scene.good, interrupted })
    }

    fn heading(&self) -> String {
        let folder = self.stage.folder;
        format!(
            "Prometheus watches it in another terminal, from now on, by\n  {}\n\n\
             {} of a bank's day, {} times as fast as the clock. Each line tells of the hour before it.",
            monitoring::prometheus_command(folder),
            if self.hours == 1 { "1 hour".to_owned() } else { format!("{} hours", self.hours) },
            self.pace
        )
    }

    /// Says in `day.json` which moment of the clock is which of the day.
    fn write_day(&self, begins_unix_ms: i64, ended_unix_ms: Option<i64>) -> Result<(), BoxError> {
        let minutes = u64::from(self.hours) * 60;
        let troubles = TROUBLES.into_iter().filter(|it| it.until_min <= minutes);
        let troubles: Vec<Value> = troubles.map(|it| trouble(&it)).collect();
        let mut day = json!({
            "hours": self.hours,
            "pace": self.pace,
            "first_hour": FIRST_HOUR,
            "begins_unix_ms": begins_unix_ms,
            "troubles": troubles,
        });
        if let (Some(ended), Some(fields)) = (ended_unix_ms, day.as_object_mut()) {
            fields.insert("ended_unix_ms".into(), json!(ended));
        }
        let path = self.stage.folder.path().join("day.json");
        match monitoring::write_own(&path, &format!("{day:#}\n"))? {
            true => Ok(()),
            false => Err(format!("{} was not written by the demo", path.display()).into()),
        }
    }
}

fn trouble(it: &Trouble) -> Value {
    let (from, until) = (it.from_min, it.until_min);
    json!({ "name": it.name, "model": it.model, "from_minute": from, "until_minute": until })
}

/// What ends the day before its time, or has its gateway reload.
struct Signals<'a> {
    hangup: &'a mut Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals<'_> {
    /// Waits until somebody ends the demo; SIGHUP is passed on to the gateway meanwhile.
    async fn end(&mut self, gateway: &Gateway) {
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => return,
                _ = self.terminate.recv() => return,
                // A gateway that has ended cannot reload.
                _ = self.hangup.recv() => drop(gateway.hang_up()),
            }
        }
    }
}

/// A day under way.
struct Run<'a> {
    replay: &'a Replay<'a>,
    gateway: &'a Gateway,
    callers: Callers,
    open: JoinSet<Result<Record, Stranger>>,
    /// What was asked and answered.
    records: Vec<Record>,
    /// How many of these the lines of the hours have told of, and what all of them had cost by then.
    told: (usize, f64),
    /// Requests that were sent later than they came.
    late: usize,
    /// The latest moment of the day that has come.
    now_ms: u64,
    /// Whether the kiosk has been refused.
    kiosk_refused: bool,
    /// The experiment in which some of it is asked.
    trial: Trial<'a>,
}

impl<'a> Run<'a> {
    fn new(replay: &'a Replay<'a>, gateway: &'a Gateway, since_ms: i64) -> Result<Self, BoxError> {
        let trial = Trial::new(replay.stage.folder, since_ms);
        Ok(Self {
            trial,
            replay,
            gateway,
            callers: Callers::new(replay.stage)?,
            open: JoinSet::new(),
            records: Vec::new(),
            told: (0, 0.0),
            late: 0,
            now_ms: 0,
            kiosk_refused: false,
        })
    }

    /// Everything at its time, and then the answers that are still to come; whether it was ended early.
    async fn all(&mut self, signals: &mut Signals<'_>) -> Result<bool, BoxError> {
        let replay = self.replay;
        let moments = moments(&day(replay.stage.prompts, replay.pace), replay.hours);
        self.told.1 = self.cost().await?;
        let started = Instant::now();
        let mut interrupted = false;
        for (at_ms, moment) in moments {
            let due = started + Duration::from_micros(at_ms * 1_000 / u64::from(replay.pace));
            if self.until(due, signals).await? {
                say(&format!("{}  ended by a signal", clock(self.now_ms)))?;
                interrupted = true;
                break;
            }
            self.now_ms = at_ms;
            self.trial.passes(at_ms);
            self.happens(moment, due).await?;
        }
        while !self.open.is_empty() {
            tokio::select! {
                Some(done) = self.open.join_next() => self.note(done??)?,
                // Whoever asks twice does not wait for the answers.
                () = signals.end(self.gateway) => return Ok(true),
            }
        }
        Ok(interrupted)
    }

    /// Takes answers until this moment has come and there is room for a request; whether the day ends.
    async fn until(&mut self, due: Instant, signals: &mut Signals<'_>) -> Result<bool, BoxError> {
        loop {
            let full = self.open.len() >= AT_ONCE;
            if !full && Instant::now() >= due {
                return Ok(false);
            }
            tokio::select! {
                () = sleep_until(due.into()), if !full => return Ok(false),
                Some(done) = self.open.join_next() => self.note(done??)?,
                () = signals.end(self.gateway) => return Ok(true),
            }
        }
    }

    async fn happens(&mut self, moment: Moment, due: Instant) -> Result<(), BoxError> {
        let at = clock(self.now_ms);
        match moment {
            Moment::Asked(arrival) => {
                self.late += usize::from(due.elapsed() > LATE);
                self.ask(arrival);
            }
            Moment::Begins(it) => {
                self.fault(&it, json!(it.fault)).await?;
                say(&format!("{at}  {}: {} (fault `{}`)", it.name, it.model, it.fault))?;
            }
            Moment::Ends(it) => {
                self.fault(&it, Value::Null).await?;
                say(&format!("{at}  {} is over: {}", it.name, it.model))?;
            }
            Moment::HourIsOver => {
                for line in self.trial.news()? {
                    say(&line)?;
                }
                let line = self.hour().await?;
                say(&format!("{at}  {line}"))?;
            }
        }
        Ok(())
    }

    async fn fault(&self, it: &Trouble, fault: Value) -> Result<(), BoxError> {
        let order = json!({ "model": it.model, "fault": fault, "one_in": it.one_in });
        self.replay.stage.order("/sim/fault", &order).await
    }

    fn ask(&mut self, arrival: Arrival) {
        let Some((client, prompt)) = self.callers.of(arrival, self.replay.stage.prompts) else {
            return;
        };
        self.open.spawn(async move {
            let asked = callers::asked(&client, &prompt, arrival.draw).await?;
            Ok(Record { at_ms: arrival.at_ms, caller: arrival.caller, asked })
        });
    }

    fn note(&mut self, record: Record) -> Result<(), BoxError> {
        if record.caller == Caller::Kiosk && record.is_refused() && !self.kiosk_refused {
            self.kiosk_refused = true;
            let code = record.asked.code.as_deref().unwrap_or("429");
            say(&format!("{}  budget: the kiosk is refused, {code}", clock(record.at_ms)))?;
        }
        self.records.push(record);
        Ok(())
    }

    /// What all requests have cost the gateway's callers.
    async fn cost(&self) -> Result<f64, BoxError> {
        self.gateway.metric("signalbox_cost_total", &[]).await
    }

    /// What the last hour was like.
    async fn hour(&mut self) -> Result<String, BoxError> {
        let cost = self.cost().await?;
        let hour = self.records.get(self.told.0..).unwrap_or_default();
        let first = hour.iter().filter_map(|it| it.asked.first_content);
        let mut first: Vec<f64> = first.map(|it| it.as_secs_f64() * 1_000.0).collect();
        let mut line = format!(
            "{:>4} requests, {:.4} USD, first token p95 {:>4.0} ms",
            hour.len(),
            cost - self.told.1,
            quantile(&mut first, 0.95)
        );
        let of = |is: &dyn Fn(&Record) -> bool| hour.iter().filter(|it| is(it)).count();
        for (count, what) in
            [(of(&Record::is_failed), "failed"), (of(&Record::is_refused), "refused")]
        {
            if count > 0 {
                line.push_str(&format!(", {count} {what}"));
            }
        }
        self.told = (self.records.len(), cost);
        Ok(line)
    }
}
