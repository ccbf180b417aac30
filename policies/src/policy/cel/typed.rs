//! Types of an expression and the most steps that it can take, before any request.
//!
//! The part of the language that rules may use: comparisons and logic, `in`, sums and products of numbers,
//! conditionals, `size`, `startsWith`, `endsWith`, `contains`, and `exists`, `all` and `exists_one` over a
//! list, not within each other. What can still go wrong at a request is a tag that is not there and a sum
//! beyond 2^63.

use cel::{
    common::ast::{
        CallExpr, ComprehensionExpr, Expr, ListExpr, LiteralValue, SelectExpr, operators as op,
    },
    parser::Expression as Ast,
};

use super::{
    Wrong,
    kind::{Scalar, Type},
    signals::Variable,
};
use crate::fault::{Fault, one};

const BOOL: Type = Type::One(Scalar::Bool);
const INT: Type = Type::One(Scalar::Int);
const TEXT: Type = Type::One(Scalar::Text);

/// Members of a list of the request, for counting.
const MEMBERS: u64 = 16;
/// Parts within parts.
const DEPTH_MAX: u32 = 64;

/// What is known of an expression.
pub(super) struct Typed {
    pub(super) variables: Vec<Variable>,
    pub(super) steps: u64,
    pub(super) named: Named,
}

/// The numbers and texts that stand in an expression: between them nothing changes.
#[derive(Clone, Debug, Default)]
pub(super) struct Named {
    pub(super) numbers: Vec<f64>,
    pub(super) texts: Vec<Box<str>>,
}

/// Checks that an expression is true or false of any request.
pub(super) fn check(ast: &Ast) -> Result<Typed, Wrong> {
    let mut checker = Checker {
        variables: Vec::new(),
        steps: 0,
        times: 1,
        depth: 0,
        bound: Vec::new(),
        each_of: None,
        named: Named::default(),
    };
    match checker.of(ast)? {
        BOOL => {
            Ok(Typed { variables: checker.variables, steps: checker.steps, named: checker.named })
        }
        other => Err(Wrong::new(other.says(), "true or false")),
    }
}

struct Checker {
    variables: Vec<Variable>,
    steps: u64,
    /// How often what is looked at is worked out.
    times: u64,
    depth: u32,
    /// Variables of the comprehension around: what it keeps, and the member that it looks at.
    bound: Vec<(String, Type)>,
    /// What that member can be, as far as it stands in the expression.
    each_of: Option<Said>,
    named: Named,
}

