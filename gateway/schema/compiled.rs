//! A JSON Schema made ready to judge by: every schema in it that can be reached, once.
//!
//! It is a caller's, so that nothing of it may cost more than it has bytes: references are places in a
//! list, so that a schema that many refer to stands there once, and nothing is fetched for one. What
//! cannot be judged by to the letter is not judged by at all.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Number, Value};

use super::pattern::Pattern;

/// Different patterns of one schema: each may need some hundred kilobytes.
const PATTERNS_MAX: usize = 64;
/// Keywords that say what is valid, and that we do not know: nothing is judged by a schema with one of them.
const UNKNOWN: [&str; 4] =
    ["$dynamicRef", "$recursiveRef", "unevaluatedItems", "unevaluatedProperties"];

/// The place of a schema in the list.
pub(super) type Id = usize;

/// A JSON Schema that can be judged by; the first of the list is the whole.
pub(super) struct Schema {
    pub(super) nodes: Vec<Node>,
}

/// One schema of it.
pub(super) enum Node {
    /// Everything is valid, or nothing.
    Always(bool),
    /// What all of these hold of is valid.
    Rules(Vec<Rule>),
}

/// How many of something there may be, both ends included.
#[derive(Clone, Copy)]
pub(super) struct Range {
    pub(super) least: u64,
    pub(super) most: u64,
}

/// On which side of a number another one must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    AtLeast,
    Above,
    AtMost,
    Below,
}

/// What a value must be; of values of another type nearly all hold.
pub(super) enum Rule {
    /// Of one of these types.
    Types(Vec<Type>),
    /// One of these values.
    Among(Vec<Value>),
    Number(Side, Number),
    MultipleOf(Number),
    Length(Range),
    Matches(Pattern),
    ItemCount(Range),
    Unique,
    /// The first items each by a schema of its own, and what follows by another.
    Items(Vec<Id>, Option<Id>),
    Contains(Id, Range),
    MemberCount(Range),
    Required(Vec<String>),
    Properties(Box<Properties>),
    Names(Id),
    /// Where there is this member, these must be there as well.
    RequiredWith(String, Vec<String>),
    /// Where there is this member, the whole must be valid by another schema.
    ValidWith(String, Id),
    All(Vec<Id>),
    Any(Vec<Id>),
    One(Vec<Id>),
    Not(Id),
    If(Id, Option<Id>, Option<Id>),
}

/// By what the members of an object must be valid.
#[derive(Default)]
pub(super) struct Properties {
    pub(super) named: BTreeMap<String, Id>,
    pub(super) like: Vec<(Pattern, Id)>,
    pub(super) others: Option<Id>,
}

/// A type of JSON values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Null,
    Boolean,
    Object,
    Array,
    Number,
    Integer,
    String,
}

impl Schema {
    /// Makes a schema ready; `None` where it is wrong, has a reference that leads out of it or nowhere, or
    /// a keyword or a pattern that is not known here.
    pub(super) fn compile(root: &Value) -> Option<Self> {
        let version = root.get("$schema").and_then(Value::as_str).unwrap_or_default();
        let mut compiler = Compiler {
            root,
            older: ["draft-04", "draft-06", "draft-07"].iter().any(|it| version.contains(it)),
            places: HashMap::new(),
            found: Vec::new(),
            patterns: HashMap::new(),
        };
        compiler.place(root);
        let mut nodes = Vec::new();
        // What a schema holds or refers to is added to the list while we go along it: no recursion.
        while let Some(schema) = compiler.found.get(nodes.len()).copied() {
            nodes.push(match schema {
                Value::Bool(always) => Node::Always(*always),
                Value::Object(members) => Node::Rules(compiler.rules(schema, members)?),
                _ => return None,
            });
        }
        Some(Self { nodes })
    }
}

struct Compiler<'s> {
    root: &'s Value,
    /// Whether it is written by draft 7 or one before it: what stands beside a reference is then ignored,
    /// as are the keywords that came later.
    older: bool,
    places: HashMap<*const Value, Id>,
    found: Vec<&'s Value>,
    patterns: HashMap<&'s str, Pattern>,
}

type Members = Map<String, Value>;

impl<'s> Compiler<'s> {
    fn place(&mut self, schema: &'s Value) -> Id {
        let next = self.found.len();
        let place = *self.places.entry(std::ptr::from_ref(schema)).or_insert(next);
        if place == next {
            self.found.push(schema);
        }
        place
    }

