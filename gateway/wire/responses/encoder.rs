//! An answer by Responses, written from what a chat completion says.

use policies::{Counts, facts::Tokens};

use super::{
    super::{
        delta::{CallArguments, Delta, Reason},
        json::{Text, object},
        label::{AnswerLabel, push_text},
        request::native::Echo,
    },
    output::{Called, Item, Part, Response, Said, Status, push_part, raw},
};

/// Writes the events of a stream; what was said is kept for the last one, which repeats it.
#[derive(Debug)]
pub(in super::super) struct Encoder {
    label: AnswerLabel,
    echo: Echo,
    /// As what reasoning is told.
    reasoning: Part,
    /// An estimate of the input, where the engine tells no usage.
    input: Tokens,
    model: Vec<u8>,
    started: bool,
    /// Whether the answer is whole: no event is written then.
    whole: bool,
    /// Events so far.
    events: u64,
    items: Vec<Item>,
    /// Whether the last item is a text that goes on.
    open: bool,
    calls: Vec<Call>,
    reason: Option<Reason>,
}

/// A call by the engine's index. Calls may mix: each is open until the end.
#[derive(Debug)]
struct Call {
    index: u32,
    /// The place of its item, once its name is known.
    place: Option<usize>,
    id: Option<Vec<u8>>,
    /// Arguments that came before the name.
    held: Vec<u8>,
}

impl Encoder {
    /// For an answer that has not begun.
    pub(in super::super) fn new(label: AnswerLabel, echo: Echo, input: Tokens) -> Self {
        Self {
            label,
            reasoning: if asks_summary(&echo) { Part::Summary } else { Part::Reasoning },
            echo,
            input,
            model: Vec::new(),
            started: false,
            whole: false,
            events: 0,
            items: Vec::new(),
            open: false,
            calls: Vec::new(),
            reason: None,
        }
    }

    /// Writes a piece of the answer.
    pub(in super::super) fn delta(&mut self, delta: Delta<'_>, out: &mut Vec<u8>) {
        match delta {
            Delta::Model(model) => {
                if self.model.is_empty() {
                    self.model.extend_from_slice(model.0);
                }
            }
            Delta::Reasoning(text) => self.say(self.reasoning, text, out),
            Delta::Text(text) => self.say(Part::Text, text, out),
            Delta::Refusal(text) => self.say(Part::Refusal, text, out),
            Delta::Call { index, id, name, arguments } => {
                self.call((index, id), name, arguments, out);
            }
            // Responses have no place for it.
            Delta::StopSequence(_) => {}
            Delta::Finish(reason) => self.reason = Some(reason),
        }
    }

    /// The answer ends at its bound.
    pub(in super::super) fn at_length(&mut self) {
        self.reason = Some(Reason::Length);
    }

    /// Writes the first events, where they were not written yet.
    pub(in super::super) fn begin(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        for name in ["response.created", "response.in_progress"] {
            self.response(name, (Status::InProgress, None), out);
        }
    }

    /// Writes what a whole stream ends with.
    pub(in super::super) fn end(&mut self, counts: Counts, out: &mut Vec<u8>) {
        self.begin(out);
        let status = Status::of(self.reason);
        let last = self.items.len().saturating_sub(1);
        if std::mem::take(&mut self.open) {
            self.close(last, status, out);
        }
        for at in 0..self.calls.len() {
            if let Some(place) = self.calls.get(at).and_then(|it| it.place) {
                self.called(place, if place == last { status } else { Status::Completed }, out);
            }
        }
        let Counts { input, cached_input, cache_write, .. } = counts;
        let told = input != 0 || cached_input != 0 || cache_write != 0;
        let input = if told { input } else { self.input.0 };
        let name =
            if status == Status::Completed { "response.completed" } else { "response.incomplete" };
        self.response(name, (status, Some(Counts { input, ..counts })), out);
    }

    /// An event that holds the response as it is.
    fn response(
        &mut self,
        name: &str,
        (status, counts): (Status, Option<Counts>),
        out: &mut Vec<u8>,
    ) {
        let number = self.number();
        event(out, (name, number), |out| {
            raw(out, ",\"response\":");
            let reason = self.reason;
            let Self { label, echo, model, items, .. } = &*self;
            Response { label, echo, model, items, status, reason, counts }.push(out);
        });
    }

    fn number(&mut self) -> u64 {
        let number = self.events;
        self.events += 1;
        number
    }

