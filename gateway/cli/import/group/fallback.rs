//! What comes after a name, and what is said of that.

use std::collections::BTreeSet;

use super::{
    super::{
        book::Book,
        kind::Kind,
        settings::{By, Fallback, Settings},
    },
    Group,
};

/// Which groups come after each, and what is said of that.
pub(super) fn after(groups: &[Group], settings: &Settings, book: &mut Book) -> Vec<Vec<usize>> {
    let at = |name: &str| {
        groups.iter().position(|it| it.name == *name || it.others.iter().any(|other| other == name))
    };
    let mut after = vec![Vec::new(); groups.len()];
    let found = |it: &Fallback| it.to.iter().filter_map(|name| at(name)).collect::<Vec<_>>();
    // A name that comes after itself is there already.
    let fit = |of: usize, to: &[usize]| -> (Vec<usize>, usize) {
        let fit = to.iter().copied().filter(|it| serve_alike(groups.get(of), groups.get(*it)));
        let fit: Vec<usize> = fit.collect();
        let count = fit.len();
        (fit.into_iter().filter(|it| *it != of).collect(), count)
    };
    let own = settings.fallbacks.iter().filter_map(|it| Some((it, it.of.as_deref()?)));
    for (fallback, of) in own {
        let to = found(fallback);
        let Some(of) = at(of) else {
            book.left(&fallback.path, "the name that it is of is not carried over");
            continue;
        };
        let (fit, count) = fit(of, &to);
        let mut lost = Lost::default();
        lost.note(groups, (of, &fit), settings.by);
        said(fallback, to.len(), &[count], &lost, book);
        after.get_mut(of).into_iter().for_each(|slot| slot.extend(&fit));
    }
    for fallback in settings.fallbacks.iter().filter(|it| it.of.is_none()) {
        let to = found(fallback);
        let (mut fits, mut lost) = (Vec::new(), Lost::default());
        for (of, slot) in after.iter_mut().enumerate().filter(|it| it.1.is_empty()) {
            let (fit, count) = fit(of, &to);
            fits.push(count);
            lost.note(groups, (of, &fit), settings.by);
            slot.extend(&fit);
        }
        said(fallback, to.len(), &fits, &lost, book);
    }
    after
}

/// Whether models of the one name can answer for those of the other: vectors stay in their space, and what is
/// of another kind serves other operations.
fn serve_alike(one: Option<&Group>, other: Option<&Group>) -> bool {
    let (Some(one), Some(other)) = (one.and_then(Group::facts), other.and_then(Group::facts))
    else {
        return false;
    };
    one.kind == other.kind && (one.kind != Kind::Embedding || one.upstream == other.upstream)
}

/// Names of which models are chosen otherwise, as something comes after a name.
#[derive(Default)]
struct Lost {
    /// Those that come after another: their models are tried in order.
    shares: BTreeSet<String>,
    /// Those that something comes after: their models are no longer chosen as all others are.
    ways: BTreeSet<String>,
}

impl Lost {
    /// Notes what is lost where these groups come after one.
    fn note(&mut self, groups: &[Group], (of, fit): (usize, &[usize]), by: By) {
        let chosen = |at: &usize| groups.get(*at).filter(|it| it.is_chosen_from());
        self.shares.extend(fit.iter().filter_map(chosen).map(|it| it.name.clone()));
        if !fit.is_empty() && by != By::Weight {
            self.ways.extend(chosen(&of).map(|it| it.name.clone()));
        }
    }

    fn words(&self) -> String {
        let names = |all: &BTreeSet<String>| {
            let all: Vec<String> =
                all.iter().map(|it| format!("`{}`", it.escape_debug())).collect();
            all.join(", ")
        };
        let mut words = String::new();
        if !self.shares.is_empty() {
            words += "; where it comes after others, the models of ";
            words += &names(&self.shares);
            words += " are tried in an order, not by their shares";
        }
        if !self.ways.is_empty() {
            words += "; as others come after them, the models of ";
            words += &names(&self.ways);
            words += " are chosen by equal shares, or in the order of their prices where that was the way";
        }
        words
    }
}

/// What is said of a fallback: so many of its names are carried over, and so many of these can answer for
/// each of those that it is of.
fn said(fallback: &Fallback, carried: usize, fits: &[usize], lost: &Lost, book: &mut Book) {
    let path = &fallback.path;
    let order = "the order of the route";
    let words = if carried == 0 {
        return book.left(path, "none of the names that come after is carried over");
    } else if fits.iter().max() == Some(&0) {
        return book.left(path, APART);
    } else if fits.iter().any(|it| *it < carried) {
        format!("{order}, in part: {APART}")
    } else if fallback.context {
        let why = "where an attempt fails as well: what has too small a context is left out of a plan anyway";
        format!("{order}; {why}")
    } else if carried < fallback.to.len() {
        format!("{order}, without the names that are not carried over")
    } else {
        String::from(order)
    };
    let exact = words == order;
    match lost.words() {
        none if none.is_empty() && exact => book.carried(path, words),
        lost => book.near(path, words + &lost),
    }
}

/// Why a name does not come after another.
const APART: &str = "vectors of one model cannot stand for those of another, nor models of one kind for \
    those of another";
