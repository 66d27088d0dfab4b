//! The cheap part of triage, for a watch that asks every few seconds: a banner, a write-and-sync and the hypervisor's
//! counters against the target's own normal. It uses the same rules; it only has less to show them.

use crate::case::{Case, Login, View};
use crate::evidence::{Normal, Reach};
use crate::result::{Health, Wedge};
use crate::{findings, rules, whole};
use breakglass_protocol::{Status, SyncProbe, Timestamp};

/// What a quick look says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quick {
    /// How the target does.
    pub health: Health,
    /// In a sentence.
    pub sentence: String,
    /// The wedge, where this little names one.
    pub wedge: Option<Wedge>,
}

/// Judges what a watch sees. `sync` is what the write-and-sync through the repair door reported, where it was tried
/// and came back; `status` what the hypervisor told, where it did.
#[must_use]
pub fn quick(
    at: Timestamp,
    reach: &Reach,
    sync: Option<&[SyncProbe]>,
    status: Option<&Status>,
    normal: &Normal,
) -> Quick {
    let case = Case {
        at,
        reach,
        refusing: None,
        login: sync.map_or(Login::NoDoor, |_| Login::Works(None)),
        sync: sync.unwrap_or_default(),
        view: status.map_or(View::NoDoor, View::Status),
        normal,
    };
    let found = rules::first(&case).unwrap_or_else(|| whole::without_a_name(&case, &findings::all(&case)));
    Quick { health: found.health, sentence: found.summary, wedge: found.wedge }
}
