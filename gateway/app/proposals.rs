//! Changes that wait for a second person: made in place of a change that takes one, approved by somebody else
//! and then in force by the very way that any change goes, or closed without effect.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::time::MissedTickBehavior;

use super::{
    in_force::InForce,
    manage::failure,
    managed::{ChangeError, commit},
    propose::{ProposalRefused, changes, closed, one, opened, page, proposed, waiting},
    rows::{Made, rows},
    spend::misused,
    turns::Urgency,
};
use crate::{
    config::{
        Author, Config, Managed, ManagedKind, ManagedRow, POLICY, Proposal, ProposalState, ReadFrom,
    },
    edge::admin::Proposals,
    failure::{Failure, Kind, Stage},
};

/// How often it is looked for proposals whose time is over.
const EXPIRE_EVERY: Duration = Duration::from_secs(20);
/// Who closes what nobody has approved in time.
const BY_GATEWAY: &str = "gateway";

/// The whole with these rows.
fn with(base: &ReadFrom, managed: &Managed, made: &[Made]) -> Result<Config, ChangeError> {
    let rows = made.iter().map(|(row, _)| row.clone());
    base.with_managed(&managed.with(managed.last, rows)).map_err(ChangeError::Faults)
}

/// Proposes a policy, which is proved against what is in force.
async fn propose_policy(
    in_force: &Arc<InForce>,
    document: String,
    author: Author,
) -> Result<Vec<ManagedRow>, ChangeError> {
    let policy = Arc::clone(&in_force.gateway.epoch.load().names);
    commit(in_force, Urgency::Waits, move |base, managed, moment| {
        let author = moment.of(&author);
        let proved = Proposal::of_policy(&document, &Value::Null, ("", 0));
        let edits = proved.edits().unwrap_or_default();
        let (after, _) = rows((&edits, &author), managed, Some(base))?;
        let whole = base.with_managed(&after);
        let whole = whole.map_err(|faults| ChangeError::Faults(proposed(faults)))?;
        let second = whole.two_persons.ok_or(ProposalRefused::Off)?;
        let changes = json!([{
            "kind": "policy", "name": POLICY,
            "before": { "version": &*policy.policy_version, "hash": &*policy.policy_hash },
            "after": { "version": whole.policy.version(), "hash": whole.policy.hash() },
        }]);
        let until = author.at_ms.saturating_add(second.expire_ms);
        let it = Proposal::of_policy(&document, &changes, (&author.reason, until));
        let made = vec![opened(&it, managed, &author)?];
        Ok((with(base, managed, &made)?, made))
    })
    .await
}

/// Approves or rejects a proposal.
async fn decide(
    in_force: &Arc<InForce>,
    (id, approves): (String, bool),
    author: Author,
) -> Result<Vec<ManagedRow>, ChangeError> {
    commit(in_force, Urgency::Waits, move |base, managed, moment| {
        let author = moment.of(&author);
        let row = managed.get(ManagedKind::Proposal, &id);
        let found = row.and_then(|row| Some((row, Proposal::of_row(row)?)));
        let (row, it) = found.ok_or_else(|| ProposalRefused::Absent(id.as_str().into()))?;
        if it.state != ProposalState::Open {
            return Err(ProposalRefused::Closed(it.state).into());
        }
        if it.expires_ms <= author.at_ms {
            return Err(ProposalRefused::Expired.into());
        }
        if approves {
            return approved((base, managed), (row, it), &author);
        }
        let made = vec![closed(row, it, ProposalState::Rejected, &author)];
        Ok((with(base, managed, &made)?, made))
    })
    .await
}

/// Whether a proposal is that of the operator, by whatever door either has come: one name of two doors is
/// taken for one person's, for who is wrongly taken for two would approve what he has proposed.
fn own(proposer: &str, operator: &str) -> bool {
    person(proposer) == person(operator)
}

/// A name without its doors, in small letters: those of an account on the machine (`cli:mei`) and of an
/// issuer (`oidc(corp):mei`), one behind the other too, since an issuer may name somebody `cli:mei`.
fn person(name: &str) -> String {
    let name = name.to_lowercase();
    let mut rest = name.as_str();
    loop {
        let by_issuer = || Some(rest.strip_prefix("oidc(")?.split_once("):")?.1);
        match rest.strip_prefix("cli:").or_else(by_issuer) {
            Some(behind) => rest = behind,
            None => return rest.to_owned(),
        }
    }
}

