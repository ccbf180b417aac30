//! Where an answer does not hold to its schema, and what was expected there. The words are the schema's,
//! which the caller wrote himself: nothing of the answer is in them, not even the name of a member.

use serde_json::Value;

use super::{
    compiled::{Id, Node, Range, Rule, Schema, Side, Type},
    evaluate::Check,
};
use crate::failure::shown;

/// Schemas within each other that are gone into.
const DEPTH_MAX: usize = 64;

/// A place of an answer, and what was expected there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Breach {
    /// A JSON pointer; `*` stands for a member that the schema does not name.
    at: String,
    expected: String,
    /// The tool of whose call these are the arguments.
    tool: Option<String>,
}

impl Breach {
    /// The whole is wrong.
    pub(super) fn root(expected: &str) -> Self {
        Self { at: String::new(), expected: expected.into(), tool: None }
    }

    /// The same of the arguments of a call.
    pub(super) fn of_call(self, tool: &str) -> Self {
        Self { tool: Some(shown(tool)), ..self }
    }

    /// Where and what, in words.
    pub(crate) fn in_words(&self) -> String {
        let Self { at, expected, tool } = self;
        let place = if at.is_empty() { "at its root".into() } else { format!("at `{at}`") };
        match tool {
            Some(tool) => format!("in its call of `{tool}` {place}, expected {expected}"),
            None => format!("{place}, expected {expected}"),
        }
    }
}

/// Where a value that is not valid is not, as far as that is found in so many steps.
pub(super) fn find(schema: &Schema, value: &Value, steps: usize) -> Breach {
    let mut search = Search { check: Check::new(schema, steps), schema, at: String::new() };
    let expected = search.node(0, value, 0).unwrap_or_else(|| "what the schema says".into());
    Breach { at: search.at, expected, tool: None }
}

struct Search<'s> {
    check: Check<'s>,
    schema: &'s Schema,
    at: String,
}

impl Search<'_> {
    /// What is expected of a value that is not valid by a schema; `at` is then its place.
    fn node(&mut self, id: Id, value: &Value, depth: usize) -> Option<String> {
        let schema = self.schema;
        let Node::Rules(rules) = schema.nodes.get(id)? else { return Some("nothing".into()) };
        if depth > DEPTH_MAX {
            return None;
        }
        for rule in rules {
            if !self.check.holds(rule, value)? {
                return self.rule(rule, value, depth + 1);
            }
        }
        None
    }

    fn rule(&mut self, rule: &Rule, value: &Value, depth: usize) -> Option<String> {
        match (rule, value) {
            (Rule::All(ids), _) => {
                for id in ids {
                    if !self.check.valid(*id, value)? {
                        return self.node(*id, value, depth);
                    }
                }
                None
            }
            (Rule::ValidWith(_, id), _) => self.node(*id, value, depth),
            (Rule::If(condition, then, otherwise), _) => {
                let branch = if self.check.valid(*condition, value)? { then } else { otherwise };
                self.node((*branch)?, value, depth)
            }
            (Rule::Items(first, rest), Value::Array(items)) => {
                let ids = first.iter().copied().map(Some).chain(std::iter::repeat(*rest));
                for (place, (item, id)) in items.iter().zip(ids).enumerate() {
                    let Some(id) = id else { continue };
                    if !self.check.valid(id, item)? {
                        self.at.push_str(&format!("/{place}"));
                        return self.node(id, item, depth);
                    }
                }
                None
            }
            (Rule::Properties(properties), Value::Object(members)) => {
                for (name, member) in members {
                    if self.check.property(properties, name, member)? {
                        continue;
                    }
                    let Some(id) = properties.named.get(name) else {
                        self.at.push_str("/*");
                        return Some("no member but those that the schema names or allows".into());
                    };
                    self.step(name);
                    return self.node(*id, member, depth);
                }
                None
            }
            (Rule::Required(names) | Rule::RequiredWith(_, names), Value::Object(members)) => {
                let missing = names.iter().find(|it| !members.contains_key(*it))?;
                Some(format!("a member `{}`", shown(missing)))
            }
            _ => Some(words(rule)),
        }
    }

    /// Goes to a member that the schema names.
    fn step(&mut self, name: &str) {
        self.at.push('/');
        self.at.push_str(&shown(name).replace('~', "~0").replace('/', "~1"));
    }
}

/// What a rule expects, where no more is to be said of it.
fn words(rule: &Rule) -> String {
    match rule {
        Rule::Types(types) => {
            let names: Vec<_> = types.iter().map(|it| name(*it)).collect();
            names.join(" or ")
        }
        Rule::Number(side, bound) => {
            let side = match side {
                Side::AtLeast => "at least",
                Side::Above => "above",
                Side::AtMost => "at most",
                Side::Below => "below",
            };
            format!("a number {side} {bound}")
        }
        Rule::MultipleOf(of) => format!("a multiple of {of}"),
        Rule::Length(range) => counted(*range, "characters"),
        Rule::ItemCount(range) => counted(*range, "items"),
        Rule::MemberCount(range) => counted(*range, "members"),
        Rule::Among(_) => "one of the values that the schema lists".into(),
        Rule::Matches(_) => "a text that the schema's pattern matches".into(),
        Rule::Unique => "items that are all different".into(),
        Rule::Contains(..) => "items as `contains` has it".into(),
        Rule::Names(_) => "names of members as `propertyNames` has it".into(),
        Rule::Any(_) => "what one of `anyOf` says".into(),
        Rule::One(_) => "what exactly one of `oneOf` says".into(),
        Rule::Not(_) => "anything but what `not` says".into(),
        _ => "what the schema says".into(),
    }
}

fn counted(range: Range, of: &str) -> String {
    match (range.least, range.most) {
        (least, u64::MAX) => format!("at least {least} {of}"),
        (0, most) => format!("at most {most} {of}"),
        (least, most) => format!("{least} to {most} {of}"),
    }
}

fn name(kind: Type) -> &'static str {
    match kind {
        Type::Null => "null",
        Type::Boolean => "true or false",
        Type::Object => "an object",
        Type::Array => "an array",
        Type::Number => "a number",
        Type::Integer => "a whole number",
        Type::String => "a text",
    }
}
