//! Values of a caller's JSON by their places: read where they are looked at, copied nowhere. For the readers
//! of requests that are written anew in another dialect; the body was checked as a whole before.

use std::{borrow::Cow, fmt};

use smallvec::SmallVec;

use super::{
    escape::unescape,
    field::{echo, twice, wrong_type},
    scan::{JsonError, Scanner, Shape},
};
use crate::failure::Failure;

/// A way into a body, such as `messages[3].content[0].text`: a step, and the way to it.
#[derive(Clone, Copy)]
pub(super) enum Path<'p> {
    /// A member of the body itself.
    Top(&'p str),
    /// A member of the object at this path.
    Member(&'p Path<'p>, &'p str),
    /// An element of the array at this path.
    Item(&'p Path<'p>, usize),
}

impl<'p> Path<'p> {
    /// The member of this name.
    pub(super) fn at(&'p self, name: &'p str) -> Self {
        Self::Member(self, name)
    }

    /// The element at this position.
    pub(super) fn item(&'p self, position: usize) -> Self {
        Self::Item(self, position)
    }

    /// The refusal of what stands here.
    pub(super) fn invalid(&self, what: &str) -> Failure {
        Failure::invalid("invalid_value", format!("{self} {what}")).at(self.to_string())
    }

    /// The refusal of what is not there.
    pub(super) fn missing(&self) -> Failure {
        let text = format!("{self} is missing");
        Failure::invalid("missing_required_parameter", text).at(self.to_string())
    }

    /// The refusal of what has another type than it should.
    pub(super) fn wrong(&self, found: Shape, expected: &str) -> Failure {
        wrong_type(self.to_string(), found, expected)
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Top(name) => out.write_str(name),
            Self::Member(of, name) => write!(out, "{of}.{name}"),
            Self::Item(of, position) => write!(out, "{of}[{position}]"),
        }
    }
}

/// A JSON string as it is written, without its quotes: it may be copied between the quotes of another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Text<'a>(pub(super) &'a [u8]);

impl<'a> Text<'a> {
    /// What it says.
    pub(super) fn plain(self) -> Cow<'a, str> {
        match std::str::from_utf8(self.0) {
            Ok(text) if !text.contains('\\') => Cow::Borrowed(text),
            _ => {
                let mut text = String::with_capacity(self.0.len());
                unescape(self.0, &mut text);
                Cow::Owned(text)
            }
        }
    }

    /// Whether nothing is in it.
    pub(super) fn is_empty(self) -> bool {
        self.0.is_empty()
    }
}

/// A value at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Json<'a> {
    /// What it is.
    pub(super) shape: Shape,
    /// As it is written, quotes and brackets included.
    pub(super) bytes: &'a [u8],
}

impl<'a> Json<'a> {
    /// The value that this text is.
    ///
    /// # Errors
    /// It is none, or more than one.
    pub(super) fn whole(bytes: &'a [u8]) -> Result<Self, JsonError> {
        let mut scanner = Scanner::lenient(bytes);
        let (shape, span) = scanner.value()?;
        scanner.end()?;
        Ok(Self { shape, bytes: span.of(bytes) })
    }

    /// The value that a scanner is at.
    pub(super) fn next(scanner: &mut Scanner<'a>) -> Result<Self, JsonError> {
        let (shape, span) = scanner.value()?;
        Ok(Self { shape, bytes: span.of(scanner.bytes()) })
    }

    /// Whether it is `null`.
    pub(super) fn is_null(self) -> bool {
        self.shape == Shape::Null
    }

    /// The string that it must be.
    pub(super) fn text(self, path: Path<'_>) -> Result<Text<'a>, Failure> {
        self.text_if().ok_or_else(|| path.wrong(self.shape, "a string"))
    }

    /// The string that it is.
    pub(super) fn text_if(self) -> Option<Text<'a>> {
        let inside = self.bytes.get(1..self.bytes.len().checked_sub(1)?)?;
        (self.shape == Shape::String).then_some(Text(inside))
    }

    /// The boolean that it must be; `null` is none.
    pub(super) fn boolean(self, path: Path<'_>) -> Result<Option<bool>, Failure> {
        match self.shape {
            Shape::True => Ok(Some(true)),
            Shape::False => Ok(Some(false)),
            Shape::Null => Ok(None),
            found => Err(path.wrong(found, "a boolean")),
        }
    }

    /// The elements of the array that it must be.
    pub(super) fn items(self, path: Path<'_>) -> Result<SmallVec<[Self; 4]>, Failure> {
        if self.shape != Shape::Array {
            return Err(path.wrong(self.shape, "an array"));
        }
        let mut items = SmallVec::new();
        Scanner::lenient(self.bytes).array(|scanner, _| {
            items.push(Self::next(scanner)?);
            Ok::<_, JsonError>(())
        })?;
        Ok(items)
    }

