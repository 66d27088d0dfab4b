//! A real sshd with keys of its own on a port of its own, and a fleet whose doors lead to it.

use breakglass_doors::{Ask, Captured, Doors, End, HostKeys, Keyholder, Limits};
use breakglass_fleet::{Component, ComponentKind, Door, DoorKind, Fleet, HostKeyPolicy, Watch, Web};
use rustix::process::{Pid, Signal, kill_process};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The name of the user key in every fleet here.
pub(crate) const KEY: &str = "recovery-key";

/// An ordinary user of every server here, whose home is `dir/home`.
pub(crate) const RESCUER: &str = "rescuer";
const RESCUER_ID: u32 = 4242;

/// A server and the directory with everything that it uses.
pub(crate) struct Sshd {
    pub(crate) dir: TempDir,
    pub(crate) port: u16,
    listener: Option<Child>,
    stopped: Vec<i32>,
}

impl Sshd {
    /// A server that lets the key in `dir/key` in as root, without a forced command.
    pub(crate) fn start() -> Self {
        Self::with("", "")
    }

    /// The same with options before the key (`command="…"`) and further lines of configuration.
    pub(crate) fn with(key_options: &str, config: &str) -> Self {
        let dir = tempfile::Builder::new().prefix("doors-").tempdir().expect("a directory");
        // sshd reads authorized_keys as the user who logs in.
        open_to_all(dir.path());
        keygen(&dir.path().join("host"), "ed25519", "host");
        keygen(&dir.path().join("key"), "ed25519", KEY);
        let home = dir.path().join("home");
        std::fs::create_dir(&home).expect("a home");
        std::os::unix::fs::chown(&home, Some(RESCUER_ID), Some(RESCUER_ID)).expect("its owner");
        let mut sshd = Self { dir, port: free_port(), listener: None, stopped: Vec::new() };
        sshd.authorize(key_options);
        sshd.configure(config);
        sshd.up();
        sshd
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes authorized_keys for the key.
    pub(crate) fn authorize(&self, options: &str) {
        let public = std::fs::read_to_string(self.path("key.pub")).expect("the public key");
        let line = if options.is_empty() { public } else { format!("{options} {public}") };
        std::fs::write(self.path("authorized_keys"), line).expect("authorized_keys");
    }

    fn configure(&self, more: &str) {
        let dir = self.dir.path().display();
        let config = format!(
            "Port {}\nListenAddress 127.0.0.1\nHostKey {dir}/host\nAuthorizedKeysFile {dir}/authorized_keys\n\
             PidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\n\
             MaxStartups 100\nPrintMotd no\n{more}\n",
            self.port
        );
        std::fs::write(self.path("sshd_config"), config).expect("sshd_config");
    }

    /// Starts the listener and waits until it listens. It sees accounts of its own: root with a shell that reads no
    /// start-up files, whatever this machine's root has, and the ordinary user [`RESCUER`].
    pub(crate) fn up(&mut self) {
        std::fs::create_dir_all("/run/sshd").expect("/run/sshd");
        let home = self.path("home");
        let accounts = self.path("passwd");
        let text = std::fs::read_to_string("/etc/passwd").expect("passwd");
        let others: String =
            text.lines().filter(|line| !line.starts_with("root:")).flat_map(|line| [line, "\n"]).collect();
        let own = format!(
            "root:x:0:0::/root:/bin/sh\n{RESCUER}:x:{0}:{0}::{1}:/bin/sh\n",
            RESCUER_ID,
            home.display()
        );
        std::fs::write(&accounts, own + &others).expect("passwd");
        let script = format!(
            "mount --bind {} /etc/passwd && exec /usr/sbin/sshd -D -f {} -E {}",
            accounts.display(),
            self.path("sshd_config").display(),
            self.path("sshd.log").display()
        );
        let mut command = Command::new("unshare");
        self.listener =
            Some(command.args(["-m", "sh", "-c", &script]).stdin(Stdio::null()).spawn().expect("starts"));
        wait_for("sshd to listen", || TcpStream::connect(("127.0.0.1", self.port)).is_ok());
        // That look was a connection too; it must not be taken for one of a test's.
        wait_for("the look to be over", || self.connections().is_empty());
    }

    /// Ends the listener and all its connections, and nothing else.
    pub(crate) fn down(&mut self) {
        let Some(mut listener) = self.listener.take() else { return };
        let connections = children(listener.id());
        let _ = listener.kill();
        let _ = listener.wait();
        for connection in connections.into_iter().chain(self.stopped.drain(..)) {
            signal(connection, Signal::KILL);
        }
    }

    /// The processes that serve connections now.
    pub(crate) fn connections(&self) -> Vec<i32> {
        self.listener.as_ref().map(|listener| children(listener.id())).unwrap_or_default()
    }

    /// Freezes the processes that serve connections now, as a machine does that can't schedule them.
    pub(crate) fn freeze(&mut self) -> Vec<i32> {
        let frozen = self.connections();
        for connection in &frozen {
            signal(*connection, Signal::STOP);
        }
        self.stopped.extend(&frozen);
        frozen
    }

    /// Freezes the listener too: connections are accepted by the kernel and nobody speaks.
    pub(crate) fn freeze_listener(&mut self) {
        if let Some(pid) = self.listener.as_ref().and_then(|listener| i32::try_from(listener.id()).ok()) {
            signal(pid, Signal::STOP);
        }
    }

    /// A fleet of one host with one door, named `door`, to this server.
    pub(crate) fn fleet(&self, policy: HostKeyPolicy) -> Fleet {
        let mut fleet = empty_fleet(self.dir.path());
        self.add_door(&mut fleet, "host", "door", policy);
        fleet
    }

    /// Adds a host at this server, and a door to it.
    pub(crate) fn add_door(&self, fleet: &mut Fleet, host: &str, door: &str, policy: HostKeyPolicy) {
        fleet.components.push(component(host, &format!("127.0.0.1:{}", self.port), policy));
        fleet.doors.push(door_to(host, door));
    }

    /// Doors with a keyholder of their own, trusting the first host key.
    pub(crate) fn doors(&self) -> Doors {
        self.doors_of(self.fleet(HostKeyPolicy::TofuAlarm))
    }

    pub(crate) fn doors_of(&self, fleet: Fleet) -> Doors {
        let keyholder = keyholder(&[(KEY, &self.path("key"))]);
        self.doors_with(fleet, keyholder)
    }

    pub(crate) fn doors_with(&self, fleet: Fleet, keyholder: Keyholder) -> Doors {
        let host_keys = HostKeys::open(&self.path("state/host_keys")).expect("host keys");
        Doors::new(Arc::new(fleet), keyholder, host_keys, Limits::default())
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.down();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.path("sshd.log")).unwrap_or_default();
            eprintln!("--- the sshd of this test said:\n{log}---");
        }
    }
}

