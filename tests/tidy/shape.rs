//! How the code lies in its files: a type's `impl` in one of them, no circle between them, and the figures
//! of both.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    FILE_LINES_MAX, Finding, above, hold,
    imports::from_root,
    root,
    source::{self, Source},
};

/// Crates whose files are looked at, the innermost folder first.
const CRATES: [&str; 4] =
    ["gateway/classify/src/", "gateway/classify/train/", "policies/src/", "gateway/"];

/// A file of one of the crates, without its tests.
struct File<'a> {
    path: &'a str,
    folder: &'static str,
    module: Vec<&'a str>,
    code: String,
    lines: usize,
}

/// A file that is not of tests.
fn file(source: &Source) -> Option<File<'_>> {
    let folder = CRATES.into_iter().find(|folder| source.path.starts_with(folder))?;
    let module = source.module(folder).filter(|_| !source.is_test_file())?;
    let (code, lines) = (source.code_without_tests(), source.lines_without_tests());
    Some(File { path: &source.path, folder, module, code, lines })
}

/// How many names two paths have in common at their beginning.
fn shared(one: &[&str], other: &[&str]) -> usize {
    one.iter().zip(other).take_while(|(a, b)| a == b).count()
}

/// The files with inherent `impl`s of each type. A type is the one of its name that is defined nearest.
fn impls(files: &[File<'_>]) -> BTreeMap<String, BTreeSet<String>> {
    let mut defined: BTreeMap<&str, Vec<&File<'_>>> = BTreeMap::new();
    for file in files {
        for name in source::types(&file.code) {
            defined.entry(name).or_default().push(file);
        }
    }
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in files {
        for name in source::inherent_impls(&file.code) {
            let homes = defined.get(name).into_iter().flatten();
            let homes = homes.filter(|home| home.folder == file.folder);
            let home = homes.max_by_key(|home| {
                (shared(&home.module, &file.module), home.module == file.module)
            });
            if let Some(home) = home {
                let places = found.entry(format!("{}::{name}", home.path)).or_default();
                places.insert(file.path.to_owned());
            }
        }
    }
    found
}

/// The files that a file imports from, but its parents and children.
fn imported<'a>(from: &File<'_>, files: &'a [File<'_>]) -> Vec<&'a str> {
    let mut found = Vec::new();
    for path in source::paths(&from.code) {
        let Some(whole) = from_root(&from.module, &path) else { continue };
        let meant = files
            .iter()
            .filter(|file| file.folder == from.folder && whole.starts_with(&file.module))
            .max_by_key(|file| file.module.len());
        let Some(meant) = meant else { continue };
        let related =
            meant.module.starts_with(&from.module) || from.module.starts_with(&meant.module);
        if !related {
            found.push(meant.path);
        }
    }
    found
}

/// Groups of files each of which leads to each.
fn circles(files: &[File<'_>]) -> Vec<Vec<String>> {
    let arrows: BTreeMap<&str, Vec<&str>> =
        files.iter().map(|file| (file.path, imported(file, files))).collect();
    let reach = |from: &str| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from.to_owned()]);
        while let Some(at) = open.pop() {
            for next in arrows.get(at.as_str()).into_iter().flatten() {
                if seen.insert((*next).to_owned()) {
                    open.push((*next).to_owned());
                }
            }
        }
        seen
    };
    let reached: BTreeMap<&str, BTreeSet<String>> =
        arrows.keys().map(|path| (*path, reach(path))).collect();
    let mut found = BTreeSet::new();
    for (path, to) in reached.iter().filter(|(path, to)| to.contains(**path)) {
        let circle = to.iter().filter(|it| reached[it.as_str()].contains(*path));
        found.insert(circle.cloned().collect::<Vec<_>>());
    }
    found.into_iter().collect()
}

/// The lines that half of these files have at most, and the file with the most.
fn median<'a>(files: impl Iterator<Item = &'a File<'a>>) -> (usize, usize, String) {
    let mut lines: Vec<_> = files.map(|file| (file.lines, file.path)).collect();
    lines.sort_unstable();
    let last = lines.last().copied().unwrap_or_default();
    (lines.get(lines.len() / 2).map_or(0, |it| it.0), last.0, last.1.to_owned())
}

