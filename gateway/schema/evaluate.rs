//! Whether a value is valid by a schema, in a bounded number of steps.
//!
//! A few lines of a schema can ask for more checks than anybody could make: two references to the next
//! one, forty times. So every check is a step, and so is every byte that a pattern looks at, by the
//! pattern's size; where too many were needed, nothing is said. Crates that evaluate schemas have no such
//! bound, which is why this is not one of them.

use std::cmp::Ordering;

use serde_json::{Number, Value};

use super::compiled::{Id, Node, Properties, Range, Rule, Schema, Side, Type};

/// The most schemas within schemas at once. A reference that leads back to itself ends here.
const DEPTH_MAX: usize = 512;

/// Whether a value is valid by a schema; `None` where that takes more steps than these.
pub(super) fn valid(schema: &Schema, value: &Value, steps: usize) -> Option<bool> {
    Check::new(schema, steps).valid(0, value)
}

/// Checks by a schema, and what they may still cost.
pub(super) struct Check<'s> {
    schema: &'s Schema,
    /// What may still be spent.
    steps: usize,
    depth: usize,
}

impl<'s> Check<'s> {
    /// Checks that take so many steps at the most, together.
    pub(super) fn new(schema: &'s Schema, steps: usize) -> Self {
        Self { schema, steps, depth: 0 }
    }

    fn spend(&mut self, steps: usize) -> Option<()> {
        self.steps = self.steps.checked_sub(steps)?;
        Some(())
    }

    /// Whether a value is valid by the schema at this place.
    pub(super) fn valid(&mut self, id: Id, value: &Value) -> Option<bool> {
        self.spend(1)?;
        let rules = match self.schema.nodes.get(id)? {
            Node::Always(always) => return Some(*always),
            Node::Rules(rules) => rules,
        };
        if self.depth >= DEPTH_MAX {
            return None;
        }
        self.depth += 1;
        for rule in rules {
            self.spend(1)?;
            if !self.holds(rule, value)? {
                self.depth -= 1;
                return Some(false);
            }
        }
        self.depth -= 1;
        Some(true)
    }

    /// Whether a rule holds of a value.
    pub(super) fn holds(&mut self, rule: &Rule, value: &Value) -> Option<bool> {
        match (rule, value) {
            (Rule::Types(types), _) => Some(types.iter().any(|it| is(*it, value))),
            (Rule::Among(values), _) => self.among(values, value),
            (Rule::Number(side, bound), Value::Number(number)) => {
                Some(beside(number, *side, bound))
            }
            (Rule::MultipleOf(of), Value::Number(number)) => Some(multiple(number, of)),
            (Rule::Length(range), Value::String(text)) => {
                Some(within(*range, text.chars().count()))
            }
            (Rule::Matches(pattern), Value::String(text)) => {
                self.spend(pattern.steps.saturating_mul(text.len()))?;
                Some(pattern.matches(text))
            }
            (Rule::ItemCount(range), Value::Array(items)) => Some(within(*range, items.len())),
            (Rule::Unique, Value::Array(items)) => self.unique(items),
            (Rule::Items(first, rest), Value::Array(items)) => self.items(first, *rest, items),
            (Rule::Contains(id, range), Value::Array(items)) => {
                let mut found = 0;
                for item in items {
                    found += usize::from(self.valid(*id, item)?);
                }
                Some(within(*range, found))
            }
            (Rule::MemberCount(range), Value::Object(members)) => {
                Some(within(*range, members.len()))
            }
            (Rule::Required(names), Value::Object(members)) => {
                self.spend(names.len())?;
                Some(names.iter().all(|it| members.contains_key(it)))
            }
            (Rule::Properties(properties), Value::Object(members)) => {
                self.all(members, |check, (name, value)| check.property(properties, name, value))
            }
            (Rule::Names(id), Value::Object(members)) => self
                .all(members.keys(), |check, name| check.valid(*id, &Value::String(name.clone()))),
            (Rule::RequiredWith(name, names), Value::Object(members)) => {
                self.spend(names.len())?;
                let with = members.contains_key(name);
                Some(!with || names.iter().all(|it| members.contains_key(it)))
            }
            (Rule::ValidWith(name, id), Value::Object(members)) => {
                if members.contains_key(name) {
                    self.valid(*id, value)
                } else {
                    Some(true)
                }
            }
            _ => self.combined(rule, value),
        }
    }

    /// What other schemas say of the same value.
    fn combined(&mut self, rule: &Rule, value: &Value) -> Option<bool> {
        match rule {
            Rule::All(ids) => self.all(ids, |check, id| check.valid(*id, value)),
            Rule::Any(ids) => {
                let none = self.all(ids, |check, id| Some(!check.valid(*id, value)?))?;
                Some(!none)
            }
            Rule::One(ids) => {
                let mut found = 0_u32;
                for id in ids {
                    found = found.saturating_add(self.valid(*id, value)?.into());
                }
                Some(found == 1)
            }
            Rule::Not(id) => Some(!self.valid(*id, value)?),
            Rule::If(condition, then, otherwise) => {
                let branch = if self.valid(*condition, value)? { then } else { otherwise };
                branch.map_or(Some(true), |id| self.valid(id, value))
            }
            // A rule of values of another type.
            _ => Some(true),
        }
    }

