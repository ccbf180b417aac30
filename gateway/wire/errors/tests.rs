use std::collections::BTreeSet;

use super::*;
use crate::failure::Stage;

#[test]
fn every_kind_has_its_types() {
    use Kind::*;
    let table = [
        (InvalidRequest, "invalid_request_error", "invalid_request_error"),
        (Unauthenticated, "authentication_error", "authentication_error"),
        (Forbidden, "permission_error", "permission_error"),
        (UnknownModel, "invalid_request_error", "not_found_error"),
        (BodyTimeout, "invalid_request_error", "invalid_request_error"),
        (TooLarge, "invalid_request_error", "request_too_large"),
        (RateLimited, "rate_limit_error", "rate_limit_error"),
        (BudgetExceeded, "insufficient_quota", "rate_limit_error"),
        (NoCapacity, "api_error", "overloaded_error"),
        (UpstreamError, "api_error", "api_error"),
        (UpstreamTimeout, "api_error", "api_error"),
        (Unavailable, "api_error", "api_error"),
        (Cancelled, "api_error", "api_error"),
        (Bug, "api_error", "api_error"),
    ];
    let kinds: BTreeSet<_> = table.iter().map(|(kind, ..)| kind.name()).collect();
    assert_eq!(kinds.len(), Kind::ALL.len());
    for (kind, openai, anthropic) in table {
        let failure = Failure::new(kind, Stage::Dispatch, "a \"b\"");
        let code = kind.code();
        let expected = format!(
            r#"{{"error":{{"message":"a \"b\"","type":"{openai}","param":null,"code":"{code}"}}}}"#
        );
        assert_eq!(error_body(Dialect::OpenAi, &failure), expected);
        let expected =
            format!(r#"{{"type":"error","error":{{"type":"{anthropic}","message":"a \"b\""}}}}"#);
        assert_eq!(error_body(Dialect::Anthropic, &failure), expected);
    }
}

#[test]
fn a_wrong_field_is_named() {
    let failure = Failure::invalid("invalid_type", "model is null: expected a string").at("model");
    let body = concat!(
        r#"{"error":{"message":"model is null: expected a string","#,
        r#""type":"invalid_request_error","param":"model","code":"invalid_type"}}"#
    );
    assert_eq!(error_body(Dialect::OpenAi, &failure), body);
    assert_eq!(error_event(Dialect::OpenAi, &failure), format!("data: {body}\n\n"));
    let event = error_event(Dialect::Anthropic, &failure);
    assert!(event.starts_with(b"event: error\ndata: {\"type\":\"error\""));
}

#[test]
fn messages_of_engines_are_found() {
    for (body, message) in [
        (r#"{"error":{"message":"bad top_p","type":"x","code":400}}"#, Some("bad top_p")),
        (r#"{"error":"overloaded"}"#, Some("overloaded")),
        (r#"{"object":"error","message":"bad","code":400}"#, Some("bad")),
        (r#"{"detail":"Not Found"}"#, Some("Not Found")),
        (r#"{"detail":[{"loc":["body"],"msg":"field required"}]}"#, Some("field required")),
        (r#"{"error":{"message":"see http://10.1.2.3/ x"}}"#, Some("see [removed] x")),
        (r#"{"error":{"message":""}}"#, None),
        (r#"{"error":null}"#, None),
        ("<html>502</html>", None),
        ("", None),
    ] {
        assert_eq!(error_message(body.as_bytes()).as_deref(), message, "{body}");
    }
    let long = format!(r#"{{"error":"{}"}}"#, "ข้อ ".repeat(400));
    assert_eq!(error_message(long.as_bytes()).unwrap().chars().count(), 500);
}

#[test]
fn a_credential_is_not_quoted_whatever_it_looks_like() {
    let said = |message: &str, key| {
        let body = serde_json::json!({ "error": { "message": message } }).to_string();
        error_message_without(body.as_bytes(), key).unwrap()
    };
    assert_eq!(said("no key like open sesame, 1", "open sesame"), "no key like [removed], 1");
    assert_eq!(said("there is none", "none"), "there is none", "a word for no key");
    assert_eq!(said("there is no key", ""), "there is no key");
    let long = "a ".repeat(245) + "open-sesame";
    assert!(!said(&long, "open-sesame").contains("open"), "cut only when it is gone");
}

#[test]
fn a_prompt_that_is_too_long_is_recognised() {
    for text in [
        "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens",
        "the request exceeds the available context size. try increasing the context size",
        "The input (9000 tokens) is longer than the model's context length (8192 tokens).",
        "`inputs` tokens + `max_new_tokens` must be <= 4096",
        "The decoder prompt is longer than the maximum model length of 2048",
        "prompt is too long: 210000 tokens > 200000 maximum",
    ] {
        let body = serde_json::json!({"error": {"message": text}}).to_string();
        assert!(is_context_length(400, body.as_bytes()), "{text}");
        assert!(!is_context_length(429, body.as_bytes()));
    }
    assert!(is_context_length(400, br#"{"error":{"code":"context_length_exceeded"}}"#));
    assert!(!is_context_length(400, br#"{"error":{"message":"temperature is too high"}}"#));
}
