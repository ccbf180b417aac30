//! The question of a chat to an engine that counts tokens and writes nothing.

use bytes::Bytes;

use super::Request;
use crate::wire::escape::quoted;

/// Its messages and tools alone, under the name by which the engine knows the model. The text of each token
/// is not wanted: it is many times what was asked.
pub(super) fn question(request: &Request, model: &str) -> Bytes {
    let messages = request.messages_span.of(&request.body);
    let tools = request.tools_span.filter(|_| request.tools > 0).map(|it| it.of(&request.body));
    let (head, tools) = (quoted(model), tools.unwrap_or_default());
    let mut body = Vec::with_capacity(messages.len() + tools.len() + head.len() + 64);
    body.extend_from_slice(b"{\"model\":");
    body.extend_from_slice(head.as_bytes());
    body.extend_from_slice(b",\"return_token_strs\":false,\"messages\":");
    body.extend_from_slice(messages);
    if !tools.is_empty() {
        body.extend_from_slice(b",\"tools\":");
        body.extend_from_slice(tools);
    }
    body.push(b'}');
    body.into()
}

#[cfg(test)]
mod tests {
    use crate::wire::{ReadLimits, Surface, read_to_count};

    #[test]
    fn it_is_the_chat_alone_under_the_engines_name() {
        let tools = r#","tools":[{"name":"f","input_schema":{"type":"object"}}]"#;
        let questions = [
            ("/messages", r#""messages":[{"role":"user","content":"a\"b"}]"#, tools),
            ("/messages", r#""messages":[{"role":"user","content":"x"}],"max_tokens":7"#, ""),
            ("/responses", r#""input":"x","store":false"#, ""),
        ];
        for (path, said, tools) in questions {
            let body = format!(r#"{{"model":"auto",{said}{tools}}}"#);
            let surface = Surface::at(path).unwrap();
            let request = read_to_count(surface, body.into(), &ReadLimits::default()).unwrap();
            let question = request.to_tokenizer("org/a \"model\"");
            let question: serde_json::Value = serde_json::from_slice(&question).unwrap();
            let mut names: Vec<_> = question.as_object().unwrap().keys().map(|it| &**it).collect();
            names.sort_unstable();
            let expected = ["messages", "model", "return_token_strs", "tools"];
            let expected = if tools.is_empty() { &expected[..3] } else { &expected[..] };
            assert_eq!(names, expected, "{question}");
            assert_eq!(question["model"], "org/a \"model\"");
            assert_eq!(question["messages"][0]["role"], "user");
        }
    }

    #[test]
    fn only_an_answer_needs_a_bound() {
        let body = r#"{"model":"a","messages":[{"role":"user","content":"x"}]}"#;
        let (surface, limits) = (Surface::at("/messages").unwrap(), ReadLimits::default());
        let refused = crate::wire::read(surface, body.into(), &limits).unwrap_err();
        assert_eq!(refused.param.as_deref(), Some("max_tokens"));
        assert!(read_to_count(surface, body.into(), &limits).is_ok());
    }
}
