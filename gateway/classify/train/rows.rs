//! What is learned from: the shape of the rows, wherever they come from.

use std::path::Path;

use classify::{Language, Task};

/// The source of what we wrote ourselves.
pub const OWN: &str = "own material";

/// What a row is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// In the weights that ship.
    Train,
    /// Never in any weights; the shape of the models was chosen with an eye on these.
    Develop,
    /// Never in any weights; looked at only once everything was settled.
    Final,
}

/// A text in a language.
pub struct LangRow {
    pub text: String,
    pub language: Language,
    pub also: Vec<Language>,
    pub mixed: bool,
    pub kind: String,
    pub source: String,
    pub role: Role,
    pub weight: f32,
    /// A word's share in its language, of its highest in any.
    pub share: f32,
}

/// A request with its task.
pub struct TaskRow {
    pub system: String,
    pub turns: Vec<String>,
    pub tools: u16,
    pub tools_text: String,
    pub task: Task,
    pub language: Language,
    pub source: String,
    /// Whose hand it is, of our own: a number of all hands.
    pub hand: Option<u32>,
    pub role: Role,
    pub weight: f32,
}

/// Ends the program: a trainer that cannot read has nothing to do.
pub fn stop(path: &Path, error: &str) -> ! {
    eprintln!("{}: {error}", path.display());
    std::process::exit(1)
}
