//! The types that a part of an expression can have.

/// A value that is no list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scalar {
    Bool,
    Int,
    Double,
    Text,
}

/// The type of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    One(Scalar),
    Many(Scalar),
    /// Texts by texts: tags.
    Texts,
}

impl Type {
    /// As an error calls it.
    pub(super) fn says(self) -> &'static str {
        match self {
            Self::One(Scalar::Bool) => "true or false",
            Self::One(Scalar::Int) => "a whole number",
            Self::One(Scalar::Double) => "a number",
            Self::One(Scalar::Text) => "a text",
            Self::Many(_) => "a list",
            Self::Texts => "the tags",
        }
    }

    /// Whether it is a number.
    pub(super) fn is_number(self) -> bool {
        matches!(self, Self::One(Scalar::Int | Scalar::Double))
    }

    /// Whether values of both can be compared.
    pub(super) fn compares(self, other: Self) -> bool {
        self == other || self.is_number() && other.is_number()
    }
}
