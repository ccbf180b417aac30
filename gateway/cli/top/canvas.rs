//! A part of a screen on which texts are put. Pure.

use ratatui::{buffer::Buffer, layout::Rect, style::Style};

use super::show;

/// Where something is drawn, and how.
pub(super) struct Canvas<'a> {
    buffer: &'a mut Buffer,
    area: Rect,
    colours: bool,
}

impl<'a> Canvas<'a> {
    /// A part of a buffer.
    pub(super) fn new(buffer: &'a mut Buffer, area: Rect, colours: bool) -> Self {
        Self { area: area.intersection(buffer.area), buffer, colours }
    }

    /// How many cells a line has.
    pub(super) fn width(&self) -> u16 {
        self.area.width
    }

    /// How many lines there are.
    pub(super) fn height(&self) -> u16 {
        self.area.height
    }

    /// Puts a text at a column of a line, in at most so many cells; what does not fit ends with an ellipsis.
    pub(super) fn put(&mut self, (x, y): (u16, u16), most: u16, text: &str, style: Style) {
        if x >= self.area.width || y >= self.area.height {
            return;
        }
        let most = most.min(self.area.width - x);
        let style = if self.colours { style } else { Style::new() };
        let text = show::fit(text, most.into());
        self.buffer.set_stringn(self.area.x + x, self.area.y + y, text, most.into(), style);
    }

    /// A line over the whole width.
    pub(super) fn line(&mut self, y: u16, text: &str, style: Style) {
        self.put((0, y), self.area.width, text, style);
    }
}
