//! What the language of a text is read with: compiled in, or still being made.

use std::sync::OnceLock;

use super::{
    close::{self, Close},
    frequent::Frequent,
    linear::Linear,
};

static MODEL: &[u8] = include_bytes!("../../model/lang.bin");

/// What the language of a text is read with.
#[derive(Clone, Copy, Debug)]
pub struct Model<'a> {
    /// Every language, by the n-grams of words.
    pub linear: Linear<'a>,
    /// Two languages that share most of what they are made of, by their words.
    pub(super) close: Close<'a>,
    /// Words that are weighed before anybody asks; none of a model that is still being made.
    pub(super) frequent: Option<&'static Frequent>,
}

impl<'a> Model<'a> {
    /// Reads a model: the linear one, then the table of the close languages. `None` if the bytes are not one.
    #[must_use]
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let (linear, close) = bytes.split_at_checked(bytes.len().checked_sub(close::SIZE)?)?;
        Some(Self { linear: Linear::read(linear)?, close: Close::of(close), frequent: None })
    }
}

/// The built-in model.
pub fn model() -> Option<&'static Model<'static>> {
    static READ: OnceLock<Option<Model<'static>>> = OnceLock::new();
    static FREQUENT: OnceLock<Frequent> = OnceLock::new();
    let read = || {
        let model = Model::read(MODEL)?;
        let frequent = FREQUENT.get_or_init(|| Frequent::of(&model.linear));
        Some(Model { frequent: Some(frequent), ..model })
    };
    READ.get_or_init(read).as_ref()
}
