//! Our own material by hands: how much there is of it, and how unlike its lines are.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt::Write,
};

use crate::{overlap, own::Own};

/// What is said of a language.
#[derive(Default)]
struct Count {
    lines: u32,
    structured: u32,
    hands: BTreeSet<u32>,
    tasks: BTreeMap<&'static str, u32>,
    /// Of each line, the share of its runs that its nearest neighbour has too.
    nearest: Vec<f32>,
}

/// The report's part on our own material.
pub fn text(own: &[Own]) -> String {
    let all: Vec<&Own> = own.iter().filter(|own| own.hand.is_some()).collect();
    let near = nearest(&all);
    let mut counts: BTreeMap<&str, Count> = BTreeMap::new();
    for (own, near) in all.iter().zip(&near) {
        let count = counts.entry(own.language.code()).or_default();
        count.lines += 1;
        count.structured += u32::from(structured(own));
        count.hands.extend(own.hand);
        *count.tasks.entry(own.task.map_or("-", |task| task.code())).or_default() += 1;
        count.nearest.push(*near);
    }
    let hands: BTreeSet<_> = all.iter().filter_map(|own| own.hand).collect();
    let mut out = format!(
        "## Our own material by hands\n\n{} lines by {} hands. *Structured*: with a system text, tools, \
         several turns or a paste. *Nearest neighbour*: of the runs of five words (characters in Chinese, \
         Japanese and Korean; ten letters in Thai, Lao, Burmese and Khmer) that a line has, the share that \
         stands in the one other line that has most of them.\n\n\
         | language | lines | hands | structured | least of a task | nearest neighbour, mean | 99 of 100 \
         below |\n|---|--:|--:|--:|--:|--:|--:|\n",
        all.len(),
        hands.len(),
    );
    for (language, mut count) in counts {
        count.nearest.sort_by(f32::total_cmp);
        let mean = count.nearest.iter().sum::<f32>() / count.nearest.len().max(1) as f32;
        let most = count.nearest.get(count.nearest.len() * 99 / 100).copied().unwrap_or(0.0);
        let least = count.tasks.values().min().copied().unwrap_or(0);
        let _ = writeln!(
            out,
            "| {language} | {} | {} | {:.2} | {least} | {mean:.3} | {most:.2} |",
            count.lines,
            count.hands.len(),
            f64::from(count.structured) / f64::from(count.lines),
        );
    }
    out
}

fn structured(own: &Own) -> bool {
    let text = own.text();
    !own.system.is_empty()
        || !own.tools.is_empty()
        || own.turns.len() > 1
        || text.contains('\n')
        || text.contains("```")
        || text.chars().count() > 350
}

/// Of each line, the share of its runs that stands in its nearest neighbour.
fn nearest(all: &[&Own]) -> Vec<f32> {
    let runs: Vec<BTreeSet<Vec<String>>> =
        all.iter().map(|own| overlap::runs(own.text()).into_iter().collect()).collect();
    let mut standing: HashMap<&[String], Vec<u32>> = HashMap::new();
    for (at, runs) in (0..).zip(&runs) {
        runs.iter().for_each(|run| standing.entry(run.as_slice()).or_default().push(at));
    }
    let share = |(at, runs): (u32, &BTreeSet<Vec<String>>)| {
        let mut shared: HashMap<u32, u32> = HashMap::new();
        let lines = runs.iter().filter_map(|run| standing.get(run.as_slice())).flatten();
        lines.filter(|line| **line != at).for_each(|line| *shared.entry(*line).or_default() += 1);
        shared.values().max().copied().unwrap_or(0) as f32 / runs.len().max(1) as f32
    };
    (0..).zip(&runs).map(share).collect()
}
