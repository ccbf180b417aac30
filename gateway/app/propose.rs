//! Changes that wait for a second person, as rows and as operators read them. Nothing here writes anything.

use std::sync::Arc;

use jiff::Timestamp;
use policies::Fault;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    query,
    rows::{Made, record, rows},
};
use crate::{
    config::{
        APPROVED_POLICY, Author, Config, Edit, Managed, ManagedKind, ManagedRow, ManagedState,
        OPEN_MAX, Proposal, ProposalState, ReadFrom, moves_money, shown_change,
    },
    outcome::AuditAction,
    spend::Wrong,
};

/// Why a proposal is not made, or not closed so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProposalRefused {
    /// There is none of this id.
    #[error("there is no proposal `{0}`")]
    Absent(Box<str>),
    /// It is closed already.
    #[error("this proposal is closed: it is {} by now", .0.name())]
    Closed(ProposalState),
    /// Nobody has approved it in time.
    #[error("this proposal has expired: propose it anew")]
    Expired,
    /// It is that of whoever approves it.
    #[error("`{0}` has proposed this: it takes the approval of another operator")]
    Own(Arc<str>),
    /// It does not fit what is in force by now.
    #[error("this does not fit what is in force by now, and stays open: {0}")]
    Conflict(String),
    /// One person is enough for everything.
    #[error("`audit.two_persons` is false here: a policy is changed in its file")]
    Off,
    /// Too many wait.
    #[error("{OPEN_MAX} proposals are open: approve or reject some of them first")]
    Many,
}

/// What a policy is called of which a fault is told to who proposes it.
pub(super) const PROPOSED: &str = "the proposed policy";

/// The faults of a whole with a policy that nobody has approved yet.
pub(super) fn proposed(faults: Vec<Fault>) -> Vec<Fault> {
    let named = |it: Fault| match it.file.as_deref() {
        Some(APPROVED_POLICY) => Fault { file: Some(PROPOSED.into()), ..it },
        _ => it,
    };
    faults.into_iter().map(named).collect()
}

/// Whether one of these rows moves money.
fn needs_second((managed, after): (&Managed, &Managed), made: &[Made]) -> bool {
    made.iter().any(|(row, _)| {
        let standing = |of: &Managed| {
            let row = of.get(row.kind, &row.name)?;
            (row.state == ManagedState::Active).then(|| row.fields.clone())
        };
        moves_money(row.kind, standing(managed).as_ref(), standing(after).as_ref())
    })
}

/// What changes, row by row, as operators are shown it.
pub(super) fn changes((managed, after): (&Managed, &Managed), made: &[Made]) -> Value {
    let shown = |(row, _): &Made| {
        let last = after.get(row.kind, &row.name).map_or(row, |it| &**it);
        shown_change(managed.get(row.kind, &row.name).map(|it| &**it), last)
    };
    made.iter().map(shown).collect::<Vec<_>>().into()
}

/// The proposal that is made in place of these changes, if they take a second person.
///
/// # Errors
/// Too many wait.
pub(super) fn instead(
    whole: &Config,
    (edits, author): (&[Edit], &Author),
    states: (&Managed, &Managed),
    made: &[Made],
) -> Result<Option<Made>, ProposalRefused> {
    let Some(second) = whole.two_persons.filter(|_| needs_second(states, made)) else {
        return Ok(None);
    };
    let until = author.at_ms.saturating_add(second.expire_ms);
    let it = Proposal::of_edits(edits, &changes(states, made), (&author.reason, until));
    opened(&it, states.0, author).map(Some)
}

/// The row of a new proposal, with its record.
///
/// # Errors
/// Too many wait.
pub(super) fn opened(
    it: &Proposal,
    managed: &Managed,
    author: &Author,
) -> Result<Made, ProposalRefused> {
    if managed.open_proposals().count() >= OPEN_MAX {
        return Err(ProposalRefused::Many);
    }
    let row = it.row(&Uuid::now_v7().to_string(), author);
    let record = record(author, AuditAction::ProposalMade, (None, &row));
    Ok((row, record))
}

/// A row in which a proposal is closed, with its record.
pub(super) fn closed(row: &ManagedRow, it: Proposal, state: ProposalState, by: &Author) -> Made {
    let what = match state {
        ProposalState::Open => AuditAction::ProposalMade,
        ProposalState::Approved => AuditAction::ProposalApproved,
        ProposalState::Rejected => AuditAction::ProposalRejected,
        ProposalState::Expired => AuditAction::ProposalExpired,
        ProposalState::Superseded => AuditAction::ProposalSuperseded,
    };
    let after = it.closed(row, state, by);
    let record = record(by, what, (Some(row), &after));
    (after, record)
}

/// The proposal among the rows that a change has written, if it waits for a second person.
pub(super) fn waiting(rows: &[ManagedRow], now_ms: i64) -> Option<Value> {
    let row = rows.first()?;
    Some(shown(row, &Proposal::of_row(row)?, now_ms))
}

