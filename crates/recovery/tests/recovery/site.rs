//! A site to recover at: a real sshd for the hypervisor, one for the target, an ssh-agent with the key, and a stand-in guard
//! behind the forced commands. Everything lives in one temporary directory and ends with it.

use breakglass_doors::{Doors, HostKeys, Keyholder, Limits};
use breakglass_fleet::Fleet;
use breakglass_incident::{Actor, Event, EventBody, Seq};
use breakglass_journal::{Journal, Wanted};
use breakglass_protocol::{Timestamp, Verb};
use breakglass_recovery::{Desk, Press};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_unix_millis(i64::try_from(since.as_millis()).unwrap())
}

pub(crate) fn alice() -> Actor {
    Actor::Human("alice".to_owned())
}

pub(crate) fn bob() -> Actor {
    Actor::Human("bob".to_owned())
}

pub(crate) struct Sshd {
    child: Child,
    port: u16,
    dir: PathBuf,
}

impl Sshd {
    fn start(dir: &Path, name: &str, authorized: &str) -> Self {
        let dir = dir.join(name);
        std::fs::create_dir(&dir).unwrap();
        std::fs::write(dir.join("authorized_keys"), authorized).unwrap();
        make_key(&dir.join("host_key"), name);
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let here = dir.display();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {here}/host_key\nAuthorizedKeysFile {here}/authorized_keys\n\
             PidFile none\nStrictModes no\nUsePAM no\nPermitRootLogin yes\nPasswordAuthentication no\nMaxStartups 200\n\
             MaxSessions 50\nSetEnv HOME={here}\n"
        );
        std::fs::write(dir.join("sshd_config"), config).unwrap();
        let child = Self::launch(&dir);
        let sshd = Self { child, port, dir };
        sshd.wait();
        sshd
    }

    fn launch(dir: &Path) -> Child {
        let log = std::fs::File::create(dir.join("log")).unwrap();
        // sshd re-executes itself, so it wants its full path.
        let mut command = Command::new("/usr/sbin/sshd");
        command.arg("-D").arg("-e").arg("-f").arg(dir.join("sshd_config"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap()
    }

    fn wait(&self) {
        let deadline = Instant::now() + Duration::from_secs(5);
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(
                Instant::now() < deadline,
                "sshd did not start: {:?}",
                std::fs::read_to_string(self.dir.join("log"))
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends the listener; connections that are held go on.
    pub(crate) fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub(crate) fn start_again(&mut self) {
        self.child = Self::launch(&self.dir);
        self.wait();
    }

    /// Whoever has a key gets its account's shell, as after somebody tidied up.
    pub(crate) fn without_forced_commands(&self) {
        let keys = std::fs::read_to_string(self.dir.join("authorized_keys")).unwrap();
        let bare: String = keys
            .lines()
            .filter_map(|line| line.split_once("\" "))
            .map(|(_, key)| format!("{key}\n"))
            .collect();
        assert!(bare.starts_with("ssh-ed25519"), "{bare}");
        std::fs::write(self.dir.join("authorized_keys"), bare).unwrap();
    }

    /// As after a rebuild of the host.
    pub(crate) fn with_another_host_key(&mut self) {
        self.stop();
        std::fs::remove_file(self.dir.join("host_key")).unwrap();
        make_key(&self.dir.join("host_key"), "rebuilt");
        self.start_again();
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.stop();
    }
}

fn make_key(path: &Path, comment: &str) {
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f"])
        .arg(path)
        .status();
    assert!(made.unwrap().success());
}

struct Agent {
    child: Child,
    socket: PathBuf,
}

impl Agent {
    fn start(dir: &Path, keys: &[PathBuf]) -> Self {
        let socket = dir.join("agent");
        let mut agent = Command::new("ssh-agent");
        let child = agent.arg("-D").arg("-a").arg(&socket).stdout(Stdio::null()).spawn().unwrap();
        let agent = Self { child, socket };
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            let mut add = Command::new("ssh-add");
            let added =
                add.arg("-q").args(keys).env("SSH_AUTH_SOCK", &agent.socket).stderr(Stdio::null()).status();
            if added.unwrap().success() {
                return agent;
            }
            assert!(Instant::now() < deadline, "ssh-agent did not start");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The site. What the stand-in guard does is steered by files in `vm`.
pub(crate) struct Site {
    pub(crate) hypervisor: Sshd,
    pub(crate) target: Sshd,
    agent: Agent,
    dir: TempDir,
    watch: &'static str,
    harness: bool,
}

impl Site {
    pub(crate) fn new() -> Self {
        Self::watching("interval = \"200 ms\"")
    }

    /// With these lines after `[watch]`.
    pub(crate) fn with_agent(agent: &'static str) -> Self {
        Self::watching(agent)
    }

    /// With these lines in `[watch]`.
    pub(crate) fn watching(watch: &'static str) -> Self {
        std::fs::create_dir_all("/run/sshd").unwrap();
        let dir = TempDir::new().unwrap();
        std::fs::create_dir(dir.path().join("vm")).unwrap();
        let keys = ["key", "diag-key"].map(|name| dir.path().join(name));
        keys.iter().for_each(|key| make_key(key, "key"));
        let public = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        let guard = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/stand_in_guard");
        let vm = dir.path().join("vm");
        let line = |key: &str, rest: &str| {
            format!("restrict,command=\"{guard} {} {rest}\" {}", vm.display(), public(key))
        };
        let hypervisor = Sshd::start(dir.path(), "pve", &line("key.pub", ""));
        let inside = line("key.pub", "inside") + &line("diag-key.pub", "looks");
        let target = Sshd::start(dir.path(), "devvm", &inside);
        let agent = Agent::start(dir.path(), &keys);
        Self { hypervisor, target, agent, dir, watch, harness: false }
    }

    /// With a harness behind the repair door, one that cannot end what it is told to stop.
    pub(crate) fn with_deaf_harness() -> Self {
        Self { harness: true, ..Self::new() }
    }

    pub(crate) fn fleet(&self) -> Fleet {
        let text = format!(
            r#"
[fleet]
name = "site"
state_dir = "{state}"
[[component]]
name = "pve"
kind = "hypervisor"
addresses = ["127.0.0.1:{pve}"]
[[component]]
name = "devvm"
kind = "vm"
addresses = ["127.0.0.1:{devvm}"]
needs = ["pve"]
[[secret]]
name = "key"
[[secret]]
name = "key2"
[[secret]]
name = "key3"
[[door]]
name = "devvm-power"
kind = "power"
to = "pve"
controls = "devvm"
backend = "qmp"
vm = 102
user = "root"
key = "key"
[[door]]
name = "devvm-repair"
kind = "repair"
to = "devvm"
user = "root"
key = "key2"
harness = {harness}
[[door]]
name = "devvm-diag"
kind = "diag"
to = "devvm"
user = "root"
key = "key3"
[watch]
{watch}
"#,
            state = self.state().display(),
            pve = self.hypervisor.port,
            devvm = self.target.port,
            watch = self.watch,
            harness = self.harness,
        );
        Fleet::parse(&text, Path::new("fleet.toml")).unwrap_or_else(|error| panic!("{error}"))
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    /// A server's desk: everything that a restart would make anew.
    pub(crate) fn desk(&self) -> Desk {
        self.desk_with(journal(&self.state()))
    }

    pub(crate) fn desk_with(&self, journal: Journal) -> Desk {
        let fleet = Arc::new(self.fleet());
        let keyholder = Keyholder::from_socket(&self.agent.socket);
        let keys = [("key", "key.pub"), ("key2", "key.pub"), ("key3", "diag-key.pub")];
        let keyholder = keys.into_iter().fold(keyholder, |keyholder, (name, file)| {
            // One key under two names: the stand-in behind it takes whatever it is asked.
            let public = std::fs::read_to_string(self.dir.path().join(file)).unwrap();
            keyholder.with_public_key(name, &public).unwrap()
        });
        let host_keys = HostKeys::open(&self.state().join("host-keys")).unwrap();
        let doors = Doors::new(Arc::clone(&fleet), keyholder, host_keys, Limits::default());
        let mut desk = Desk::new(fleet, doors, journal, now);
        desk.times.may_still_appear = Duration::from_millis(1_500);
        desk.times.well_again = Duration::from_secs(5);
        desk
    }

    /// The same from outside a runtime: its connections and followers live and die with this one.
    pub(crate) fn desk_in(&self, runtime: &tokio::runtime::Runtime) -> Desk {
        let _inside = runtime.enter();
        self.desk()
    }

    pub(crate) fn file(&self, file: &str) -> PathBuf {
        self.dir.path().join("vm").join(file)
    }

    /// Everything that was run inside the target.
    pub(crate) fn inside_calls(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.file("inside-calls")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Steers the stand-in guard.
    pub(crate) fn set(&self, file: &str, text: &str) {
        std::fs::write(self.dir.path().join("vm").join(file), text).unwrap();
    }

    pub(crate) fn unset(&self, file: &str) {
        let _ = std::fs::remove_file(self.dir.path().join("vm").join(file));
    }

    /// Everything that reached the guard of the power door.
    pub(crate) fn calls(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.dir.path().join("vm/calls")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// How often this verb reached the guard.
    pub(crate) fn count(&self, verb: &str) -> usize {
        self.calls().iter().filter(|call| **call == format!("--json {verb}")).count()
    }
}

/// The journal; that of a desk which was just dropped may still be closing.
fn journal(state: &Path) -> Journal {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        match Journal::open(state, now) {
            Ok(journal) => return journal,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub(crate) fn cycle() -> Press {
    Press { target: "devvm".into(), verb: Verb::Cycle, seen: None, shown: "running".into(), incident: None }
}

pub(crate) async fn all(desk: &Desk) -> Vec<Event> {
    desk.journal.replay(Wanted { incident: None, after: Seq(0), limit: usize::MAX }).await
}

/// Waits for an event.
pub(crate) async fn wait_for(desk: &Desk, what: &str, wanted: impl Fn(&EventBody) -> bool) -> Event {
    let deadline = Instant::now() + Duration::from_secs(15);
    loop {
        let events = all(desk).await;
        if let Some(event) = events.iter().find(|event| wanted(&event.body)) {
            return event.clone();
        }
        assert!(Instant::now() < deadline, "never came: {what}; there are: {:#?}", kinds(&events));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The kinds of events, for a failed test's reader.
pub(crate) fn kinds(events: &[Event]) -> Vec<String> {
    let short =
        |event: &Event| format!("{} {} {:?}", event.seq, event.actor, event.body).chars().take(220).collect();
    events.iter().map(short).collect()
}
