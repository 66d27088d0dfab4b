//! What a fleet is once its file was understood: plain values whose references all resolve.
//!
//! Nothing here parses. Whoever holds a [`Fleet`] that came out of [`Fleet::parse`] may follow its names without
//! meeting one that is declared nowhere.

use crate::agent::AgentSection;
use crate::notify::Notify;
use crate::web::Web;
use std::path::PathBuf;
use std::time::Duration;

/// Where the server keeps its journal, host keys and learnt normals unless the file says otherwise.
pub(crate) const DEFAULT_STATE_DIR: &str = "/var/lib/breakglass";

/// Everything that one `fleet.toml` declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fleet {
    /// The fleet's name, for page titles and exports.
    pub name: String,
    /// All that can fail.
    pub components: Vec<Component>,
    /// All that a door needs and somebody must keep.
    pub secrets: Vec<Secret>,
    /// All ways in.
    pub doors: Vec<Door>,
    /// Sets of failed components and the doors that must still open.
    pub scenarios: Vec<Scenario>,
    /// The page.
    pub web: Web,
    /// The watch.
    pub watch: Watch,
    /// How often the doors are proven.
    pub verify: Verify,
    /// The agents.
    pub agent: AgentSection,
    /// Who is told elsewhere.
    pub notify: Notify,
    /// Directory of the server's state (`[fleet] state_dir`).
    pub state: PathBuf,
    /// Sections that stand in the file and that nothing in this version acts on, in the order of their names.
    pub unused_sections: Vec<String>,
}

impl Fleet {
    /// The component of that name.
    #[must_use]
    pub fn component(&self, name: &str) -> Option<&Component> {
        self.components.iter().find(|component| component.name == name)
    }

    /// The secret of that name.
    #[must_use]
    pub fn secret(&self, name: &str) -> Option<&Secret> {
        self.secrets.iter().find(|secret| secret.name == name)
    }

    /// The door of that name.
    #[must_use]
    pub fn door(&self, name: &str) -> Option<&Door> {
        self.doors.iter().find(|door| door.name == name)
    }

    /// The components that one may have to recover: those with a power door or a repair door, in the file's order.
    pub fn targets(&self) -> impl Iterator<Item = &Component> {
        self.components.iter().filter(|component| {
            self.power_door(&component.name).is_some() || self.repair_door(&component.name).is_some()
        })
    }

    /// The door that presses verbs on that target.
    #[must_use]
    pub fn power_door(&self, target: &str) -> Option<&Door> {
        self.doors
            .iter()
            .find(|door| door.kind == DoorKind::Power && door.controls.as_deref() == Some(target))
    }

    /// The door that runs commands inside that target.
    #[must_use]
    pub fn repair_door(&self, target: &str) -> Option<&Door> {
        self.doors.iter().find(|door| door.kind == DoorKind::Repair && door.to == target)
    }

    /// The door that looks at that host and changes nothing.
    #[must_use]
    pub fn diag_door(&self, host: &str) -> Option<&Door> {
        self.doors.iter().find(|door| door.kind == DoorKind::Diag && door.to == host)
    }

    /// The components that one may look at through a read-only door, in the file's order.
    pub fn hosts(&self) -> impl Iterator<Item = &Component> {
        self.components.iter().filter(|component| self.diag_door(&component.name).is_some())
    }

    /// The host that runs that target: where its power door leads, else the first hypervisor that it needs.
    #[must_use]
    pub fn hypervisor_of(&self, target: &str) -> Option<&Component> {
        let by_door = self.power_door(target).and_then(|door| self.component(&door.to));
        by_door.or_else(|| {
            let needs = self.component(target)?.needs.iter().filter_map(|name| self.component(name));
            needs.into_iter().find(|component| component.kind == ComponentKind::Hypervisor)
        })
    }

    /// Whether a maintenance window is open for that target, or for the host that it runs on, at a moment in milliseconds
    /// since 1970-01-01T00:00:00Z: whoever works on a hypervisor takes its guests down with it.
    #[must_use]
    pub fn in_maintenance(&self, target: &str, unix_millis: i64) -> bool {
        let host = self.hypervisor_of(target).map(|host| host.name.as_str());
        let named = [Some(target), host].into_iter().flatten();
        named
            .into_iter()
            .any(|name| self.watch.maintenance.iter().any(|window| window.covers(name, unix_millis)))
    }
}

