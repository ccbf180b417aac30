//! `cel` of a rule: what its other conditions cannot say, in the Common Expression Language.
//!
//! An expression is read and worked out by the crate `cel`. When the policy loads it is typed here against
//! the signals, and its steps are counted: a decision takes no more than a stated number for it.

mod kind;
mod signals;
mod slip;
mod typed;

use std::{
    fmt,
    sync::{Arc, LazyLock},
};

use cel::{Context, Env, Value, parser::Expression as Ast};

use self::{
    signals::{Names, Variable},
    typed::Named,
};
use crate::{
    document::{Faults, Section},
    facts::{FleetFacts, Signals},
    fault::Fault,
};

/// Bytes of an expression.
const SOURCE_MAX: usize = 1_000;
/// Brackets within brackets, and conditionals.
const NESTING_MAX: usize = 16;
/// Steps that one expression may take for one request.
const STEPS_MAX: u64 = 1_000;
/// Steps that all expressions of a policy may take together for one request: about two milliseconds.
const POLICY_STEPS_MAX: u64 = 20_000;

/// Functions and macros of the language, as a policy may use them.
static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// An expression that is true or false of a request.
#[derive(Clone)]
pub(crate) struct Expression {
    source: Arc<str>,
    ast: Arc<Ast>,
    variables: Vec<Variable>,
    /// What stands in it.
    named: Named,
    names: Names,
    steps: u64,
    /// What it is where it cannot be worked out, such as a tag that is not there.
    otherwise: bool,
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

impl Expression {
    /// As it stands in the policy.
    pub(crate) fn source(&self) -> &Arc<str> {
        &self.source
    }

    /// Whether it asks for what a caller may state by a header.
    pub(super) fn hintable(&self) -> bool {
        self.variables.iter().any(|variable| variable.hintable())
    }

    /// Whether it asks for the data class.
    pub(super) fn names_data_class(&self) -> bool {
        self.variables.contains(&Variable::DataClass)
    }

    /// Makes it true where it cannot be worked out: a guard binds rather than not.
    pub(super) fn binds_when_in_doubt(&mut self) {
        self.otherwise = true;
    }

    /// Whether it is true where it cannot be worked out.
    pub(crate) fn otherwise(&self) -> bool {
        self.otherwise
    }

    /// The conditions of `when` that ask for what it asks for.
    pub(crate) fn conditions(&self) -> impl Iterator<Item = &'static str> {
        self.variables.iter().map(|it| it.condition())
    }

    /// The numbers that stand in it.
    pub(crate) fn numbers(&self) -> &[f64] {
        &self.named.numbers
    }

    /// The texts that stand in it, and the names of tags.
    pub(crate) fn texts(&self) -> &[Box<str>] {
        &self.named.texts
    }

    /// Whether it holds for a request.
    pub(crate) fn holds(&self, signals: &Signals) -> bool {
        match self.value(signals) {
            Some(Value::Bool(holds)) => holds,
            _ => self.otherwise,
        }
    }

    fn value(&self, signals: &Signals) -> Option<Value> {
        let mut context = Context::with_env(Arc::clone(&ENV));
        for variable in &self.variables {
            variable.put(&mut context, signals, &self.names);
        }
        Value::resolve(&self.ast, &context).ok()
    }
}

/// Reads `cel` of a `when`.
pub(super) fn cel(
    when: &mut Section<'_>,
    fleet: &FleetFacts,
    faults: &mut Faults,
) -> Option<Expression> {
    let text = when.text("cel", faults)?;
    match compile(text, fleet) {
        Ok(expression) => Some(expression),
        Err(wrong) => {
            faults.push(Fault::new(when.at("cel"), wrong.found, wrong.expected));
            None
        }
    }
}

/// What is wrong with an expression.
struct Wrong {
    found: String,
    expected: String,
}

impl Wrong {
    fn new(found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { found: found.into(), expected: expected.into() }
    }
}

fn compile(text: &str, fleet: &FleetFacts) -> Result<Expression, Wrong> {
    if text.len() > SOURCE_MAX {
        let found = format!("an expression of {} bytes", text.len());
        return Err(Wrong::new(found, format!("at most {SOURCE_MAX} bytes")));
    }
    if nesting(text) > NESTING_MAX {
        let expected = format!("at most {NESTING_MAX} brackets or conditionals within each other");
        return Err(Wrong::new(format!("{} of them", nesting(text)), expected));
    }
    let parser = ENV.parser().max_recursion_depth(2 * NESTING_MAX as u16).error_recovery_limit(0);
    let ast = parser.parse(text).map_err(|errors| {
        let first = errors.errors.first();
        let (place, said) = first.map_or(((1, 1), ""), |it| (it.pos, &*it.msg));
        slip::slip(text).unwrap_or_else(|| slip::unread(text, place, said))
    })?;
    let typed = typed::check(&ast)?;
    if typed.steps > STEPS_MAX {
        let found = format!("an expression of up to {} steps", typed.steps);
        return Err(Wrong::new(found, format!("at most {STEPS_MAX} for one request")));
    }
    Ok(Expression {
        source: text.into(),
        ast: Arc::new(ast),
        names: Names::of(fleet, &typed.variables),
        variables: typed.variables,
        steps: typed.steps,
        named: typed.named,
        otherwise: false,
    })
}

/// The deepest nesting of brackets, or the number of conditionals if that is more. What stands in quotes
/// counts too: this is looked at before the text is parsed, so that no text can exhaust the stack.
fn nesting(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0_usize);
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest.max(text.matches('?').count())
}

/// All expressions of a policy together must stay within their bound.
pub(super) fn bounded<'a>(all: impl Iterator<Item = &'a Expression>, faults: &mut Faults) {
    let steps: u64 = all.map(|it| it.steps).sum();
    if steps > POLICY_STEPS_MAX {
        let found = format!("`cel` of up to {steps} steps for one request over all rules");
        faults.push(Fault::new("rule", found, format!("at most {POLICY_STEPS_MAX}")));
    }
}
