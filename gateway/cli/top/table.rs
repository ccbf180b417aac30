//! The two tables: their columns, and their rows in order. Pure.

use std::cmp::Ordering;

use policies::printable;
use ratatui::style::{Color, Modifier, Style};

use super::{
    canvas::Canvas,
    figures::{Figures, ModelRow, TeamRow},
    show,
    state::{Order, State},
};

/// What stands in the first column at the least, in cells.
const NAME_MIN: u16 = 12;
/// The widest name that is given room, in cells.
const NAME_MAX: u16 = 40;
/// The cells of a bar.
const BAR: u16 = 7;
/// Rows at the least beside which a line says how many more there are.
const BESIDE_MORE: usize = 2;
/// The share of a budget from which on it is worth a colour.
const NEARLY_SPENT: f64 = 0.8;

/// A column of figures.
struct Column<R> {
    heading: &'static str,
    width: u16,
    /// Where there is too little room, the columns with the highest number are left out first.
    rank: u8,
    /// What is shown.
    text: fn(&R) -> String,
    /// By what it is sorted: the largest comes first, and what is not known last.
    key: fn(&R) -> Option<f64>,
    /// What is not as it should be.
    colour: fn(&R) -> Option<Color>,
}

fn no_colour<R>(_: &R) -> Option<Color> {
    None
}

/// Rows that are drawn.
struct Shown {
    cells: Vec<String>,
    colours: Vec<Option<Color>>,
}

/// A table whose rows are chosen and in order.
pub(super) struct Table<'a> {
    headings: Vec<(&'static str, u16, u8)>,
    rows: Vec<Shown>,
    order: &'a Order,
}

const MODELS: [Column<ModelRow>; 11] = [
    column("req/s", 6, 0, |it| show::rate(it.requests), |it| it.requests),
    column("ok/s", 6, 9, |it| show::rate(it.ok), |it| it.ok),
    Column {
        colour: |it| it.errors.filter(|it| *it > 0.0).map(|_| Color::Red),
        ..column("err/s", 6, 1, |it| show::rate(it.errors), |it| it.errors)
    },
    column("ttft p50", 8, 4, |it| show::latency(it.first_token_p50), |it| it.first_token_p50),
    column("ttft p95", 8, 3, |it| show::latency(it.first_token_p95), |it| it.first_token_p95),
    column("tok/s", 6, 6, |it| show::rate(it.tokens), |it| it.tokens),
    column("cost/min", 9, 2, |it| show::money_or_none(it.cost), |it| it.cost),
    column("in-fl", 5, 7, |it| show::count(it.in_flight), |it| Some(it.in_flight)),
    Column {
        colour: |it| (it.queue > 0.0).then_some(Color::Yellow),
        ..column("queue", 5, 8, |it| show::count(it.queue), |it| Some(it.queue))
    },
    Column {
        colour: |it| (it.up < it.endpoints).then_some(Color::Red),
        ..column("up", 5, 5, |it| format!("{}/{}", it.up, it.endpoints), |it| Some(it.up as f64))
    },
    column("err", 6, 10, |it| errors(it).map_or_else(|| "-".to_owned(), show::percent), errors),
];

// What `/metrics` says does not tell which team is below which: what is a team's own is headed so, and so is
// what has that of the teams below it in it as well.
const TEAMS: [Column<TeamRow>; 7] = [
    column("own tok/s", 9, 2, |it| show::rate(it.tokens), |it| it.tokens),
    column("own cost/min", 12, 0, |it| show::money_or_none(it.cost), |it| it.cost),
    column("spent+below", 12, 3, |it| budget(it, |it| it.spent), |it| of_budget(it, |it| it.spent)),
    column("limit", 9, 4, |it| budget(it, |it| it.limit), |it| of_budget(it, |it| it.limit)),
    column(
        "window",
        6,
        5,
        |it| it.budget.as_ref().map_or_else(String::new, |it| it.0.clone()),
        |_| None,
    ),
    Column {
        colour: fullness,
        ..column(
            "used",
            6,
            1,
            |it| it.spent().map_or_else(String::new, show::percent),
            TeamRow::spent,
        )
    },
    Column {
        colour: fullness,
        ..column("", BAR, 6, |it| it.spent().map_or_else(String::new, cells), TeamRow::spent)
    },
];

