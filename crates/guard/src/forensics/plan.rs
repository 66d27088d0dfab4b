//! What a capture is asked to do: the plan, as the verbs hand it over.

use breakglass_protocol::{OperationId, ProcessIdentity, Timestamp, VmName};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// What to capture, of which VM, under which limits.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// The VM's name behind the door.
    pub(crate) vm_name: VmName,
    /// Its number in the hypervisor.
    pub(crate) vm_id: u32,
    /// The operation that this belongs to; absent for the verb `forensics`.
    pub(crate) operation: Option<OperationId>,
    /// When the capture was asked for; names the capture on disk where there is no operation.
    pub(crate) taken: Timestamp,
    /// QEMU's monitor socket.
    pub(crate) qmp_socket: Option<PathBuf>,
    /// What goes before a monitor's command, where a daemon keeps that socket to itself.
    #[serde(default)]
    pub(crate) monitor_tool: Option<Vec<String>>,
    /// What the hypervisor's tools are asked, each a command line of its own.
    #[serde(default)]
    pub(crate) asks: Vec<Vec<String>>,
    /// QEMU's process, where its identity is beyond doubt.
    pub(crate) process: Option<ProcessIdentity>,
    /// The guest agent's socket.
    pub(crate) guest_agent: Option<PathBuf>,
    /// The file into which QEMU writes the guest's serial console.
    pub(crate) console: Option<PathBuf>,
    /// Where captures are kept: `dir/VM/ID/`.
    pub(crate) dir: PathBuf,
    /// How much may be kept.
    pub(crate) limits: Limits,
    /// The end of everything, counted from the call.
    pub(crate) deadline: Duration,
    /// Whether the verb ends QEMU, or forensics were asked for by name: only then is asked what might itself hang it.
    pub(crate) ends_process: bool,
    /// The configured command and other configuration, as text for a person.
    pub(crate) config_text: String,
    /// The status as JSON, where the caller has one already.
    pub(crate) status_json: Option<String>,
}

impl Plan {
    /// The name of this capture's directory: the operation's id, or when it was taken. Never a path.
    pub(crate) fn id(&self) -> String {
        let id = match &self.operation {
            Some(operation) => operation.0.clone(),
            None => format!("forensics-{}", self.taken),
        };
        let safe = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
        let name: String = id.chars().take(100).map(safe).collect();
        let name = name.trim_start_matches('.');
        if name.is_empty() { "unnamed".to_owned() } else { name.to_owned() }
    }
}

/// How much forensics may be kept on this host for one VM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Limits {
    /// Bytes of all captures of the VM together; the oldest go first.
    pub(crate) keep_bytes: u64,
    /// Number of captures of the VM.
    pub(crate) keep_count: u32,
    /// Bytes that stay free on the file system whatever happens; below it nothing is kept.
    pub(crate) free_floor_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { keep_bytes: 256 << 20, keep_count: 20, free_floor_bytes: 512 << 20 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capture_is_named_by_no_path() {
        for (operation, expected) in [
            (Some("20261122T030840-cycle-1"), "20261122T030840-cycle-1"),
            (Some("../../etc/x"), "-..-etc-x"),
            (Some(".."), "unnamed"),
            (None, "forensics-1970-01-01T00-00-00.000Z"),
        ] {
            let plan = Plan {
                vm_name: VmName::new("devvm").unwrap(),
                vm_id: 102,
                operation: operation.map(|id| OperationId(id.to_owned())),
                taken: Timestamp::default(),
                qmp_socket: None,
                monitor_tool: None,
                asks: Vec::new(),
                process: None,
                guest_agent: None,
                console: None,
                dir: PathBuf::new(),
                limits: Limits::default(),
                deadline: Duration::ZERO,
                ends_process: false,
                config_text: String::new(),
                status_json: None,
            };
            assert_eq!(plan.id(), expected);
        }
    }
}
