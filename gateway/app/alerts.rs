//! Alerts of budgets: looked for once a second, told in the log, in the metrics and to the webhook. A request
//! neither looks nor waits.

use tokio::task::JoinHandle;

use super::{
    StartError,
    webhook::{self, Outbox},
};
use crate::{
    account::{self, BudgetAlert},
    config::Config,
    pipeline::Gateway,
};

/// Who tells of budgets.
#[derive(Clone)]
pub(super) struct Alerts {
    outbox: Option<Outbox>,
}

/// Begins to tell of budgets; the task speaks to the webhook, where there is one.
///
/// # Errors
/// There is a webhook, and no client can be made for it.
pub(super) fn begin(
    config: &Config,
    gateway: &Gateway,
) -> Result<(Alerts, Option<JoinHandle<()>>), StartError> {
    let Some(config) = &config.webhook else { return Ok((Alerts { outbox: None }, None)) };
    let (timestamp, metrics) = (gateway.sources.timestamp, gateway.recorder.metrics());
    let (outbox, webhook) = webhook::webhook(config, timestamp, metrics)?;
    Ok((Alerts { outbox: Some(outbox) }, Some(tokio::spawn(webhook.run()))))
}

impl Alerts {
    /// Tells what of budgets has been spent since the last look.
    pub(super) fn look(&self, gateway: &Gateway) {
        let (epoch, now) = (gateway.epoch.load(), (gateway.sources.timestamp)());
        let currency = &epoch.names.currency;
        for alert in account::alerts(&epoch.accounts, now) {
            say(&alert, currency);
            // Keys are no labels.
            if let Some(team) = &alert.team {
                let (window, share) = (alert.window.code(), alert.share.to_string());
                gateway.recorder.metrics().budget_alert(team, window, &share);
            }
            if let Some(outbox) = &self.outbox {
                outbox.send(&alert, now, currency);
            }
        }
    }
}

fn say(alert: &BudgetAlert, currency: &str) {
    let BudgetAlert { team, key, window, window_start: _, share, spent, limit } = alert;
    let (kind, name) = match (team, key) {
        (Some(team), _) => ("team", &**team),
        (None, key) => ("key", key.as_deref().unwrap_or_default()),
    };
    let (window, share) = (window.code(), share.number());
    tracing::warn!(
        team = team.as_deref(),
        key = key.as_deref(),
        window,
        share,
        spent = %spent,
        limit = %limit,
        "{spent} {currency} of the {window} budget of {kind} `{name}`, {limit} {currency}, are spent: past \
         {share} of it"
    );
}
