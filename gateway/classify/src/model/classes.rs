//! The languages that the model tells apart, and the shape of their weights.

use crate::Language;

/// The languages that the linear model tells apart, by the scripts that need it.
pub const MODELLED: [Language; 32] = [
    Language::Cs,
    Language::De,
    Language::En,
    Language::Es,
    Language::Fi,
    Language::Fr,
    Language::Hi,
    Language::Hu,
    Language::Id,
    Language::It,
    Language::Jv,
    Language::Ms,
    Language::Nl,
    Language::Pl,
    Language::Pt,
    Language::Ro,
    Language::Su,
    Language::Sv,
    Language::Tl,
    Language::Tr,
    Language::Vi,
    Language::Ru,
    Language::Uk,
    Language::Ar,
    Language::Fa,
    Language::Ur,
    Language::Mr,
    Language::Ja,
    Language::ZhHans,
    Language::ZhHant,
    Language::Yue,
    Language::Und,
];
/// Where the languages that write in Han begin.
pub(super) const HAN_FROM: usize = 27;
/// How many classes there are.
pub const CLASSES: usize = MODELLED.len() - 1;
/// Han characters that the model looks at.
pub const HAN_CHARS: usize = 20;
/// Weights of a row.
pub const WIDTH: usize = 32;
