//! The one way in which a test waits: it looks again until what it waits for has come about.
//!
//! Looking takes no time of the test's runtime, so that a clock that stands still stays where it is. The
//! bound is real time and generous: it only ends a test that would wait for ever.

use std::{
    fmt::Debug,
    time::{Duration, Instant},
};

/// How long, in real time, what is under way may take to come about, on a machine that is busy.
const COMES_ABOUT: Duration = Duration::from_secs(60);
/// Real time between two looks. It passes on a thread of its own.
const PAUSE: Duration = Duration::from_millis(2);
/// How often others get their turn where they are to have some.
const TURNS: usize = 32;
/// What is the same at so many looks in a row has come to rest.
const LOOKS_AT_REST: u32 = 150;

/// Looks until there is what is wanted, and gives it. An error of `look` is what was there instead; the
/// last one is said if the wait is in vain.
pub(crate) async fn found<T, E: Debug>(
    what: &str,
    mut look: impl AsyncFnMut() -> Result<T, E>,
) -> T {
    let from = Instant::now();
    loop {
        match look().await {
            Ok(found) => return found,
            Err(instead) => {
                assert!(
                    from.elapsed() < COMES_ABOUT,
                    "it never came to: {what}; it is {instead:?}"
                );
            }
        }
        pause().await;
    }
}

/// Looks until this is so.
pub(crate) async fn until(what: &str, is: impl Fn() -> bool) {
    let look = async || if is() { Ok(()) } else { Err("not so") };
    found(what, look).await;
}

/// Asks until the answer is the one that is wanted.
pub(crate) async fn answers<T: PartialEq + Debug>(
    what: &str,
    wanted: T,
    mut ask: impl AsyncFnMut() -> T,
) {
    let look = async || {
        let answer = ask().await;
        if answer == wanted { Ok(()) } else { Err(answer) }
    };
    found(what, look).await;
}

/// Looks until a figure has stayed the same for a while, and gives it. For what stands still only because
/// something else does not go on: nobody can be asked whether it has come to rest.
pub(crate) async fn at_rest<T: PartialEq>(figure: impl Fn() -> T) -> T {
    let (mut last, mut same) = (figure(), 0);
    while same < LOOKS_AT_REST {
        pause().await;
        let now = figure();
        same = if now == last { same + 1 } else { 0 };
        last = now;
    }
    last
}

/// Lets every task that can go on have some turns, and the sockets be looked at: what was written to one
/// before this has been read after it.
pub(crate) async fn turns() {
    for _ in 0..TURNS {
        tokio::task::yield_now().await;
    }
}

/// Lets others have a short time. A paused runtime does not skip to its next timer while the thread waits.
async fn pause() {
    let paused = tokio::task::spawn_blocking(|| std::thread::sleep(PAUSE));
    paused.await.expect("a pause");
}
