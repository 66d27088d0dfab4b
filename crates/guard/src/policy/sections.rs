//! The shape of `guard.toml` on paper, its defaults and its ranges; resolved into what the guard uses.

use super::document::{self, Fault};
use super::power_backends::{self, Given, Kind};
use super::section::Section;
use super::{Backend, Forensics, Machine, Patience, Policy, Qmp, diag};
use crate::forensics::Limits;
use crate::repair::RepairPolicy;
use breakglass_protocol::VmName;
use std::path::{Path, PathBuf};
use std::time::Duration;

const TOP: &[&str] = &["state_dir", "record", "power", "diag", "repair"];
const REPAIR: &[&str] = &["deadline_seconds", "longest_seconds", "shell"];
const POWER: &[&str] = &[
    "backend",
    "vm",
    "name",
    "domain",
    "qmp",
    "root",
    "uri",
    "machines",
    "grace_seconds",
    "stop_grace_seconds",
    "kill_wait_seconds",
    "start_wait_seconds",
    "tool_seconds",
    "answer_millis",
    "sample_millis",
    "forensics",
];
const MACHINE: &[&str] = &["vm", "name", "domain", "qmp"];
const QMP: &[&str] =
    &["socket", "pid_file", "command", "executable", "console", "lock_file", "guest_agent", "log"];
const FORENSICS: &[&str] = &["dir", "deadline_seconds", "keep_bytes", "keep_count", "free_floor_bytes"];

/// Reads the text and checks every value.
///
/// # Errors
/// A sentence with the file and the line.
pub(super) fn resolve(text: &str, path: &Path) -> Result<Policy, String> {
    policy(text).map_err(|Fault { line, reason }| format!("{} line {line}: {reason}", path.display()))
}

fn policy(text: &str) -> Result<Policy, Fault> {
    let document = document::parse(text)?;
    let file = Section::new(&document, "", TOP)?;
    let record = file.section("record", "record", &["dir"])?;
    let record_dir = match &record {
        Some(record) => record.path("dir")?,
        None => None,
    };
    let machines = match file.section("power", "power", POWER)? {
        Some(power) => machines(power)?,
        None => Vec::new(),
    };
    let diag = diag::read(file)?;
    let repair = match file.section("repair", "repair", REPAIR)? {
        Some(section) => Some(repair(section)?),
        None => None,
    };
    if machines.is_empty() && diag.is_none() && repair.is_none() {
        return Err(file.fault("", "the file opens no door: it has neither [power], [diag] nor [repair]"));
    }
    Ok(Policy {
        state_dir: file.path("state_dir")?.unwrap_or_else(|| PathBuf::from(super::STATE_DIR)),
        record_dir: record_dir.unwrap_or_else(|| PathBuf::from(super::RECORD_DIR)),
        machines,
        diag,
        repair,
    })
}

fn repair(section: Section<'_>) -> Result<RepairPolicy, Fault> {
    let usual = RepairPolicy::default();
    let seconds = |key: &str, usual: Duration| -> Result<Duration, Fault> {
        Ok(section.number(key, 1, 7 * 24 * 3600)?.map_or(usual, Duration::from_secs))
    };
    let deadline = seconds("deadline_seconds", usual.deadline)?;
    let longest = seconds("longest_seconds", usual.longest.max(deadline))?;
    if longest < deadline {
        return Err(section.fault("longest_seconds", "`longest_seconds` is below `deadline_seconds`"));
    }
    Ok(RepairPolicy { deadline, longest, shell: section.path("shell")? })
}

fn machines(power: Section<'_>) -> Result<Vec<Machine>, Fault> {
    let kind = match power.text("backend")? {
        Some(word) => Kind::from_word(word).ok_or_else(|| {
            let reason = format!("`backend` is `{}`; known are `qmp`, `qm` and `virsh`", word.escape_debug());
            power.fault("backend", reason)
        })?,
        None => return Err(power.fault("backend", "`backend` is missing in [power]")),
    };
    let one = power.number("vm", 1, u64::from(u32::MAX))?.is_some();
    let several = power.sections("machines", "power.machines", MACHINE)?;
    let names_one = power.text("name")?.is_some() || power.text("domain")?.is_some();
    let sections = if one && several.is_empty() {
        vec![power]
    } else if !one && !several.is_empty() && !names_one {
        several
    } else {
        return Err(power.fault("", "[power] has either `vm`, or one [[power.machines]] table for each VM"));
    };
    let patience = patience(&power, kind)?;
    let forensics = forensics(&power)?;
    let mut machines: Vec<Machine> = Vec::new();
    for section in sections {
        let machine = machine(&section, &power, kind, patience, &forensics)?;
        if machines.iter().any(|have| have.vm == machine.vm || have.vm_id == machine.vm_id) {
            let reason = format!("the VM `{}` ({}) stands twice", machine.vm, machine.vm_id);
            return Err(section.fault("vm", reason));
        }
        if machines
            .iter()
            .any(|have| have.qmp.socket == machine.qmp.socket || have.qmp.pid_file == machine.qmp.pid_file)
        {
            let reason = format!("the VM `{}` shares its socket or pid file with another", machine.vm);
            return Err(section.fault("vm", reason));
        }
        machines.push(machine);
    }
    Ok(machines)
}

