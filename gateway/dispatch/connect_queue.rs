//! Who waits for a connection to one replica: a queue, without IO.
//!
//! Whoever waits takes the first of two: a connection that another gives back, or one of its own.
//! So many may be under way at once: a replica that has just been idle for long, or has just come up, is
//! not met by all of a storm in the same moment, where what its listener has no room for is lost, and
//! asked for again only after a second.

use std::{collections::VecDeque, task::Waker};

/// Connects under way to one replica at the most. Half of 128, the shortest backlog that the servers of
/// engines commonly have: two gateways that begin in the same moment fit in.
pub(super) const CONNECTS_MAX: usize = 64;

/// Idle connections kept for one replica; more are closed.
const IDLE_MAX: usize = 512;

/// Idle connections of one kind, connects under way of another, and who waits.
pub(super) struct ConnectQueue<C, U> {
    /// Idle connections; the freshest is the last.
    idle: Vec<C>,
    /// Connects that nobody waits for any more, the oldest first. Their slots are taken.
    parked: VecDeque<U>,
    /// In the order in which they came; so are their numbers.
    waiters: VecDeque<ConnectWaiter<C>>,
    /// Slots for connects that waiters have.
    connects: usize,
    next: u64,
}

struct ConnectWaiter<C> {
    number: u64,
    waker: Waker,
    slot: Slot,
    given: Option<C>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Slot {
    /// Too many connects are under way.
    None,
    /// It may begin one.
    Free,
    /// It has begun one.
    Taken,
}

/// The next thing for a waiter to do.
pub(super) enum Offer<C> {
    /// A connection that somebody gave back.
    Given(C),
    /// A slot, to begin a connect at once.
    Connect,
    /// Nothing yet.
    Wait,
}

impl<C, U> ConnectQueue<C, U> {
    pub(super) fn new() -> Self {
        Self {
            idle: Vec::new(),
            parked: VecDeque::new(),
            waiters: VecDeque::new(),
            connects: 0,
            next: 0,
        }
    }

    /// A connection is free: the first waiter gets it, else it is kept.
    pub(super) fn put(&mut self, connection: C) {
        match self.waiters.iter_mut().find(|waiter| waiter.given.is_none()) {
            Some(waiter) => {
                waiter.given = Some(connection);
                waiter.waker.wake_by_ref();
            }
            None if self.idle.len() < IDLE_MAX => self.idle.push(connection),
            None => {}
        }
    }

    /// The freshest idle connection.
    pub(super) fn pop(&mut self) -> Option<C> {
        self.idle.pop()
    }

    /// Closes idle connections, but for those.
    pub(super) fn retain(&mut self, kept: impl FnMut(&C) -> bool) {
        self.idle.retain(kept);
    }

    /// Connects that nobody waits for. What is not put back loses its slot.
    pub(super) fn unpark(&mut self) -> VecDeque<U> {
        std::mem::take(&mut self.parked)
    }

    /// Keeps a connect that nobody waits for, if there is a slot for it.
    pub(super) fn park(&mut self, connect: U) {
        if self.connects + self.parked.len() < CONNECTS_MAX {
            self.parked.push_back(connect);
        }
    }

    /// Joins the queue at its end and says with which number.
    pub(super) fn join(&mut self, waker: Waker) -> u64 {
        let number = self.next;
        self.next += 1;
        let given = self.idle.pop();
        // Where a slot is free, nobody waits for one.
        let slot = if given.is_none() { self.slot() } else { Slot::None };
        self.waiters.push_back(ConnectWaiter { number, waker, slot, given });
        number
    }

    /// What there is for this waiter, which is woken by this one when that changes.
    pub(super) fn look(&mut self, number: u64, waker: &Waker) -> Offer<C> {
        let Some(waiter) = self.at(number).and_then(|at| self.waiters.get_mut(at)) else {
            return Offer::Wait;
        };
        if let Some(connection) = waiter.given.take() {
            return Offer::Given(connection);
        }
        waiter.waker.clone_from(waker);
        if waiter.slot == Slot::Free {
            waiter.slot = Slot::Taken;
            return Offer::Connect;
        }
        Offer::Wait
    }

    /// A waiter leaves. What it was given goes to the next waiter, its slot too; or its connect keeps the
    /// slot.
    pub(super) fn leave(&mut self, number: u64, connect: Option<U>) {
        let Some(waiter) = self.at(number).and_then(|at| self.waiters.remove(at)) else { return };
        self.connects -= usize::from(waiter.slot != Slot::None);
        if let Some(connect) = connect {
            self.park(connect);
        }
        if let Some(connection) = waiter.given {
            self.put(connection);
        }
        self.serve();
    }

    /// Gives free slots to the waiters without one.
    pub(super) fn serve(&mut self) {
        let waits = |waiter: &ConnectWaiter<C>| waiter.slot == Slot::None && waiter.given.is_none();
        while let Some(at) = self.waiters.iter().position(waits) {
            let slot = self.slot();
            let Some(waiter) = self.waiters.get_mut(at).filter(|_| slot == Slot::Free) else {
                return;
            };
            waiter.slot = slot;
            waiter.waker.wake_by_ref();
        }
    }

