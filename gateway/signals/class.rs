//! The data class of a request: by its caller, by what it states and by what it contains; and in what words
//! one is refused that is above what its caller may send.

use http::HeaderMap;
use policies::facts::{Content, DataClass, Signals};

use super::{header::DATA_CLASS, label};
use crate::{
    failure::{Failure, Kind, Stage},
    outcome::{Caller, ContentClasses},
};

/// The highest of the caller's class, the one that a header states and the one that contents raise to.
///
/// # Errors
/// When the header says no class.
pub(super) fn of(
    headers: &HeaderMap,
    caller: &Caller,
    raised: Option<DataClass>,
) -> Result<DataClass, Failure> {
    let all = [Some(caller.data_class), stated(headers)?, raised];
    Ok(all.into_iter().flatten().max().unwrap_or(caller.data_class))
}

fn stated(headers: &HeaderMap) -> Result<Option<DataClass>, Failure> {
    label(headers, &DATA_CLASS, policies::labels::data_class, DataClass::ALL)
}

/// The refusal of a request whose class is above what its key or a team may send: whose limit that is, and
/// what has made the class so high. Of contents it says kinds and counts, never the text.
pub(crate) fn forbidden(
    signals: &Signals,
    headers: &HeaderMap,
    caller: &Caller,
    classes: &ContentClasses,
) -> Option<Failure> {
    let most = caller.data_class_max;
    if signals.data_class <= most {
        return None;
    }
    let refused = |public: String| {
        Failure::new(Kind::Forbidden, Stage::Classify, public).coded("data_class_forbidden")
    };
    let above = stated(headers).ok().flatten().filter(|class| *class > most);
    let raising = classes.raising(&signals.contains).filter(|(_, _, class)| *class > most);
    let raising: Vec<String> = raising.map(raises).collect();
    Some(match (above, and(&raising)) {
        (None, Some(raising)) => {
            let whose = whose(caller, "this key", |team| format!("team `{team}`"));
            refused(format!(
                "the request contains {raising}, and {whose} may send no more than `{most}`"
            ))
        }
        (above, _) => {
            let class = above.unwrap_or(signals.data_class);
            let whose = whose(caller, "this key's", |team| format!("team `{team}`'s"));
            let public = format!("data class `{class}` is above {whose} `{most}`");
            refused(public).at(DATA_CLASS.as_str().to_owned())
        }
    })
}

/// Whose limit holds for this caller.
fn whose(caller: &Caller, key: &str, team: impl Fn(&str) -> String) -> String {
    caller.data_class_max_of.as_deref().map_or_else(|| key.to_owned(), team)
}

/// So many of a kind, and the class that they raise to.
fn raises((kind, count, class): (Content, u16, DataClass)) -> String {
    format!("{} (data class `{class}`)", counted(kind, count))
}

/// So many of a kind, as a sentence has it: `a mail address`, `3 IBANs`.
fn counted(kind: Content, count: u16) -> String {
    let (article, noun) = match kind {
        Content::PaymentCard => ("a", "payment card number"),
        Content::Iban => ("an", "IBAN"),
        Content::NationalId => ("a", "national identity number"),
        Content::TaxId => ("a", "tax number"),
        Content::Passport => ("a", "passport number"),
        Content::AccountNumber => ("an", "account number"),
        Content::Phone => ("a", "phone number"),
        Content::Mail => ("a", "mail address"),
        Content::Secret => ("a", "secret"),
    };
    match (count, noun.ends_with('s')) {
        (1, _) => format!("{article} {noun}"),
        (_, true) => format!("{count} {noun}es"),
        (_, false) => format!("{count} {noun}s"),
    }
}

/// Parts of a sentence, one after the other; nothing where there is none.
fn and(parts: &[String]) -> Option<String> {
    let (last, first) = parts.split_last()?;
    Some(if first.is_empty() { last.clone() } else { format!("{} and {last}", first.join(", ")) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_counted_in_english() {
        let one: Vec<_> = Content::ALL.iter().map(|kind| counted(*kind, 1)).collect();
        assert_eq!(
            one.join(", "),
            "a payment card number, an IBAN, a national identity number, a tax number, a passport number, an \
             account number, a phone number, a mail address, a secret"
        );
        assert_eq!(counted(Content::Mail, 2), "2 mail addresses");
        assert_eq!(counted(Content::Iban, 65_535), "65535 IBANs");
    }

    #[test]
    fn a_refusal_says_whose_limit_it_is_and_every_kind_above_it() {
        let mut classes = ContentClasses::default();
        classes.set(Content::Phone, DataClass::Internal);
        classes.set(Content::Mail, DataClass::Confidential);
        classes.set(Content::Secret, DataClass::Secret);
        let mut signals = Signals { data_class: DataClass::Secret, ..Signals::chat("auto") };
        let said = |signals: &Signals, stated: &str, of: Option<&str>| {
            let caller = Caller {
                data_class_max: DataClass::Internal,
                data_class_max_of: of.map(Into::into),
                ..(*crate::record::sample::caller()).clone()
            };
            let mut headers = HeaderMap::new();
            if !stated.is_empty() {
                headers.insert(&DATA_CLASS, stated.parse().unwrap());
            }
            let failure = forbidden(signals, &headers, &caller, &classes).unwrap();
            assert_eq!(failure.param.is_some(), !stated.is_empty());
            failure.public.into_owned()
        };
        signals.contains.add(Content::Secret);
        assert_eq!(
            said(&signals, "", None),
            "the request contains a secret (data class `secret`), and this key may send no more than \
             `internal`"
        );
        signals.contains.add_many(Content::Mail, 2);
        signals.contains.add_many(Content::Phone, 3);
        signals.contains.add_many(Content::Iban, 3);
        assert_eq!(
            said(&signals, "", Some("retail")),
            "the request contains 2 mail addresses (data class `confidential`) and a secret (data class \
             `secret`), and team `retail` may send no more than `internal`"
        );
        for (of, told) in [(None, "this key's"), (Some("retail"), "team `retail`'s")] {
            let expected = format!("data class `confidential` is above {told} `internal`");
            assert_eq!(said(&signals, "confidential", of), expected);
        }
    }
}
