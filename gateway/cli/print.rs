//! What commands print. Where the reader of standard output has left, as `head` does, nobody waits for the
//! rest: the process ends without a word. What cannot be said on standard error is not said.

use std::{
    fmt,
    io::{self, ErrorKind, Write},
};

/// Prints a line on standard output.
macro_rules! out {
    () => { $crate::cli::print::answer(format_args!("\n")) };
    ($($part:tt)+) => { $crate::cli::print::answer(format_args!("{}\n", format_args!($($part)+))) };
}

/// Prints a line on standard error.
macro_rules! err {
    () => { $crate::cli::print::remark(format_args!("\n")) };
    ($($part:tt)+) => { $crate::cli::print::remark(format_args!("{}\n", format_args!($($part)+))) };
}

pub(in crate::cli) use {err, out};

/// Exit code: what was asked for cannot be written.
const UNWRITTEN: i32 = 1;

/// Prints this on standard output, without a line's end of its own.
pub(super) fn answer(text: fmt::Arguments<'_>) {
    let mut to = io::stdout().lock();
    if let Err(error) = to.write_fmt(text).and_then(|()| to.flush()) {
        drop(to);
        end(&error);
    }
}

/// Prints this on standard error, if anybody reads it.
pub(super) fn remark(text: fmt::Arguments<'_>) {
    let _ = io::stderr().lock().write_fmt(text);
}

/// Ends the process, which cannot write its answer.
pub(super) fn end(error: &io::Error) -> ! {
    if error.kind() == ErrorKind::BrokenPipe {
        std::process::exit(0);
    }
    remark(format_args!("signalbox: cannot write to standard output: {error}\n"));
    std::process::exit(UNWRITTEN);
}
