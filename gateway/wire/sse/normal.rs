//! Events of a stream with their reasoning in the field that is configured.

use smallvec::SmallVec;

use super::{Event, What};
use crate::wire::{
    chunk::{self, Look, Pattern},
    frame::{fields, only_data},
    reasoning::Form,
};

/// An event with its reasoning where it belongs.
pub(super) fn push(form: &mut Form, event: Event, seen: u64, out: &mut SmallVec<[Event; 8]>) {
    if event.what == What::Done {
        out.extend(form.rest().map(|bytes| Event { bytes, what: What::Content }));
    }
    if !matches!(event.what, What::Content | What::Other | What::Finish) {
        return out.push(event);
    }
    let mut joined = Vec::new();
    let bytes = event.bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&event.bytes);
    let one_line = |data: &&[u8]| memchr::memchr2(b'\n', b'\r', data).is_none();
    let data = only_data(bytes).filter(one_line).unwrap_or_else(|| {
        fields(bytes, &mut joined);
        &joined
    });
    let written = if form.concerns(data, seen) { form.chunk(data) } else { None };
    let Some(mut data) = written else { return out.push(event) };
    // Between values of JSON a line's end is white space, and in a stream the end of its field.
    data.iter_mut().filter(|it| matches!(**it, b'\n' | b'\r')).for_each(|it| *it = b' ');
    let look = chunk::look(&data, &mut Pattern::default()).unwrap_or_default();
    let what = match look {
        Look { contents: 1.., .. } => What::Content,
        Look { finished: 1.., .. } => What::Finish,
        _ => What::Other,
    };
    out.push(Event { bytes: [b"data: ", &*data, b"\n\n"].concat().into(), what });
}
