//! libvirt: what `virsh` tells of a domain, and what it is asked.
//!
//! The daemon keeps the monitor's one connection to itself, so the monitor is talked to through it. It made the socket
//! too, so the kernel's word about who listens says nothing; instead libvirt leaves the locked pid file open in the
//! very QEMU that it names.

use super::{Backend, Directory, Found, View, differences, forbids, lock};
use crate::policy::{Machine, Virsh};
use crate::power::proc_file;
use crate::tool::{Does, Said, ask_all, one_line};
use breakglass_protocol::{LockState, RunningJob};
use std::time::{Duration, Instant};

const VIRSH: &str = "/usr/bin/virsh";

impl Backend for Virsh {
    fn view(&self, machine: &Machine, _: Option<&Directory>, found: &Found) -> View {
        let ask = |words: &[&str]| (Does::Tied, self.virsh(words));
        let deadline = Instant::now() + machine.patience.tool;
        let [state, live, staged, job] = ask_all(
            [
                ask(&["domstate", "--reason"]),
                ask(&["dumpxml"]),
                ask(&["dumpxml", "--inactive"]),
                ask(&["domjobinfo"]),
            ],
            deadline,
        );
        let mut view = View::default();
        let word = match &state {
            Said::Yes(text) => one_line(text),
            Said::No(text) if text.contains("failed to get domain") => {
                let why = format!("libvirt knows no domain `{}`", self.domain);
                view.forbid_all(&why);
                view.unknown = Some(why);
                return view;
            }
            other => {
                let why = other.text().err().unwrap_or_default();
                view.dead = Some(format!("libvirt does not answer: `virsh` {why}"));
                return view;
            }
        };
        // A guest that panicked is called crashed, and its process may have been kept.
        let none = matches!(found, Found::Nothing);
        let off = word.starts_with("shut off") || (none && word.starts_with("crashed"));
        match found {
            Found::One(process) if off => {
                let pid = process.identity.pid;
                view.forbids_start = Some(format!("libvirt says `{word}`, and its process {pid} still runs"));
            }
            Found::Nothing if !off => {
                view.forbids_start = Some(format!("libvirt says `{word}`, and its process cannot be found"));
            }
            _ => {}
        }
        if word.contains("(saved)") {
            view.lock = Some(lock("suspended", None, false));
        }
        if let Some(operation) = job.text().ok().and_then(|text| field(text, "Operation:")) {
            let kind = operation.to_lowercase();
            if kind.contains("migration") {
                view.lock = Some(lock("migrate", None, false));
            }
            view.jobs.push(RunningJob { id: "libvirt".to_owned(), kind, state: "running".to_owned() });
        }
        if let Some(lock) = &view.lock {
            let why = forbids(lock, "libvirt");
            if lock.kind == "migrate" {
                view.forbids_stop = Some(why.clone());
            }
            view.forbids_start = Some(why);
        }
        if let (Ok(live), Ok(staged)) = (live.text(), staged.text()) {
            view.passthrough = live
                .lines()
                .filter_map(|line| line.trim().strip_prefix("<hostdev "))
                .map(|rest| format!("hostdev {}", rest.trim_end_matches('>')))
                .collect();
            if !off {
                view.staged = differences(settings(live), settings(staged));
            }
        }
        view
    }

    fn clear_lock(&self, _: &Machine, lock: &LockState) -> Result<(), String> {
        Err(format!("nothing clears the lock `{}`", lock.kind))
    }

    fn belongs(&self, machine: &Machine, pid: u32) -> bool {
        proc_file::holds_file(pid, &machine.qmp.pid_file)
            || proc_file::cgroups(pid).lines().any(|line| names_scope(line, &self.domain))
    }

