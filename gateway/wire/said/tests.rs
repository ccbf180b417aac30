use super::*;

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
        assert_eq!(Said::read(body.as_bytes()).message("").as_deref(), message, "{body}");
    }
    let long = format!(r#"{{"error":"{}"}}"#, "ข้อ ".repeat(400));
    assert_eq!(Said::read(long.as_bytes()).message("").unwrap().chars().count(), 500);
}

#[test]
fn a_credential_is_not_quoted_whatever_it_looks_like() {
    let said = |message: &str, key| {
        let body = serde_json::json!({ "error": { "message": message } }).to_string();
        Said::read(body.as_bytes()).message(key).unwrap()
    };
    assert_eq!(said("no key like open sesame, 1", "open sesame"), "no key like [removed], 1");
    assert_eq!(said("there is none", "none"), "there is none", "a word for no key");
    assert_eq!(said("there is no key", ""), "there is no key");
    let long = "a ".repeat(245) + "open-sesame";
    assert!(!said(&long, "open-sesame").contains("open"), "cut only when it is gone");
}

/// A prompt that nobody could call long, and one that may be.
/// What a prompt is to its context window: short, or half of it and more.
const SHORT: bool = false;
const NEAR: bool = true;

fn too_long(status: u16, message: &str, half_full: bool) -> bool {
    let body = serde_json::json!({"error": {"message": message, "type": "BadRequestError"}});
    Said::read(body.to_string().as_bytes()).is_too_long(status, half_full, &[])
}

#[test]
fn a_prompt_that_is_too_long_is_recognised_in_the_words_of_many_engines() {
    for text in [
        "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens",
        "the request exceeds the available context size. try increasing the context size",
        "The input (9000 tokens) is longer than the model's context length (8192 tokens).",
        "`inputs` tokens + `max_new_tokens` must be <= 4096",
        "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000",
        "Input validation error: `inputs` must have less than 4096 tokens. Given: 5000",
        "inputs tokens + max_new_tokens must be <= 4096",
        "The decoder prompt is longer than the maximum model length of 2048",
        "prompt is too long: 210000 tokens > 200000 maximum",
        "max_tokens must be at least 1, got -160",
        "max_completion_tokens must be at least 1, got -1.",
        "Range of input length should be [1, 30720]",
        "Your request exceeded model token limit: 8192",
        "Invalid request: Your request exceeded model token limit: 131072 (requested: 140000)",
        "Prompt contains 40000 tokens, too large for model with 32768 maximum context length",
        "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)",
        "Input is too long for requested model.",
        "Prompt exceeds max length",
        "Prompt 超长",
        "invalid params, context window exceeds limit",
        "too many tokens: total number of tokens in the prompt cannot exceed 4081",
        "Prompt length (9000) exceeds maximum input length (8192).",
        "Input tokens exceed the configured limit of 272000 tokens.",
        "prompt too long; exceeded max context length by 1000 tokens",
        "Please reduce the length of your prompt; it has too many tokens",
        "Requested token count exceeds the model's maximum context length of 131072 tokens.",
        "输入长度超过模型最大长度限制",
        "入力が長すぎます: トークン数が上限を超えています",
        "입력 토큰 수가 최대 한도를 초과했습니다",
        "La longitud de la entrada excede el límite del modelo",
        "Die Länge der Eingabe überschreitet das Maximum",
        "length of prompt_tokens (32800) must be less than max_seq_len (32768).",
        "tokens in request more than max tokens allowed",
        "input characters limit is 129024",
        "Total tokens of image and text exceed max message tokens",
        "The total number of tokens (prompt + tools) exceeds the limit",
        "Input tokens (9000) exceed the maximum of 8192 (including tools)",
        "The request exceeds the maximum size of the KV cache",
        "Input too large for model",
        "input too large: 9000 tokens, maximum 8192",
        "Le nombre de jetons de l'invite dépasse la limite",
        "Запрос слишком длинный: превышено число токенов",
        "토큰 수가 컨텍스트 길이를 초과합니다",
        "ข้อความยาวเกินบริบทของโมเดล",
    ] {
        assert!(too_long(400, text, SHORT), "{text}");
        assert!(!too_long(429, text, NEAR) && !too_long(500, text, NEAR), "{text}");
    }
    let body = br#"{"error":{"code":"context_length_exceeded"}}"#;
    assert!(Said::read(body).is_too_long(400, SHORT, &[]));
    assert!(Said::read(b"prompt is too long").is_too_long(400, SHORT, &[]));
}