    /// An event of the item at this place; of a text of it, which is the last one, where there is a `part`.
    fn of_item(
        &mut self,
        name: &str,
        (place, part): (usize, Option<Part>),
        out: &mut Vec<u8>,
        more: impl FnOnce(&Item, &mut Vec<u8>),
    ) {
        if self.whole {
            return;
        }
        let number = self.number();
        let Some(item) = self.items.get(place) else { return };
        event(out, (name, number), |out| {
            raw(out, format!(",\"item_id\":\"{}\"", item.id(&self.label, place)));
            raw(out, format!(",\"output_index\":{place}"));
            if let Some(part) = part {
                let texts = if let Item::Message(said) = item { said.len() } else { 1 };
                let [.., index] = part.events();
                raw(out, format!(",\"{index}\":{}", texts.saturating_sub(1)));
            }
            more(item, out);
        });
    }

    /// An event that holds the item at this place.
    fn item(&mut self, name: &str, (place, status): (usize, Status), out: &mut Vec<u8>) {
        if self.whole {
            return;
        }
        let number = self.number();
        let Some(item) = self.items.get(place) else { return };
        event(out, (name, number), |out| {
            raw(out, format!(",\"output_index\":{place},\"item\":"));
            item.push(out, (&self.label, place), status);
        });
    }

    /// Ends the text that is open, and begins another item.
    fn add(&mut self, item: Item, out: &mut Vec<u8>) -> usize {
        self.begin_unless_whole(out);
        let place = self.items.len();
        if std::mem::replace(&mut self.open, !matches!(item, Item::Call(_))) {
            self.close(place.saturating_sub(1), Status::Completed, out);
        }
        self.items.push(item);
        self.item("response.output_item.added", (place, Status::InProgress), out);
        place
    }

    fn begin_unless_whole(&mut self, out: &mut Vec<u8>) {
        if !self.whole {
            self.begin(out);
        }
    }

    /// More of a text: of the item that is open, if it has such ones, or of another one.
    fn say(&mut self, part: Part, text: Text<'_>, out: &mut Vec<u8>) {
        let goes_on = match self.items.last().filter(|_| self.open) {
            Some(Item::Reasoning(..)) => part.is_reasoning(),
            Some(Item::Message(_)) => !part.is_reasoning(),
            Some(Item::Call(_)) | None => false,
        };
        if !goes_on {
            let item = match part.is_reasoning() {
                true => Item::Reasoning(part, Vec::new()),
                false => Item::Message(Vec::new()),
            };
            self.add(item, out);
        }
        let place = self.items.len().saturating_sub(1);
        let begins = match self.items.last() {
            Some(Item::Message(said)) => said.last().map(Part::of) != Some(part),
            _ => !goes_on,
        };
        if begins {
            if goes_on {
                self.end_part(place, out);
            }
            if let Some(Item::Message(said)) = self.items.last_mut() {
                said.push(Said { refusal: part == Part::Refusal, text: Vec::new() });
            }
            let [_, name, _] = part.events();
            let name = format!("response.{name}.added");
            self.of_item(&name, (place, Some(part)), out, |_, out| {
                raw(out, ",\"part\":");
                push_part(out, part, b"");
            });
        }
        let [name, ..] = part.events();
        let name = format!("response.{name}.delta");
        self.of_item(&name, (place, Some(part)), out, |_, out| {
            raw(out, ",\"delta\":");
            push_text(out, text);
            raw(out, part.beside());
        });
        match self.items.last_mut() {
            Some(Item::Reasoning(_, known)) => known.extend_from_slice(text.0),
            Some(Item::Message(said)) => {
                said.last_mut().into_iter().for_each(|it| it.text.extend_from_slice(text.0));
            }
            Some(Item::Call(_)) | None => {}
        }
    }

    /// Ends the last text of the item at this place.
    fn end_part(&mut self, place: usize, out: &mut Vec<u8>) {
        let part = match self.items.get(place) {
            Some(Item::Reasoning(part, _)) => *part,
            Some(Item::Message(said)) => said.last().map_or(Part::Text, Part::of),
            Some(Item::Call(_)) | None => return,
        };
        let [text, whole, _] = part.events();
        let name = format!("response.{text}.done");
        self.of_item(&name, (place, Some(part)), out, |item, out| {
            raw(out, format!(",\"{}\":", part.member()));
            push_text(out, Text(last_text(item)));
            raw(out, part.beside());
        });
        let name = format!("response.{whole}.done");
        self.of_item(&name, (place, Some(part)), out, |item, out| {
            raw(out, ",\"part\":");
            push_part(out, part, last_text(item));
        });
    }

    /// Ends an item that is a text.
    fn close(&mut self, place: usize, status: Status, out: &mut Vec<u8>) {
        self.end_part(place, out);
        self.item("response.output_item.done", (place, status), out);
    }

