//! JSON that people write for operators: a tree of it in which no key stands twice, since nobody can know
//! which of two amounts was meant.

use std::{fmt, fmt::Write as _};

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Why a text is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unread {
    /// A key stands twice in one object; its path.
    #[error("the key `{0}` stands in it twice")]
    Twice(String),
    /// It is no JSON.
    #[error("{0}")]
    NotJson(String),
}

/// Reads a text that is one value.
///
/// # Errors
/// It is none, or an object of it says the same key twice, at any depth.
pub(crate) fn strict(text: &[u8]) -> Result<Value, Unread> {
    let mut place = Place::default();
    let mut json = serde_json::Deserializer::from_slice(text);
    let read = Node(&mut place).deserialize(&mut json).and_then(|it| json.end().map(|()| it));
    read.map_err(|error| {
        place.twice.map_or_else(|| Unread::NotJson(error.to_string()), Unread::Twice)
    })
}

/// Where the reader is.
#[derive(Default)]
struct Place {
    path: String,
    /// The path of a key that stands twice.
    twice: Option<String>,
}

impl Place {
    /// Goes one step down, and says how to come back.
    fn key(&mut self, key: &str) -> usize {
        let above = self.path.len();
        if above > 0 {
            self.path.push('.');
        }
        self.path.push_str(key);
        above
    }

    fn item(&mut self, at: usize) -> usize {
        let above = self.path.len();
        // A text can be written to.
        let _ = write!(self.path, "[{at}]");
        above
    }
}

struct Node<'p>(&'p mut Place);

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, it: bool) -> Result<Value, E> {
        Ok(it.into())
    }

    fn visit_i64<E>(self, it: i64) -> Result<Value, E> {
        Ok(it.into())
    }

    fn visit_u64<E>(self, it: u64) -> Result<Value, E> {
        Ok(it.into())
    }

    fn visit_f64<E>(self, it: f64) -> Result<Value, E> {
        Ok(Number::from_f64(it).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, it: &str) -> Result<Value, E> {
        Ok(it.into())
    }

    fn visit_string<E>(self, it: String) -> Result<Value, E> {
        Ok(it.into())
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<Value, S::Error> {
        let mut all = Vec::new();
        loop {
            let above = self.0.item(all.len());
            let it = list.next_element_seed(Node(self.0))?;
            self.0.path.truncate(above);
            match it {
                Some(it) => all.push(it),
                None => return Ok(all.into()),
            }
        }
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Value, M::Error> {
        let mut all = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let above = self.0.key(&key);
            if all.contains_key(&key) {
                self.0.twice = Some(self.0.path.clone());
                return Err(M::Error::custom("a key twice"));
            }
            let it = map.next_value_seed(Node(self.0))?;
            self.0.path.truncate(above);
            all.insert(key, it);
        }
        Ok(all.into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn twice(path: &str) -> Result<Value, Unread> {
        Err(Unread::Twice(path.to_owned()))
    }

    #[test]
    fn a_key_that_stands_twice_is_named_by_its_path_wherever_it_stands() {
        for (text, path) in [
            (r#"{"a":1,"a":1}"#, "a"),
            (r#"{"budget":[{"amount":"1"},{"amount":"1","amount":"9"}]}"#, "budget[1].amount"),
            (r#"{"keys":[{"x":[1,[2,{"y":1,"y":2}]]}]}"#, "keys[0].x[1][1].y"),
            (r#"[[],[1],{"a":{"b":0},"c":{"d":[],"d":{}}}]"#, "[2].c.d"),
            (r#"{"a":{"x":1},"b":[{"x":1}],"a":null}"#, "a"),
            ("{\"a\":1,\"\\u0061\":2}", "a"),
            (r#"{"":1,"":2}"#, ""),
            // What follows is not read any more.
            (r#"{"a":1,"a":"#, "a"),
        ] {
            assert_eq!(strict(text.as_bytes()), twice(path), "{text}");
        }
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in ["", "{", "{}{}", "{a:1}", "nul", "1e999", "\"\u{1}\"", "[1,]"] {
            assert!(matches!(strict(text.as_bytes()), Err(Unread::NotJson(_))), "{text}");
        }
        let deep = "[".repeat(100_000);
        assert!(matches!(strict(deep.as_bytes()), Err(Unread::NotJson(_))));
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<i32>().prop_map(|it| (f64::from(it) / 8.0).into()),
            ".{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            let list = prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from);
            let map = prop::collection::btree_map("[a-c.\\[\\]]{0,3}", inner, 0..5);
            prop_oneof![list, map.prop_map(|it| it.into_iter().collect::<Map<_, _>>().into())]
        })
    }

    /// How many objects with a key there are in it.
    fn objects(it: &Value) -> usize {
        match it {
            Value::Object(map) => {
                usize::from(!map.is_empty()) + map.values().map(objects).sum::<usize>()
            }
            Value::Array(list) => list.iter().map(objects).sum(),
            _ => 0,
        }
    }

    /// It as text, in which the object of this number says its first key again, at its end.
    fn doubled(it: &Value, left: &mut usize, text: &mut String) {
        match it {
            Value::Object(map) => {
                let this = !map.is_empty() && std::mem::replace(left, left.wrapping_sub(1)) == 0;
                let again = map.iter().next().filter(|_| this);
                text.push('{');
                for (at, (key, value)) in map.iter().chain(again).enumerate() {
                    text.push_str(if at > 0 { "," } else { "" });
                    let _ = write!(text, "{}:", Value::from(key.as_str()));
                    doubled(value, left, text);
                }
                text.push('}');
            }
            Value::Array(list) => {
                text.push('[');
                for (at, value) in list.iter().enumerate() {
                    text.push_str(if at > 0 { "," } else { "" });
                    doubled(value, left, text);
                }
                text.push(']');
            }
            leaf => text.push_str(&leaf.to_string()),
        }
    }

    proptest! {
        #[test]
        fn what_says_each_key_once_is_read_as_it_is(it in any_value()) {
            prop_assert_eq!(strict(it.to_string().as_bytes()), Ok(it));
        }

        #[test]
        fn one_key_twice_anywhere_is_never_taken(it in any_value(), seed in any::<usize>()) {
            let count = objects(&it);
            prop_assume!(count > 0);
            let mut text = String::new();
            doubled(&it, &mut (seed % count), &mut text);
            prop_assert!(matches!(strict(text.as_bytes()), Err(Unread::Twice(_))), "{}", text);
        }
    }
}
