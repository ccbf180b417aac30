//! How many are found of each scheme, and how often something else is taken for it.

use std::fmt::Write as _;

use crate::{cards, draw::Rng, identity, identity_east, money, scheme::Scheme, secrets, tax};

fn schemes() -> impl Iterator<Item = &'static Scheme> {
    let all = [
        cards::SCHEMES,
        identity::SCHEMES,
        identity_east::SCHEMES,
        tax::SCHEMES,
        money::SCHEMES,
        secrets::SCHEMES,
    ];
    all.into_iter().flatten()
}

fn count() -> usize {
    if std::env::var_os("SIGNALBOX_TEST_FULL").is_some() { 10_000 } else { 1_000 }
}

struct Rate {
    found: usize,
    missed: Vec<String>,
    near: usize,
    taken: Vec<String>,
    accepted: usize,
}

fn measured(scheme: &Scheme, count: usize) -> Rate {
    let mut rng =
        Rng::new(scheme.name.bytes().fold(7, |sum: u64, b| sum.wrapping_mul(31) + u64::from(b)));
    let mut rate = Rate { found: 0, missed: vec![], near: 0, taken: vec![], accepted: 0 };
    for _ in 0..count {
        let text = scheme.right(&mut rng);
        if scheme.found(&text) {
            rate.found += 1;
        } else {
            rate.missed.push(text);
        }
        match scheme.wrong(&mut rng) {
            None => rate.accepted += 1,
            Some(text) => {
                rate.near += 1;
                if scheme.taken(&text) {
                    rate.taken.push(text);
                }
            }
        }
    }
    rate
}

fn percent(part: usize, of: usize) -> String {
    let thousandths = (part * 100_000).checked_div(of).unwrap_or(0);
    format!("{}.{:02} %", thousandths / 1000, thousandths % 1000 / 10)
}

#[test]
fn what_is_there_is_found_and_what_is_not_is_not() {
    classify::warm();
    let count = count();
    let mut table = format!(
        "{count} of each\n\n| kind | scheme | found | near misses taken | accepted by the scheme itself |\n\
         |---|---|---:|---:|---:|\n"
    );
    let mut faults = String::new();
    for scheme in schemes() {
        let rate = measured(scheme, count);
        let (kind, name) = (scheme.kind, scheme.name);
        let (found, taken) = (percent(rate.found, count), percent(rate.taken.len(), rate.near));
        let accepted = percent(rate.accepted, count);
        let _ = writeln!(table, "| `{kind}` | {name} | {found} | {taken} | {accepted} |");
        if rate.found * 1000 < count * 995 {
            let some = rate.missed.iter().step_by(rate.missed.len().div_ceil(12)).take(12);
            let _ = writeln!(faults, "{name}: {found} found, not: {:#?}", some.collect::<Vec<_>>());
        }
        if rate.taken.len() * 1000 > rate.near * 5 {
            let some = rate.taken.iter().step_by(rate.taken.len().div_ceil(12)).take(12);
            let _ = writeln!(faults, "{name}: {taken} taken: {:#?}", some.collect::<Vec<_>>());
        }
    }
    println!("{table}");
    assert!(faults.is_empty(), "{faults}");
}