    /// Whether something holds of all, until the first of which it does not.
    fn all<T>(
        &mut self,
        of: impl IntoIterator<Item = T>,
        mut holds: impl FnMut(&mut Self, T) -> Option<bool>,
    ) -> Option<bool> {
        for one in of {
            if !holds(self, one)? {
                return Some(false);
            }
        }
        Some(true)
    }

    fn items(&mut self, first: &[Id], rest: Option<Id>, items: &[Value]) -> Option<bool> {
        let ids = first.iter().copied().map(Some).chain(std::iter::repeat(rest));
        self.all(items.iter().zip(ids), |check, (item, id)| match id {
            Some(id) => check.valid(id, item),
            None => Some(true),
        })
    }

    /// Whether a member is as its object's schema has it.
    pub(super) fn property(
        &mut self,
        properties: &Properties,
        name: &str,
        value: &Value,
    ) -> Option<bool> {
        let Properties { named, like, others } = properties;
        self.spend(1)?;
        let mut known = false;
        if let Some(id) = named.get(name) {
            known = true;
            if !self.valid(*id, value)? {
                return Some(false);
            }
        }
        for (pattern, id) in like {
            self.spend(pattern.steps.saturating_mul(name.len() + 1))?;
            if pattern.matches(name) {
                known = true;
                if !self.valid(*id, value)? {
                    return Some(false);
                }
            }
        }
        match others {
            Some(id) if !known => self.valid(*id, value),
            _ => Some(true),
        }
    }

    fn among(&mut self, values: &[Value], value: &Value) -> Option<bool> {
        let other = self.all(values, |check, it| Some(!check.same(it, value)?))?;
        Some(!other)
    }

    fn unique(&mut self, items: &[Value]) -> Option<bool> {
        let mut rest = items;
        while let [item, others @ ..] = rest {
            if self.among(others, item)? {
                return Some(false);
            }
            rest = others;
        }
        Some(true)
    }

    /// Whether two values are the same; `1` and `1.0` are.
    fn same(&mut self, one: &Value, other: &Value) -> Option<bool> {
        self.spend(1)?;
        match (one, other) {
            (Value::Number(one), Value::Number(other)) => {
                Some(order(one, other) == Some(Ordering::Equal))
            }
            (Value::String(one), Value::String(other)) => {
                self.spend(one.len().min(other.len()) / 16)?;
                Some(one == other)
            }
            (Value::Array(one), Value::Array(other)) => {
                let pairs = one.iter().zip(other);
                Some(one.len() == other.len() && self.all(pairs, |it, (a, b)| it.same(a, b))?)
            }
            (Value::Object(one), Value::Object(other)) => {
                let all = |(name, value)| Some((value, other.get(name)));
                Some(
                    one.len() == other.len()
                        && self.all(one.iter().filter_map(all), |it, (a, b)| match b {
                            Some(b) => it.same(a, b),
                            None => Some(false),
                        })?,
                )
            }
            (one, other) => Some(one == other),
        }
    }
}

fn within(range: Range, count: usize) -> bool {
    (range.least..=range.most).contains(&(count as u64))
}

fn is(kind: Type, value: &Value) -> bool {
    match kind {
        Type::Null => value.is_null(),
        Type::Boolean => value.is_boolean(),
        Type::Object => value.is_object(),
        Type::Array => value.is_array(),
        Type::Number => value.is_number(),
        Type::Integer => value.as_number().is_some_and(is_whole),
        Type::String => value.is_string(),
    }
}

/// Whether a number is whole; `1.0` is.
fn is_whole(number: &Number) -> bool {
    whole(number).is_some() || number.as_f64().is_some_and(|it| it.fract() == 0.0)
}

/// A number that is written as a whole one.
fn whole(number: &Number) -> Option<i128> {
    number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
}

fn order(one: &Number, other: &Number) -> Option<Ordering> {
    if let (Some(one), Some(other)) = (whole(one), whole(other)) {
        return Some(one.cmp(&other));
    }
    one.as_f64()?.partial_cmp(&other.as_f64()?)
}

fn beside(number: &Number, side: Side, bound: &Number) -> bool {
    order(number, bound).is_some_and(|order| match side {
        Side::AtLeast => order.is_ge(),
        Side::Above => order.is_gt(),
        Side::AtMost => order.is_le(),
        Side::Below => order.is_lt(),
    })
}

/// Whether a number is a multiple of another; `0.3` is one of `0.1`, although not in binary.
fn multiple(number: &Number, of: &Number) -> bool {
    if let (Some(number), Some(of)) = (whole(number), whole(of)) {
        return number.checked_rem(of) == Some(0);
    }
    let (Some(number), Some(of)) = (number.as_f64(), of.as_f64()) else { return false };
    let times = number / of;
    times.is_finite() && (times - times.round()).abs() <= f64::EPSILON * times.abs().max(1.0)
}
