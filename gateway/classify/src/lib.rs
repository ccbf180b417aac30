//! Which language a person asks in, and for which task.

mod labels;

pub use labels::{CoarseTask, Language, Task};
