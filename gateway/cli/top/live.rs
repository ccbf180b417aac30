//! The screen on a terminal, until somebody leaves it. The terminal is as it was afterwards, however it ends.

use std::{
    collections::VecDeque,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use ratatui::{
    DefaultTerminal,
    crossterm::event::{self, Event},
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    time::MissedTickBehavior,
};

use super::{
    figures::{Figures, restarted},
    reading::Reading,
    screen,
    source::{Source, Trouble},
    state::{After, By, State},
    table,
};

/// Rates are of this long at the least, so that they do not jump with each request.
const RATES_OF_S: f64 = 10.0;
/// How often it is looked whether somebody has left.
const LEFT_EVERY: Duration = Duration::from_millis(100);

/// Readings that rates are made of, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Readings(VecDeque<Reading>);

impl Readings {
    /// Takes one more; says whether another process answers than before, whose counters began at nothing.
    pub(super) fn push(&mut self, reading: Reading) -> bool {
        let anew = self.0.back().is_some_and(|last| restarted(last, &reading));
        // The last one before it says from when on it can have counted.
        while anew && self.0.len() > 1 {
            self.0.pop_front();
        }
        self.0.push_back(reading);
        let last = self.0.back().map_or(0.0, |it| it.at);
        while self.0.get(1).is_some_and(|it| last - it.at >= RATES_OF_S) {
            self.0.pop_front();
        }
        anew
    }

    /// What they say together.
    pub(super) fn figures(&self) -> Option<Figures> {
        let (first, last) = self.0.front().zip(self.0.back())?;
        Some(Figures::between(first, last))
    }
}

/// Takes in how a read has ended.
pub(super) fn take(state: &mut State, readings: &mut Readings, read: Result<Reading, Trouble>) {
    match read {
        Ok(reading) => {
            let anew = readings.push(reading);
            state.trouble = None;
            if !state.paused {
                state.note =
                    anew.then(|| "another process answers than before: it counts anew".to_owned());
                state.figures = readings.figures();
            }
        }
        Err(trouble) => state.trouble = Some(trouble.to_string()),
    }
}

/// The present, in seconds since 1970.
pub(super) fn wall() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |it| it.as_secs_f64())
}

/// Shows it until somebody leaves.
///
/// # Errors
/// The terminal does not do what a terminal does.
pub(super) async fn live(source: Source, state: State, every: Duration) -> io::Result<()> {
    // Before there is anything to restore.
    let mut signalled = signals()?;
    // A panic restores the terminal as well, before it says anything.
    let mut terminal = ratatui::try_init()?;
    let left = Arc::new(AtomicBool::new(false));
    let ended = tokio::select! {
        ended = run(&mut terminal, (source, every), state, &left) => ended,
        _ = signalled.recv() => Ok(()),
    };
    left.store(true, Ordering::Relaxed);
    ratatui::try_restore()?;
    ended
}

async fn run(
    terminal: &mut DefaultTerminal,
    (source, every): (Source, Duration),
    mut state: State,
    left: &Arc<AtomicBool>,
) -> io::Result<()> {
    let mut events = events(left);
    let mut reads = reads(&source, every);
    let mut readings = Readings::default();
    let mut clock = tokio::time::interval(Duration::from_secs(1));
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        (state.at, state.wall) = (source.at(), wall());
        terminal.draw(|frame| screen::draw(&state, frame.buffer_mut()))?;
        tokio::select! {
            event = events.recv() => match event {
                Some(Ok(Event::Key(key))) => {
                    let [models, teams] = table::COLUMNS;
                    let columns = if state.by == By::Model { models } else { teams };
                    if state.press(key, columns) == After::Quit {
                        return Ok(());
                    }
                }
                // A terminal of another size is drawn anew, as after any other event.
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error),
                None => return Ok(()),
            },
            Some(read) = reads.recv() => take(&mut state, &mut readings, read),
            _ = clock.tick() => {}
        }
    }
}

/// Tells of each signal that ends a process which has no word for it: the terminal must be restored first.
fn signals() -> io::Result<mpsc::Receiver<()>> {
    let (tell, told) = mpsc::channel(1);
    for kind in [
        SignalKind::terminate(),
        SignalKind::interrupt(),
        SignalKind::hangup(),
        SignalKind::quit(),
        SignalKind::alarm(),
        SignalKind::user_defined1(),
        SignalKind::user_defined2(),
    ] {
        let (mut signal, tell) = (signal(kind)?, tell.clone());
        tokio::spawn(async move {
            if signal.recv().await.is_some() {
                let _ = tell.send(()).await;
            }
        });
    }
    Ok(told)
}

/// What the terminal says, read on a thread of its own until somebody has left.
fn events(left: &Arc<AtomicBool>) -> mpsc::Receiver<io::Result<Event>> {
    let (tell, told) = mpsc::channel(64);
    let left = Arc::clone(left);
    std::thread::spawn(move || {
        while !left.load(Ordering::Relaxed) {
            let event = match event::poll(LEFT_EVERY) {
                Ok(false) => continue,
                Ok(true) => event::read(),
                Err(error) => Err(error),
            };
            let failed = event.is_err();
            if tell.blocking_send(event).is_err() || failed {
                return;
            }
        }
    });
    told
}

/// One read after the other, each so long after the last one began; a late answer delays the next.
fn reads(source: &Source, every: Duration) -> mpsc::Receiver<Result<Reading, Trouble>> {
    let (tell, told) = mpsc::channel(1);
    let source = source.clone();
    tokio::spawn(async move {
        let mut times = tokio::time::interval(every);
        times.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            times.tick().await;
            if tell.send(source.read().await).await.is_err() {
                return;
            }
        }
    });
    told
}