#[test]
fn a_prompt_near_its_context_is_too_long_in_words_that_nobody_has_listed() {
    for text in ["bad length", "9000 tokens", "模型长度", "コンテキスト不足", "Zu lang!"]
    {
        assert!(too_long(400, text, NEAR), "{text}");
        assert!(!too_long(400, text, SHORT), "{text}");
    }
    assert!(too_long(413, "Request Entity Too Large", NEAR));
    assert!(!too_long(413, "Request Entity Too Large", SHORT));
    let said = Said::read(r#"{"error":"Der Sack ist VOLL, mein Herr"}"#.as_bytes());
    assert!(!said.is_too_long(400, SHORT, &[]));
    assert!(said.is_too_long(400, SHORT, &["sack ist voll".into()]), "by the operator's word");
}

#[test]
fn what_is_wrong_with_other_fields_is_no_long_prompt() {
    for text in [
        "max_tokens must be at least 1, got 0",
        "max_tokens must be at least 1, got 0.",
        "temperature must be in [0, 2], got 3",
        "temperature must be less than 2: -1 is not",
        "invalid image length",
        "The image in your message is too large: at most 1024 tokens",
        "tool name length must be at most 64",
        "stop sequence length exceeds the limit",
        "Invalid 'messages[0].name': string too long. Expected maximum length 64",
        "Unexpected token < in JSON at position 0",
        "The response was filtered due to the prompt triggering the content management policy",
        "Requested tokens exceed the limit of 6000 tokens per minute",
        "top_logprobs must be at most 20",
        "this model does not know the field foo",
        "stop sequences: too many tokens",
        "max_tokens is too large: 100000. This model supports at most 4096 completion tokens",
        "max_tokens: 100000 > 8192, which is the maximum allowed number of output tokens",
        "min_tokens must be less than or equal to max_tokens=10, got 20",
        "Range of max_tokens should be [1, 8192]",
        "thinking_budget exceeds the maximum token limit of the model",
        "guided_json is too large, exceeds the maximum token budget of the prompt",
        "prefill is not supported: the last message must not be longer than",
        "prompt_cache_key: string too long. Expected a string with maximum length 64",
        "Invalid 'user': string too long. Expected a string with maximum length 512",
        "Invalid input token id: 200018 is larger than the vocabulary",
        "Input tokens exceed the limit per minute",
        "at most 1 image may be provided in one prompt",
    ] {
        assert!(!too_long(400, text, SHORT), "{text}");
        assert!(!too_long(400, text, NEAR), "{text}");
    }
    let pydantic = br#"{"detail":[{"loc":["body","max_tokens"],"type":"greater_than",
        "msg":"Input should be greater than 0","input":"prompt is too long"}]}"#;
    assert!(
        !Said::read(pydantic).is_too_long(422, NEAR, &[]),
        "the caller's words are not the engine's"
    );
    let answer =
        br#"{"choices":[{"message":{"content":"prompt is too long"},"error":{"code":400}}]}"#;
    assert!(!Said::read(answer).is_too_long(400, NEAR, &[]));
}

#[test]
fn an_event_is_read_with_its_field_names() {
    for event in [
        "data: {\"error\":{\"message\":\"bad\",\"code\":400}}\n\n",
        "event: error\ndata: {\"message\":\"bad\",\"code\":\"400\"}\n\n",
        "error: {\"message\":\"bad\",\"code\":400}\n\n",
        "data: {\"choices\":[{\"error\":{\"message\":\"bad\",\"status\":400}}]}\r\n\r\n",
    ] {
        let said = Said::event(event.as_bytes());
        assert_eq!((said.status, said.message("").as_deref()), (Some(400), Some("bad")), "{event}");
    }
}