/// Implements `as_str`, `from_word`, the list of all words and `Display` for an enum whose variants are words of the file.
macro_rules! words {
    ($type:ident: $($variant:ident = $word:literal),+ $(,)?) => {
        impl $type {
            /// Every word that the file may use here, in the order of the documentation.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// The word as it stands in the file.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// The value that is exactly this word.
            #[must_use]
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

pub(crate) use words;

/// What sort of thing a component is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ComponentKind {
    /// A host that runs virtual machines.
    Hypervisor,
    /// A virtual machine.
    Vm,
    /// A Kubernetes cluster.
    Kubernetes,
    /// A machine that is neither of these.
    Host,
    /// A router, switch, line or tunnel.
    Network,
    /// Something that others use: single sign-on, a password vault, DNS.
    Service,
    /// A person's own machine.
    Laptop,
}

words!(ComponentKind: Hypervisor = "hypervisor", Vm = "vm", Kubernetes = "kubernetes", Host = "host",
    Network = "network", Service = "service", Laptop = "laptop");

/// Anything that can fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// Its name: letters, digits, `.`, `_`, `-`; at most 63.
    pub name: String,
    /// What it is.
    pub kind: ComponentKind,
    /// Where it is reached, tried in order: `192.0.2.10`, `192.0.2.10:2202`, `[2001:db8::1]:2202` or a name.
    /// Take them apart with [`crate::split_address`].
    pub addresses: Vec<String>,
    /// The components that must work for this one to work.
    pub needs: Vec<String>,
    /// The groups that it belongs to, in the owner's words: `breakglass diag --on GROUP` asks all of one.
    pub groups: Vec<String>,
    /// `address:port` where nothing listens: a refusal there proves that the kernel answers the network.
    pub refusing_port: Option<String>,
    /// How its SSH host key is judged.
    pub host_key: HostKeyPolicy,
}

/// How a host key is judged when a connection is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostKeyPolicy {
    /// Only the key with this fingerprint, `SHA256:…`.
    Fingerprint(String),
    /// Only a host certificate of this authority, `ssh-ed25519 AAAA…`; in the file with `ca ` before it.
    Ca(String),
    /// The first key seen is kept; any other closes the door and raises an alarm.
    TofuAlarm,
}

/// Something that a door needs: a private key, a passphrase, a code sheet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// Its name.
    pub name: String,
    /// The file that the keyholder reads it from, on the machine that runs the server or the CLI.
    pub file: Option<PathBuf>,
    /// Where it can be had when it is needed, in the owner's words.
    pub copies: Vec<String>,
    /// Who can read it, in the owner's words.
    pub readers: Vec<String>,
}

/// What a door lets one do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DoorKind {
    /// Run commands inside a target.
    Repair,
    /// Press verbs on a VM, at its hypervisor.
    Power,
    /// Look, and change nothing.
    Diag,
    /// From the internet straight to the hypervisor, depending on nothing that it recovers.
    Cold,
}

words!(DoorKind: Repair = "repair", Power = "power", Diag = "diag", Cold = "cold");

/// How the guard of a power door drives its VM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Backend {
    /// Proxmox's `qm`.
    Qm,
    /// libvirt's `virsh`.
    Virsh,
    /// A plain QEMU over its monitor socket.
    Qmp,
}

words!(Backend: Qm = "qm", Virsh = "virsh", Qmp = "qmp");

/// One way in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Door {
    /// Its name, also the label of its key in the guard's record.
    pub name: String,
    /// What it is for.
    pub kind: DoorKind,
    /// The component at which the connection ends.
    pub to: String,
    /// The target whose power it controls; power doors always have it, others never.
    pub controls: Option<String>,
    /// How the guard drives the VM; power doors only.
    pub backend: Option<Backend>,
    /// The VM's number in the hypervisor; power doors only.
    pub vm: Option<u32>,
    /// The VM's name behind a door that serves several VMs; power doors only.
    pub vm_name: Option<String>,
    /// The account at the far end.
    pub user: String,
    /// The port, where the address that is tried has none.
    pub port: u16,
    /// The secret that opens it.
    pub key: String,
    /// The addresses that the far end sees callers come from, after any translation.
    pub sources: Vec<String>,
    /// The components on the way that must be up.
    pub via: Vec<String>,
    /// The component that the caller runs on, where it is not a person's laptop.
    pub served_from: Option<String>,
    /// What stands before a command that needs root: `sudo -n ` unless the file says otherwise, empty for root.
    pub become_root: String,
    /// The time that one request may take in all: connect, log in, run, end.
    pub deadline: Duration,
    /// Whether its key is forced into `breakglass-guard repair`; repair doors only.
    pub harness: bool,
}

