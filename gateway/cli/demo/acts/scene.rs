//! An act as it is told: lines of who did or saw what, broken at the width of the screen.

use super::super::table::{WIDTH, width};

/// How far the text of a line is from the margin.
const MARGIN: usize = 9;

/// One act.
#[derive(Debug)]
pub(in crate::cli::demo) struct Scene {
    /// What is printed.
    pub text: String,
    /// Whether all was as it must be.
    pub good: bool,
}

impl Scene {
    /// An act of this title.
    pub(in crate::cli::demo) fn new(title: &str) -> Self {
        Self { text: format!("{title}\n"), good: true }
    }

    /// What was done.
    pub(in crate::cli::demo) fn done(&mut self, text: &str) {
        self.line("done", text);
    }

    /// What the caller saw.
    pub(in crate::cli::demo) fn caller(&mut self, text: &str) {
        self.line("caller", text);
    }

    /// What ledger, metrics and log say.
    pub(in crate::cli::demo) fn books(&mut self, text: &str) {
        self.line("books", text);
    }

    /// What must be so, said only where it is not.
    pub(in crate::cli::demo) fn must(&mut self, so: bool, what: &str) {
        if !so {
            self.good = false;
            self.line("WRONG", &format!("this must be so and is not: {what}"));
        }
    }

    fn line(&mut self, who: &str, text: &str) {
        let mut line = format!("  {who:<7}");
        let mut is_empty = true;
        for word in text.split_whitespace() {
            if !is_empty && width(&line) + 1 + width(word) > WIDTH {
                self.text.push_str(line.trim_end());
                self.text.push('\n');
                line = " ".repeat(MARGIN);
                is_empty = true;
            }
            if !is_empty {
                line.push(' ');
            }
            line.push_str(word);
            is_empty = false;
        }
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_broken_at_the_width_and_stay_behind_the_margin() {
        let mut scene = Scene::new("Act");
        scene.caller(&"word ".repeat(60));
        let lines: Vec<&str> = scene.text.lines().collect();
        assert_eq!(lines.len(), 4, "{}", scene.text);
        assert!(lines.iter().all(|line| width(line) <= WIDTH));
        assert!(
            lines[1].starts_with("  caller word word") && lines[2].starts_with("         word")
        );
        assert!(scene.good);
    }

    #[test]
    fn what_must_be_and_is_not_is_said() {
        let mut scene = Scene::new("Act");
        scene.must(true, "day");
        assert_eq!((scene.text.as_str(), scene.good), ("Act\n", true));
        scene.must(false, "night");
        assert!(!scene.good && scene.text.contains("WRONG  this must be so and is not: night"));
    }
}
