//! What a text contains that says who somebody is, what he owns, or what he must keep to himself: numbers of
//! cards, accounts, identities, taxes, passports and phones, mail addresses, secrets.
//!
//! Pure, in one pass and in linear time. A number is exact by its check digit where its scheme has one;
//! where that is not enough, a word beside it must say what it is. Nothing of the text is kept: only
//! counts by kind.

mod amount;
mod apart;
mod aside;
mod begin;
mod beside;
mod block;
mod card;
mod column;
mod command;
mod contact;
mod context;
mod day;
mod field;
mod lettered;
mod look;
mod mrz;
mod naming;
mod national;
mod number;
mod piece;
mod places;
mod plain;
mod record;
mod scan;
mod secret;
mod seen;
mod stream;
mod symbol;
mod table;
mod tax;
mod topic;
mod units;
mod unsigned;
mod value;
mod words;

pub use self::stream::ContentStream;
use self::{look::Look, scan::Scan, seen::Seen};
use crate::{Content, Contents};

/// What a text contains. Pure; linear time; never panics.
#[must_use]
pub fn contents(text: &str) -> Contents {
    let mut found = Contents::NONE;
    count(text, &mut found);
    found
}

/// Counts what a text contains.
pub(crate) fn count(text: &str, found: &mut Contents) {
    Scan { text, seen: Seen::default(), found }.run(0, text.len());
}

/// Builds what is built once, so that no request waits for it.
pub(crate) fn warm() {
    context::warm();
}

/// What begins at a group of a stretch, and how many of its characters it has. What is exact comes first,
/// what a word must name last. A day or an amount is nothing, but as long as it is.
fn recognise(look: &mut Look<'_>, from: usize) -> Option<(Option<Content>, usize)> {
    if let Some(count) = day::read(look, from) {
        return Some((None, count));
    }
    if let Some((kind, count)) = exact(look, from) {
        return Some((Some(kind), count));
    }
    let (kind, count) = named(look, from).filter(|(_, count)| !hides(look, from, *count))?;
    let place = look.piece.chars.get(from).map_or(0, |it| it.at);
    if aside::identifier(look.text, place) {
        return None;
    }
    Some(((!amount::is(look, from, count)).then_some(kind), count))
}

/// Whether a number that a word alone names would hide a card that begins within it: `call 1 4111 …`.
fn hides(look: &mut Look<'_>, from: usize, count: usize) -> bool {
    (from + 1..from + count).any(|at| {
        look.piece.begins(at) && look.piece.digits(at) >= 12 && card::read(look, at).is_some()
    })
}

/// What is exact, or has a form of its own.
fn exact(look: &mut Look<'_>, from: usize) -> Option<(Content, usize)> {
    let of = |kind: Content| move |count: usize| (kind, count);
    if let Some(count) = mrz::read(look, from) {
        return Some((Content::Passport, count));
    }
    if look.piece.mark(from).is_ascii_uppercase() {
        let exact = lettered::read(look, from);
        let named = exact.or_else(|| tax::read(look, from).map(of(Content::TaxId)));
        return named.or_else(|| lettered::organisation(look, from).map(of(Content::TaxId)));
    }
    if from == 0 && look.piece.plus {
        return None;
    }
    // How many digits follow each other says what they can be at most.
    let digits = look.piece.digits(from);
    let least = |least: usize| digits >= least;
    let exact = least(17).then(|| lettered::read(look, from)).flatten();
    exact
        .or_else(|| least(12).then(|| card::read(look, from).map(of(Content::PaymentCard)))?)
        .or_else(|| least(9).then(|| national::read(look, from).map(of(Content::NationalId)))?)
}

/// What a word names, or a plus sign.
fn named(look: &mut Look<'_>, from: usize) -> Option<(Content, usize)> {
    let of = |kind: Content| move |count: usize| (kind, count);
    if look.piece.mark(from).is_ascii_uppercase() {
        return lettered::passport(look, from).map(of(Content::Passport));
    }
    if from == 0 && look.piece.plus {
        return contact::phone(look, from).map(of(Content::Phone));
    }
    let digits = look.piece.digits(from);
    let least = |least: usize| digits >= least;
    let tax = least(8).then(|| tax::read(look, from).map(of(Content::TaxId))).flatten();
    tax.or_else(|| lettered::organisation(look, from).map(of(Content::TaxId)))
        .or_else(|| lettered::passport(look, from).map(of(Content::Passport)))
        .or_else(|| {
            least(6).then(|| contact::account(look, from).map(of(Content::AccountNumber)))?
        })
        .or_else(|| least(7).then(|| contact::phone(look, from).map(of(Content::Phone)))?)
}
