//! A state as cells: the whole screen, or one frame as text. Pure.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::{Color, Modifier, Style},
};
use unicode_width::UnicodeWidthStr;

use super::{
    canvas::Canvas,
    figures::Figures,
    show,
    state::{By, State},
    table::{self, Table},
};

/// Lines above the tables: the last one is for what is worth a word.
const HEAD: u16 = 4;
/// Beneath this height that line is a table's where there is no such word.
const LOW: u16 = 12;
/// The least height of a table that is worth its place: a heading and a row.
const TABLE_MIN: u16 = 2;
/// The least that the table in front is left with: one row more.
const FRONT_MIN: u16 = 3;

/// What the keys do.
const HELP: [&str; 13] = [
    "q, Ctrl-C      quit",
    "Tab            the other table first",
    "s, right, left the column by which it is sorted",
    "r              the other way round",
    "down, up       further down, further up; Home: to the top",
    "/              only names with this in them; Esc: all",
    "p              let the figures stand still",
    "?              this",
    "",
    "Rates are of the last seconds; ttft is the time to the first token of requests",
    "that ended in them. What callers cancelled is neither ok nor an error.",
    "What is a team's own is of its own keys; what is spent of its budget has been",
    "spent by the teams below it as well.",
];

/// Draws the whole screen.
pub(super) fn draw(state: &State, buffer: &mut Buffer) {
    let area = buffer.area;
    let mut canvas = Canvas::new(buffer, area, state.colours);
    head(state, &mut canvas);
    foot(state, &mut canvas);
    let above = above(state, area.height);
    let rest = area.height.saturating_sub(above + 1);
    if state.help {
        for (y, text) in (above..above + rest).zip(HELP) {
            canvas.line(y, text, Style::new());
        }
        return;
    }
    let Some(figures) = &state.figures else { return };
    let mut tables: [Table<'_>; 2] = tables(state, figures).into();
    if state.by == By::Team {
        tables.reverse();
    }
    let [first, second] = &tables;
    let heights = shared(rest, first.height(), second.height());
    let mut y = area.y + above;
    for ((table, height), front) in tables.iter().zip(heights).zip([true, false]) {
        let place = Rect::new(area.x, y, area.width, height);
        table.draw(&mut Canvas::new(buffer, place, state.colours), height, front);
        // A blank line between the two.
        y += height + u16::from(height > 0);
    }
}

/// The whole of it as text, without colours and without the line of keys: every row, as wide as said.
pub(super) fn text(state: &State, width: u16) -> String {
    let rows = |figures| {
        let (models, teams) = tables(state, figures);
        models.height() + teams.height() + 1
    };
    let height = HEAD + state.figures.as_ref().map_or(0, rows) + 1;
    let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
    draw(&State { colours: false, ..state.clone() }, &mut buffer);
    let mut lines = lines(&buffer);
    // The last line is for whoever has keys.
    lines.pop();
    let mut text = lines.join("\n");
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// The lines of a buffer, without blanks at their ends.
pub(super) fn lines(buffer: &Buffer) -> Vec<String> {
    let Rect { width, .. } = buffer.area;
    let rows = buffer.content.chunks(usize::from(width.max(1)));
    let line = |cells: &[ratatui::buffer::Cell]| {
        let mut line = String::new();
        // What is wider than one cell takes those behind it.
        let mut taken = 0;
        for cell in cells {
            if taken == 0 {
                line.push_str(cell.symbol());
                taken = cell.symbol().width().saturating_sub(1);
            } else {
                taken -= 1;
            }
        }
        line.trim_end().to_owned()
    };
    rows.map(line).collect()
}

fn tables<'a>(state: &'a State, figures: &'a Figures) -> (Table<'a>, Table<'a>) {
    (table::models(state, figures), table::teams(state, figures))
}

/// How many lines stand above the tables.
fn above(state: &State, height: u16) -> u16 {
    let worded = state.trouble.is_some() || state.note.is_some() || state.figures.is_none();
    if worded || height >= LOW { HEAD } else { HEAD - 1 }
}

/// Heights for the table in front and the other one, with the blank line between them: the one in front gets
/// what it needs, but for a third that the other one may need.
fn shared(all: u16, wanted: u16, other: u16) -> [u16; 2] {
    let both = all.saturating_sub(1);
    let kept = other.min((both / 3).max(TABLE_MIN)).min(both.saturating_sub(FRONT_MIN));
    if kept < TABLE_MIN {
        return [wanted.min(all), 0];
    }
    let first = wanted.min(both - kept);
    [first, other.min(both - first)]
}

fn head(state: &State, canvas: &mut Canvas<'_>) {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let answers = state.trouble.is_none();
    if let Some(figures) = &state.figures {
        canvas.line(0, &show::identity(figures, state.wall, answers), bold);
        let ready = figures.now.failing.is_empty() || !answers;
        let style = if ready { Style::new() } else { Style::new().fg(Color::Red) };
        canvas.line(1, &show::standing(figures, answers), style);
        canvas.line(2, &show::totals(figures, usize::from(canvas.width())), Style::new());
    } else {
        canvas.line(0, &format!("signalbox at {}", state.url), bold);
    }
    let (words, style) = match (&state.trouble, &state.note) {
        (Some(trouble), _) => {
            let age = state.figures.as_ref().map(|it| state.at - it.now.at);
            let age = age.map(|age| format!("as of {} ago: ", show::span(age)));
            let text = format!("{}{trouble}", age.unwrap_or_default());
            (text, Style::new().fg(Color::Red))
        }
        (None, Some(note)) => (note.clone(), Style::new().fg(Color::Yellow)),
        (None, None) if state.figures.is_none() => ("reading …".to_owned(), Style::new()),
        (None, None) => return,
    };
    canvas.line(HEAD - 1, &policies::printable(&words), style);
}

fn foot(state: &State, canvas: &mut Canvas<'_>) {
    let y = canvas.height().saturating_sub(1);
    if y < HEAD {
        return;
    }
    let dim = Style::new().add_modifier(Modifier::DIM);
    let filter = policies::printable(&state.filter);
    let text = match (state.typing, state.filter.is_empty(), state.paused) {
        (true, ..) => format!("filter: {filter}▏  Enter keeps it, Esc clears it"),
        (_, false, paused) => {
            let paused = if paused { "paused  " } else { "" };
            format!("{paused}only names with `{filter}`: Esc shows all  q quit  ? help")
        }
        (_, true, true) => "paused: p goes on  q quit  ? help".to_owned(),
        _ => "q quit  Tab table  s sort  r reverse  / filter  p pause  ? help".to_owned(),
    };
    canvas.line(y, &text, dim);
}
