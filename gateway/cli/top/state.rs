//! What whoever looks has chosen to see, and what each key changes of it. Pure.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::figures::Figures;

/// The longest filter, in characters.
const FILTER_CHARS_MAX: usize = 40;

/// By what rows are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(in crate::cli) enum By {
    /// A row for each model.
    #[default]
    Model,
    /// A row for each team.
    Team,
}

/// How the rows of one table are chosen and ordered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Order {
    /// The column by which they are sorted.
    pub(super) column: usize,
    /// The other way round.
    pub(super) reverse: bool,
    /// The first row that is shown.
    pub(super) first: usize,
}

/// The state of a screen.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    /// Where it reads.
    pub(super) url: String,
    /// The table that keys are for.
    pub(super) by: By,
    /// The order of models.
    pub(super) models: Order,
    /// The order of teams.
    pub(super) teams: Order,
    /// What a name must have in it, in any case of letters.
    pub(super) filter: String,
    /// Whether the filter is being typed.
    pub(super) typing: bool,
    /// Whether the figures stand still.
    pub(super) paused: bool,
    /// Whether the keys are explained.
    pub(super) help: bool,
    /// Whether there are colours.
    pub(super) colours: bool,
    /// What is shown; nothing before the first answer.
    pub(super) figures: Option<Figures>,
    /// Why the last read failed.
    pub(super) trouble: Option<String>,
    /// What is worth a word of the last read.
    pub(super) note: Option<String>,
    /// The present, in seconds of the clock that readings have.
    pub(super) at: f64,
    /// The present, in seconds since 1970.
    pub(super) wall: f64,
}

/// What comes of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// It goes on.
    On,
    /// It ends.
    Quit,
}

impl State {
    /// A screen of what this address says, by models or by teams first; the busiest models and the dearest
    /// teams come first.
    pub(super) fn new(url: String, by: By, colours: bool) -> Self {
        let models = Order { column: 1, ..Order::default() };
        let teams = Order { column: 2, ..Order::default() };
        Self { url, by, models, teams, colours, ..Self::default() }
    }

    /// Does what a key asks for; `columns` is how many the table has that it is for.
    pub(super) fn press(&mut self, key: KeyEvent, columns: usize) -> After {
        if key.kind == KeyEventKind::Release {
            return After::On;
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            let ends = matches!(key.code, KeyCode::Char('c' | 'C'));
            return if ends { After::Quit } else { After::On };
        }
        if self.typing {
            self.type_in(key.code);
            return After::On;
        }
        if self.help {
            self.help = false;
            let ends = key.code == KeyCode::Char('q');
            return if ends { After::Quit } else { After::On };
        }
        match key.code {
            KeyCode::Char('q') => return After::Quit,
            KeyCode::Char('?' | 'h') => self.help = true,
            KeyCode::Char('p' | ' ') => self.paused = !self.paused,
            KeyCode::Char('/') => self.typing = true,
            KeyCode::Esc => self.filter.clear(),
            KeyCode::Tab | KeyCode::BackTab => {
                self.by = if self.by == By::Model { By::Team } else { By::Model };
            }
            code => self.order(code, columns),
        }
        After::On
    }

    /// Changes the order of the table in front.
    fn order(&mut self, code: KeyCode, columns: usize) {
        let order = match self.by {
            By::Model => &mut self.models,
            By::Team => &mut self.teams,
        };
        let last = columns.saturating_sub(1);
        match code {
            KeyCode::Char('s') | KeyCode::Right => {
                order.column = if order.column >= last { 0 } else { order.column + 1 };
            }
            KeyCode::Left => {
                order.column = if order.column == 0 { last } else { order.column - 1 };
            }
            KeyCode::Char('r') => order.reverse = !order.reverse,
            KeyCode::Down | KeyCode::Char('j') => order.first = order.first.saturating_add(1),
            KeyCode::Up | KeyCode::Char('k') => order.first = order.first.saturating_sub(1),
            KeyCode::Home => order.first = 0,
            _ => {}
        }
    }

    fn type_in(&mut self, code: KeyCode) {
        match code {
            KeyCode::Enter => self.typing = false,
            KeyCode::Esc => {
                self.typing = false;
                self.filter.clear();
            }
            KeyCode::Backspace => _ = self.filter.pop(),
            KeyCode::Char(c) if self.filter.chars().count() < FILTER_CHARS_MAX => {
                self.filter.push(c);
            }
            _ => {}
        }
    }

    /// Whether a name is let through.
    pub(super) fn lets_through(&self, name: &str) -> bool {
        self.filter.is_empty() || name.to_lowercase().contains(&self.filter.to_lowercase())
    }
}