    fn rules(&mut self, schema: &'s Value, members: &'s Members) -> Option<Vec<Rule>> {
        if UNKNOWN.iter().any(|it| members.contains_key(*it)) {
            return None;
        }
        // Another base of references begins here.
        if members.contains_key("$id") && !std::ptr::eq(schema, self.root) {
            return None;
        }
        let mut rules = Vec::new();
        if let Some(reference) = members.get("$ref") {
            let target = self.target(reference.as_str()?)?;
            rules.push(Rule::All(vec![self.place(target)]));
            if self.older {
                return Some(rules);
            }
        }
        plain(members, &mut rules)?;
        self.strings(members, &mut rules)?;
        self.items(members, &mut rules)?;
        self.members(members, &mut rules)?;
        self.logic(members, &mut rules)?;
        Some(rules)
    }

    /// The schema that a reference leads to, in the same document.
    fn target(&self, reference: &str) -> Option<&'s Value> {
        let base = self.root.get("$id").and_then(Value::as_str).unwrap_or_default();
        let place = reference.strip_prefix(base.trim_end_matches('#')).unwrap_or(reference);
        let place = if place.is_empty() { place } else { place.strip_prefix('#')? };
        let place = decoded(place)?;
        // An empty one is the whole.
        self.root.pointer(&place)
    }

    /// A keyword that came after draft 7.
    fn newer(&self, members: &'s Members, name: &str) -> Option<&'s Value> {
        if self.older { None } else { members.get(name) }
    }

    fn list(&mut self, value: &'s Value) -> Option<Vec<Id>> {
        let schemas = value.as_array()?;
        Some(schemas.iter().map(|it| self.place(it)).collect())
    }

    fn pattern(&mut self, text: &'s str) -> Option<Pattern> {
        if let Some(known) = self.patterns.get(text) {
            return Some(known.clone());
        }
        if self.patterns.len() >= PATTERNS_MAX {
            return None;
        }
        let pattern = Pattern::compile(text)?;
        self.patterns.insert(text, pattern.clone());
        Some(pattern)
    }

    fn strings(&mut self, members: &'s Members, rules: &mut Vec<Rule>) -> Option<()> {
        if let Some(range) = range(members, "minLength", "maxLength")? {
            rules.push(Rule::Length(range));
        }
        if let Some(text) = members.get("pattern") {
            rules.push(Rule::Matches(self.pattern(text.as_str()?)?));
        }
        Some(())
    }

    fn items(&mut self, members: &'s Members, rules: &mut Vec<Rule>) -> Option<()> {
        if let Some(range) = range(members, "minItems", "maxItems")? {
            rules.push(Rule::ItemCount(range));
        }
        if members.get("uniqueItems").map_or(Some(false), Value::as_bool)? {
            rules.push(Rule::Unique);
        }
        // Older schemas have the first items in `items`, and what follows in `additionalItems`.
        let (first, rest) = match (self.newer(members, "prefixItems"), members.get("items")) {
            (None, Some(first @ Value::Array(_))) => (Some(first), members.get("additionalItems")),
            (first, rest) => (first, rest),
        };
        let first = first.map_or(Some(Vec::new()), |it| self.list(it))?;
        let rest = rest.map(|it| self.place(it));
        if !first.is_empty() || rest.is_some() {
            rules.push(Rule::Items(first, rest));
        }
        if let Some(item) = members.get("contains") {
            let least = self.newer(members, "minContains").map_or(Some(1), count)?;
            let most = self.newer(members, "maxContains").map_or(Some(u64::MAX), count)?;
            rules.push(Rule::Contains(self.place(item), Range { least, most }));
        }
        Some(())
    }

    fn members(&mut self, members: &'s Members, rules: &mut Vec<Rule>) -> Option<()> {
        if let Some(range) = range(members, "minProperties", "maxProperties")? {
            rules.push(Rule::MemberCount(range));
        }
        if let Some(names) = members.get("required") {
            rules.push(Rule::Required(texts(names)?));
        }
        let mut properties = Properties::default();
        for (name, schema) in object(members, "properties")? {
            properties.named.insert(name.clone(), self.place(schema));
        }
        for (text, schema) in object(members, "patternProperties")? {
            properties.like.push((self.pattern(text)?, self.place(schema)));
        }
        properties.others = members.get("additionalProperties").map(|it| self.place(it));
        let Properties { named, like, others } = &properties;
        if !named.is_empty() || !like.is_empty() || others.is_some() {
            rules.push(Rule::Properties(Box::new(properties)));
        }
        if let Some(names) = members.get("propertyNames") {
            rules.push(Rule::Names(self.place(names)));
        }
        for keyword in ["dependencies", "dependentRequired", "dependentSchemas"] {
            if self.older && keyword != "dependencies" {
                continue;
            }
            for (name, needed) in object(members, keyword)? {
                rules.push(match needed {
                    Value::Array(_) => Rule::RequiredWith(name.clone(), texts(needed)?),
                    schema => Rule::ValidWith(name.clone(), self.place(schema)),
                });
            }
        }
        Some(())
    }

    fn logic(&mut self, members: &'s Members, rules: &mut Vec<Rule>) -> Option<()> {
        for (keyword, rule) in [
            ("allOf", Rule::All as fn(Vec<Id>) -> Rule),
            ("anyOf", Rule::Any),
            ("oneOf", Rule::One),
        ] {
            if let Some(list) = members.get(keyword) {
                rules.push(rule(self.list(list)?));
            }
        }
        if let Some(schema) = members.get("not") {
            rules.push(Rule::Not(self.place(schema)));
        }
        if let Some(schema) = members.get("if") {
            let condition = self.place(schema);
            let mut branch = |name| members.get(name).map(|it| self.place(it));
            rules.push(Rule::If(condition, branch("then"), branch("else")));
        }
        Some(())
    }
}

