//! How sure the model of tasks is, calibrated for each group of languages: what it is divided by before
//! probabilities are made of its sums.

use crate::Language::{
    self, Bn, En, Gu, Hi, Id, Ja, Jv, Km, Ko, Lo, Ml, Mr, Ms, My, Pa, Su, Ta, Te, Th, Tl, Vi, Yue,
    ZhHans, ZhHant,
};

/// Groups of languages that are calibrated together: English; Chinese; Japanese and Korean; the scripts of
/// South and Southeast Asia; Southeast Asia in Latin letters; all others.
pub const GROUPS: usize = 6;

/// What the groups are called in the report.
pub const NAMES: [&str; GROUPS] = [
    "English",
    "Chinese",
    "Japanese, Korean",
    "scripts of South and Southeast Asia",
    "Southeast Asia in Latin letters",
    "others",
];

static HEATS: &[u8] = include_bytes!("../../model/task_heat.bin");

/// The group of a language.
#[must_use]
pub const fn group(language: Language) -> usize {
    match language {
        En => 0,
        ZhHans | ZhHant | Yue => 1,
        Ja | Ko => 2,
        Hi | Ta | Th | My | Km | Lo | Bn | Te | Ml | Mr | Gu | Pa => 3,
        Ms | Id | Tl | Vi | Jv | Su => 4,
        _ => 5,
    }
}

/// What the sums of a request in a language are divided by.
#[must_use]
pub fn of(language: Language) -> f32 {
    built_in().nth(group(language)).unwrap_or(1.0)
}

/// The temperatures that are built in, group by group.
pub fn built_in() -> impl Iterator<Item = f32> {
    let (heats, _) = HEATS.as_chunks::<4>();
    heats.iter().map(|it| f32::from_le_bytes(*it))
}