fn patience(power: &Section<'_>, kind: Kind) -> Result<Patience, Fault> {
    let seconds = |key: &str, least, otherwise| {
        power.number(key, least, 3600).map(|given| Duration::from_secs(given.unwrap_or(otherwise)))
    };
    let millis = |key: &str, otherwise| {
        power.number(key, 10, 10_000).map(|given| Duration::from_millis(given.unwrap_or(otherwise)))
    };
    Ok(Patience {
        grace: seconds("grace_seconds", 0, 10)?,
        stop_grace: seconds("stop_grace_seconds", 0, 60)?,
        kill_wait: seconds("kill_wait_seconds", 1, 10)?,
        // A hypervisor's start activates storage and networks first.
        start_wait: seconds("start_wait_seconds", 1, if kind == Kind::Qmp { 10 } else { 60 })?,
        tool: seconds("tool_seconds", 1, 5)?,
        answer: millis("answer_millis", 1000)?,
        sample_gap: millis("sample_millis", 250)?,
    })
}

fn forensics(power: &Section<'_>) -> Result<Forensics, Fault> {
    let mut forensics = Forensics {
        dir: PathBuf::from("/var/lib/breakglass-guard/forensics"),
        deadline: Duration::from_secs(5),
        limits: Limits::default(),
    };
    let Some(section) = power.section("forensics", "power.forensics", FORENSICS)? else {
        return Ok(forensics);
    };
    if let Some(dir) = section.path("dir")? {
        forensics.dir = dir;
    }
    if let Some(seconds) = section.number("deadline_seconds", 1, 3600)? {
        forensics.deadline = Duration::from_secs(seconds);
    }
    let limits = &mut forensics.limits;
    let most = i64::MAX.unsigned_abs();
    limits.keep_bytes = section.number("keep_bytes", 0, most)?.unwrap_or(limits.keep_bytes);
    limits.free_floor_bytes = section.number("free_floor_bytes", 0, most)?.unwrap_or(limits.free_floor_bytes);
    if let Some(count) = section.number("keep_count", 0, u64::from(u32::MAX))? {
        limits.keep_count = u32::try_from(count).unwrap_or(u32::MAX);
    }
    Ok(forensics)
}

/// One VM, from [power] itself or from a table of its own.
fn machine(
    section: &Section<'_>,
    power: &Section<'_>,
    kind: Kind,
    patience: Patience,
    forensics: &Forensics,
) -> Result<Machine, Fault> {
    let vm_id = section.number("vm", 1, u64::from(u32::MAX))?.and_then(|id| u32::try_from(id).ok());
    let vm_id = vm_id.ok_or_else(|| section.fault("vm", "`vm` is missing: the number of a VM, from 1"))?;
    let vm = match section.text("name")? {
        Some(name) => VmName::new(name),
        None => VmName::new(&format!("vm{vm_id}")),
    };
    let vm = vm.map_err(|reason| section.fault("name", reason))?;
    let given = Given {
        vm_id,
        name: vm.as_str(),
        domain: section.text("domain")?,
        root: power.path("root")?,
        uri: power.text("uri")?,
    };
    let resolved = power_backends::resolve(kind, given).map_err(|reason| section.fault("domain", reason))?;
    let (backend, qmp) = match (resolved, section.section("qmp", "qmp", QMP)?) {
        (Some(resolved), None) => resolved,
        (None, Some(section)) => (Backend::Qmp, plain_qemu(vm_id, &section)?),
        (Some(_), Some(_)) => return Err(section.fault("qmp", "a `qmp` table is for the backend `qmp`")),
        (None, None) => {
            return Err(section.fault("qmp", format!("the VM `{vm}` needs a `qmp` table with its `command`")));
        }
    };
    Ok(Machine { vm, vm_id, backend, qmp, patience, forensics: forensics.clone() })
}

fn plain_qemu(vm_id: u32, qmp: &Section<'_>) -> Result<Qmp, Fault> {
    let command = qmp.texts("command")?;
    if let Some(reason) = fault_of_command(&command) {
        return Err(qmp.fault("command", reason));
    }
    let beside = |ending: &str| PathBuf::from(format!("/run/vm/{vm_id}.{ending}"));
    Ok(Qmp {
        socket: qmp.path("socket")?.unwrap_or_else(|| beside("qmp")),
        pid_file: qmp.path("pid_file")?.unwrap_or_else(|| beside("pid")),
        command,
        executable: qmp.path("executable")?,
        console: qmp.path("console")?,
        lock_file: qmp.path("lock_file")?,
        guest_agent: qmp.path("guest_agent")?,
        log: qmp.path("log")?.unwrap_or_else(|| beside("log")),
    })
}

fn fault_of_command(command: &[String]) -> Option<String> {
    match command.first() {
        Some(program) if Path::new(program).is_absolute() => {}
        Some(program) => {
            let shown = program.escape_debug();
            return Some(format!("`command` must begin with an absolute path, not `{shown}`"));
        }
        None => return Some("`command` is empty".to_owned()),
    }
    if command.iter().any(|word| word == "-daemonize" || word == "--daemonize") {
        let reason =
            "`command` has `-daemonize`: take it out, the guard detaches QEMU itself and has to see its end";
        return Some(reason.to_owned());
    }
    command.iter().any(|word| word.contains('\0')).then(|| "`command` has a NUL byte".to_owned())
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
            ("vm = 102", "vm = 0", "line 3: `vm` is 0; it must be from 1"),
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
