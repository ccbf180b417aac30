//! **Which language a person asks in, and for which task**: in-process, in microseconds, without a
//! call to anything.
//!
//! A reading is a pure function of the text. The work is bounded whatever the length: a sample of head
//! and tail is looked at. Scripts decide what they can; hashed linear models decide the rest, with
//! weights that are compiled in (feature `model`, on by default; without it only the labels remain).
//!
//! ```
//! use classify::{Language, Prompt, Task, classify};
//!
//! let reading = classify(&Prompt::of(&["Tolong terjemahkan surat ini ke dalam bahasa Inggeris."]));
//! assert_eq!(reading.language, Language::Ms);
//! assert_eq!(reading.task, Task::Translation);
//! ```
//!
//! How well it reads, and on what it was trained, stands in `REPORT.md` and `DATA.md`.

#[cfg(feature = "model")]
mod bits;
#[cfg(feature = "model")]
mod content;
mod contents;
#[cfg(feature = "model")]
#[doc(hidden)]
pub mod fuzz;
mod labels;
#[cfg(feature = "model")]
#[doc(hidden)]
pub mod model;
#[cfg(feature = "model")]
mod reading;

#[cfg(feature = "model")]
pub use content::{ContentStream, contents};
pub use contents::Contents;
pub use labels::{CoarseTask, Complexity, Content, Language, Task};
#[cfg(feature = "model")]
pub use reading::{Prompt, Reading, classify, language, warm};
#[cfg(feature = "model")]
#[doc(hidden)]
pub use reading::{best_of, said};