/// A proposal as operators read it.
fn shown(row: &ManagedRow, it: &Proposal, now_ms: i64) -> Value {
    let moment = |ms: i64| Timestamp::from_millisecond(ms).ok().map(|it| it.to_string());
    let overdue = it.state == ProposalState::Open && it.expires_ms <= now_ms;
    let state = if overdue { ProposalState::Expired } else { it.state };
    let mut told = Map::new();
    told.insert("id".into(), (&*row.name).into());
    told.insert("state".into(), state.name().into());
    let what = if it.document.is_some() { "policy" } else { "changes" };
    told.insert("what".into(), what.into());
    told.insert("reason".into(), it.reason.as_str().into());
    told.insert("by".into(), (&*row.created.by).into());
    told.insert("at".into(), json!(moment(row.created.at_ms)));
    told.insert("expires".into(), json!(moment(it.expires_ms)));
    let closed = it.state != ProposalState::Open;
    let approved = it.state == ProposalState::Approved;
    told.insert("approved_by".into(), json!(approved.then_some(&*row.changed.by)));
    told.insert("closed_by".into(), json!(closed.then_some(&*row.changed.by)));
    told.insert("closed_at".into(), json!(closed.then(|| moment(row.changed.at_ms))));
    told.insert("closed_reason".into(), json!(closed.then_some(&*it.closed_reason)));
    told.insert("changes".into(), it.changes());
    Value::Object(told)
}

/// One by its id, with what it would change now and its document.
pub(super) fn one(read: &ReadFrom, id: &str, now_ms: i64) -> Option<Value> {
    let row = read.managed.get(ManagedKind::Proposal, id)?;
    let it = Proposal::of_row(row)?;
    let mut told = shown(row, &it, now_ms);
    let fields = told.as_object_mut()?;
    if let Some(document) = &it.document {
        fields.insert("document".into(), document.as_str().into());
    } else {
        now(read, (row, &it), (now_ms, fields));
    }
    Some(told)
}

/// Says of an open proposal of changes what it would change now, or why it cannot be approved now.
fn now(
    read: &ReadFrom,
    (row, it): (&ManagedRow, &Proposal),
    (now_ms, told): (i64, &mut Map<String, Value>),
) {
    let Some(edits) = it.edits().filter(|_| {
        it.document.is_none() && it.state == ProposalState::Open && it.expires_ms > now_ms
    }) else {
        return;
    };
    let (by, reason) = (Arc::clone(&row.created.by), "".into());
    let by = Author { by, at_ms: now_ms, not_before_ms: 0, reason };
    match rows((&edits, &by), &read.managed, Some(read)) {
        Ok((after, made)) => {
            told.insert("changes".into(), changes((&read.managed, &after), &made));
        }
        Err(refused) => drop(told.insert("conflict".into(), refused.to_string().into())),
    }
}

/// Proposals of a page at the most, and where nobody says how many.
const LIMIT_MAX: usize = 1_000;
const LIMIT: usize = 100;

/// The page of them that a query asks for.
///
/// # Errors
/// Every parameter that is wrong.
pub(super) fn page(read: &ReadFrom, query: &str, now_ms: i64) -> Result<Value, Vec<Wrong>> {
    let (mut wanted, mut after, mut limit) = (None, String::new(), LIMIT);
    query::read(query, |name, value| {
        match name {
            "state" => {
                let known = ProposalState::ALL.into_iter().find(|it| it.name() == value);
                let expected = "expected `open`, `approved`, `rejected`, `expired` or `superseded`";
                wanted = Some(known.ok_or(expected)?);
            }
            "after" => value.clone_into(&mut after),
            "limit" => {
                let known = value.parse().ok().filter(|it| (1..=LIMIT_MAX).contains(it));
                limit = known.ok_or_else(|| format!("expected a number from 1 to {LIMIT_MAX}"))?;
            }
            _ => {
                return Err(
                    "there is no such parameter: expected `state`, `after` and `limit`".into()
                );
            }
        }
        Ok(())
    })?;
    let rows = read.managed.after(ManagedKind::Proposal, &after);
    let all = rows.filter_map(|row| {
        let it = Proposal::of_row(row)?;
        let mut told = shown(row, &it, now_ms);
        now(read, (row, &it), (now_ms, told.as_object_mut()?));
        Some(told)
    });
    let fits = |it: &Value| wanted.is_none_or(|state| it["state"] == state.name());
    let mut all: Vec<Value> = all.filter(fits).take(limit.saturating_add(1)).collect();
    let more = all.len() > limit;
    all.truncate(limit);
    let next = all.last().filter(|_| more).and_then(|it| it.get("id")).cloned();
    Ok(json!({ "proposals": all, "next": next }))
}
