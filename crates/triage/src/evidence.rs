//! What the rules look at: reachability, the inside, the hypervisor's view, and the target's own normal.

use breakglass_protocol::{Facts, Status, Timestamp};
use serde::{Deserialize, Serialize};

/// What the SSH port of the target did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "reach", content = "detail")]
pub enum Reach {
    /// An SSH banner came, after so many milliseconds.
    Banner(u64),
    /// The connection was accepted and no banner came before the deadline. (User-mode networking and load balancers
    /// accept for a dead guest, so this says nothing of the guest's kernel.)
    NoBanner,
    /// The connection was accepted and closed without a banner, or refused: something answered, but no SSH server.
    Closed,
    /// No connection came about before the deadline, or the network said that there is no way.
    Silent,
    /// The target has no address to try.
    NotTried,
}

/// What the inside told, over the repair door.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "inside", content = "detail")]
pub enum Inside {
    /// The facts.
    Facts(Box<Facts>),
    /// The log-in or the request did not end before the deadline.
    TimedOut,
    /// The door could not be used otherwise: why.
    Failed(String),
    /// The fleet declares no repair door.
    NoDoor,
}

/// What the hypervisor told, over the power door.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "view", content = "detail")]
pub enum HypervisorView {
    /// The status.
    Status(Box<Status>),
    /// The door did not answer before the deadline.
    TimedOut,
    /// The door could not be used otherwise: why.
    Failed(String),
    /// The fleet declares no power door.
    NoDoor,
}

/// What this target does when it is well, learnt by the watch; all absent when nothing was learnt.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Normal {
    /// Median completed guest writes a second in the learnt time.
    pub writes_per_second: Option<f64>,
    /// Longest stretch without a single completed write seen while the target was well, in milliseconds.
    pub longest_quiet_millis: Option<u64>,
    /// For how long no write has been completed now, in milliseconds.
    pub quiet_millis: Option<u64>,
    /// Median processor use of the QEMU process, percent of one host processor.
    pub cpu_percent: Option<f64>,
    /// When the target was last seen well.
    pub last_well: Option<Timestamp>,
    /// Whether the port where nothing listens refused connections while the target was well.
    pub refusing_port_refused: Option<bool>,
}

/// All that one triage looks at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// When it was gathered.
    pub at: Timestamp,
    /// The SSH port.
    pub reach: Reach,
    /// A port where nothing listens: a refusal proves that the target's kernel answers the network; `None`: not tried.
    pub refusing_port: Option<Reach>,
    /// The inside.
    pub inside: Inside,
    /// The hypervisor.
    pub hypervisor: HypervisorView,
    /// The target's own normal.
    pub normal: Normal,
}
