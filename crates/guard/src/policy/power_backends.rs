//! Which hypervisor a VM lives on, as `guard.toml` says it: what each backend needs to know and where things are by
//! default. `[power]` with `vm` and `backend` is complete for `qm` and `virsh`.

use super::Qmp;
use std::path::{Path, PathBuf};

/// `backend` in `[power]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Qmp,
    Qm,
    Virsh,
}

impl Kind {
    /// The backend that is exactly this word.
    pub(super) fn from_word(word: &str) -> Option<Self> {
        match word {
            "qmp" => Some(Self::Qmp),
            "qm" => Some(Self::Qm),
            "virsh" => Some(Self::Virsh),
            _ => None,
        }
    }
}

/// What the guard uses.
#[derive(Debug, Clone)]
pub(crate) enum Backend {
    /// A QEMU that the guard starts itself.
    Qmp,
    /// Proxmox.
    Qm(Qm),
    /// libvirt.
    Virsh(Virsh),
}

/// A Proxmox host.
#[derive(Debug, Clone)]
pub(crate) struct Qm {
    pub(crate) vm_id: u32,
    pub(crate) root: PathBuf,
}

impl Qm {
    /// A path of the host.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }
}

/// A libvirt daemon.
#[derive(Debug, Clone)]
pub(crate) struct Virsh {
    pub(crate) domain: String,
    pub(crate) uri: String,
}

/// What of the sections concerns one VM.
pub(super) struct Given<'a> {
    pub(super) vm_id: u32,
    pub(super) name: &'a str,
    pub(super) domain: Option<&'a str>,
    /// `root`: where the host's file system begins.
    pub(super) root: Option<PathBuf>,
    /// `uri`: which libvirt.
    pub(super) uri: Option<&'a str>,
}

/// The backend and where it shows a VM's process; `None` for plain QEMU, which says that in a section of its own.
///
/// # Errors
/// A sentence.
pub(super) fn resolve(kind: Kind, given: Given<'_>) -> Result<Option<(Backend, Qmp)>, String> {
    let Given { vm_id, name, domain, root, uri } = given;
    if domain.is_some() && kind != Kind::Virsh {
        return Err("`domain` is for the backend `virsh`".to_owned());
    }
    match kind {
        Kind::Qmp => Ok(None),
        Kind::Qm => {
            let root = root.unwrap_or_else(|| PathBuf::from("/"));
            let qm = Qm { vm_id, root };
            let at = |ending: &str| qm.path(&format!("var/run/qemu-server/{vm_id}.{ending}"));
            let shows = Qmp { guest_agent: Some(at("qga")), ..shows(at("qmp"), at("pid"), PathBuf::new()) };
            Ok(Some((Backend::Qm(qm), shows)))
        }
        Kind::Virsh => {
            let domain = domain.unwrap_or(name).to_owned();
            let sound = |c: char| c.is_ascii_alphanumeric() || "._+-".contains(c);
            if domain.is_empty()
                || domain.len() > 100
                || domain.starts_with(['-', '.'])
                || !domain.chars().all(sound)
            {
                return Err(format!("`{}` is no domain that is safe to name", domain.escape_debug()));
            }
            let uri = uri.unwrap_or("qemu:///system");
            if !uri.starts_with("qemu") {
                return Err("`uri` must begin with `qemu`".to_owned());
            }
            let run = Path::new("/run/libvirt/qemu");
            let shows = shows(
                run.join(format!("{domain}.monitor")),
                run.join(format!("{domain}.pid")),
                PathBuf::from(format!("/var/log/libvirt/qemu/{domain}.log")),
            );
            Ok(Some((Backend::Virsh(Virsh { domain, uri: uri.to_owned() }), shows)))
        }
    }
}

fn shows(socket: PathBuf, pid_file: PathBuf, log: PathBuf) -> Qmp {
    Qmp {
        socket,
        pid_file,
        command: Vec::new(),
        executable: None,
        console: None,
        lock_file: None,
        guest_agent: None,
        log,
    }
}
