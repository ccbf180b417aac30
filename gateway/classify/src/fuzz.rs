//! What must hold for any bytes, for fuzz targets: panics where it does not.

use crate::{Prompt, Reading, classify};

/// Reads the bytes as a request in several ways. Byte 0 chooses how many turns they are cut into.
///
/// # Panics
/// If a figure is out of its range, a language is named twice, or the same bytes are read differently.
#[allow(clippy::panic, reason = "a broken law is a panic: that is how a fuzzer sees it")]
pub fn check(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    let text = String::from_utf8_lossy(rest);
    let parts: Vec<&str> = text.splitn(usize::from(first % 5) + 1, '\n').collect();
    let prompt = Prompt {
        system: parts.first().copied().unwrap_or(""),
        turns: &parts,
        tools: u16::from(first % 3),
        tools_text: parts.last().copied().unwrap_or(""),
        json_schema: first % 2 == 0,
        has_media: false,
    };
    let reading = classify(&prompt);
    holds(&reading);
    assert!(reading == classify(&prompt), "read differently the second time");
    holds(&classify(&Prompt::of(&[&text])));
}

fn holds(reading: &Reading) {
    let share = |value: f32| (0.0..=1.0).contains(&value);
    assert!(share(reading.language_confidence) && share(reading.task_confidence), "{reading:?}");
    assert!(reading.languages.iter().all(|(_, it)| share(*it)), "{reading:?}");
    assert!(reading.languages.iter().map(|(_, it)| it).sum::<f32>() < 1.01, "{reading:?}");
    let mut named: Vec<_> = reading.languages.iter().map(|(it, _)| *it).collect();
    named.dedup();
    assert!(named.len() == reading.languages.len(), "{reading:?}");
}
