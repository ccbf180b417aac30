//! How long a reading takes.

use std::{hint::black_box, time::Instant};

use classify::{Prompt, classify, language};

/// Prints medians.
pub fn run() {
    classify::warm();
    let sentence =
        "Tolong semak baki akaun simpanan saya dan beritahu jika gaji bulan ini sudah masuk. ";
    for length in [50, 300, 1_000, 30_000] {
        let text: String = sentence.chars().cycle().take(length).collect();
        let turns = [text.as_str()];
        let both = median(|| drop(black_box(classify(black_box(&Prompt::of(&turns))))));
        let alone = median(|| drop(black_box(language(black_box(&text)))));
        println!("{length:>6} characters: language {alone:.1} µs, language and task {both:.1} µs");
    }
}

fn median(work: impl Fn()) -> f64 {
    let mut times: Vec<f64> = (0..2_000)
        .map(|_| {
            let begun = Instant::now();
            work();
            begun.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
