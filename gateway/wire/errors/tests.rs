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
    let event = error_event(Dialect::Responses, &failure);
    let data = event.strip_prefix(b"event: error\ndata: ").unwrap();
    let data: serde_json::Value = serde_json::from_slice(data).unwrap();
    let error: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!((&data["type"], &data["error"]), (&"error".into(), &error["error"]));
    for name in ["code", "message", "param"] {
        assert_eq!(data[name], error["error"][name], "{name}");
    }
    let event = error_event(Dialect::Anthropic, &failure);
    assert!(event.starts_with(b"event: error\ndata: {\"type\":\"error\""));
}