    /// A slot, if there is one. A connect that nobody waits for makes room.
    fn slot(&mut self) -> Slot {
        if self.connects >= CONNECTS_MAX {
            return Slot::None;
        }
        if self.connects + self.parked.len() >= CONNECTS_MAX {
            self.parked.pop_front();
        }
        self.connects += 1;
        Slot::Free
    }

    fn at(&self, number: u64) -> Option<usize> {
        self.waiters.binary_search_by_key(&number, |waiter| waiter.number).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Numbers = ConnectQueue<u32, u32>;

    fn look(queue: &mut Numbers, number: u64) -> Offer<u32> {
        queue.look(number, Waker::noop())
    }

    fn join(queue: &mut Numbers) -> u64 {
        queue.join(Waker::noop().clone())
    }

    fn connects(queue: &mut Numbers, number: u64) -> bool {
        matches!(look(queue, number), Offer::Connect)
    }

    #[test]
    fn so_many_connect_and_the_next_do_in_order() {
        let mut queue = Numbers::new();
        let all: Vec<u64> = (0..CONNECTS_MAX + 3).map(|_| join(&mut queue)).collect();
        let begun = all.iter().filter(|it| connects(&mut queue, **it)).count();
        assert_eq!(begun, CONNECTS_MAX);
        queue.leave(all[5], None);
        assert!(!connects(&mut queue, all[CONNECTS_MAX + 1]), "it is not its turn");
        // Who leaves while waiting takes nothing along.
        queue.leave(all[CONNECTS_MAX], None);
        assert!(connects(&mut queue, all[CONNECTS_MAX + 1]));
        assert!(!connects(&mut queue, all[CONNECTS_MAX + 2]));
    }

    #[test]
    fn what_is_given_back_goes_to_the_first_waiter() {
        let mut queue = Numbers::new();
        let (first, second) = (join(&mut queue), join(&mut queue));
        assert!(connects(&mut queue, first) && connects(&mut queue, second));
        queue.put(7);
        assert!(queue.pop().is_none(), "nobody overtakes a waiter");
        // It is gone before it has looked.
        queue.leave(first, None);
        assert!(matches!(look(&mut queue, second), Offer::Given(7)));
        queue.leave(second, Some(9));
        queue.put(8);
        assert_eq!((queue.pop(), queue.unpark().len()), (Some(8), 1));
    }

    #[derive(Clone, Debug)]
    enum Deed {
        Join,
        Offer(usize),
        Leave(usize, bool),
        Put,
        Pop,
        Unpark,
    }

    fn deeds() -> impl Strategy<Value = Vec<Deed>> {
        let deed = prop_oneof![
            6 => Just(Deed::Join),
            4 => any::<usize>().prop_map(Deed::Offer),
            2 => any::<(usize, bool)>().prop_map(|(at, parks)| Deed::Leave(at, parks)),
            1 => Just(Deed::Put),
            1 => Just(Deed::Pop),
            1 => Just(Deed::Unpark),
        ];
        prop::collection::vec(deed, 0..400)
    }

    proptest! {
        /// Never more connects than slots, nobody waits where one is free, and nothing idle lies there
        /// while somebody waits for it.
        #[test]
        fn no_slot_is_lost(deeds in deeds()) {
            let mut queue = Numbers::new();
            let mut numbers: Vec<u64> = Vec::new();
            for deed in deeds {
                match deed {
                    Deed::Join => numbers.push(join(&mut queue)),
                    Deed::Offer(at) if !numbers.is_empty() => {
                        let number = numbers[at % numbers.len()];
                        if matches!(look(&mut queue, number), Offer::Given(_)) {
                            numbers.retain(|it| *it != number);
                            queue.leave(number, None);
                        }
                    }
                    Deed::Leave(at, parks) if !numbers.is_empty() => {
                        let number = numbers.remove(at % numbers.len());
                        queue.leave(number, parks.then_some(0));
                    }
                    Deed::Put => queue.put(0),
                    Deed::Pop => drop(queue.pop()),
                    Deed::Unpark => queue.unpark().into_iter().skip(1).for_each(|it| queue.park(it)),
                    _ => {}
                }
                let slots = queue.waiters.iter().filter(|it| it.slot != Slot::None).count();
                prop_assert_eq!(slots, queue.connects);
                prop_assert!(queue.connects + queue.parked.len() <= CONNECTS_MAX);
                let waits = |it: &&ConnectWaiter<u32>| it.slot == Slot::None && it.given.is_none();
                let waiting = queue.waiters.iter().filter(waits).count();
                prop_assert!(waiting == 0 || queue.connects == CONNECTS_MAX);
                let empty_handed = queue.waiters.iter().any(|it| it.given.is_none());
                prop_assert!(!empty_handed || queue.idle.is_empty());
            }
            numbers.into_iter().for_each(|it| queue.leave(it, None));
            prop_assert_eq!((queue.connects, queue.waiters.len()), (0, 0));
        }
    }
}
