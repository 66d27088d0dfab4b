//! The shape of `guard.toml` on paper, its defaults and its ranges; resolved into what the guard uses.

use super::power_backends::{self, Given, Kind};
use super::{Backend, Forensics, Machine, Patience, Policy, Qmp};
use crate::forensics::Limits;
use breakglass_protocol::VmName;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default = "default_state_dir")]
    state_dir: PathBuf,
    #[serde(default)]
    record: Record,
    power: Power,
}

fn default_state_dir() -> PathBuf {
    PathBuf::from("/run/breakglass-guard")
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Record {
    dir: PathBuf,
}

impl Default for Record {
    fn default() -> Self {
        Self { dir: PathBuf::from("/var/log/breakglass") }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Power {
    backend: Kind,
    vm: Option<u32>,
    name: Option<VmName>,
    domain: Option<String>,
    qmp: Option<QmpSection>,
    root: Option<PathBuf>,
    uri: Option<String>,
    #[serde(default)]
    machines: Vec<MachineSection>,
    #[serde(default = "ten")]
    grace_seconds: u64,
    #[serde(default = "sixty")]
    stop_grace_seconds: u64,
    #[serde(default = "ten")]
    kill_wait_seconds: u64,
    start_wait_seconds: Option<u64>,
    #[serde(default = "five")]
    tool_seconds: u64,
    #[serde(default = "thousand")]
    answer_millis: u64,
    #[serde(default = "quarter")]
    sample_millis: u64,
    #[serde(default)]
    forensics: ForensicsSection,
}

const fn five() -> u64 {
    5
}
const fn ten() -> u64 {
    10
}
const fn sixty() -> u64 {
    60
}
const fn thousand() -> u64 {
    1000
}
const fn quarter() -> u64 {
    250
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MachineSection {
    vm: u32,
    name: Option<VmName>,
    domain: Option<String>,
    qmp: Option<QmpSection>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct QmpSection {
    socket: Option<PathBuf>,
    pid_file: Option<PathBuf>,
    command: Vec<String>,
    executable: Option<PathBuf>,
    console: Option<PathBuf>,
    lock_file: Option<PathBuf>,
    guest_agent: Option<PathBuf>,
    log: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ForensicsSection {
    dir: PathBuf,
    deadline_seconds: u64,
    keep_bytes: u64,
    keep_count: u32,
    free_floor_bytes: u64,
}

impl Default for ForensicsSection {
    fn default() -> Self {
        let Limits { keep_bytes, keep_count, free_floor_bytes } = Limits::default();
        let dir = PathBuf::from("/var/lib/breakglass-guard/forensics");
        Self { dir, deadline_seconds: 5, keep_bytes, keep_count, free_floor_bytes }
    }
}

/// Reads the text and checks every value.
///
/// # Errors
/// A sentence with the file and, where it is known, the line.
pub(super) fn resolve(text: &str, path: &Path) -> Result<Policy, String> {
    let file: File = toml::from_str(text).map_err(|error| {
        let line =
            error.span().map_or(1, |span| text.bytes().take(span.start).filter(|b| *b == b'\n').count() + 1);
        format!("{} line {line}: {}", path.display(), one_line(error.message()))
    })?;
    policy(file).map_err(|reason| format!("{}: {reason}", path.display()))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn policy(file: File) -> Result<Policy, String> {
    let Power { vm, name, domain, qmp, machines, backend, root, uri, .. } = file.power;
    let sections = match (vm, machines) {
        (Some(vm), machines) if machines.is_empty() => vec![MachineSection { vm, name, domain, qmp }],
        (None, machines) if !machines.is_empty() && name.is_none() && qmp.is_none() && domain.is_none() => {
            machines
        }
        _ => {
            return Err(
                "[power] has either `vm` and [power.qmp], or one [[power.machines]] table for each VM".into(),
            );
        }
    };
    let patience = Patience {
        grace: seconds("grace_seconds", file.power.grace_seconds, 0)?,
        stop_grace: seconds("stop_grace_seconds", file.power.stop_grace_seconds, 0)?,
        kill_wait: seconds("kill_wait_seconds", file.power.kill_wait_seconds, 1)?,
        start_wait: seconds(
            "start_wait_seconds",
            // A hypervisor's start activates storage and networks first.
            file.power.start_wait_seconds.unwrap_or(if backend == Kind::Qmp { 10 } else { 60 }),
            1,
        )?,
        tool: seconds("tool_seconds", file.power.tool_seconds, 1)?,
        answer: millis("answer_millis", file.power.answer_millis)?,
        sample_gap: millis("sample_millis", file.power.sample_millis)?,
    };
    let section = file.power.forensics;
    let forensics = Forensics {
        dir: absolute("power.forensics.dir", section.dir)?,
        deadline: seconds("power.forensics.deadline_seconds", section.deadline_seconds, 1)?,
        limits: Limits {
            keep_bytes: section.keep_bytes,
            keep_count: section.keep_count,
            free_floor_bytes: section.free_floor_bytes,
        },
    };
    let mut machines: Vec<Machine> = Vec::new();
    for section in sections {
        let machine = machine(section, patience, &forensics, (backend, root.as_ref(), uri.as_ref()))?;
        if machines.iter().any(|have| have.vm == machine.vm || have.vm_id == machine.vm_id) {
            return Err(format!("the VM `{}` ({}) stands twice", machine.vm, machine.vm_id));
        }
        if machines
            .iter()
            .any(|have| have.qmp.socket == machine.qmp.socket || have.qmp.pid_file == machine.qmp.pid_file)
        {
            return Err(format!("the VM `{}` shares its socket or pid file with another", machine.vm));
        }
        machines.push(machine);
    }
    Ok(Policy {
        state_dir: absolute("state_dir", file.state_dir)?,
        record_dir: absolute("record.dir", file.record.dir)?,
        machines,
    })
}

fn machine(
    section: MachineSection,
    patience: Patience,
    forensics: &Forensics,
    (kind, root, uri): (Kind, Option<&PathBuf>, Option<&String>),
) -> Result<Machine, String> {
    let vm_id = section.vm;
    if vm_id == 0 {
        return Err("`vm` must be the number of a VM, from 1".to_owned());
    }
    let vm = match section.name {
        Some(name) => name,
        None => VmName::new(&format!("vm{vm_id}"))?,
    };
    let given = Given { vm_id, name: vm.as_str(), domain: section.domain, root, uri };
    let (backend, qmp) = match (power_backends::resolve(kind, given)?, section.qmp) {
        (Some(resolved), None) => resolved,
        (None, Some(section)) => (Backend::Qmp, plain_qemu(vm_id, section)?),
        (Some(_), Some(_)) => return Err("a `qmp` table is for the backend `qmp`".to_owned()),
        (None, None) => return Err(format!("the VM `{vm}` needs a `qmp` table with its `command`")),
    };
    Ok(Machine { vm, vm_id, backend, qmp, patience, forensics: forensics.clone() })
}

fn plain_qemu(vm_id: u32, section: QmpSection) -> Result<Qmp, String> {
    let QmpSection { socket, pid_file, command, executable, console, lock_file, guest_agent, log } = section;
    let beside = |ending: &str| PathBuf::from(format!("/run/vm/{vm_id}.{ending}"));
    match command.first() {
        Some(program) if Path::new(program).is_absolute() => {}
        Some(program) => {
            return Err(format!(
                "`command` must begin with an absolute path, not `{}`",
                program.escape_debug()
            ));
        }
        None => return Err("`command` is empty".to_owned()),
    }
    if command.iter().any(|word| word == "-daemonize" || word == "--daemonize") {
        return Err(
            "`command` has `-daemonize`: take it out, the guard detaches QEMU itself and has to see its end"
                .to_owned(),
        );
    }
    if command.iter().any(|word| word.contains('\0')) {
        return Err("`command` has a NUL byte".to_owned());
    }
    let optional = |name: &str, path: Option<PathBuf>| path.map(|path| absolute(name, path)).transpose();
    Ok(Qmp {
        socket: absolute("socket", socket.unwrap_or_else(|| beside("qmp")))?,
        pid_file: absolute("pid_file", pid_file.unwrap_or_else(|| beside("pid")))?,
        command,
        executable: optional("executable", executable)?,
        console: optional("console", console)?,
        lock_file: optional("lock_file", lock_file)?,
        guest_agent: optional("guest_agent", guest_agent)?,
        log: absolute("log", log.unwrap_or_else(|| beside("log")))?,
    })
}

fn absolute(name: &str, path: PathBuf) -> Result<PathBuf, String> {
    let dotted = path.components().any(|part| matches!(part, std::path::Component::ParentDir));
    if path.is_absolute() && !dotted {
        Ok(path)
    } else {
        Err(format!("`{name}` must be an absolute path without `..`, not `{}`", path.display()))
    }
}

fn seconds(name: &str, value: u64, least: u64) -> Result<Duration, String> {
    if (least..=3600).contains(&value) {
        Ok(Duration::from_secs(value))
    } else {
        Err(format!("`{name}` is {value}; it must be from {least} to 3600"))
    }
}

fn millis(name: &str, value: u64) -> Result<Duration, String> {
    if (10..=10_000).contains(&value) {
        Ok(Duration::from_millis(value))
    } else {
        Err(format!("`{name}` is {value}; it must be from 10 to 10000"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Policy, String> {
        resolve(text, Path::new("guard.toml"))
    }

    const ONE: &str = "[power]\nbackend = \"qmp\"\nvm = 102\n[power.qmp]\ncommand = [\"/usr/bin/qemu\"]\n";

    #[test]
    fn fills_in_every_default() {
        let policy = read(ONE).unwrap();
        let machine = policy.machines.first().unwrap();
        assert_eq!(machine.vm.as_str(), "vm102");
        assert_eq!(machine.qmp.socket, Path::new("/run/vm/102.qmp"));
        assert_eq!(machine.patience.grace, Duration::from_secs(10));
        assert_eq!(policy.record_dir, Path::new("/var/log/breakglass"));
    }

    #[test]
    fn reads_several_machines() {
        let text = "[power]\nbackend = \"qmp\"\n\
            [[power.machines]]\nvm = 102\nname = \"devvm\"\nqmp = { command = [\"/q\"] }\n\
            [[power.machines]]\nvm = 1020\nqmp = { command = [\"/q\"] }\n";
        let names: Vec<String> = read(text).unwrap().machines.iter().map(|m| m.vm.to_string()).collect();
        assert_eq!(names, ["devvm", "vm1020"]);
    }

    #[test]
    fn every_mistake_is_named_with_its_line_or_key() {
        for (from, to, named) in [
            ("vm = 102", "vm = 0", "from 1"),
            ("vm = 102", "vm = \"\"", "line 3"),
            ("vm = 102", "vm = \"102 103\"", "line 3"),
            ("vm = 102", "vm = \"../1\"", "line 3"),
            ("vm = 102", "vm = -1", "line 3"),
            ("vm = 102", "vm = 102\nvmid = 103", "vmid"),
            ("vm = 102", "vm = 102\ngrace_seconds = 100000", "grace_seconds"),
            ("vm = 102", "vm = 102\nname = \"Dev VM\"", "not a VM name"),
            ("\"qmp\"", "\"kvm\"", "line 2"),
            ("\"qmp\"", "\"qm\"", "for the backend `qmp`"),
            ("\"qmp\"", "\"virsh\"", "for the backend `qmp`"),
            ("vm = 102", "vm = 102\ndomain = \"a\"", "for the backend `virsh`"),
            ("[\"/usr/bin/qemu\"]", "[\"qemu\"]", "absolute"),
            ("[\"/usr/bin/qemu\"]", "[\"/q\", \"-daemonize\"]", "-daemonize"),
            ("[\"/usr/bin/qemu\"]", "[]", "empty"),
            ("[power.qmp]", "[power.qemu]", "qemu"),
            ("[power]", "state_dir = \"run\"\n[power]", "state_dir"),
            ("[power]", "[power", "line 1"),
        ] {
            let text = ONE.replacen(from, to, 1);
            let error = read(&text).unwrap_err();
            assert!(error.contains(named), "{error} does not name {named}");
            assert!(!error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn a_hypervisor_needs_no_more_than_its_name_and_the_vm() {
        let machine = |text: &str| read(text).map(|policy| policy.machines.into_iter().next().unwrap());
        let qm = machine("[power]\nbackend = \"qm\"\nvm = 102\n").unwrap();
        assert_eq!(qm.qmp.pid_file, Path::new("/var/run/qemu-server/102.pid"));
        assert_eq!(qm.patience.start_wait, Duration::from_secs(60));
        let virsh = machine("[power]\nbackend = \"virsh\"\nvm = 1\nname = \"devvm\"\n").unwrap();
        assert_eq!(virsh.qmp.pid_file, Path::new("/run/libvirt/qemu/devvm.pid"));
        for domain in ["--all", "", "a b", "../x", "a;b"] {
            let text = format!("[power]\nbackend = \"virsh\"\nvm = 1\ndomain = {domain:?}\n");
            assert!(machine(&text).unwrap_err().contains("safe to name"), "{domain}");
        }
    }

    #[test]
    fn two_vms_never_share_a_socket() {
        let text = "[power]\nbackend = \"qmp\"\n\
            [[power.machines]]\nvm = 1\nqmp = { command = [\"/q\"], socket = \"/s\" }\n\
            [[power.machines]]\nvm = 2\nqmp = { command = [\"/q\"], socket = \"/s\" }\n";
        assert!(read(text).unwrap_err().contains("shares"));
    }
}
