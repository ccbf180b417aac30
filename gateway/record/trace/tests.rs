use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use policies::facts::{Complexity, Content};
use proptest::prelude::*;

use super::*;
use crate::{
    outcome::{Opened, Outcome, Sampler, TraceContext, TraceParent},
    record::sample,
};

fn kept(number: u64, share: f64) -> Outcome {
    let opened = sample::opened(number, &sample::names());
    let trace = TraceContext::new(opened.id, None, Some(Sampler::new(share)));
    sample::outcome(Arc::new(Opened { trace, ..Opened::clone(&opened) }))
}

fn group(whole: Vec<Outcome>) -> Group {
    Group { whole, ..Group::default() }
}

#[tokio::test]
async fn the_queue_is_bounded_and_what_has_no_room_is_counted() {
    let metrics = Metrics::new(20_000).unwrap();
    let (tracer, mut queue) = tracer(&metrics);
    let one = kept(1, 1.0);
    let spans = spans::accepted(&one, &one.opened.trace.unwrap()).len();
    for _ in 0..QUEUE + 100 {
        tracer.written(&group(vec![one.clone()]));
    }
    let mut waiting = 0;
    while queue.0.try_recv().is_ok() {
        waiting += 1;
    }
    assert_eq!(waiting, QUEUE);
    let dropped = format!("signalbox_spans_total{{result=\"dropped\"}} {}", 100 * spans);
    assert!(metrics.expose().unwrap().contains(&dropped), "{}", metrics.expose().unwrap());
}

#[tokio::test]
async fn a_trace_that_is_not_kept_leaves_nothing() {
    let metrics = Metrics::new(20_000).unwrap();
    let (tracer, mut queue) = tracer(&metrics);
    let untraced = sample::outcome(sample::opened(2, &sample::names()));
    tracer.written(&group(vec![kept(1, 0.0), untraced]));
    assert!(queue.0.try_recv().is_err());
}

proptest! {
    #[test]
    fn whatever_clocks_say_no_span_is_negative_or_beyond_its_parent(
        started_at_ms: i64,
        duration in 0_u64..=u64::MAX,
        stages: [u64; 8],
        (early, took) in (-1_000_i64..1_000, 0_u64..=u64::MAX),
        parent in any::<bool>(),
    ) {
        let mut outcome = kept(1, 1.0);
        let stated = parent.then_some(TraceParent { trace_id: 5, span: 6, flags: 1 });
        let trace = TraceContext::new(outcome.opened.id, stated, Some(Sampler::new(1.0))).unwrap();
        outcome.opened = Arc::new(Opened { started_at_ms, ..Opened::clone(&outcome.opened) });
        outcome.duration = Duration::from_nanos(duration);
        outcome.stages = stages.map(Duration::from_nanos);
        outcome.started = Instant::now() + Duration::from_secs(2);
        let away = Duration::from_millis(early.unsigned_abs());
        let attempt = &mut outcome.attempt_log.attempts[0];
        attempt.started = if early < 0 { outcome.started - away } else { outcome.started + away };
        attempt.took = Some(Duration::from_nanos(took));
        let spans = spans::accepted(&outcome, &trace);
        let own = spans[0].clone();
        prop_assert_eq!(own.parent_span_id.is_empty(), !parent);
        for span in spans {
            prop_assert!(own.start_time_unix_nano <= span.start_time_unix_nano);
            prop_assert!(span.start_time_unix_nano <= span.end_time_unix_nano);
            prop_assert!(span.end_time_unix_nano <= own.end_time_unix_nano);
        }
    }
}

#[test]
fn a_long_name_of_a_callers_is_cut() {
    let mut outcome = kept(1, 1.0);
    let mut signals = (*outcome.opened.signals).clone();
    signals.requested = "é".repeat(5_000).into();
    let signals = Arc::new(signals);
    outcome.opened = Arc::new(Opened { signals, ..Opened::clone(&outcome.opened) });
    let spans = spans::accepted(&outcome, &outcome.opened.trace.unwrap());
    assert!(spans[0].name.chars().count() < 140, "{}", spans[0].name);
}

#[test]
fn a_span_says_how_much_was_asked_and_the_kinds_of_what_was_contained() {
    let mut outcome = kept(1, 1.0);
    let mut signals = (*outcome.opened.signals).clone();
    let said = |outcome: &Outcome| {
        let spans = spans::accepted(outcome, &outcome.opened.trace.unwrap());
        let all = spans[0].attributes.iter().map(|it| format!("{it:?}"));
        ["signalbox.complexity", "signalbox.contains"]
            .map(|name| all.clone().find(|it| it.contains(name)).unwrap_or_default())
    };
    let [complexity, contains] = said(&outcome);
    assert!(complexity.contains("easy") && contains.is_empty(), "{complexity}");
    signals.complexity = Complexity::Hard;
    signals.contains.add_many(Content::Phone, 2);
    signals.contains.add(Content::NationalId);
    let signals = Arc::new(signals);
    outcome.opened = Arc::new(Opened { signals, ..Opened::clone(&outcome.opened) });
    let [complexity, contains] = said(&outcome);
    assert!(complexity.contains("hard"), "{complexity}");
    assert!(contains.contains("national_id,phone"), "{contains}");
}