/// The keyholder process of the test bed, with these keys.
pub(crate) fn keyholder(keys: &[(&str, &Path)]) -> Keyholder {
    let keys: Vec<(String, PathBuf)> =
        keys.iter().map(|(name, path)| ((*name).to_owned(), (*path).to_owned())).collect();
    Keyholder::spawn(Path::new(env!("CARGO_BIN_EXE_doors-testbed")), &keys).expect("a keyholder")
}

pub(crate) fn empty_fleet(state: &Path) -> Fleet {
    Fleet {
        name: "test".to_owned(),
        components: Vec::new(),
        secrets: Vec::new(),
        doors: Vec::new(),
        scenarios: Vec::new(),
        web: Web::default(),
        watch: Watch::default(),
        verify: breakglass_fleet::Verify::default(),
        agent: breakglass_fleet::AgentSection::default(),
        state: state.to_owned(),
        notify: breakglass_fleet::Notify::default(),
        unused_sections: Vec::new(),
    }
}

pub(crate) fn component(name: &str, address: &str, host_key: HostKeyPolicy) -> Component {
    Component {
        name: name.to_owned(),
        kind: ComponentKind::Host,
        addresses: vec![address.to_owned()],
        needs: Vec::new(),
        groups: Vec::new(),
        refusing_port: None,
        host_key,
    }
}

pub(crate) fn door_to(host: &str, name: &str) -> Door {
    Door {
        name: name.to_owned(),
        kind: DoorKind::Repair,
        to: host.to_owned(),
        controls: None,
        backend: None,
        vm: None,
        vm_name: None,
        user: "root".to_owned(),
        port: 22,
        key: KEY.to_owned(),
        sources: Vec::new(),
        via: Vec::new(),
        served_from: None,
        become_root: String::new(),
        deadline: Duration::from_secs(60),
        harness: false,
    }
}

/// Asks the door named `door`.
pub(crate) async fn ask(doors: &Doors, command: &str, deadline: Duration) -> (End, Captured) {
    let ask = Ask { door: "door", command: command.to_owned(), deadline, stdout_limit: 1 << 20 };
    doors.capture(ask).await
}

/// Asks and expects exit code 0; gives standard output.
pub(crate) async fn output_of(doors: &Doors, command: &str) -> String {
    let (end, captured) = ask(doors, command, Duration::from_secs(20)).await;
    assert!(end.succeeded(), "{command}: {end}\n{}", String::from_utf8_lossy(&captured.stderr));
    String::from_utf8(captured.stdout).expect("text")
}

pub(crate) fn keygen(path: &Path, kind: &str, comment: &str) {
    run_tool(Command::new("ssh-keygen").args(["-q", "-t", kind, "-N", "", "-C", comment, "-f"]).arg(path));
}

/// Runs a tool that has to succeed; gives what it wrote.
pub(crate) fn run_tool(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().expect("the tool starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port()
}

pub(crate) fn wait_for(what: &str, condition: impl Fn() -> bool) {
    // Long enough for a machine that does other things: what is waited for comes, or is a fault.
    let until = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < until, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub(crate) fn signal(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        let _ = kill_process(pid, signal);
    }
}

pub(crate) fn is_alive(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// Processes whose parent is `parent`.
pub(crate) fn children_of(parent: i32) -> Vec<i32> {
    u32::try_from(parent).map(children).unwrap_or_default()
}

fn children(parent: u32) -> Vec<i32> {
    let entries = std::fs::read_dir("/proc").expect("/proc");
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let after_name = stat.rsplit_once(") ").map(|(_, rest)| rest.to_owned()).unwrap_or_default();
        after_name.split(' ').nth(1).and_then(|ppid| ppid.parse().ok()) == Some(parent)
    })
    .collect()
}

fn open_to_all(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("permissions");
}