impl Checker {
    fn of(&mut self, ast: &Ast) -> Result<Type, Wrong> {
        self.steps = self.steps.saturating_add(self.times);
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            let expected = format!("at most {DEPTH_MAX} operators in a row or within each other");
            return Err(Wrong::new("more operators than that", expected));
        }
        let found = match &ast.expr {
            Expr::Literal(literal) => {
                self.named.numbers.extend(number(ast));
                if let LiteralValue::String(text) = literal {
                    self.named.texts.push(text.inner().into());
                }
                literal_type(literal)
            }
            Expr::Ident(name) => self.variable(name),
            Expr::List(list) => self.list(list),
            Expr::Call(call) => self.call(call),
            Expr::Comprehension(each) => self.each(each),
            Expr::Select(select) => self.field(select),
            Expr::Map(_) | Expr::Struct(_) | Expr::Unspecified => {
                Err(Wrong::new("a map", "texts, numbers, true, false or lists of them"))
            }
        };
        self.depth -= 1;
        found
    }

    /// A tag by its name, or whether it is there.
    fn field(&mut self, select: &SelectExpr) -> Result<Type, Wrong> {
        let of = self.of(&select.operand)?;
        self.named.texts.push(select.field.as_str().into());
        match (of, select.test) {
            (Type::Texts, true) => Ok(BOOL),
            (Type::Texts, false) => Ok(TEXT),
            (other, true) => {
                Err(Wrong::new(format!("`has` of {}", other.says()), "`has(tags.name)`"))
            }
            (other, false) => {
                let found = format!("`.{}` of {}", select.field, other.says());
                Err(Wrong::new(found, "`tags.name`: nothing else has fields"))
            }
        }
    }

    fn variable(&mut self, name: &str) -> Result<Type, Wrong> {
        if let Some((_, kind)) = self.bound.iter().rev().find(|(bound, _)| bound == name) {
            return Ok(*kind);
        }
        let Some((variable, _, kind)) = Variable::ALL.iter().find(|(_, it, _)| *it == name) else {
            let names = Variable::ALL.iter().map(|(_, name, _)| *name);
            let fault = Fault::unknown("cel", name, "a variable", names);
            return Err(Wrong::new(fault.found, fault.expected));
        };
        if !self.variables.contains(variable) {
            self.variables.push(*variable);
        }
        Ok(*kind)
    }

    /// A list of one type; numbers of both kinds are numbers.
    fn list(&mut self, list: &ListExpr) -> Result<Type, Wrong> {
        let mut of = None;
        for element in &list.elements {
            let Type::One(scalar) = self.of(element)? else {
                return Err(Wrong::new("a list in a list", "a list of texts or numbers"));
            };
            match of {
                Some(of) if of != scalar => {
                    return Err(Wrong::new("a list of different types", "a list of one type"));
                }
                _ => of = Some(scalar),
            }
        }
        of.map(Type::Many).ok_or_else(|| Wrong::new("an empty list", "at least one value in it"))
    }

    fn call(&mut self, call: &CallExpr) -> Result<Type, Wrong> {
        let mut types = Vec::with_capacity(3);
        for arg in call.target.iter().map(|it| &**it).chain(&call.args) {
            types.push(self.of(arg)?);
        }
        if matches!(call.func_name.as_str(), op::EQUALS | op::NOT_EQUALS | op::IN) {
            self.labels(&call.args)?;
        }
        shares(call)?;
        let found = match (call.func_name.as_str(), types.as_slice()) {
            (op::LOGICAL_AND | op::LOGICAL_OR, all) if all.iter().all(|it| *it == BOOL) => BOOL,
            (op::LOGICAL_NOT | op::NOT_STRICTLY_FALSE, [BOOL]) => BOOL,
            (op::EQUALS | op::NOT_EQUALS, [Type::One(a), Type::One(b)])
                if Type::One(*a).compares(Type::One(*b)) =>
            {
                BOOL
            }
            (op::LESS | op::LESS_EQUALS | op::GREATER | op::GREATER_EQUALS, [a, b])
                if *a != BOOL && matches!(a, Type::One(_)) && a.compares(*b) =>
            {
                BOOL
            }
            (op::ADD | op::SUBSTRACT | op::MULTIPLY, [a, b]) if a == b && a.is_number() => *a,
            (op::NEGATE, [a]) if a.is_number() => *a,
            (op::CONDITIONAL, [BOOL, a, b]) if a == b => *a,
            (op::IN, [Type::One(a), Type::Many(b)]) if a == b => {
                self.members(call.args.get(1));
                BOOL
            }
            (op::IN, [TEXT, Type::Texts]) => BOOL,
            (op::INDEX, [Type::Texts, TEXT]) => TEXT,
            ("size", [TEXT | Type::Many(_) | Type::Texts]) => INT,
            ("startsWith" | "endsWith" | "contains", [TEXT, TEXT]) => BOOL,
            (name, _) => return Err(no_such(name, &types)),
        };
        Ok(found)
    }

    /// Texts that a closed set of labels is compared with must be labels, on whichever side they stand, in a
    /// list, in a branch of a conditional, or as the member of a list that is looked at.
    fn labels(&self, sides: &[Ast]) -> Result<(), Wrong> {
        let [left, right] = sides else { return Ok(()) };
        let member = self.bound.last().map(|(name, _)| name.as_str()).zip(self.each_of.as_ref());
        let (left, right) = (said(left, member), said(right, member));
        for (labels, texts) in [(&left.labels, &right.texts), (&right.labels, &left.texts)] {
            let Some(first) = labels.first() else { continue };
            // Of a conditional each branch may be meant.
            let known: Vec<&str> =
                labels.iter().filter_map(|name| super::signals::labels(name)).flatten().collect();
            if let Some(text) = texts.iter().find(|text| !known.contains(&text.as_str())) {
                let fault = Fault::unknown("cel", text, &one(first), known.iter().copied());
                return Err(Wrong::new(fault.found, fault.expected));
            }
        }
        Ok(())
    }

    /// Counts a look at each member of a list.
    fn members(&mut self, list: Option<&Ast>) {
        let members = match list.map(|it| &it.expr) {
            Some(Expr::List(list)) => list.elements.len() as u64,
            _ => MEMBERS,
        };
        self.steps = self.steps.saturating_add(self.times.saturating_mul(members));
    }

    /// `exists`, `all` and `exists_one`, as the parser writes them out.
    fn each(&mut self, each: &ComprehensionExpr) -> Result<Type, Wrong> {
        if !self.bound.is_empty() {
            let found = "one of exists, all and exists_one within another";
            return Err(Wrong::new(found, "them side by side"));
        }
        let member = match self.of(&each.iter_range)? {
            Type::Many(member) if each.iter_var2.is_none() => Type::One(member),
            Type::Texts if each.iter_var2.is_none() => TEXT,
            other => return Err(Wrong::new(format!("each of {}", other.says()), "each of a list")),
        };
        let kept = match &each.accu_init.expr {
            Expr::Literal(literal) => literal_type(literal)?,
            _ => return Err(Wrong::new("`map` or `filter`", "exists, all or exists_one")),
        };
        let members = match &each.iter_range.expr {
            Expr::List(list) => list.elements.len() as u64,
            _ => MEMBERS,
        };
        self.times = self.times.saturating_mul(members.max(1));
        self.bound = vec![(each.accu_var.clone(), kept), (each.iter_var.clone(), member)];
        self.each_of = Some(said(&each.iter_range, None));
        let step = self.of(&each.loop_step);
        let cond = self.of(&each.loop_cond);
        self.times = 1;
        let result = self.of(&each.result);
        self.bound.clear();
        self.each_of = None;
        step?;
        cond?;
        result
    }
}