/// How many columns tables of models and of teams have, with that of names.
pub(super) const COLUMNS: [usize; 2] = [MODELS.len() + 1, TEAMS.len() + 1];

const fn column<R>(
    heading: &'static str,
    width: u16,
    rank: u8,
    text: fn(&R) -> String,
    key: fn(&R) -> Option<f64>,
) -> Column<R> {
    Column { heading, width, rank, text, key, colour: no_colour }
}

/// The share of a model's requests that failed or were cut.
fn errors(row: &ModelRow) -> Option<f64> {
    let (all, bad) = row.requests.zip(row.errors)?;
    (all > 0.0).then(|| bad / all)
}

fn of_budget(row: &TeamRow, of: fn(&super::reading::Budget) -> f64) -> Option<f64> {
    row.budget.as_ref().map(|(_, budget)| of(budget))
}

fn budget(row: &TeamRow, of: fn(&super::reading::Budget) -> f64) -> String {
    of_budget(row, of).map_or_else(|| "-".to_owned(), show::money)
}

fn fullness(row: &TeamRow) -> Option<Color> {
    match row.spent()? {
        1.0.. => Some(Color::Red),
        NEARLY_SPENT.. => Some(Color::Yellow),
        _ => None,
    }
}

/// A bar in its frame: what is empty must be seen as well.
fn cells(share: f64) -> String {
    format!("{:·<1$}", show::bar(share, BAR.into()), usize::from(BAR))
}

/// The models' table.
pub(super) fn models<'a>(state: &'a State, figures: &Figures) -> Table<'a> {
    table(("model", &MODELS), (&figures.models, |it| &it.name), state, &state.models)
}

/// The teams' table.
pub(super) fn teams<'a>(state: &'a State, figures: &Figures) -> Table<'a> {
    table(("team", &TEAMS), (&figures.teams, |it| &it.name), state, &state.teams)
}

fn table<'a, R>(
    (name, columns): (&'static str, &[Column<R>]),
    (rows, named): (&[R], fn(&R) -> &str),
    state: &State,
    order: &'a Order,
) -> Table<'a> {
    let mut rows: Vec<&R> = rows.iter().filter(|row| state.lets_through(named(row))).collect();
    let key = order.column.checked_sub(1).and_then(|at| columns.get(at)).map(|it| it.key);
    rows.sort_by(|a, b| {
        let by_name = named(a).cmp(named(b));
        let by_key = key.map_or(Ordering::Equal, |key| largest_first(key(a), key(b)));
        let sorted = if key.is_some() { by_key } else { by_name };
        // Those that are equal stay in the order of their names, whichever way round.
        if order.reverse { sorted.reverse() } else { sorted }.then(by_name)
    });
    let shown = |row: &R| {
        let name = printable(named(row));
        let name = if name.is_empty() { "-".into() } else { name.into_owned() };
        let texts = columns.iter().map(|it| printable(&(it.text)(row)).into_owned());
        let colours = columns.iter().map(|it| (it.colour)(row));
        Shown {
            cells: std::iter::once(name).chain(texts).collect(),
            colours: std::iter::once(None).chain(colours).collect(),
        }
    };
    let rows: Vec<Shown> = rows.into_iter().map(shown).collect();
    let names = rows.iter().filter_map(|row| row.cells.first());
    let widest = names.map(|it| unicode_width::UnicodeWidthStr::width(&**it)).max().unwrap_or(0);
    let width = u16::try_from(widest).unwrap_or(NAME_MAX).clamp(NAME_MIN, NAME_MAX);
    let figures = columns.iter().map(|it| (it.heading, it.width, it.rank + 1));
    Table { headings: std::iter::once((name, width, 0)).chain(figures).collect(), rows, order }
}

