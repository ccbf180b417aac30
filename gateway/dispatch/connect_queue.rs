//! Who waits for a connection to one replica: a line, in order, without IO.
//!
//! Whoever stands in it takes the first of two: a connection that another gives back, or one of its own.
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
pub(super) struct Line<C, U> {
    /// The freshest is the last.
    idle: Vec<C>,
    /// Connects that nobody waits for any more, the oldest first. Their places are taken.
    parked: VecDeque<U>,
    /// In the order in which they came; so are their numbers.
    seats: VecDeque<Seat<C>>,
    /// Places for connects that seats have.
    connects: usize,
    next: u64,
}

struct Seat<C> {
    number: u64,
    waker: Waker,
    place: Place,
    given: Option<C>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Too many connects are under way.
    None,
    /// It may begin one.
    Free,
    /// It has begun one.
    Taken,
}

/// What there is for a seat.
pub(super) enum Look<C> {
    /// A connection that somebody gave back.
    Given(C),
    /// A place, to begin a connect at once.
    Connect,
    /// Nothing yet.
    Wait,
}

impl<C, U> Line<C, U> {
    pub(super) fn new() -> Self {
        Self {
            idle: Vec::new(),
            parked: VecDeque::new(),
            seats: VecDeque::new(),
            connects: 0,
            next: 0,
        }
    }