impl Door {
    /// The port unless the file says otherwise.
    pub const DEFAULT_PORT: u16 = 22;
    /// The deadline unless the file says otherwise.
    pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(60);

    /// What stands before a command that needs root when `user` runs it, unless the file says otherwise.
    #[must_use]
    pub fn default_become_root(user: &str) -> &'static str {
        if user == "root" { "" } else { "sudo -n " }
    }
}

/// A set of failed components.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    /// Its name; may hold spaces.
    pub name: String,
    /// The components that are down.
    pub down: Vec<String>,
    /// The doors that must open all the same.
    pub must_open: Vec<String>,
}

/// The watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watch {
    /// The time from one probe to the next.
    pub interval: Duration,
    /// How many probes in a row must agree before a target turns red.
    pub confirm: u32,
    /// For how long a target is observed before its own normal counts.
    pub learn: Duration,
    /// Whether a small file is written and synced through the repair door.
    pub sync_probe: bool,
    /// Times in which a target may be down without an alarm.
    pub maintenance: Vec<Maintenance>,
}

impl Default for Watch {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(5),
            confirm: 2,
            learn: Duration::from_secs(600),
            sync_probe: true,
            maintenance: Vec::new(),
        }
    }
}

/// The canary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verify {
    /// The time from one proof of a target's doors to the next; `None`: nothing is proven unless somebody asks.
    pub every: Option<Duration>,
}

impl Default for Verify {
    fn default() -> Self {
        Self { every: Some(Duration::from_secs(6 * 3600)) }
    }
}

/// A day of the week, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Weekday {
    /// Monday.
    Monday,
    /// Tuesday.
    Tuesday,
    /// Wednesday.
    Wednesday,
    /// Thursday.
    Thursday,
    /// Friday.
    Friday,
    /// Saturday.
    Saturday,
    /// Sunday.
    Sunday,
}

words!(Weekday: Monday = "mon", Tuesday = "tue", Wednesday = "wed", Thursday = "thu", Friday = "fri",
    Saturday = "sat", Sunday = "sun");

impl Weekday {
    /// All days.
    pub const ALL: [Self; 7] = [
        Self::Monday,
        Self::Tuesday,
        Self::Wednesday,
        Self::Thursday,
        Self::Friday,
        Self::Saturday,
        Self::Sunday,
    ];
}

/// A time in which a target may be down without an alarm; it repeats every week. All times are UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Maintenance {
    /// The targets it is for; empty means all.
    pub targets: Vec<String>,
    /// The days on which it begins.
    pub days: Vec<Weekday>,
    /// When it begins, in minutes after midnight.
    pub from_minute: u32,
    /// How long it lasts; at most a day.
    pub lasts: Duration,
    /// Why, for the page.
    pub reason: String,
}

impl Maintenance {
    /// Whether the window is open for `target` at a moment, given in milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn covers(&self, target: &str, unix_millis: i64) -> bool {
        const DAY: i64 = 86_400_000;
        let lasts = i64::try_from(self.lasts.as_millis()).unwrap_or(DAY).min(DAY);
        let today = unix_millis.div_euclid(DAY);
        let named = self.targets.is_empty() || self.targets.iter().any(|name| name == target);
        // A window that began yesterday may reach past midnight.
        let open = [today - 1, today].into_iter().any(|day| {
            let begins = day * DAY + i64::from(self.from_minute) * 60_000;
            let on_that_day = weekday_of(day).is_some_and(|weekday| self.days.contains(&weekday));
            on_that_day && (begins..begins + lasts).contains(&unix_millis)
        });
        named && open
    }
}

/// The weekday of a day counted from 1970-01-01, which was a Thursday.
fn weekday_of(day: i64) -> Option<Weekday> {
    let index = usize::try_from((day + 3).rem_euclid(7)).ok()?;
    Weekday::ALL.get(index).copied()
}