/// What is not known comes last.
fn largest_first(a: Option<f64>, b: Option<f64>) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => b.total_cmp(&a),
        (a, b) => b.is_some().cmp(&a.is_some()),
    }
}

impl Table<'_> {
    /// The lines that the whole of it takes.
    pub(super) fn height(&self) -> u16 {
        u16::try_from(self.rows.len() + 1).unwrap_or(u16::MAX / 4).max(2)
    }

    /// Draws as many rows as there is room for, from the first one on that is to be shown.
    pub(super) fn draw(&self, canvas: &mut Canvas<'_>, height: u16, front: bool) {
        let columns = self.room(canvas.width());
        let mut x = 0;
        let room = usize::from(height.saturating_sub(1));
        // Where not all have room, the last line says so, or the heading where that line would be a row's.
        let (all, worded) = (self.rows.len(), room > BESIDE_MORE);
        let shown = if all > room && worded { room - 1 } else { all.min(room) };
        let first = self.order.first.min(self.rows.len() - shown);
        for (at, width) in columns {
            let heading = self.headings.get(at).map_or("", |it| it.0);
            let sorted = at == self.order.column;
            let mark = if self.order.reverse { "▴" } else { "▾" };
            let mut heading = if sorted { format!("{heading}{mark}") } else { heading.to_owned() };
            if at == 0 && shown < all && !worded {
                heading += &format!(" +{}", all - shown);
            }
            let mut style = Style::new().add_modifier(Modifier::BOLD);
            if front {
                style = style.fg(Color::Cyan);
            }
            canvas.put((x, 0), width + 1, &placed(&heading, width, at), style);
            for (y, row) in (1..height).zip(self.rows.iter().skip(first).take(shown)) {
                let colour = row.colours.get(at).copied().flatten();
                let style = colour.map_or(Style::new(), |it| Style::new().fg(it));
                let text = row.cells.get(at).map_or("", |it| it);
                canvas.put((x, y), width, &placed(text, width, at), style);
            }
            x += width + 1;
        }
        let dim = Style::new().add_modifier(Modifier::DIM);
        if self.rows.is_empty() {
            canvas.put((0, 1), canvas.width(), "none", dim);
        } else if shown < all && worded {
            let more = format!("… {} more of {all}", all - shown);
            canvas.put((0, height.saturating_sub(1)), canvas.width(), &more, dim);
        }
    }

    /// The columns that fit, with their widths: those that matter least are left out, and what is left over
    /// is the name's.
    fn room(&self, all: u16) -> Vec<(usize, u16)> {
        let mut kept: Vec<(usize, u16, u8)> =
            self.headings.iter().enumerate().map(|(at, it)| (at, it.1, it.2)).collect();
        let taken = |kept: &[(usize, u16, u8)]| kept.iter().map(|it| it.1 + 1).sum::<u16>();
        // A long name gives way before a column does.
        let widest = kept.first().map_or(0, |it| it.1);
        while taken(&kept).saturating_sub(1) > all + widest.saturating_sub(NAME_MIN) {
            let Some(least) = kept.iter().skip(1).map(|it| it.2).max() else { break };
            kept.retain(|it| it.2 != least);
        }
        let over = taken(&kept).saturating_sub(1).saturating_sub(all);
        if let Some(name) = kept.first_mut() {
            name.1 = name.1.saturating_sub(over);
        }
        kept.into_iter().map(|(at, width, _)| (at, width)).collect()
    }
}

/// A text in its column: names on the left, figures on the right.
fn placed(text: &str, width: u16, column: usize) -> String {
    let width = usize::from(width);
    let text = show::fit(text, width + 1);
    let cells = unicode_width::UnicodeWidthStr::width(&*text);
    let gap = " ".repeat(width.saturating_sub(cells));
    if column == 0 { format!("{text}{gap}") } else { format!("{gap}{text}") }
}
