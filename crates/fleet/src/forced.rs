//! One key, one account, one host: one forced command.
//!
//! sshd takes the first line of `authorized_keys` that holds a key and never looks at a second. Two doors that share
//! all three would therefore both open the first one, and the other would be shut on the day it is needed.

use crate::reader::Report;
use crate::sections::PlacedDoor;
use crate::{Door, DoorKind};
use std::collections::BTreeMap;

/// Refuses two doors that would need two forced commands for one key on one account at one host.
pub(crate) fn refuse_two_commands_with_one_key(doors: &[PlacedDoor], report: &mut Report<'_>) {
    let mut first = BTreeMap::new();
    for placed in doors {
        let door = &placed.door;
        let place = (door.to.as_str(), door.user.as_str(), door.key.as_str());
        if door.to.is_empty() || door.user.is_empty() || door.key.is_empty() {
            continue; // Already reported as missing.
        }
        let Some(earlier) = first.insert(place, door) else { continue };
        let Some(why) = conflict(earlier, door) else { continue };
        let reason = format!(
            "key \"{}\" has two forced commands for {} at {}: doors \"{}\" and \"{}\"",
            door.key, door.user, door.to, earlier.name, door.name
        );
        report.say(&placed.key_span, reason, Some(why));
    }
}

fn conflict(one: &Door, other: &Door) -> Option<String> {
    if one.kind != other.kind {
        return Some(format!(
            "one is {}, the other {}, and sshd only ever runs the first: give each door a key of its own",
            one.kind, other.kind
        ));
    }
    let both_named = one.vm_name.is_some() && other.vm_name.is_some();
    let same_vm = one.vm == other.vm && one.controls == other.controls;
    (one.kind == DoorKind::Power && !same_vm && !both_named).then(|| {
        "one guard can serve several VMs with one key if each door has its `vm_name`; else give each a key".to_owned()
    })
}
