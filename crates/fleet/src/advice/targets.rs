//! Whether each target can be looked into and switched, and whether its rescuer stands on it.

use super::{Advice, say};
use crate::{ComponentKind, DoorKind, Fleet};
use std::collections::BTreeSet;

pub(super) fn advise(fleet: &Fleet, advice: &mut Vec<Advice>) {
    served_from_what_it_recovers(fleet, advice);
    for vm in fleet.components.iter().filter(|component| component.kind == ComponentKind::Vm) {
        let about = || format!("component \"{}\"", vm.name);
        let (power, repair) = (fleet.power_door(&vm.name), fleet.repair_door(&vm.name));
        if power.is_none() {
            say(
                advice,
                about(),
                "no power door controls it: when it hangs, nothing here can switch it off and on",
            );
        }
        if power.is_some() && repair.is_none() {
            say(
                advice,
                about(),
                "it has no repair door: triage sees it from outside only, and no command can run in it",
            );
        }
        if (power.is_some() || repair.is_some()) && vm.refusing_port.is_none() {
            say(
                advice,
                about(),
                "it has no refusing_port: triage cannot tell a dead SSH server from a dead network",
            );
        }
        if let Some(door) = power
            && !reached_by(fleet, &vm.name).contains(door.to.as_str())
        {
            say(
                advice,
                about(),
                format!(
                    "it does not say that it needs \"{}\", on which it runs: add that to its needs",
                    door.to
                ),
            );
        }
    }
    for door in fleet.doors.iter().filter(|door| door.kind == DoorKind::Power) {
        let to = fleet.component(&door.to).map(|component| component.kind);
        if to.is_some_and(|kind| kind != ComponentKind::Hypervisor) {
            let text = format!("it leads to \"{}\", which is not declared a hypervisor", door.to);
            say(advice, format!("door \"{}\"", door.name), text);
        }
    }
}

/// The thesis in one check: who presses the button must not fall with what the button recovers.
fn served_from_what_it_recovers(fleet: &Fleet, advice: &mut Vec<Advice>) {
    for door in &fleet.doors {
        let recovered = door.controls.as_deref().unwrap_or(&door.to);
        let Some(from) = door.served_from.as_deref() else { continue };
        if from == recovered || reached_by(fleet, from).contains(recovered) {
            let text = format!(
                "it is used from \"{from}\", which falls with \"{recovered}\": exactly when it is needed nobody can \
                 press it. Serve it from elsewhere, or keep a second way in that does not need \"{recovered}\""
            );
            say(advice, format!("door \"{}\"", door.name), text);
        }
    }
}

/// Everything that a component needs, directly or through others.
fn reached_by<'a>(fleet: &'a Fleet, name: &'a str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut next = vec![name];
    while let Some(name) = next.pop() {
        for need in fleet.component(name).into_iter().flat_map(|component| &component.needs) {
            if reached.insert(need.as_str()) {
                next.push(need);
            }
        }
    }
    reached
}
