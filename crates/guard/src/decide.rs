//! The decision: a pure function of the policy's list of VMs and the request's bytes, and a value.
//!
//! It looks at nothing else: not at the state of a VM (that is for the verbs, which look again just before they
//! act), and not at anything that a client can set besides its request.

use crate::policy::{Machine, Policy};
use breakglass_protocol::{Refusal, Rule, Verb, VmName, parse_power};

/// What was decided about a request.
#[must_use]
#[derive(Debug)]
pub(crate) enum Decision<'policy> {
    /// It may be carried out on this VM.
    Allow(Allowed<'policy>),
    /// It may not; nothing is started.
    Deny(Refusal),
}

/// A request that may be carried out.
#[derive(Debug)]
pub(crate) struct Allowed<'policy> {
    pub(crate) verb: Verb,
    pub(crate) machine: &'policy Machine,
    pub(crate) json: bool,
}

/// Decides about the bytes of one request; `None` is a client that asked for a login shell.
pub(crate) fn decide<'policy>(policy: &'policy Policy, request: Option<&[u8]>) -> Decision<'policy> {
    let names: Vec<VmName> = policy.machines.iter().map(|machine| machine.vm.clone()).collect();
    let request = match parse_power(request.unwrap_or_default(), &names) {
        Ok(request) => request,
        Err(refusal) => return Decision::Deny(refusal),
    };
    match policy.machines.iter().find(|machine| machine.vm == request.vm) {
        Some(machine) => Decision::Allow(Allowed { verb: request.verb, machine, json: request.json }),
        None => Decision::Deny(Refusal {
            rule: Rule::UnknownVm,
            reason: "the VM is not behind this door".to_owned(),
            hint: "ask for one of this door's VMs".to_owned(),
        }),
    }
}
