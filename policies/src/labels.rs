//! Labels as people write them: language tags as BCP 47 has them, tasks and classes in any case.
//!
//! Hints of callers are read so. A policy states the labels themselves; what is read here or stands in the
//! table of other words is suggested there.

mod meant;

pub(crate) use self::meant::meant;
use crate::facts::{DataClass, Language, Task};

/// The longest tag that is read; RFC 5646 asks for 35 characters at least.
const TAG_BYTES_MAX: usize = 64;

/// Codes of the same languages: ISO 639-2 and 639-3, what BCP 47 has deprecated, and what stands for a
/// group of which we know one.
const SAME: [(&str, &str); 67] = [
    ("ara", "ar"),
    ("arb", "ar"),
    ("ben", "bn"),
    ("bur", "my"),
    ("ces", "cs"),
    ("chi", "zh"),
    ("cmn", "zh"),
    ("cze", "cs"),
    ("deu", "de"),
    ("dut", "nl"),
    ("ell", "el"),
    ("eng", "en"),
    ("fas", "fa"),
    ("fil", "tl"),
    ("fin", "fi"),
    ("fra", "fr"),
    ("fre", "fr"),
    ("ger", "de"),
    ("gre", "el"),
    ("guj", "gu"),
    ("heb", "he"),
    ("hin", "hi"),
    ("hun", "hu"),
    ("in", "id"),
    ("ind", "id"),
    ("ita", "it"),
    ("iw", "he"),
    ("jav", "jv"),
    ("jpn", "ja"),
    ("jw", "jv"),
    ("khm", "km"),
    ("kor", "ko"),
    ("lao", "lo"),
    ("mal", "ml"),
    ("mar", "mr"),
    ("may", "ms"),
    ("mo", "ro"),
    ("mol", "ro"),
    ("msa", "ms"),
    ("mya", "my"),
    ("nld", "nl"),
    ("pan", "pa"),
    ("per", "fa"),
    ("pes", "fa"),
    ("pol", "pl"),
    ("por", "pt"),
    ("prs", "fa"),
    ("ron", "ro"),
    ("rum", "ro"),
    ("rus", "ru"),
    ("spa", "es"),
    ("sun", "su"),
    ("swe", "sv"),
    ("tam", "ta"),
    ("tel", "te"),
    ("tgl", "tl"),
    ("tha", "th"),
    ("tur", "tr"),
    ("ukr", "uk"),
    ("urd", "ur"),
    ("vie", "vi"),
    ("zho", "zh"),
    ("zlm", "ms"),
    ("zsm", "ms"),
    ("zh-guoyu", "zh"),
    ("zh-chs", "zh-hans"),
    ("zh-cht", "zh-hant"),
];

/// The label of a language tag: `zh-TW`, `pt_BR`, `EN`, `iw`, `fil`, `cmn-Hant`.
#[must_use]
pub fn language(text: &str) -> Option<Language> {
    if let Some(label) = Language::from_code(text) {
        return Some(label);
    }
    if text.len() > TAG_BYTES_MAX {
        return None;
    }
    // A locale of POSIX has an encoding or a variant behind its tag.
    let tag = text.split(['.', '@']).next()?.to_ascii_lowercase().replace('_', "-");
    let tag = same(&tag).unwrap_or(&tag);
    let mut parts = tag.split('-').peekable();
    let primary = parts.next().filter(|it| it.len() <= 3)?;
    let mut primary = same(primary).unwrap_or(primary);
    let of = |length: usize| move |it: &&str| it.len() == length && it.bytes().all(is_letter);
    // A language of a group, as in `zh-yue`, is more exact than the group.
    while let Some(extended) = parts.next_if(of(3)) {
        primary = same(extended).unwrap_or(extended);
    }
    let script = parts.next_if(of(4));
    let numbered = |it: &&str| it.len() == 3 && it.bytes().all(|b| b.is_ascii_digit());
    let region = parts.next_if(of(2)).or_else(|| parts.next_if(numbered));
    let rest =
        |it: &str| (1..=8).contains(&it.len()) && it.bytes().all(|b| b.is_ascii_alphanumeric());
    if !parts.all(rest) {
        return None;
    }
    if primary != "zh" {
        return Language::from_code(primary);
    }
    Some(match (script, region) {
        (Some("hant"), _) => Language::ZhHant,
        (Some("hans"), _) => Language::ZhHans,
        (_, Some("tw" | "hk" | "mo")) => Language::ZhHant,
        _ => Language::ZhHans,
    })
}

