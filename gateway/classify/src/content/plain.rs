//! Names in a text as the words that they are made of.

use memchr::memchr3_iter;

use super::symbol::{Held, held, resolved};

/// A text whose escapes of characters, if it has any, are resolved, with blanks for what joins the words of a
/// name: `partita_iva`, `national-id`, `account.number`.
pub(super) fn plain<'a>(text: &'a str, room: &'a mut Held) -> &'a str {
    if text.contains('\\') && text.contains("\\u") {
        held(resolved(text, true), room);
    } else {
        let joint = |at: &usize| joins(text.as_bytes(), *at);
        if memchr3_iter(b'_', b'-', b'.', text.as_bytes()).find(joint).is_none() {
            return text;
        }
        room.clear();
        room.extend_from_slice(text.as_bytes());
    }
    for at in 0..room.len() {
        if joins(room, at)
            && let Some(sign) = room.get_mut(at)
        {
            *sign = b' ';
        }
    }
    str::from_utf8(room).unwrap_or("")
}

/// Whether the sign at a place joins the words of a name.
fn joins(text: &[u8], at: usize) -> bool {
    let letter =
        |at: Option<usize>| at.and_then(|at| text.get(at)).is_some_and(u8::is_ascii_alphabetic);
    match text.get(at) {
        Some(b'_') => true,
        Some(b'-' | b'.') => letter(at.checked_sub(1)) && letter(Some(at + 1)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_joins_words_is_blank() {
        for (text, wanted) in [
            ("partita_iva national-id account.number", "partita iva national id account number"),
            ("_a-1 b.2 -c d- é-e 1_2 a--b", " a-1 b.2 -c d- é-e 1 2 a--b"),
            (r"no_\u0069c a\u002db \n", "no ic a b \n"),
            ("nothing of it: 1-2, 3.4", "nothing of it: 1-2, 3.4"),
            ("", ""),
        ] {
            assert_eq!(plain(text, &mut Held::new()), wanted);
            let long = format!("{text} ").repeat(100);
            assert_eq!(plain(&long, &mut Held::new()), format!("{wanted} ").repeat(100));
        }
    }
}