/// Types that are implemented in more files than one.
fn scattered(files: &[File<'_>]) -> Vec<Finding> {
    above("impl", 1, impls(files).into_iter().map(|(name, places)| (name, places.len())))
}

/// Circles of files as breaches, each at the first of its files.
fn round(files: &[File<'_>]) -> Vec<Finding> {
    let found = circles(files).into_iter().map(|circle| Finding {
        rule: "circle",
        place: circle.first().cloned().unwrap_or_default(),
        measure: circle.len(),
        note: circle.join(", "),
    });
    found.collect()
}

#[test]
fn a_type_is_implemented_in_one_file() {
    let sources = source::all(root());
    let files: Vec<_> = sources.iter().filter_map(file).collect();
    hold("impl", &scattered(&files));
}

#[test]
fn no_circle_of_files() {
    let sources = source::all(root());
    let files: Vec<_> = sources.iter().filter_map(file).collect();
    hold("circle", &round(&files));
}

/// Half of the files have no more lines than this, so that a file is one thought; those of the
/// configuration, which are lists of keys, a few more.
const MEDIAN_LINES_MAX: usize = 160;
const MEDIAN_CONFIG_LINES_MAX: usize = 200;

#[test]
fn figures() {
    let sources = source::all(root());
    let files: Vec<_> = sources.iter().filter_map(file).collect();
    println!("| files of | number | median lines | most lines | in |\n|---|--:|--:|--:|---|");
    let config = "gateway/config/";
    let rows =
        CRATES.into_iter().rev().map(|folder| (folder, folder)).chain([("gateway/", config)]);
    let mut medians = Vec::new();
    for (folder, within) in rows {
        let inside =
            || files.iter().filter(|it| it.folder == folder && it.path.starts_with(within));
        let (half, most, largest) = median(inside());
        println!("| {within} | {} | {half} | {most} | {largest} |", inside().count());
        assert!(most <= FILE_LINES_MAX, "{largest} has more than {FILE_LINES_MAX} lines: {most}");
        medians.push((within, half));
    }
    let (types, scattered, round) = (impls(&files).len(), scattered(&files), round(&files));
    println!("\ntypes with an `impl`: {types}; in more files than one: {}", scattered.len());
    scattered.iter().for_each(|it| println!("- {} in {}", it.place, it.measure));
    println!("circles of files: {}", round.len());
    round.iter().for_each(|it| println!("- {}", it.note));
    hold("impl", &scattered);
    hold("circle", &round);
    // The classifier's files, half of which are lists of words, are only shown.
    medians.retain(|(within, _)| ["gateway/", "policies/src/", config].contains(within));
    for (within, half) in medians {
        let most = if within == config { MEDIAN_CONFIG_LINES_MAX } else { MEDIAN_LINES_MAX };
        assert!(half <= most, "half of the files of {within} have more than {most} lines: {half}");
    }
}

#[test]
fn impls_and_circles_are_found() {
    let one = "struct S<T>(T); enum E {}\nimpl<T: Fn(u8) -> u8> S<T> where T: Copy {}\n\
               impl Drop for E { fn drop(&mut self) {} }\nfn x() -> impl Iterator<Item = u8> {}";
    let other = "use super::one::{self, S};\nimpl S<u8> {}\nimpl one::E {}";
    let back = "use crate::a::two::x;";
    let source = |path: &str, text: &str| Source::new(format!("gateway/a/{path}"), text.into());
    let sources = [
        source("mod.rs", "use self::one::S;"),
        source("one.rs", &format!("{one}\n{back}")),
        source("two.rs", other),
    ];
    let files: Vec<_> = sources.iter().filter_map(file).collect();
    let impls = impls(&files);
    assert_eq!(impls["gateway/a/one.rs::S"].len(), 2, "{impls:?}");
    assert_eq!(impls["gateway/a/one.rs::E"].len(), 1, "{impls:?}");
    assert_eq!(circles(&files), [["gateway/a/one.rs", "gateway/a/two.rs"]]);
}