/// What is said without other schemas and patterns: types, values and numbers.
fn plain(members: &Members, rules: &mut Vec<Rule>) -> Option<()> {
    match members.get("type") {
        Some(Value::Array(names)) => {
            rules.push(Rule::Types(names.iter().map(kind).collect::<Option<_>>()?));
        }
        Some(name) => rules.push(Rule::Types(vec![kind(name)?])),
        None => {}
    }
    if let Some(values) = members.get("enum") {
        rules.push(Rule::Among(values.as_array()?.clone()));
    }
    if let Some(value) = members.get("const") {
        rules.push(Rule::Among(vec![value.clone()]));
    }
    for (keyword, exclusive, side, beyond) in [
        ("minimum", "exclusiveMinimum", Side::AtLeast, Side::Above),
        ("maximum", "exclusiveMaximum", Side::AtMost, Side::Below),
    ] {
        // The oldest schemas say whether the bound itself is out.
        let out = members.get(exclusive).and_then(Value::as_bool);
        if let Some(bound) = members.get(keyword) {
            let side = if out == Some(true) { beyond } else { side };
            rules.push(Rule::Number(side, bound.as_number()?.clone()));
        }
        if let (Some(bound), None) = (members.get(exclusive), out) {
            rules.push(Rule::Number(beyond, bound.as_number()?.clone()));
        }
    }
    if let Some(number) = members.get("multipleOf") {
        let number = number.as_number()?;
        if number.as_f64()? <= 0.0 {
            return None;
        }
        rules.push(Rule::MultipleOf(number.clone()));
    }
    Some(())
}

fn kind(name: &Value) -> Option<Type> {
    Some(match name.as_str()? {
        "null" => Type::Null,
        "boolean" => Type::Boolean,
        "object" => Type::Object,
        "array" => Type::Array,
        "number" => Type::Number,
        "integer" => Type::Integer,
        "string" => Type::String,
        _ => return None,
    })
}

/// A whole number from 0 up; `2.0` is one as well.
fn count(value: &Value) -> Option<u64> {
    let whole = |it: f64| (it.fract() == 0.0 && it >= 0.0).then_some(it as u64);
    value.as_u64().or_else(|| value.as_f64().and_then(whole))
}

/// The two ends of a range; `Some(None)` where neither is said.
fn range(members: &Members, least: &str, most: &str) -> Option<Option<Range>> {
    let (least, most) = (members.get(least), members.get(most));
    if least.is_none() && most.is_none() {
        return Some(None);
    }
    let least = least.map_or(Some(0), count)?;
    let most = most.map_or(Some(u64::MAX), count)?;
    Some(Some(Range { least, most }))
}

fn texts(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|it| it.as_str().map(str::to_owned)).collect()
}

/// The members of an object of schemas, none where there is no such object.
fn object<'s>(
    members: &'s Members,
    name: &str,
) -> Option<impl Iterator<Item = (&'s String, &'s Value)>> {
    let of = members.get(name).map_or(Some(None), |it| it.as_object().map(Some))?;
    Some(of.into_iter().flatten())
}

/// A reference without its `%41`.
fn decoded(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}