    fn mark(&self) -> &'static str {
        "this VM's pid file"
    }

    fn made_socket(&self) -> bool {
        false
    }

    fn end(&self, _: &View, _: Duration) -> Option<Vec<String>> {
        Some(self.virsh(&["destroy"]))
    }

    fn reset(&self) -> Option<Vec<String>> {
        Some(self.virsh(&["reset"]))
    }

    fn start(&self) -> Option<Vec<String>> {
        Some(self.virsh(&["start"]))
    }

    fn monitor(&self) -> Option<Vec<String>> {
        Some(self.virsh(&["qemu-monitor-command"]))
    }

    fn asks(&self) -> Vec<Vec<String>> {
        let agent = [
            self.virsh(&["qemu-agent-command", "--timeout", "1"]),
            vec!["{\"execute\":\"guest-ping\"}".into()],
        ];
        vec![
            self.virsh(&["dominfo"]),
            self.virsh(&["domstate", "--reason"]),
            self.virsh(&["domjobinfo"]),
            self.virsh(&["domblklist", "--details"]),
            self.virsh(&["dumpxml"]),
            self.virsh(&["dumpxml", "--inactive"]),
            agent.concat(),
        ]
    }
}

impl Virsh {
    /// `virsh VERB OPTIONS DOMAIN`.
    fn virsh(&self, words: &[&str]) -> Vec<String> {
        [&[VIRSH, "-q", "-c", self.uri.as_str()], words, &[self.domain.as_str()]]
            .concat()
            .into_iter()
            .map(str::to_owned)
            .collect()
    }
}

/// The rest of the line that begins with `name`.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

/// Whether the control group is that of the domain: `machine-qemu\x2dNUMBER\x2dNAME.scope`, as systemd writes it.
fn names_scope(line: &str, domain: &str) -> bool {
    let plain = line.replace("\\x2d", "-");
    let name = plain.split('/').find_map(|step| step.strip_prefix("machine-qemu-")?.strip_suffix(".scope"));
    name.and_then(|name| name.split_once('-')).is_some_and(|(number, name)| {
        name == domain && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// The lines of a domain's description that a person set: what libvirt adds while it runs is left out.
fn settings(xml: &str) -> Vec<String> {
    let mut settings = Vec::new();
    let mut skipped = None;
    for line in xml.lines().map(str::trim) {
        let name = line.trim_start_matches(['<', '/']).split([' ', '>', '/']).next().unwrap_or_default();
        if let Some(until) = skipped {
            if line.starts_with("</") && name == until {
                skipped = None;
            }
            continue;
        }
        match name {
            "alias" | "backingStore" | "address" | "domain" | "currentMemory" => continue,
            "resource" | "seclabel" | "cpu" => {
                if !line.ends_with("/>") && !line.contains("</") {
                    skipped = Some(name);
                }
                continue;
            }
            _ if line.starts_with("</") || line.is_empty() => continue,
            _ => {}
        }
        let words = line.trim_start_matches('<').trim_end_matches('>').trim_end_matches('/');
        // The live one has numbers of its own.
        let words = words.split(' ').filter(|word| !(word.starts_with("index='") && name == "source"));
        settings.push(words.collect::<Vec<_>>().join(" "));
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_person_set_counts_as_staged() {
        let live = "<domain type='qemu' id='1'>\n<memory unit='KiB'>65536</memory>\n<resource>\n<partition>/m</partition>\n\
                    </resource>\n<source file='/d' index='1'/>\n<backingStore/>\n<input type='mouse' bus='ps2'>\n\
                    <alias name='i'/>\n</input>\n<seclabel type='dynamic' model='dac'>\n<label>x</label>\n</seclabel>\n</domain>";
        let inactive = "<domain type='qemu'>\n<memory unit='KiB'>98304</memory>\n<source file='/d'/>\n\
                        <input type='mouse' bus='ps2'/>\n</domain>";
        let told = differences(settings(live), settings(inactive));
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0].staged.as_deref(), Some("memory unit='KiB'>98304</memory"));
    }

    #[test]
    fn a_scope_names_one_domain() {
        for (line, named) in [
            ("0::/machine.slice/machine-qemu\\x2d5\\x2ddev\\x2dvm.scope/libvirt/emulator", true),
            ("0::/machine.slice/machine-qemu\\x2d5\\x2ddev\\x2dvm2.scope", false),
            ("0::/machine.slice/machine-qemu\\x2d\\x2ddev\\x2dvm.scope", false),
            ("0::/machine.slice/machine-lxc\\x2d5\\x2ddev\\x2dvm.scope", false),
        ] {
            assert_eq!(names_scope(line, "dev-vm"), named, "{line}");
        }
    }
}
