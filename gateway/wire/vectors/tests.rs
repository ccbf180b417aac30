//! What answers with vectors and ranks promise.

use super::*;

fn vectors(body: &str, asked: u32) -> Result<Plain, Why> {
    embeddings(&Bytes::copy_from_slice(body.as_bytes()), asked).map_err(|it| it.why)
}

fn ranks(body: &str) -> Result<Plain, Why> {
    rerank(&Bytes::copy_from_slice(body.as_bytes())).map_err(|it| it.why)
}

fn input(tokens: u32) -> Option<Counts> {
    Some(Counts { input: tokens, ..Counts::default() })
}

#[test]
fn an_answer_has_as_many_vectors_as_were_asked_for() {
    for count in 1..4_u32 {
        let data = vec![r#"{"object":"embedding","embedding":[0.5,-1e-3]}"#; count as usize];
        let body = format!(
            r#"{{"object":"list","data":[{}],"usage":{{"prompt_tokens":9,"total_tokens":9}}}}"#,
            data.join(",")
        );
        for asked in 1..4 {
            match vectors(&body, asked) {
                Ok(plain) => {
                    assert_eq!((count, plain.reported), (asked, input(9)));
                    assert_eq!((plain.counted_output, plain.has_content), (Tokens(0), true));
                }
                Err(why) => assert_eq!(why, Why::Vectors { found: count, asked }),
            }
        }
    }
}

#[test]
fn what_is_no_answer_is_named() {
    for read in [&|it: &str| vectors(it, 1) as Result<Plain, Why>, &|it: &str| ranks(it)]
        as [&dyn Fn(&str) -> Result<Plain, Why>; 2]
    {
        assert_eq!(read(" ").unwrap_err(), Why::Empty);
        assert_eq!(read("<html>").unwrap_err(), Why::Html);
        assert_eq!(read("[]").unwrap_err(), Why::NotJson);
        assert_eq!(read(r#"{"data":[{}"#).unwrap_err(), Why::NotJson);
        assert_eq!(read(r#"{"ok":true}"#).unwrap_err(), Why::NoItems);
        assert_eq!(read(r#"{"data":[],"results":[]}"#).unwrap_err(), Why::NoItems);
        assert_eq!(read(r#"{"data":7,"results":{}}"#).unwrap_err(), Why::NoItems);
        let error = Why::Error("no memory".into());
        assert_eq!(read(r#"{"error":{"message":"no memory"}}"#).unwrap_err(), error);
        let bare = r#"{"object":"error","message":"no memory","code":500}"#;
        assert_eq!(read(bare).unwrap_err(), error);
    }
}

#[test]
fn what_ranking_costs_is_read_wherever_it_stands() {
    for (members, reported) in [
        (r#""usage":{"total_tokens":12}"#, input(12)),
        (r#""usage":{"prompt_tokens":11,"total_tokens":12}"#, input(11)),
        (r#""meta":{"tokens":{"input_tokens":13,"output_tokens":0}}"#, input(13)),
        (r#""meta":{"billed_units":{"input_tokens":14}}"#, input(14)),
        (r#""meta":{"billed_units":{"search_units":1}}"#, None),
        (r#""meta":{"tokens":{"input_tokens":13},"billed_units":{"input_tokens":14}}"#, input(13)),
        (r#""usage":{"total_tokens":12},"meta":{"tokens":{"input_tokens":13}}"#, input(12)),
        (r#""meta":{"tokens":{"input_tokens":13}},"usage":{"total_tokens":12}"#, input(12)),
        (r#""usage":{"total_tokens":0}"#, None),
        (r#""usage":{"total_tokens":-5}"#, None),
        (r#""usage":{"total_tokens":1.5}"#, None),
        (r#""usage":null"#, None),
        (r#""id":"x""#, None),
    ] {
        let body = format!(r#"{{"results":[{{"index":0,"relevance_score":0.9}}],{members}}}"#);
        assert_eq!(ranks(&body).unwrap().reported, reported, "{members}");
    }
}
