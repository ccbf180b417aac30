//! The form that a request asks its answer to have, read from the body when somebody wants to know.

use bytes::Bytes;

use super::scan::{JsonError, Scanner, Shape, Span};

/// The form that a request asks the text of its answer to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AnswerFormat {
    /// An object of JSON, whatever is in it.
    Json,
    /// JSON that is valid by this JSON Schema, which is a slice of the request's body as it was written.
    Schema(Bytes),
}

/// Reads `response_format` of a body that was read before: one more pass over it, and no copy.
pub(super) fn response_format(body: &Bytes) -> Option<AnswerFormat> {
    let mut found = Said::default();
    // What stops the pass has been refused before; what is known by then is known.
    let _ = found.body(&mut Scanner::lenient(body));
    let Said { kind, wrapped, bare } = found;
    let schema = wrapped.or(bare);
    let slice = |span: Span| body.slice(span.start as usize..span.end as usize);
    match (kind?, schema) {
        // Some engines take a schema beside `json_object`.
        (Kind::Json | Kind::Schema, Some(span)) => Some(AnswerFormat::Schema(slice(span))),
        (Kind::Json | Kind::Schema, None) => Some(AnswerFormat::Json),
        (Kind::Other, _) => None,
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Json,
    Schema,
    Other,
}

/// What a `response_format` says.
#[derive(Default)]
struct Said {
    kind: Option<Kind>,
    /// The schema in `json_schema`.
    wrapped: Option<Span>,
    /// A schema that stands beside `type`, as some engines have it.
    bare: Option<Span>,
}

impl Said {
    fn body(&mut self, scanner: &mut Scanner<'_>) -> Result<(), JsonError> {
        if scanner.shape()? != Shape::Object {
            return Ok(());
        }
        scanner.object(|scanner, key| match (&*key.name(), scanner.shape()?) {
            (b"response_format", Shape::Object) => {
                scanner.object(|scanner, key| self.member(&key.name(), scanner))
            }
            _ => scanner.skip(),
        })
    }

    fn member(&mut self, name: &[u8], scanner: &mut Scanner<'_>) -> Result<(), JsonError> {
        match (name, scanner.shape()?) {
            (b"type", Shape::String) => {
                let word = scanner.string()?;
                self.kind = Some(match &*word.text(scanner.bytes()) {
                    b"json_object" | b"json" => Kind::Json,
                    b"json_schema" => Kind::Schema,
                    _ => Kind::Other,
                });
                Ok(())
            }
            (b"json_schema", Shape::Object) => scanner.object(|scanner, key| {
                let (shape, span) = scanner.value()?;
                if shape == Shape::Object && *key.name() == *b"schema" {
                    self.wrapped = Some(span);
                }
                Ok(())
            }),
            (b"schema" | b"value", Shape::Object) => {
                self.bare = Some(scanner.value()?.1);
                Ok(())
            }
            _ => scanner.skip(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::{ReadLimits, Request, Surface, read};

    fn request(members: &str) -> Request {
        let body = format!(
            r#"{{"model":"auto","messages":[{{"role":"user","content":"response_format"}}]{members}}}"#
        );
        read(Surface::first(), Bytes::from(body), &ReadLimits::default()).unwrap()
    }

    #[test]
    fn a_request_says_what_form_its_answer_is_to_have() {
        let schema =
            |text: &'static str| Some(AnswerFormat::Schema(Bytes::from_static(text.as_bytes())));
        for (members, expected) in [
            ("", None),
            (r#","response_format":null"#, None),
            (r#","response_format":{"type":"text"}"#, None),
            (r#","response_format":{"type":"regex","pattern":"a"}"#, None),
            (r#","response_format":{"type":"json_object"}"#, Some(AnswerFormat::Json)),
            (r#","response_format":{"type":"json\u005fobject"}"#, Some(AnswerFormat::Json)),
            (
                r#","response_format":{"type":"json_schema","json_schema":{"name":"a","strict":true}}"#,
                Some(AnswerFormat::Json),
            ),
            (
                r#","response_format":{"type":"json_schema","json_schema":{"schema":null}}"#,
                Some(AnswerFormat::Json),
            ),
            (
                r#","response_format":{"json_schema":{"schema": {"type" :"object"}},"type":"json_schema"}"#,
                schema(r#"{"type" :"object"}"#),
            ),
            (r#","response_format":{"type":"json_schema","schema":{"a":1}}"#, schema(r#"{"a":1}"#)),
            (r#","response_format":{"type":"json_object","schema":{}}"#, schema("{}")),
            (r#","metadata":{"response_format":{"type":"json_object"}},"stream":true"#, None),
        ] {
            assert_eq!(request(members).format(), expected, "{members}");
        }
    }

    #[test]
    fn a_schema_is_a_slice_of_the_body() {
        let request = request(
            r#","response_format":{"type":"json_schema","json_schema":{"schema":{"type":"object"}}}"#,
        );
        let Some(AnswerFormat::Schema(schema)) = request.format() else { panic!("no schema") };
        assert!(request.body().as_ptr_range().contains(&schema.as_ptr()));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = response_format(&Bytes::from(bytes));
        }

        #[test]
        fn any_cut_of_a_body_is_read_without_a_panic(at in 0_usize..200) {
            let whole = request(
                r#","response_format":{"type":"json_schema","json_schema":{"schema":{"a":"\u0041"}}}"#,
            );
            let body = whole.body();
            let _ = response_format(&body.slice(..at.min(body.len())));
        }
    }
}
