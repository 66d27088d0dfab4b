//! The same verbs through a real libvirt: its daemon runs in namespaces of its own, so that nothing of it is left.

use crate::boot;
use crate::support::{Answer, GUARD, Lines, answer, until};
use breakglass_protocol::{Line, Outcome, PartOutcome, Phase, RunState, Status};
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What the first process of the namespaces does: directories that go with it, the daemons' account, the daemons. It
/// stays a shell, which collects the dead: libvirt waits for their end.
const BEGIN: &str = r#"
set -e
mount -t tmpfs run /run
mount -t tmpfs etc /etc/libvirt
mount -t tmpfs var /var
ln -s /run /var/run
mkdir -p /var/lib/libvirt/qemu /var/log/libvirt/qemu /var/cache /var/tmp
cp /etc/passwd /etc/group /run
echo 'libvirt-qemu:x:64055:64055::/:/bin/false' >> /run/passwd
echo 'libvirt-qemu:x:64055:' >> /run/group
mount --bind /run/passwd /etc/passwd
mount --bind /run/group /etc/group
printf '%s\n' 'namespaces=[]' 'cgroup_controllers=[]' 'security_driver="none"' 'user="root"' 'group="root"' > /etc/libvirt/qemu.conf
virtlogd -d
libvirtd -d
while sleep 1; do :; done
"#;

struct Libvirt {
    scratch: tempfile::TempDir,
    unshare: Child,
    init: u32,
}

impl Libvirt {
    /// A host with the domain `devvm`, that is off and boots this.
    fn new(code: &[u8]) -> Self {
        let scratch = tempfile::Builder::new().prefix("bgl").tempdir().unwrap();
        let unshare = Command::new("unshare")
            .args([
                "--mount",
                "--pid",
                "--ipc",
                "--fork",
                "--kill-child",
                "--mount-proc",
                "--propagation",
                "private",
            ])
            .args(["sh", "-c", BEGIN])
            .env("LIBVIRT_LOG_OUTPUTS", "4:stderr")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let children = format!("/proc/{0}/task/{0}/children", unshare.id());
        let mut init = 0;
        until("the namespaces are there", || {
            let text = fs::read_to_string(&children).unwrap_or_default();
            init = text.trim().parse().unwrap_or(0);
            init > 0
        });
        let host = Self { scratch, unshare, init };
        until("libvirt answers", || host.virsh(&["list"]).code == 0);
        boot::disk(&host.path("disk"), code);
        let disk = host.path("disk").display().to_string();
        let domain = format!(
            "<domain type='qemu'><name>devvm</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>\
             <os><type arch='x86_64' machine='q35'>hvm</type></os><on_crash>preserve</on_crash><devices>\
             <emulator>/usr/bin/qemu-system-x86_64</emulator><panic model='isa'/><memballoon model='none'/>\
             <disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{disk}'/>\
             <target dev='vda' bus='virtio'/></disk></devices></domain>"
        );
        fs::write(host.path("domain.xml"), domain).unwrap();
        let defined = host.virsh(&["define", &host.path("domain.xml").display().to_string()]);
        assert_eq!(defined.code, 0, "{}", defined.stderr);
        host.policy("devvm");
        host
    }

    fn policy(&self, domain: &str) {
        let text = format!(
            "state_dir = {:?}\n[record]\ndir = {:?}\n[power]\nbackend = \"virsh\"\nvm = 1\nname = \"devvm\"\n\
             domain = {domain:?}\ngrace_seconds = 1\nstop_grace_seconds = 1\nkill_wait_seconds = 5\n\
             start_wait_seconds = 20\ntool_seconds = 3\n\
             [power.forensics]\ndir = {:?}\ndeadline_seconds = 3\n",
            self.path("state"),
            self.path("log"),
            self.path("forensics")
        );
        fs::write(self.path("guard.toml"), text).unwrap();
    }

    fn path(&self, path: &str) -> PathBuf {
        self.scratch.path().join(path)
    }

    /// A command inside.
    fn inside(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--mount", "--pid", "--ipc", "--target", &self.init.to_string(), "--", program]);
        command.stdin(Stdio::null());
        command
    }

    fn virsh(&self, words: &[&str]) -> Answer {
        answer(self.inside("virsh").arg("-q").args(words))
    }

    fn lines(&self, request: &str) -> Lines {
        let mut guard = self.inside(GUARD);
        guard.args(["power", "--label", "phone", "--config"]).arg(self.path("guard.toml"));
        guard.env("SSH_CONNECTION", "192.0.2.2 50000 192.0.2.10 22");
        answer(guard.env("SSH_ORIGINAL_COMMAND", format!("--json {request}"))).lines()
    }

    fn done(&self, request: &str) -> Lines {
        let lines = self.lines(request);
        assert_eq!(lines.end.outcome, Outcome::Done, "{request}: {} {}", lines.end.message, lines.notes());
        lines
    }

    fn status(&self) -> Status {
        *self.lines("status").end.status.unwrap()
    }

    fn pid(&self) -> u32 {
        self.status().process.unwrap().pid
    }

    /// Sends the daemon a signal.
    fn daemon(&self, signal: &str) {
        let pid = answer(self.inside("cat").arg("/run/libvirtd.pid")).stdout.trim().to_owned();
        assert_eq!(answer(self.inside("kill").args([signal, &pid])).code, 0);
    }

