use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

fn counts(text: &str) -> Option<Counts> {
    read(&mut Scanner::lenient(text.as_bytes())).unwrap()
}

/// Input, cached, written to a cache, output, reasoning.
fn five([input, cached_input, cache_write, output, reasoning]: [u32; 5]) -> Option<Counts> {
    Some(Counts { input, cached_input, cache_write, output, reasoning })
}

#[test]
fn counts_are_disjoint() {
    let full = counts(
        r#"{"prompt_tokens":100,"completion_tokens":50,"total_tokens":150,
            "prompt_tokens_details":{"cached_tokens":60,"audio_tokens":0},
            "completion_tokens_details":{"reasoning_tokens":20}}"#,
    );
    assert_eq!(full, five([40, 60, 0, 30, 20]));
    let plain = counts(r#"{"completion_tokens":5,"prompt_tokens":3,"prompt_tokens_details":null}"#);
    assert_eq!(plain, five([3, 0, 0, 5, 0]));
}

/// What the ten families' engines and services write.
#[test]
fn every_spelling_is_read() {
    for (text, expected) in [
        // Moonshot: cached at the top.
        (
            r#"{"prompt_tokens":1000,"completion_tokens":10,"cached_tokens":900}"#,
            [100, 900, 0, 10, 0],
        ),
        // DeepSeek.
        (
            r#"{"prompt_tokens":100,"completion_tokens":50,"total_tokens":150,
                "prompt_tokens_details":{"cached_tokens":64},"prompt_cache_hit_tokens":64,
                "prompt_cache_miss_tokens":36,"completion_tokens_details":{"reasoning_tokens":20}}"#,
            [36, 64, 0, 30, 20],
        ),
        (
            r#"{"completion_tokens":50,"prompt_cache_hit_tokens":64,"prompt_cache_miss_tokens":36}"#,
            [36, 64, 0, 50, 0],
        ),
        // SGLang: reasoning at the top.
        (
            r#"{"prompt_tokens":9,"completion_tokens":7,"total_tokens":16,"reasoning_tokens":4,
                "prompt_tokens_details":null}"#,
            [9, 0, 0, 3, 4],
        ),
        // DashScope: what was written to the cache among the details.
        (
            r#"{"prompt_tokens":3000,"completion_tokens":8,"total_tokens":3008,
                "prompt_tokens_details":{"cached_tokens":1000,"cache_creation_input_tokens":500,
                "cache_creation":{"ephemeral_5m_input_tokens":500},"cache_type":"ephemeral"}}"#,
            [1500, 1000, 500, 8, 0],
        ),
        // OpenRouter.
        (
            r#"{"prompt_tokens":194,"completion_tokens":2,"total_tokens":196,"cost":0.95,
                "prompt_tokens_details":{"cached_tokens":50,"cache_write_tokens":100}}"#,
            [44, 50, 100, 2, 0],
        ),
    ] {
        assert_eq!(counts(text), five(expected), "{text}");
    }
}

/// What comes with the names of other dialects, and by proxies.
#[test]
fn other_dialects_are_read() {
    for (text, expected) in [
        // Responses.
        (
            r#"{"input_tokens":100,"input_tokens_details":{"cached_tokens":60},"output_tokens":50,
                "output_tokens_details":{"reasoning_tokens":20},"total_tokens":150}"#,
            [40, 60, 0, 30, 20],
        ),
        // Messages: beside each other.
        (
            r#"{"input_tokens":100,"cache_read_input_tokens":60,"cache_creation_input_tokens":7,
                "output_tokens":50}"#,
            [100, 60, 7, 50, 0],
        ),
        // A proxy that fills both sets of names, one of them with zeros.
        (
            r#"{"prompt_tokens":100,"completion_tokens":50,"total_tokens":150,"input_tokens":0,
                "output_tokens":0,"input_tokens_details":null}"#,
            [100, 0, 0, 50, 0],
        ),
        // Written by a language without integers.
        (r#"{"prompt_tokens":12.0,"completion_tokens":5.00}"#, [12, 0, 0, 5, 0]),
    ] {
        assert_eq!(counts(text), five(expected), "{text}");
    }
}