    /// The members of the object that it must be.
    pub(super) fn members(self, path: Path<'_>) -> Result<Members<'a>, Failure> {
        if self.shape != Shape::Object {
            return Err(path.wrong(self.shape, "an object"));
        }
        Members::read(self.bytes)
    }
}

/// The members of an object.
#[derive(Clone, Debug, Default)]
pub(super) struct Members<'a>(SmallVec<[(Cow<'a, [u8]>, Json<'a>); 8]>);

impl<'a> Members<'a> {
    /// Reads an object.
    ///
    /// # Errors
    /// A name stands in it twice.
    pub(super) fn read(object: &'a [u8]) -> Result<Self, Failure> {
        let mut members = Self::default();
        Scanner::lenient(object).object(|scanner, key| {
            let name = key.name();
            if members.0.iter().any(|(known, _)| *known == name) {
                return Err(twice(&name));
            }
            members.0.push((name, Json::next(scanner)?));
            Ok::<_, Failure>(())
        })?;
        Ok(members)
    }

    /// The member of this name, which is not `null`; it is looked at, and not among those that are left.
    pub(super) fn take(&mut self, name: &str) -> Option<Json<'a>> {
        let at = self.0.iter().position(|(known, _)| **known == *name.as_bytes())?;
        let (_, value) = self.0.swap_remove(at);
        (!value.is_null()).then_some(value)
    }

    /// The member of this name, which stays among those that are left.
    pub(super) fn get(&self, name: &str) -> Option<Json<'a>> {
        self.0.iter().find(|(known, _)| **known == *name.as_bytes()).map(|(_, value)| *value)
    }

    /// The string of this name.
    pub(super) fn text(&mut self, path: Path<'_>, name: &str) -> Result<Option<Text<'a>>, Failure> {
        self.take(name).map(|it| it.text(path.at(name))).transpose()
    }

    /// The string of this name, which must be there.
    pub(super) fn needed(&mut self, path: Path<'_>, name: &str) -> Result<Text<'a>, Failure> {
        self.text(path, name)?.ok_or_else(|| path.at(name).missing())
    }

    /// The members that nobody has taken, by name; those that are `null` say nothing.
    pub(super) fn left(&self) -> impl Iterator<Item = (String, Json<'a>)> {
        self.0.iter().filter(|(_, it)| !it.is_null()).map(|(name, it)| (echo(name), *it))
    }
}

/// Calls for each member of an engine's object, with its name and value; nothing may follow it.
pub(super) fn object<'a>(
    data: &'a [u8],
    mut each: impl FnMut(&[u8], Json<'a>) -> Result<(), JsonError>,
) -> Result<(), JsonError> {
    let mut scanner = Scanner::lenient(data);
    if scanner.shape()? != Shape::Object {
        return Err(JsonError { what: "no object", at: scanner.at() });
    }
    scanner.object(|scanner, key| {
        let name = key.name();
        each(&name, Json::next(scanner)?)
    })?;
    scanner.end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_taken_by_name_and_what_is_left_is_known() {
        let body = br#"{"a":"x\ny","b":[1,{"c":null}],"d":null,"\u0065":true}"#;
        let mut all = Json::whole(body).unwrap().members(Path::Top("it")).unwrap();
        let top = Path::Top("it");
        assert_eq!(all.needed(top, "a").unwrap().plain(), "x\ny");
        assert_eq!(all.take("e").unwrap().boolean(top).unwrap(), Some(true));
        let items = all.take("b").unwrap().items(top).unwrap();
        assert_eq!(
            items.iter().map(|it| it.bytes).collect::<Vec<_>>(),
            [&b"1"[..], b"{\"c\":null}"]
        );
        assert_eq!(all.left().count(), 0);
        assert!(all.take("d").is_none());
    }

    #[test]
    fn faults_say_where() {
        let messages = Path::Top("messages");
        let (third, content) = (messages.item(3), "content");
        let parts = third.at(content);
        let failure = Json::whole(b"7").unwrap().text(parts.item(0)).unwrap_err();
        assert_eq!(failure.param.as_deref(), Some("messages[3].content[0]"));
        assert_eq!(&*failure.public, "messages[3].content[0] is a number: expected a string");
        let twice = Json::whole(br#"{"a":1,"\u0061":2}"#).unwrap().members(messages).unwrap_err();
        assert_eq!(twice.code, "invalid_json");
    }
}
