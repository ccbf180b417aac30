//! Who asks, and what: a request's way from its head to its contents, before anything is decided.

use bytes::Bytes;
use http::HeaderMap;
use policies::facts::Contents;

use super::{Asked, Epoch, Gateway, Inbound, Tab, contents};
use crate::{
    directory::Authenticated,
    failure::{Failure, Stage},
    wire::{self, ReadLimits, Surface},
};

/// Reads the body of a request whose caller may ask, and has its texts checked where somebody is named for
/// that.
pub(super) async fn ask<B>(
    gw: &Gateway,
    epoch: &Epoch,
    inbound: Inbound<B>,
    tab: &mut Tab,
    read: fn(&'static Surface, Bytes, &ReadLimits) -> Result<wire::Request, Failure>,
) -> Result<Asked, Failure>
where
    B: Future<Output = Result<Bytes, Failure>>,
{
    let Inbound { headers, body, surface, at, .. } = inbound;
    let Authenticated { principal, subject } = admit_caller(epoch, &headers, at, tab)?;
    tab.at(Stage::Receive);
    let body = body.await?;
    let at = (gw.sources.timestamp)();
    tab.at(Stage::Classify);
    // It goes through many hands, as a pointer.
    let request = Box::new(read(surface, body, &epoch.limits)?);
    let checked = match &epoch.content_hook {
        // Kept apart: every other request would carry the room for it.
        Some(hook) => {
            let team = &principal.caller.team_name;
            Box::pin(contents::checked(gw, hook, team, &request)).await?
        }
        None => Contents::NONE,
    };
    Ok(Asked { principal, subject, headers, request, checked, at })
}

/// Authenticates the caller by the head alone, and takes his concurrency permit.
fn admit_caller(
    epoch: &Epoch,
    headers: &HeaderMap,
    at: jiff::Timestamp,
    tab: &mut Tab,
) -> Result<Authenticated, Failure> {
    tab.at(Stage::Authenticate);
    let asking = epoch.directory.authenticate(headers, at)?;
    tab.caller(&asking.principal.caller);
    if let Err(full) = tab.recordable() {
        tab.at(Stage::Record);
        return Err(full);
    }
    let now = tab.at(Stage::Admit);
    tab.permit(asking.principal.account.enter(now)?);
    Ok(asking)
}