#[test]
fn the_total_tells_what_stands_inside() {
    for (text, expected) in [
        // Reasoning inside, and beside: 32 + 9 + 94 = 135.
        (
            r#""prompt_tokens":32,"completion_tokens":94,"reasoning_tokens":9,"total_tokens":126"#,
            [32, 0, 0, 85, 9],
        ),
        (
            r#""prompt_tokens":32,"completion_tokens":9,"reasoning_tokens":94,"total_tokens":135"#,
            [32, 0, 0, 9, 94],
        ),
        (
            r#""prompt_tokens":32,"completion_tokens":94,"reasoning_tokens":9,"total_tokens":135"#,
            [32, 0, 0, 94, 9],
        ),
        (
            r#""prompt_tokens":21,"completion_tokens":0,"reasoning_tokens":60,"total_tokens":81"#,
            [21, 0, 0, 0, 60],
        ),
        // Thinking that the total alone tells of, as Gemini has it.
        (r#""prompt_tokens":20,"completion_tokens":151,"total_tokens":553"#, [20, 0, 0, 151, 382]),
        // Cached inside, and beside.
        (
            r#""prompt_tokens":100,"completion_tokens":9,"cached_tokens":60,"total_tokens":109"#,
            [40, 60, 0, 9, 0],
        ),
        (
            r#""prompt_tokens":100,"completion_tokens":9,"cached_tokens":60,"total_tokens":169"#,
            [100, 60, 0, 9, 0],
        ),
        (
            r#""input_tokens":100,"output_tokens":9,"cache_read_input_tokens":60,"total_tokens":109"#,
            [40, 60, 0, 9, 0],
        ),
        // A part beside may be larger.
        (
            r#""prompt_tokens":4,"completion_tokens":9,"cached_tokens":60,"total_tokens":73"#,
            [4, 60, 0, 9, 0],
        ),
        // Totals that cannot be true say nothing.
        (r#""prompt_tokens":3,"completion_tokens":5,"total_tokens":7"#, [3, 0, 0, 5, 0]),
        (r#""prompt_tokens":3,"completion_tokens":5,"total_tokens":0"#, [3, 0, 0, 5, 0]),
        (r#""prompt_tokens":3,"completion_tokens":5,"total_tokens":4000000000"#, [3, 0, 0, 5, 0]),
        (
            r#""prompt_tokens":3,"completion_tokens":5,"reasoning_tokens":2,"total_tokens":90"#,
            [3, 0, 0, 3, 2],
        ),
    ] {
        assert_eq!(counts(&format!("{{{text}}}")), five(expected), "{text}");
    }
}

#[test]
fn impossible_figures_are_none() {
    for text in [
        "null",
        "{}",
        "[]",
        "7",
        r#"{"prompt_tokens":3}"#,
        r#"{"prompt_tokens":3,"total_tokens":8}"#,
        r#"{"completion_tokens":5,"total_tokens":8}"#,
        r#"{"prompt_tokens":3,"completion_tokens":null}"#,
        r#"{"prompt_tokens":-3,"completion_tokens":5}"#,
        r#"{"prompt_tokens":3.5,"completion_tokens":5}"#,
        r#"{"prompt_tokens":3e2,"completion_tokens":5}"#,
        r#"{"prompt_tokens":"3","completion_tokens":5}"#,
        r#"{"prompt_tokens":4294967296,"completion_tokens":5}"#,
        r#"{"prompt_tokens":3,"completion_tokens":5,"total_tokens":-8}"#,
        r#"{"prompt_tokens":3,"completion_tokens":5,"cached_tokens":0.5}"#,
        // A part that is larger than what holds it, and no total that says otherwise.
        r#"{"prompt_tokens":3,"completion_tokens":5,"cached_tokens":4}"#,
        r#"{"prompt_tokens":3,"completion_tokens":5,"reasoning_tokens":6}"#,
        r#"{"prompt_tokens":3,"completion_tokens":5,"total_tokens":8,
            "prompt_tokens_details":{"cached_tokens":4}}"#,
        r#"{"prompt_tokens":3,"completion_tokens":5,"total_tokens":8,
            "completion_tokens_details":{"reasoning_tokens":6}}"#,
    ] {
        assert_eq!(counts(text), None, "{text}");
    }
}

/// Where a figure is written: its name, and the object around it.
type Place = (Option<&'static str>, &'static str);

fn put(usage: &mut Map<String, Value>, (outer, name): Place, figure: u32) {
    let to = match outer {
        None => usage,
        Some(outer) => {
            let inner = usage.entry(outer).or_insert_with(|| json!({}));
            inner.as_object_mut().unwrap()
        }
    };
    to.insert(name.into(), json!(figure));
}

const PROMPT: [Place; 2] = [(None, "prompt_tokens"), (None, "input_tokens")];
const COMPLETION: [Place; 2] = [(None, "completion_tokens"), (None, "output_tokens")];
const CACHED: [Place; 6] = [
    (None, "cached_tokens"),
    (None, "prompt_cache_hit_tokens"),
    (None, "cache_read_input_tokens"),
    (None, "num_cached_tokens"),
    (Some("prompt_tokens_details"), "cached_tokens"),
    (Some("input_tokens_details"), "cached_tokens"),
];
const WRITTEN: [Place; 3] = [
    (None, "cache_creation_input_tokens"),
    (Some("prompt_tokens_details"), "cache_write_tokens"),
    (Some("prompt_tokens_details"), "cache_creation_input_tokens"),
];
const REASONING: [Place; 3] = [
    (None, "reasoning_tokens"),
    (Some("completion_tokens_details"), "reasoning_tokens"),
    (Some("output_tokens_details"), "reasoning_tokens"),
];

/// A place to write a figure at, and whether it is written there at all when it is zero.
fn place<const N: usize>(of: [Place; N]) -> impl Strategy<Value = Place> {
    prop::sample::select(of.to_vec())
}

/// Figures of all sizes, zero often.
fn some() -> impl Strategy<Value = u32> {
    prop_oneof![Just(0), 1u32..20, 1u32..200_000]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// Whatever the dialect, the five kinds together are what the backend's own total says.
    #[test]
    fn the_kinds_add_up_to_the_backends_total(
        figures in (some(), some(), some(), some(), some()),
        places in (place(PROMPT), place(COMPLETION), place(CACHED), place(WRITTEN), place(REASONING)),
        (beside, reasoning_beside, zeros, missed, decimal) in any::<(bool, bool, bool, bool, bool)>(),
    ) {
        let (input, cached, written, output, reasoning) = figures;
        let mut usage = Map::new();
        let prompt = if beside { input } else { input + cached + written };
        let completion = if reasoning_beside { output } else { output + reasoning };
        let total = input + cached + written + output + reasoning;
        put(&mut usage, places.0, prompt);
        put(&mut usage, places.1, completion);
        for (place, figure) in [(places.2, cached), (places.3, written), (places.4, reasoning)] {
            if figure > 0 || zeros {
                put(&mut usage, place, figure);
            }
        }
        if missed && !beside && places.2.1 == "prompt_cache_hit_tokens" {
            put(&mut usage, (None, "prompt_cache_miss_tokens"), input + written);
        }
        put(&mut usage, (None, "total_tokens"), total);
        if decimal {
            usage.values_mut().for_each(|it| if let Some(number) = it.as_u64() {
                *it = json!(number as f64);
            });
        }
        let text = Value::Object(usage).to_string();
        let read = counts(&text);
        prop_assert!(read.is_some(), "{text}");
        prop_assert_eq!(read.map(sum), Some(u64::from(total)), "{}", text);
    }

    /// Without a total, what stands inside by its name is inside.
    #[test]
    fn without_a_total_the_usual_reading_is_right(
        figures in (some(), some(), some(), some(), some()),
        places in (place(PROMPT), place(COMPLETION), place(CACHED), place(WRITTEN), place(REASONING)),
    ) {
        let (input, cached, written, output, reasoning) = figures;
        let messages = places.0.1 == "input_tokens" && places.2.1 == "cache_read_input_tokens";
        let mut usage = Map::new();
        put(&mut usage, places.0, if messages { input } else { input + cached + written });
        put(&mut usage, places.1, output + reasoning);
        put(&mut usage, places.2, cached);
        put(&mut usage, places.3, written);
        put(&mut usage, places.4, reasoning);
        let text = Value::Object(usage).to_string();
        prop_assert_eq!(counts(&text), five([input, cached, written, output, reasoning]), "{}", text);
    }
}
