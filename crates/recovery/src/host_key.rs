//! Host keys as events: pinned, changed, and accepted by a person, never by a program.

use crate::Desk;
use crate::record::keep;
use breakglass_doors::{End, HostKeyState};
use breakglass_incident::{Actor, EventBody};
use std::collections::HashMap;

/// Why a key was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AcceptError {
    /// A program asked.
    #[error(
        "a program may not accept a host key: a person has to, in the page or with `breakglass accept-host-key`"
    )]
    NotAPerson,
    /// The doors would not.
    #[error("no host key was accepted")]
    Doors {
        /// Why.
        #[source]
        source: breakglass_doors::AcceptError,
    },
}

/// Accepts the key that a host showed last, and opens its doors again. Returns its fingerprint. `compared` is the
/// fingerprint that the person looked at; where the host shows another one by now, nothing is accepted.
///
/// # Errors
/// [`AcceptError`].
pub async fn accept_host_key(
    desk: &Desk,
    who: Actor,
    host: &str,
    compared: Option<&str>,
) -> Result<String, AcceptError> {
    if !matches!(who, Actor::Human(_) | Actor::Cli(_)) {
        return Err(AcceptError::NotAPerson);
    }
    let accepted = match compared {
        Some(fingerprint) => desk.doors.host_keys().accept_shown(host, bare(fingerprint)),
        None => desk.doors.accept_host_key(host),
    };
    let fingerprint = accepted.map_err(|source| AcceptError::Doors { source })?;
    desk.board.forget_key(host);
    let body = EventBody::HostKeyAccepted { host: host.to_owned(), fingerprint: fingerprint.clone() };
    keep(desk, None, who, body).await;
    Ok(fingerprint)
}

/// A host that showed another key than the trusted one; its doors are closed until a person acts.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChangedKey {
    /// The component.
    pub host: String,
    /// What is trusted, `SHA256:…`.
    pub pinned: String,
    /// What it showed.
    pub shown: String,
}

/// The hosts whose key is another than the trusted one right now, for a page. Asks nobody.
#[must_use]
pub fn changed_host_keys(desk: &Desk) -> Vec<ChangedKey> {
    let mut changed: Vec<ChangedKey> = Vec::new();
    for door in &desk.fleet.doors {
        let HostKeyState::Changed { pinned, shown } = desk.doors.state(&door.name).host_key else { continue };
        if changed.iter().all(|key| key.host != door.to) {
            changed.push(ChangedKey { host: door.to.clone(), pinned, shown });
        }
    }
    changed
}

/// A fingerprint as people copy it, without the kind of key that `ssh-keygen` and our own events put behind it.
fn bare(fingerprint: &str) -> &str {
    fingerprint.split_whitespace().find(|word| word.starts_with("SHA256:")).unwrap_or(fingerprint)
}

/// Tells what became of host keys since the last time: a first key that was pinned, a key that is not the trusted one.
/// `known` is what the caller saw the last time.
pub(crate) async fn tell_news(desk: &Desk, known: &mut HashMap<String, HostKeyState>) {
    for door in &desk.fleet.doors {
        let state = desk.doors.state(&door.name).host_key;
        let before = known.insert(door.to.clone(), state.clone());
        match (before, state) {
            (Some(HostKeyState::Unknown), HostKeyState::Trusted { fingerprint }) => {
                let body = EventBody::HostKeyPinned { host: door.to.clone(), fingerprint };
                keep(desk, None, Actor::Server, body).await;
            }
            (_, HostKeyState::Changed { pinned, shown }) => {
                let end = End::HostKeyChanged { host: door.to.clone(), pinned, shown };
                tell_if_changed(desk, &door.name, &end).await;
            }
            _ => {}
        }
    }
}

/// Tells that a host showed another key than the trusted one, once for each key that it shows.
pub(crate) async fn tell_if_changed(desk: &Desk, door: &str, end: &End) {
    let End::HostKeyChanged { host, pinned, shown } = end else { return };
    if desk.board.first_sight_of_key(host, shown) {
        let incident = desk.fleet.door(door).and_then(|door| {
            let target = door.controls.as_deref().unwrap_or(&door.to);
            desk.board.target(target)?.incident
        });
        let (host, pinned, shown) = (host.clone(), pinned.clone(), shown.clone());
        keep(desk, incident, Actor::Server, EventBody::HostKeyChanged { host, pinned, shown }).await;
    }
}