    /// Whether the guest's writes went on between the two samples of a status, while its monitor answered.
    fn writes(&self) -> Option<bool> {
        let status = self.status();
        let of =
            |at: usize| status.samples.get(at).map(|it| it.disks.iter().map(|disk| disk.writes).sum::<u64>());
        (status.state == RunState::Running).then_some(of(1)? > of(0)?)
    }
}

impl Drop for Libvirt {
    fn drop(&mut self) {
        // The first process of a namespace takes all others with it.
        crate::support::kill(self.init, "KILL");
        let _ = self.unshare.wait();
    }
}

#[test]
fn every_verb_goes_through_libvirt() {
    let host = Libvirt::new(boot::IDLES);
    let off = host.status();
    assert_eq!((off.state, off.process), (RunState::Stopped, None), "{:?}", off.notes);
    host.done("start");
    let first = host.pid();
    let status = host.status();
    assert_eq!(
        (status.state.clone(), status.samples.len(), status.staged.len()),
        (RunState::Running, 2, 0),
        "{status:?}"
    );
    assert!(status.samples[0].disks.iter().any(|disk| disk.device.contains("disk")), "{:?}", status.samples);

    let lines = host.done("reset");
    assert!(lines.phases().contains(&Phase::ResetSent) && host.pid() == first);

    assert_eq!(host.virsh(&["setmaxmem", "devvm", "96M", "--config"]).code, 0);
    let staged = host.status().staged;
    assert!(
        staged.iter().any(|it| it.staged.as_deref().is_some_and(|text| text.contains("98304"))),
        "{staged:?}"
    );
    let lines = host.done("cycle");
    let order = lines.phases();
    let at = |phase| order.iter().position(|it| *it == phase).unwrap();
    assert!(at(Phase::ForensicsDone) < at(Phase::GuestAsked));
    assert!(at(Phase::ProcessGone) < at(Phase::ProcessStarted), "started only after the end was seen");
    for wanted in ["qmp", "hypervisor", "threads"] {
        let part = lines.all.iter().find_map(|line| match line {
            Line::Forensics { part, outcome, .. } if part == wanted => Some(*outcome),
            _ => None,
        });
        assert_eq!(part, Some(PartOutcome::Captured), "{wanted}");
    }
    let status = host.status();
    assert!(status.process.unwrap().pid != first && status.staged.is_empty(), "{:?}", status.staged);

    assert_eq!(host.virsh(&["suspend", "devvm"]).code, 0);
    assert_eq!(host.status().state, RunState::Paused);
    let paused = host.pid();
    assert!(host.done("start").phases().contains(&Phase::Resumed));
    assert_eq!((host.status().state, host.pid()), (RunState::Running, paused));
    assert!(host.virsh(&["domstate", "devvm"]).stdout.starts_with("running"), "libvirt noticed");

    host.done("stop");
    assert!(host.virsh(&["domstate", "devvm"]).stdout.starts_with("shut off"));
    assert_eq!(host.status().state, RunState::Stopped);
}

#[test]
fn a_panic_and_a_block_stall_are_seen_and_cycled_away() {
    let host = Libvirt::new(boot::PANICS);
    host.done("start");
    until("the guest has panicked", || host.status().state == RunState::GuestPanicked);
    boot::disk(&host.path("disk"), boot::WRITES);
    let lines = host.done("cycle");
    assert!(!lines.phases().contains(&Phase::GuestAsked), "a panicked guest cannot hear");

    until("the guest writes", || host.writes() == Some(true));
    assert_eq!(host.virsh(&["blkdeviotune", "devvm", "vda", "--total-bytes-sec", "1", "--live"]).code, 0);
    until("the writes stand still", || host.writes() == Some(false));
    host.done("cycle");
    until("it writes again", || host.writes() == Some(true));
}

#[test]
fn a_daemon_that_hangs_or_is_dead_costs_its_deadline_and_not_the_kill() {
    let host = Libvirt::new(boot::IDLES);
    for signal in ["-STOP", "-KILL"] {
        host.done("start");
        let pid = host.pid();
        host.daemon(signal);
        let begun = Instant::now();
        let lines = host.lines("status");
        assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
        assert_eq!((lines.end.outcome, lines.end.exit), (Outcome::Failed, 69), "{}", lines.end.message);
        assert!(lines.end.message.contains("libvirt does not answer"), "{}", lines.end.message);
        let status = lines.end.status.unwrap();
        assert_eq!((status.state, status.process.unwrap().pid), (RunState::Unresponsive, pid));

        let lines = host.lines("cycle");
        assert_eq!((lines.end.exit, lines.started().is_none()), (69, true), "{}", lines.end.message);
        assert!(lines.end.message.contains("`stop` can still end its process"), "{}", lines.end.message);

        let lines = host.done("stop");
        assert!(lines.notes().contains("known by its pid file and start time"), "{}", lines.notes());
        assert!(
            lines.end.message.contains(&format!("process {pid} was seen to end")),
            "{}",
            lines.end.message
        );
        assert_eq!(host.lines("start").end.exit, 69);
        if signal == "-STOP" {
            host.daemon("-CONT");
        } else {
            assert_eq!(answer(host.inside("libvirtd").arg("-d")).code, 0);
        }
        until("libvirt knows that it is off", || {
            host.virsh(&["domstate", "devvm"]).stdout.starts_with("shut off")
        });
    }
    host.done("cycle");
    host.policy("devvm2");
    let lines = host.lines("status");
    assert_eq!(lines.end.exit, 69);
    assert!(lines.end.message.contains("knows no domain `devvm2`"), "{}", lines.end.message);
}
