//! Wakes that a task would give itself for nothing.
//!
//! The channels within hyper wake a connection's task whenever something is put in or taken out, for its
//! other end may be polled by another task. Here both ends are polled by one, which looks at the other end
//! anyway before it sleeps: each such wake is one more poll of all that a request has. What is done
//! [`quietly`] keeps them back; all other wakes pass.

use std::{
    cell::Cell,
    sync::Arc,
    task::{Context, Wake, Waker},
};

thread_local! {
    static HUSH: Cell<Hush> = const { Cell::new(Hush::Off) };
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Hush {
    /// Wakes pass.
    Off,
    /// Wakes are kept back, and none has come.
    On,
    /// One has been kept back.
    Woken,
}

/// The waker of one task, by which it is not woken for what it does quietly itself.
#[derive(Default)]
pub(crate) struct TaskWaker(Option<Waker>);

struct Hushed(Waker);

impl Wake for Hushed {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // What comes from another thread is never of the doing of this one.
        match HUSH.get() {
            Hush::Off => self.0.wake_by_ref(),
            Hush::On | Hush::Woken => HUSH.set(Hush::Woken),
        }
    }
}

impl TaskWaker {
    /// The context in which the task polls its parts. The task's own waker must be the same at every poll.
    pub(crate) fn context<'a>(&'a mut self, cx: &Context<'_>) -> Context<'a> {
        let hushed = || Waker::from(Arc::new(Hushed(cx.waker().clone())));
        Context::from_waker(self.0.get_or_insert_with(hushed))
    }
}

/// Wakes pass again, however this ends.
struct Loud;

impl Drop for Loud {
    fn drop(&mut self) {
        HUSH.set(Hush::Off);
    }
}

/// Does something by which the task that does it shall not be woken; says whether it would have been.
pub(crate) fn quietly<T>(act: impl FnOnce() -> T) -> (T, bool) {
    let _loud = Loud;
    HUSH.set(Hush::On);
    let done = act();
    (done, HUSH.get() == Hush::Woken)
}

#[cfg(test)]
mod tests {
    use std::{
        panic::{AssertUnwindSafe, catch_unwind},
        sync::atomic::{AtomicUsize, Ordering},
        thread,
    };

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn only_what_is_done_quietly_wakes_nobody() {
        let count = Arc::new(Count::default());
        let woken = || count.0.load(Ordering::SeqCst);
        let task = Waker::from(Arc::clone(&count));
        let mut task_waker = TaskWaker::default();
        let hushed = task_waker.context(&Context::from_waker(&task)).waker().clone();
        let again = task_waker.context(&Context::from_waker(&task)).waker().clone();
        assert!(hushed.will_wake(&again), "whoever holds it need not take another one");

        hushed.wake_by_ref();
        assert_eq!(woken(), 1);
        assert_eq!(quietly(|| 7), (7, false));
        let ((), kept) = quietly(|| hushed.wake_by_ref());
        assert!(kept && woken() == 1);
        // From elsewhere it is news.
        let elsewhere =
            || thread::scope(|scope| scope.spawn(|| hushed.wake_by_ref()).join().unwrap());
        assert!(!quietly(elsewhere).1);
        assert_eq!(woken(), 2);
        let wrong = || quietly(|| panic!("a mistake"));
        assert!(catch_unwind(AssertUnwindSafe(wrong)).is_err());
        hushed.wake();
        assert_eq!(woken(), 3);
    }
}