    /// A connection is free: the first in line gets it, else it is kept.
    pub(super) fn put(&mut self, connection: C) {
        match self.seats.iter_mut().find(|seat| seat.given.is_none()) {
            Some(seat) => {
                seat.given = Some(connection);
                seat.waker.wake_by_ref();
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

    /// Connects that nobody waits for. What is not put back loses its place.
    pub(super) fn unpark(&mut self) -> VecDeque<U> {
        std::mem::take(&mut self.parked)
    }

    /// Keeps a connect that nobody waits for, if there is a place for it.
    pub(super) fn park(&mut self, connect: U) {
        if self.connects + self.parked.len() < CONNECTS_MAX {
            self.parked.push_back(connect);
        }
    }

    /// Stands in line, at its end, and says with which number.
    pub(super) fn join(&mut self, waker: Waker) -> u64 {
        let number = self.next;
        self.next += 1;
        let given = self.idle.pop();
        // Where a place is free, nobody waits for one.
        let place = if given.is_none() { self.place() } else { Place::None };
        self.seats.push_back(Seat { number, waker, place, given });
        number
    }

    /// What there is for this seat, which is woken by this one when that changes.
    pub(super) fn look(&mut self, number: u64, waker: &Waker) -> Look<C> {
        let Some(seat) = self.at(number).and_then(|at| self.seats.get_mut(at)) else {
            return Look::Wait;
        };
        if let Some(connection) = seat.given.take() {
            return Look::Given(connection);
        }
        seat.waker.clone_from(waker);
        if seat.place == Place::Free {
            seat.place = Place::Taken;
            return Look::Connect;
        }
        Look::Wait
    }

    /// Leaves the line. What it was given goes to the next, its place too; or its connect keeps that.
    pub(super) fn leave(&mut self, number: u64, connect: Option<U>) {
        let Some(seat) = self.at(number).and_then(|at| self.seats.remove(at)) else { return };
        self.connects -= usize::from(seat.place != Place::None);
        if let Some(connect) = connect {
            self.park(connect);
        }
        if let Some(connection) = seat.given {
            self.put(connection);
        }
        self.serve();
    }

    /// Gives free places to who stands in line without one.
    pub(super) fn serve(&mut self) {
        let waits = |seat: &Seat<C>| seat.place == Place::None && seat.given.is_none();
        while let Some(at) = self.seats.iter().position(waits) {
            let place = self.place();
            let Some(seat) = self.seats.get_mut(at).filter(|_| place == Place::Free) else {
                return;
            };
            seat.place = place;
            seat.waker.wake_by_ref();
        }
    }

    /// A place, if there is one. A connect that nobody waits for makes room.
    fn place(&mut self) -> Place {
        if self.connects >= CONNECTS_MAX {
            return Place::None;
        }
        if self.connects + self.parked.len() >= CONNECTS_MAX {
            self.parked.pop_front();
        }
        self.connects += 1;
        Place::Free
    }

    fn at(&self, number: u64) -> Option<usize> {
        self.seats.binary_search_by_key(&number, |seat| seat.number).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Numbers = Line<u32, u32>;

    fn look(line: &mut Numbers, number: u64) -> Look<u32> {
        line.look(number, Waker::noop())
    }

    fn join(line: &mut Numbers) -> u64 {
        line.join(Waker::noop().clone())
    }

    fn connects(line: &mut Numbers, number: u64) -> bool {
        matches!(look(line, number), Look::Connect)
    }

    #[test]
    fn so_many_connect_and_the_next_do_in_order() {
        let mut line = Numbers::new();
        let all: Vec<u64> = (0..CONNECTS_MAX + 3).map(|_| join(&mut line)).collect();
        let begun = all.iter().filter(|it| connects(&mut line, **it)).count();
        assert_eq!(begun, CONNECTS_MAX);
        line.leave(all[5], None);
        assert!(!connects(&mut line, all[CONNECTS_MAX + 1]), "it is not its turn");
        // Who leaves while waiting takes nothing along.
        line.leave(all[CONNECTS_MAX], None);
        assert!(connects(&mut line, all[CONNECTS_MAX + 1]));
        assert!(!connects(&mut line, all[CONNECTS_MAX + 2]));
    }

    #[test]
    fn what_is_given_back_goes_to_the_first_in_line() {
        let mut line = Numbers::new();
        let (first, second) = (join(&mut line), join(&mut line));
        assert!(connects(&mut line, first) && connects(&mut line, second));
        line.put(7);
        assert!(line.pop().is_none(), "nobody passes the line");
        // It is gone before it has looked.
        line.leave(first, None);
        assert!(matches!(look(&mut line, second), Look::Given(7)));
        line.leave(second, Some(9));
        line.put(8);
        assert_eq!((line.pop(), line.unpark().len()), (Some(8), 1));
    }

    #[derive(Clone, Debug)]
    enum Deed {
        Join,
        Look(usize),
        Leave(usize, bool),
        Put,
        Pop,
        Unpark,
    }

    fn deeds() -> impl Strategy<Value = Vec<Deed>> {
        let deed = prop_oneof![
            6 => Just(Deed::Join),
            4 => any::<usize>().prop_map(Deed::Look),
            2 => any::<(usize, bool)>().prop_map(|(at, parks)| Deed::Leave(at, parks)),
            1 => Just(Deed::Put),
            1 => Just(Deed::Pop),
            1 => Just(Deed::Unpark),
        ];
        prop::collection::vec(deed, 0..400)
    }

    proptest! {
        /// Never more connects than places, nobody waits where one is free, and nothing idle lies there
        /// while somebody waits for it.
        #[test]
        fn no_place_is_lost(deeds in deeds()) {
            let mut line = Numbers::new();
            let mut numbers: Vec<u64> = Vec::new();
            for deed in deeds {
                match deed {
                    Deed::Join => numbers.push(join(&mut line)),
                    Deed::Look(at) if !numbers.is_empty() => {
                        let number = numbers[at % numbers.len()];
                        if matches!(look(&mut line, number), Look::Given(_)) {
                            numbers.retain(|it| *it != number);
                            line.leave(number, None);
                        }
                    }
                    Deed::Leave(at, parks) if !numbers.is_empty() => {
                        let number = numbers.remove(at % numbers.len());
                        line.leave(number, parks.then_some(0));
                    }
                    Deed::Put => line.put(0),
                    Deed::Pop => drop(line.pop()),
                    Deed::Unpark => line.unpark().into_iter().skip(1).for_each(|it| line.park(it)),
                    _ => {}
                }
                let places = line.seats.iter().filter(|it| it.place != Place::None).count();
                prop_assert_eq!(places, line.connects);
                prop_assert!(line.connects + line.parked.len() <= CONNECTS_MAX);
                let waits = |it: &&Seat<u32>| it.place == Place::None && it.given.is_none();
                let waiting = line.seats.iter().filter(waits).count();
                prop_assert!(waiting == 0 || line.connects == CONNECTS_MAX);
                let empty_handed = line.seats.iter().any(|it| it.given.is_none());
                prop_assert!(!empty_handed || line.idle.is_empty());
            }
            numbers.into_iter().for_each(|it| line.leave(it, None));
            prop_assert_eq!((line.connects, line.seats.len()), (0, 0));
        }
    }
}
