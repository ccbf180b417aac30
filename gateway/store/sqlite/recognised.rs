//! How much a request asks of a model, and what it contains: columns of `shape`, of `entry` and of `refusal`
//! that the tenth schema has added. They are empty in older rows. Sets of labels have the kinds alone, and an
//! entry the counts: these may differ in each request.

use policies::facts::{Content, Contents};
use serde_json::{Map, Value};

/// The columns, of both tables of labels.
macro_rules! columns {
    () => {
        "complexity, contains"
    };
}
pub(super) use columns;

/// What an entry contains, with its counts: empty where it has nothing, which its set of labels says too.
macro_rules! of_entry {
    () => {
        "coalesce(e.contains, s.contains)"
    };
}
pub(super) use of_entry;

/// Adds them. Sets of labels are found by the kinds that are contained as well.
macro_rules! tables {
    () => {
        "ALTER TABLE shape ADD COLUMN complexity TEXT;
     ALTER TABLE shape ADD COLUMN contains TEXT;
     ALTER TABLE entry ADD COLUMN contains TEXT;
     ALTER TABLE refusal ADD COLUMN complexity TEXT;
     ALTER TABLE refusal ADD COLUMN contains TEXT;
     DROP INDEX shape_labels;
     CREATE INDEX shape_labels
       ON shape (requested_model, language, task, rule, needs, stream, contains);"
    };
}
pub(super) use tables;

/// The kinds that are there as the column has them: `national_id=1,phone=2`, in the order of the labels.
pub(super) fn text(contents: &Contents) -> String {
    let pairs = contents.found().map(|(kind, count)| format!("{kind}={count}"));
    pairs.collect::<Vec<_>>().join(",")
}

/// The kinds that are there, each once: what a set of labels has of contents.
pub(super) fn kinds(contents: &Contents) -> Contents {
    contents.found().fold(Contents::NONE, |mut kinds, (kind, _)| {
        kinds.add(kind);
        kinds
    })
}

/// These as the column of the labels has them: `national_id,phone`.
pub(super) fn kinds_text(contents: &Contents) -> String {
    contents.found().map(|(kind, _)| kind.code()).collect::<Vec<_>>().join(",")
}

/// What the column says; a kind that this version does not know is passed by.
pub(super) fn contents(text: &str) -> Contents {
    let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
    let known = pairs
        .filter_map(|(kind, count)| Some((Content::from_code(kind)?, count.parse::<u16>().ok()?)));
    let mut contents = Contents::NONE;
    known.for_each(|(kind, count)| contents.add_many(kind, count));
    contents
}

/// The column as an object of counts; nothing where it has another form.
pub(super) fn object(text: &str) -> Option<Value> {
    let pairs = text.split(',').filter(|pair| !pair.is_empty());
    let counts = pairs.map(|pair| {
        let (kind, count) = pair.split_once('=')?;
        Some((kind.to_owned(), count.parse::<u64>().ok()?.into()))
    });
    counts.collect::<Option<Map<_, _>>>().map(Value::Object)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_again(counts in proptest::collection::vec(any::<u16>(), Content::COUNT)) {
            let mut all = Contents::NONE;
            Content::ALL.iter().zip(&counts).for_each(|(kind, count)| all.add_many(*kind, *count));
            let text = text(&all);
            prop_assert_eq!(contents(&text), all);
            let object = object(&text).unwrap();
            prop_assert_eq!(object.as_object().unwrap().len(), all.found().count());
            for (kind, count) in all.found() {
                prop_assert_eq!(object[kind.code()].as_u64(), Some(count.into()));
            }
        }
    }

    #[test]
    fn a_column_says_its_kinds_in_the_order_of_the_labels_and_what_is_none_says_nothing() {
        let mut some = Contents::NONE;
        some.add_many(Content::Phone, 2);
        some.add(Content::NationalId);
        assert_eq!(text(&some), "national_id=1,phone=2");
        assert_eq!(
            object("national_id=1,phone=2").unwrap().to_string(),
            r#"{"national_id":1,"phone":2}"#
        );
        assert_eq!((text(&Contents::NONE), object("")), (String::new(), Some(Map::new().into())));
        for text in ["", "x", "phone", "phone=", "phone=-1", "fax=1", "phone=70000"] {
            assert_eq!(contents(text), Contents::NONE, "{text}");
        }
        assert_eq!(contents("fax=1,phone=2").count(Content::Phone), 2);
        assert_eq!((object("by hand"), object("phone=x")), (None, None));
    }
}
