//! Levels and directives of the log.

use super::*;

#[test]
fn levels_and_directives_are_taken_and_misspelled_ones_are_not() {
    let good = [
        "error",
        "warn",
        "info",
        "debug",
        "INFO",
        "info,signalbox::fleet=debug",
        " warn , signalbox::record = trace ",
        "warn,hyper=off",
        "signalbox[request{id=1}]=debug",
    ];
    for text in good {
        assert!(filter(text).is_ok(), "{text}: {:?}", filter(text).err());
    }
    for (text, said) in [
        ("inf", "did you mean `info`"),
        ("loud", "`loud`, which is no level"),
        ("verbose", "did you mean `debug`"),
        ("warning", "did you mean `warn`"),
        ("info,signalbox::flet=debug", "did you mean `signalbox::fleet`"),
        ("info,signalbox::nothing=debug", "`signalbox::nothing`, where nothing writes"),
        ("", "no level"),
        ("info,", "no level"),
        ("signalbox", "no level"),
        ("signalbox::fleet=debugg", "did you mean `debug`"),
        ("=debug", "no place"),
        ("a b=debug", "no place"),
        ("info\n,x", "`x`, which is no level"),
    ] {
        let found = filter(text).err().unwrap_or_default();
        assert!(found.contains(said), "{text}: {found}");
    }
    assert!(filter("signalbox[=debug").is_err());
}

#[test]
fn debug_is_for_our_own_lines_unless_another_crate_is_named() {
    let said = |text: &str| filter(text).unwrap().to_string();
    for level in ["debug", "trace"] {
        let all = said(level);
        assert!(all.contains(&format!("signalbox={level}")) && all.contains("info"), "{all}");
        assert!(!all.split(',').any(|it| it == level), "{all}");
    }
    let named = said("debug,hyper=debug");
    assert!(named.contains("hyper=debug") && named.contains("signalbox=debug"), "{named}");
    assert!(!said("warn").contains("signalbox"));
}

#[test]
fn the_places_are_those_of_the_program() {
    let lib = include_str!("../../lib.rs");
    let rooms: Vec<&str> = lib
        .lines()
        .filter_map(|it| it.strip_prefix("pub mod ").or(it.strip_prefix("mod "))?.strip_suffix(';'))
        .collect();
    let listed: Vec<&str> = ROOMS.split(' ').filter(|it| *it != "access").collect();
    assert_eq!(listed, rooms);
}