/// What a second person approves: the changes, by whoever has proposed them, and the proposal's end; the
/// proposal first.
fn approved(
    (base, managed): (&ReadFrom, &Managed),
    (row, it): (&ManagedRow, Proposal),
    author: &Author,
) -> Result<(Config, Vec<Made>), ChangeError> {
    if own(&row.created.by, &author.by) {
        return Err(ProposalRefused::Own(Arc::clone(&author.by)).into());
    }
    let conflict = |why: String| ChangeError::from(ProposalRefused::Conflict(why));
    let edits = it.edits();
    let edits = edits.ok_or_else(|| conflict("another version has proposed it".to_owned()))?;
    let reason = format!("{} (proposal {}, approved by {})", it.reason, row.name, author.by);
    let by = Arc::clone(&row.created.by);
    let proposer = Author { by, reason: reason.trim_start().into(), ..author.clone() };
    let changed = rows((&edits, &proposer), managed, Some(base));
    let (after, changed) = changed.map_err(|refused| conflict(refused.to_string()))?;
    let of_policy = it.document.is_some();
    let it = if of_policy { it } else { it.changing(&changes((managed, &after), &changed)) };
    let mut made = vec![closed(row, it, ProposalState::Approved, author)];
    made.extend(changed);
    if of_policy {
        let others = managed.open_proposals();
        let others = others.filter(|(it, of)| it.name != row.name && of.document.is_some());
        let reason = format!("the policy of the proposal {} was approved", row.name).into();
        let by = Author { reason, ..author.clone() };
        made.extend(others.map(|(row, it)| closed(row, it, ProposalState::Superseded, &by)));
    }
    let whole = with(base, managed, &made).map_err(|error| match error {
        ChangeError::Faults(_) => conflict(error.to_string()),
        error => error,
    })?;
    if whole.two_persons.is_none() {
        return Err(ProposalRefused::Off.into());
    }
    Ok((whole, made))
}

/// Closes what nobody has approved in time, until this process ends.
pub(super) async fn run(in_force: Arc<InForce>) {
    let mut looks = tokio::time::interval(EXPIRE_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        expire(&in_force).await;
    }
}

async fn expire(in_force: &Arc<InForce>) {
    let at_ms = (in_force.gateway.sources.timestamp)().as_millisecond();
    let overdue = move |managed: &Managed| {
        let open = managed.open_proposals().filter(move |(_, it)| it.expires_ms <= at_ms);
        open.map(|(row, it)| (Arc::clone(row), it)).collect::<Vec<_>>()
    };
    if overdue(&in_force.read.load().managed).is_empty() {
        return;
    }
    let reason = "nobody has approved it in time".into();
    let by = Author { by: BY_GATEWAY.into(), at_ms, not_before_ms: 0, reason };
    let done = commit(in_force, Urgency::Waits, move |base, managed, moment| {
        let by = moment.of(&by);
        let all = overdue(managed).into_iter();
        let made: Vec<_> =
            all.map(|(row, it)| closed(&row, it, ProposalState::Expired, &by)).collect();
        Ok((with(base, managed, &made)?, made))
    });
    if let Err(error) = done.await {
        tracing::debug!(%error, "proposals that have expired are not closed yet");
    }
}

/// How operators see, make and close proposals.
pub(super) fn proposals(in_force: &Arc<InForce>) -> Proposals {
    let [a, b, c, d] = [(); 4].map(|()| Arc::clone(in_force));
    let now = |it: &InForce| (it.gateway.sources.timestamp)().as_millisecond();
    Proposals {
        page: Box::new(move |query| {
            let (read, now, query) = (a.read.load_full(), now(&a), query.to_owned());
            // All that are open are held against all rows.
            let read = move || page(&read, &query, now).map_err(|wrong| misused(&wrong));
            Box::pin(async move {
                let page = tokio::task::spawn_blocking(read).await;
                page.map_err(|error| {
                    let broken = Failure::new(Kind::Bug, Stage::Receive, "the page broke off");
                    broken.because(error.to_string())
                })?
            })
        }),
        one: Box::new(move |id| one(&b.read.load(), id, now(&b))),
        policy: Box::new(move |document, author| {
            let in_force = Arc::clone(&c);
            Box::pin(async move {
                in_force.gateway.recorder.accepts()?;
                let rows = propose_policy(&in_force, document, author).await;
                let rows = rows.map_err(|error| failure(&error))?;
                Ok(waiting(&rows, now(&in_force)).unwrap_or_default())
            })
        }),
        decide: Box::new(move |id, approves, author| {
            let in_force = Arc::clone(&d);
            Box::pin(async move {
                in_force.gateway.recorder.accepts()?;
                let rows = decide(&in_force, (id, approves), author).await;
                let rows = rows.map_err(|error| failure(&error))?;
                Ok(waiting(&rows, now(&in_force)).unwrap_or_default())
            })
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::own;

    #[test]
    fn ones_own_approval_does_not_count_by_whatever_door_it_was_proposed() {
        assert!(own("mei", "mei") && own("cli:mei", "mei"));
        assert!(!own("raj", "mei") && !own("cli:root", "mei") && !own("file", "mei"));
        let doors = [
            "mei",
            "Mei",
            "MEI",
            "cli:mei",
            "cli:Mei",
            "CLI:mei",
            "oidc(corp):mei",
            "oidc(a/b):mei",
            "oidc(corp):MEI",
            "oidc(corp):cli:mei",
            "oidc(corp):cli:cli:mei",
            "OIDC(corp):Cli:mEi",
            "oidc(a):oidc(b):mei",
        ];
        for (a, b) in doors.iter().flat_map(|a| doors.map(|b| (*a, b))) {
            assert!(own(a, b), "{a} {b}");
        }
        for other in [
            "oidc(corp):cli:raj",
            "cli:mei2",
            "climei",
            "oidc(corp):raj",
            "oidc(corp):mei:2",
            "oidc(mei):raj",
            "oidc(corp)",
            "oidc(",
        ] {
            assert!(!own(other, "mei") && !own("oidc(corp):mei", other), "{other}");
        }
    }
}
