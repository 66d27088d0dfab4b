//! What a demo's page offers to do to the lab: a list of choices and one function that carries a choice out.
//!
//! It renders nothing and serves nothing; whoever runs the demo mounts it.

use crate::{Condition, Lab, Wedge};
use anyhow::{Context as _, Result};
use std::sync::Arc;

/// One button.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// Its name in a form.
    pub slug: &'static str,
    /// What it does, in a sentence.
    pub sentence: &'static str,
    /// Whether it wedges the VM; the others do not harm it.
    pub harms: bool,
}

/// The name of the choice that makes a fresh VM out of a wedged one without breakglass.
const RENEW: &str = "renew";
/// The name of the choice that pauses the VM as its owner.
const OWNER_PAUSES: &str = "owner-pauses";

/// Every choice, in the order of the page.
#[must_use]
pub fn choices() -> Vec<Choice> {
    let wedges = Wedge::ALL.into_iter().map(|wedge| Choice {
        slug: wedge.slug(),
        sentence: wedge.sentence(),
        harms: true,
    });
    let sentence = "Pause it as its owner would, with the hypervisor's lock saying so: no wedge.";
    let owner = Choice { slug: OWNER_PAUSES, sentence, harms: false };
    let sentence = "Throw the VM away and start a fresh one, without breakglass.";
    wedges.chain([owner, Choice { slug: RENEW, sentence, harms: false }]).collect()
}

/// Carries a choice out on the VM of that name.
///
/// # Errors
/// There is no such choice or VM, or the VM is in no state for it.
pub async fn apply(lab: Arc<Lab>, vm: String, slug: String) -> Result<()> {
    tokio::task::spawn_blocking(move || {
        let vm = lab
            .vms()
            .iter()
            .find(|candidate| candidate.name() == vm)
            .with_context(|| format!("the lab has no VM {vm}"))?;
        match slug.as_str() {
            RENEW => vm.renew().map(|_| ()),
            OWNER_PAUSES => vm.condition(Condition::OwnerPaused),
            slug => vm.wedge(Wedge::from_slug(slug).with_context(|| format!("the lab has no wedge {slug}"))?),
        }
    })
    .await?
}