    fn call(
        &mut self,
        (index, id): (u32, Option<Text<'_>>),
        name: Option<Text<'_>>,
        arguments: Option<CallArguments<'_>>,
        out: &mut Vec<u8>,
    ) {
        let known = self.calls.iter().position(|it| it.index == index);
        let at = known.unwrap_or_else(|| {
            self.calls.push(Call { index, place: None, id: None, held: Vec::new() });
            self.calls.len() - 1
        });
        let Some(call) = self.calls.get_mut(at) else { return };
        let mut more = Vec::new();
        push_arguments(&mut more, arguments);
        let place = match call.place {
            Some(place) => place,
            None => {
                call.id = call.id.take().or_else(|| id.map(|it| it.0.to_vec()));
                call.held.append(&mut more);
                let Some(name) = name.filter(|it| !it.is_empty()) else { return };
                (more, call.place) = (std::mem::take(&mut call.held), Some(self.items.len()));
                let (id, name) = (call.id.take(), name.0.to_vec());
                self.add(Item::Call(Called { id, name, arguments: Vec::new() }), out)
            }
        };
        self.argue(place, &more, out);
    }

    /// More arguments of the call at this place.
    fn argue(&mut self, place: usize, more: &[u8], out: &mut Vec<u8>) {
        if more.is_empty() {
            return;
        }
        let name = "response.function_call_arguments.delta";
        self.of_item(name, (place, None), out, |_, out| {
            raw(out, ",\"delta\":");
            push_text(out, Text(more));
        });
        if let Some(Item::Call(call)) = self.items.get_mut(place) {
            call.arguments.extend_from_slice(more);
        }
    }

    /// Ends the call at this place. One with nothing is one with an empty object: clients read it as JSON.
    fn called(&mut self, place: usize, status: Status, out: &mut Vec<u8>) {
        if let Some(Item::Call(call)) = self.items.get(place)
            && call.arguments.is_empty()
            && status == Status::Completed
        {
            self.argue(place, b"{}", out);
        }
        let name = "response.function_call_arguments.done";
        self.of_item(name, (place, None), out, |item, out| {
            let Item::Call(call) = item else { return };
            raw(out, ",\"name\":");
            push_text(out, Text(&call.name));
            raw(out, ",\"arguments\":");
            push_text(out, Text(&call.arguments));
        });
        self.item("response.output_item.done", (place, status), out);
    }
}

/// Whether a request asks for a summary of the model's reasoning: clients that do show that alone.
fn asks_summary(echo: &Echo) -> bool {
    let mut asks = false;
    // What is no object was refused when it was read.
    let _ = object(echo.get("reasoning").unwrap_or(b"{}"), |name, value| {
        asks |= matches!(name, b"summary" | b"generate_summary") && !value.is_null();
        Ok(())
    });
    asks
}

/// The last text of an item.
fn last_text(item: &Item) -> &[u8] {
    match item {
        Item::Reasoning(_, text) => text,
        Item::Message(said) => said.last().map(|it| &*it.text).unwrap_or_default(),
        Item::Call(_) => b"",
    }
}

/// One event: its name, its type, its number, and what else is in it.
fn event(out: &mut Vec<u8>, (name, number): (&str, u64), more: impl FnOnce(&mut Vec<u8>)) {
    raw(out, format!("event: {name}\ndata: {{\"type\":\"{name}\",\"sequence_number\":{number}"));
    more(out);
    raw(out, "}\n\n");
}

/// Arguments as a piece of a string.
fn push_arguments(out: &mut Vec<u8>, arguments: Option<CallArguments<'_>>) {
    match arguments {
        Some(CallArguments::Text(text)) => out.extend_from_slice(text.0),
        Some(CallArguments::Object(json)) => {
            let text = String::from_utf8_lossy(json);
            let quoted = super::super::escape::quoted(&text);
            let inside = quoted.get(1..quoted.len().saturating_sub(1));
            raw(out, inside.unwrap_or_default());
        }
        None => {}
    }
}

/// Writes a whole answer.
pub(in super::super) fn whole(
    deltas: &[Delta<'_>],
    (label, echo): (AnswerLabel, Echo),
    counts: Counts,
) -> Vec<u8> {
    let mut out = Vec::new();
    let mut it = Encoder { whole: true, ..Encoder::new(label, echo, Tokens(0)) };
    deltas.iter().for_each(|delta| it.delta(*delta, &mut out));
    let status = Status::of(it.reason);
    for place in 0..it.items.len() {
        let last = place + 1 == it.items.len();
        it.called(place, if last { status } else { Status::Completed }, &mut out);
    }
    let (reason, counts) = (it.reason, Some(counts));
    let Encoder { label, echo, model, items, .. } = &it;
    Response { label, echo, model, items, status, reason, counts }.push(&mut out);
    out
}