/// A number that stands there, with its sign.
fn number(ast: &Ast) -> Option<f64> {
    match &ast.expr {
        #[allow(clippy::cast_precision_loss, reason = "only its place among others is asked for")]
        Expr::Literal(LiteralValue::Int(whole)) => Some(*whole.inner() as f64),
        Expr::Literal(LiteralValue::Double(number)) => Some(*number.inner()),
        Expr::Call(call) if call.func_name == op::NEGATE => Some(-number(call.args.first()?)?),
        _ => None,
    }
}

/// Numbers that a share is compared with, on whichever side it stands or in a list, must be shares: of
/// another the answer is always the same, which nobody means.
fn shares(call: &CallExpr) -> Result<(), Wrong> {
    const COMPARING: [&str; 7] = [
        op::EQUALS,
        op::NOT_EQUALS,
        op::LESS,
        op::LESS_EQUALS,
        op::GREATER,
        op::GREATER_EQUALS,
        op::IN,
    ];
    let ([left, right], true) = (&call.args[..], COMPARING.contains(&call.func_name.as_str()))
    else {
        return Ok(());
    };
    for (one, other) in [(left, right), (right, left)] {
        let Expr::Ident(name) = &one.expr else { continue };
        let share = Variable::ALL.iter().find(|(_, it, _)| it == name);
        if !share.is_some_and(|(variable, ..)| variable.is_share()) {
            continue;
        }
        let numbers: Vec<f64> = match &other.expr {
            Expr::List(list) => list.elements.iter().filter_map(number).collect(),
            _ => number(other).into_iter().collect(),
        };
        if let Some(number) = numbers.iter().find(|it| !(0.0..=1.0).contains(*it)) {
            let found = format!("`{name}` compared with {number}");
            return Err(Wrong::new(found, "a number from 0 to 1"));
        }
    }
    Ok(())
}

/// What a part of an expression can be, as far as it stands there.
#[derive(Clone, Default)]
struct Said {
    /// Names of variables that are one of a closed set of labels, or a list of them.
    labels: Vec<String>,
    /// Texts.
    texts: Vec<String>,
}

/// What this part can be; `member` is the one of a comprehension around, and what it can be.
fn said(ast: &Ast, member: Option<(&str, &Said)>) -> Said {
    let together = |parts: &[Ast]| {
        parts.iter().map(|it| said(it, member)).fold(Said::default(), |mut all, it| {
            all.labels.extend(it.labels);
            all.texts.extend(it.texts);
            all
        })
    };
    match &ast.expr {
        Expr::Ident(name) => match member.filter(|(bound, _)| bound == name) {
            Some((_, of)) => of.clone(),
            None if super::signals::labels(name).is_some() => {
                Said { labels: vec![name.clone()], texts: Vec::new() }
            }
            None => Said::default(),
        },
        Expr::Literal(LiteralValue::String(text)) => {
            Said { labels: Vec::new(), texts: vec![text.inner().to_owned()] }
        }
        Expr::List(list) => together(&list.elements),
        Expr::Call(call) if call.func_name == op::CONDITIONAL => {
            together(call.args.get(1..).unwrap_or_default())
        }
        _ => Said::default(),
    }
}

fn literal_type(literal: &LiteralValue) -> Result<Type, Wrong> {
    match literal {
        LiteralValue::Boolean(_) => Ok(BOOL),
        LiteralValue::Int(_) => Ok(INT),
        LiteralValue::Double(_) => Ok(Type::One(Scalar::Double)),
        LiteralValue::String(_) => Ok(TEXT),
        LiteralValue::UInt(_) | LiteralValue::Bytes(_) | LiteralValue::Null => {
            Err(Wrong::new("bytes, null or an unsigned number", "a text, a number, true or false"))
        }
    }
}

/// An operator or function that is not there for these types.
fn no_such(name: &str, types: &[Type]) -> Wrong {
    const KNOWN: [&str; 7] =
        ["size", "startsWith", "endsWith", "contains", "exists", "all", "exists_one"];
    let of: Vec<&str> = types.iter().map(|it| it.says()).collect();
    let plain = name.trim_matches(['_', '@']);
    let found = format!("`{plain}` of {}", of.join(" and "));
    let operator = !plain.starts_with(|first: char| first.is_ascii_alphabetic()) || plain == "in";
    if operator || KNOWN.contains(&plain) {
        return Wrong::new(found, "values of types that go together");
    }
    let fault = Fault::unknown("cel", plain, "a function", KNOWN.iter().copied());
    Wrong::new(fault.found, fault.expected)
}
