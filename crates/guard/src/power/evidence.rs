//! The bridge to forensics: what to capture of this VM. Whoever asks decides what becomes of the parts.

use super::directory::Directory;
use super::identity::{self, Found};
use super::{backend, now};
use crate::forensics::{self, Captured, Plan};
use crate::policy::Machine;
use breakglass_protocol::{OperationId, Status};

/// Captures, handing over each part as it is ready. No lock but the operation's own is held meanwhile, and the monitor is
/// free again when this returns. Says in a sentence how it went.
pub(super) fn capture(
    machine: &Machine,
    directory: Option<&Directory>,
    operation: Option<&OperationId>,
    ends_process: bool,
    status: Option<&Status>,
    emit: &mut dyn FnMut(Captured),
) -> String {
    let process = match identity::find(machine, directory) {
        Found::One(process) => Some(process.identity),
        Found::Nothing | Found::Doubt(_) => None,
    };
    let backend = backend::of(machine);
    let plan = Plan {
        vm_name: machine.vm.clone(),
        vm_id: machine.vm_id,
        operation: operation.cloned(),
        taken: now(),
        monitor_tool: backend.monitor(),
        asks: backend.asks(),
        qmp_socket: Some(machine.qmp.socket.clone()),
        process,
        guest_agent: machine.qmp.guest_agent.clone(),
        console: machine.qmp.console.clone(),
        dir: machine.forensics.dir.clone(),
        limits: machine.forensics.limits,
        deadline: machine.forensics.deadline,
        ends_process,
        config_text: machine.qmp.command.join(" "),
        status_json: status.and_then(|status| serde_json::to_string(status).ok()),
    };
    let mut parts = 0;
    let summary = forensics::capture(&plan, &mut |captured: Captured| {
        parts += 1;
        emit(captured);
    });
    let kept = summary
        .kept
        .map_or_else(|| "not kept on this host".to_owned(), |path| format!("kept in {}", path.display()));
    let notes: String = summary.notes.iter().map(|note| format!("; {note}")).collect();
    format!("{parts} parts in {} ms, {kept}{notes}", summary.millis)
}