fn is_letter(b: u8) -> bool {
    b.is_ascii_lowercase()
}

fn same(code: &str) -> Option<&'static str> {
    SAME.iter().find(|(other, _)| *other == code).map(|(_, ours)| *ours)
}

/// A task in any case, with `_`, `-` or a space between its words.
#[must_use]
pub fn task(text: &str) -> Option<Task> {
    Task::from_code(text).or_else(|| Task::from_code(&plain(text)?))
}

/// A data class in any case.
#[must_use]
pub fn data_class(text: &str) -> Option<DataClass> {
    DataClass::from_code(text).or_else(|| DataClass::from_code(&plain(text)?))
}

fn plain(text: &str) -> Option<String> {
    let short = text.len() <= TAG_BYTES_MAX;
    short.then(|| text.to_ascii_lowercase().replace(['-', ' '], "_"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const READ: &[(&str, &str)] = &[
        ("EN", "en"),
        ("en-US", "en"),
        ("en_us", "en"),
        ("en-Latn-GB-oxendict", "en"),
        ("en-US-u-ca-gregory", "en"),
        ("en_US.UTF-8", "en"),
        ("de_DE@euro", "de"),
        ("pt-BR", "pt"),
        ("es-419", "es"),
        ("fil", "tl"),
        ("FIL-PH", "tl"),
        ("in", "id"),
        ("in_ID", "id"),
        ("iw", "he"),
        ("iw-IL", "he"),
        ("jw", "jv"),
        ("zsm", "ms"),
        ("zh", "zh-Hans"),
        ("ZH", "zh-Hans"),
        ("zh-CN", "zh-Hans"),
        ("zh_SG", "zh-Hans"),
        ("zh-TW", "zh-Hant"),
        ("zh-HK", "zh-Hant"),
        ("zh-mo", "zh-Hant"),
        ("zh-hant", "zh-Hant"),
        ("zh-Hans-TW", "zh-Hans"),
        ("zh-Hant-CN", "zh-Hant"),
        ("zh-Latn", "zh-Hans"),
        ("cmn", "zh-Hans"),
        ("cmn-Hant", "zh-Hant"),
        ("zh-cmn-Hans-CN", "zh-Hans"),
        ("zh-yue", "yue"),
        ("zh-yue-HK", "yue"),
        ("yue-Hant-HK", "yue"),
        ("zho", "zh-Hans"),
        ("zh-CHT", "zh-Hant"),
        ("zh-CHS", "zh-Hans"),
        ("zh-guoyu", "zh-Hans"),
        ("tha", "th"),
        ("UND", "und"),
        ("ms-Arab-MY", "ms"),
    ];

    #[test]
    fn tags_are_read_as_their_standard_has_them() {
        for (tag, label) in READ {
            assert_eq!(language(tag).map(Language::code), Some(*label), "{tag}");
        }
        // A language that has no label is none of those that have one.
        for tag in [
            "",
            "-",
            "e",
            "nb",
            "nb-NO",
            "no",
            "nan",
            "zh-min-nan",
            "zh-nan-TW",
            "wuu",
            "english",
            "en us",
            "en-",
            "-en",
            "en--US",
            "en;q=0.9",
            "en,de",
            "zh-Hans!",
            "x-private",
            "i-klingon",
        ] {
            assert_eq!(language(tag), None, "{tag}");
        }
    }

    #[test]
    fn labels_are_read_in_any_case() {
        for label in Task::ALL {
            let code = label.code();
            for text in [code.to_owned(), code.to_uppercase(), code.replace('_', "-")] {
                assert_eq!(task(&text), Some(*label), "{text}");
            }
        }
        assert_eq!(task("Tool Use"), Some(Task::ToolUse));
        assert_eq!(task("tooluse"), None);
        assert_eq!(data_class("Confidential"), Some(DataClass::Confidential));
        assert_eq!(data_class("top-secret"), None);
        for label in Language::ALL {
            assert_eq!(language(&label.code().to_uppercase()), Some(*label));
            assert_eq!(language(&label.code().replace('-', "_")), Some(*label));
        }
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_read_or_not(text in "[ -~]{0,80}") {
            let _ = (language(&text), task(&text), data_class(&text));
        }
    }
}
