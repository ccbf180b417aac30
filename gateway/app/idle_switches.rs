//! Switches of what the configuration has no more.

use std::collections::HashSet;

use crate::config::{Config, Switchable, Switches};

/// Says once which switches do nothing, since the configuration has no more what they mean.
pub(super) fn say(before: Option<&Config>, config: &Config) {
    let idle = |it: &Config| Switches::of(&it.managed).idle(&Switchable::all(&it.models));
    let said: HashSet<String> = before.map(idle).into_iter().flatten().collect();
    for what in idle(config).iter().filter(|it| !said.contains(*it)) {
        tracing::warn!(
            "managed: the switch of {what} does nothing until the configuration has such a thing again"
        );
    }
}
