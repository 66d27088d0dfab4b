//! How the tests call the binary, and a site with two sshds and the stand-in guard of the recovery tests.

use crate::person::Person;
use breakglass_protocol::Timestamp;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

/// Name and password of whoever may log in.
const PERSON: (&str, &str) = ("mara", "correct horse battery");

pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_unix_millis(i64::try_from(since.as_millis()).unwrap())
}

/// How a call ended.
#[derive(Debug)]
pub(crate) struct Out {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Out {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            code: output.status.code().unwrap_or(-1),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }
}

pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_breakglass"));
    command
        .args(arguments)
        .env_remove("BREAKGLASS_FLEET")
        .env_remove("BREAKGLASS_AGENT")
        .stdin(Stdio::null());
    command
}

pub(crate) fn breakglass(arguments: &[&str]) -> Out {
    command(arguments).output().unwrap().into()
}

pub(crate) fn breakglass_in(dir: &Path, arguments: &[&str]) -> Out {
    command(arguments).current_dir(dir).output().unwrap().into()
}

pub(crate) fn with_input(arguments: &[&str], input: &str) -> Out {
    let mut command = command(arguments);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A command that refuses its name has ended before it reads.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait_with_output().unwrap().into()
}

pub(crate) struct Sshd {
    child: Child,
    pub(crate) port: u16,
}

impl Sshd {
    fn start(dir: &Path, authorized: &str) -> Self {
        std::fs::create_dir(dir).unwrap();
        std::fs::write(dir.join("authorized_keys"), authorized).unwrap();
        make_key(&dir.join("host_key"));
        let port = free_port();
        let here = dir.display();
        // HOME keeps the login shell from the start-up files of whoever runs the tests.
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {here}/host_key\nAuthorizedKeysFile {here}/authorized_keys\n\
             PidFile none\nStrictModes no\nUsePAM no\nPermitRootLogin yes\nPasswordAuthentication no\nSetEnv HOME={here}\n"
        );
        std::fs::write(dir.join("sshd_config"), config).unwrap();
        let log = std::fs::File::create(dir.join("log")).unwrap();
        let mut command = Command::new("/usr/sbin/sshd");
        command.arg("-D").arg("-e").arg("-f").arg(dir.join("sshd_config"));
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let sshd = Self { child, port };
        let deadline = Instant::now() + Duration::from_secs(5);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(
                Instant::now() < deadline,
                "sshd did not start: {:?}",
                std::fs::read_to_string(dir.join("log"))
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        sshd
    }
}

/// Ends a process and all that it started, the youngest first: the sessions of an sshd outlive it otherwise.
fn end_with_children(pid: u32) {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    for child in children.split_whitespace() {
        end_with_children(child.parse().unwrap());
    }
    let _ = Command::new("kill").args(["-KILL", &pid.to_string()]).stderr(Stdio::null()).status();
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn make_key(path: &Path) {
    let mut keygen = Command::new("ssh-keygen");
    assert!(keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(path).status().unwrap().success());
}

/// Two sshds, their keys, and a fleet file that leads to them.
pub(crate) struct Site {
    pub(crate) web: u16,
    dir: TempDir,
    pve: Sshd,
    devvm: Sshd,
}

impl Site {
    pub(crate) fn new() -> Self {
        Self::with("", "")
    }

    /// With these lines more.
    pub(crate) fn with_lines(lines: &str) -> Self {
        Self::with("", lines)
    }

    /// With a diag door, a token file whose one token is an agent's, and these lines more.
    pub(crate) fn for_agents(lines: &str) -> Self {
        let door = "[[secret]]\nname = \"diag-key\"\nfile = \"DIR/diag-key\"\n[[door]]\nname = \"devvm-diag\"\nkind = \"diag\"\nto = \"devvm\"\nuser = \"root\"\nkey = \"diag-key\"\n";
        let site = Self::with("token_file = \"DIR/tokens\"", &format!("{door}{lines}\n"));
        let made = breakglass(&["token", "laptop", "--agent"]);
        let token = made.err.lines().find(|line| line.starts_with("bg_")).unwrap();
        std::fs::write(site.dir.path().join("tokens"), &made.out).unwrap();
        std::fs::write(site.token(), format!("{token}\n")).unwrap();
        site
    }

    /// With a door of each kind, a person who logs in by password, and what lets in a program, an agent and a monitoring system;
    /// their tokens, in this order. Nothing that is asked of the inside is run.
    pub(crate) fn for_all(password: &str) -> (Self, [String; 3]) {
        let door = "[[secret]]\nname = \"diag-key\"\nfile = \"DIR/diag-key\"\n[[door]]\nname = \"devvm-diag\"\nkind = \"diag\"\nto = \"devvm\"\nuser = \"root\"\nkey = \"diag-key\"\n";
        let web = "token_file = \"DIR/tokens\"\npassword_file = \"DIR/users\"\nsecure_cookies = false";
        let site = Self::with(web, door);
        site.set("deaf", "");
        let line = with_input(&["password", "mara"], &format!("{password}\n")).out;
        std::fs::write(site.dir.path().join("users"), line).unwrap();
        let made =
            [&["token", "robot"][..], &["token", "laptop", "--agent"], &["token", "prometheus", "--metrics"]];
        let made = made.map(breakglass);
        let lines: String = made.iter().map(|made| made.out.as_str()).collect();
        std::fs::write(site.dir.path().join("tokens"), lines).unwrap();
        let token = |made: &Out| made.err.lines().find(|line| line.starts_with("bg_")).unwrap().to_owned();
        let [robot, laptop, prometheus] = &made;
        let tokens = [token(robot), token(laptop), token(prometheus)];
        (site, tokens)
    }

    /// With this section of agents, a person who may log in, and a second VM that the section may declare.
    pub(crate) fn for_turns(agent: &str) -> Self {
        let site = Self::with("password_file = \"DIR/users\"\nsecure_cookies = false", agent);
        let made = with_input(&["password", PERSON.0], &format!("{}\n", PERSON.1));
        std::fs::write(site.dir.path().join("users"), made.out).unwrap();
        site
    }

    /// Logs in.
    pub(crate) fn person(&self) -> Person {
        Person::log_in(([127, 0, 0, 1], self.web).into(), PERSON.0, PERSON.1).unwrap()
    }

    /// The section with our own loop and the model at `endpoint`; more keys of `[agent]` cannot follow it, tables can.
    pub(crate) fn api(endpoint: &str) -> String {
        format!(
            "[agent.api]\ndialect = \"anthropic\"\nendpoint = \"{endpoint}\"\nmodel = \"scripted\"\n[agent]\nkinds = [\"api\"]\n"
        )
    }

    /// The file with the agent's token.
    pub(crate) fn token(&self) -> PathBuf {
        self.dir.path().join("token")
    }

    fn with(web_lines: &str, more: &str) -> Self {
        std::fs::create_dir_all("/run/sshd").unwrap();
        let dir = TempDir::new().unwrap();
        let at = |name: &str| dir.path().join(name);
        ["vm", "gitvm"].into_iter().for_each(|name| std::fs::create_dir(at(name)).unwrap());
        let guard = concat!(env!("CARGO_MANIFEST_DIR"), "/../recovery/tests/stand_in_guard");
        let line = |key: &str, vm: &str, rest: &str| {
            make_key(&at(key));
            let public = std::fs::read_to_string(at(&format!("{key}.pub"))).unwrap();
            format!("restrict,command=\"{guard} {} {rest}\" {}\n", at(vm).display(), public.trim_end())
        };
        let pve = Sshd::start(&at("pve"), &(line("power-key", "vm", "") + &line("git-key", "gitvm", "")));
        let inside = format!("{}{}", line("repair-key", "vm", "inside"), line("diag-key", "vm", "looks"));
        let devvm = Sshd::start(&at("devvm"), &inside);
        let web = free_port();
        let text = format!(
            r#"
[fleet]
name = "site"
state_dir = "{dir}/state"
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
name = "power-key"
file = "{dir}/power-key"
[[secret]]
name = "repair-key"
file = "{dir}/repair-key"
[[door]]
name = "devvm-power"
kind = "power"
to = "pve"
controls = "devvm"
backend = "qmp"
vm = 102
user = "root"
key = "power-key"
[[door]]
name = "devvm-repair"
kind = "repair"
to = "devvm"
user = "root"
key = "repair-key"
[web]
listen = ["127.0.0.1:{web}"]
{web_lines}
[watch]
interval = "1 s"
{more}
"#,
            web_lines = web_lines.replace("DIR", &dir.path().display().to_string()),
            more = more
                .replace("DIR", &dir.path().display().to_string())
                .replace("DEVVM", &devvm.port.to_string()),
            dir = dir.path().display(),
            pve = pve.port,
            devvm = devvm.port,
        );
        std::fs::write(at("fleet.toml"), text).unwrap();
        Self { web, dir, pve, devvm }
    }

    /// Lets a program in, and gives its token. Its file is not in the state directory.
    pub(crate) fn with_token(&self) -> String {
        let made = breakglass(&["token", "robot"]);
        let file = self.dir.path().join("tokens");
        std::fs::write(&file, &made.out).unwrap();
        let text = std::fs::read_to_string(self.fleet()).unwrap();
        let named = format!("[web]\ntoken_file = \"{}\"\n", file.display());
        std::fs::write(self.fleet(), text.replace("[web]\n", &named)).unwrap();
        made.err.lines().last().unwrap().to_owned()
    }

    /// The hypervisor is gone, and with it what runs on it.
    pub(crate) fn hypervisor_dies(&self) {
        end_with_children(self.pve.child.id());
        end_with_children(self.devvm.child.id());
    }

    pub(crate) fn fleet(&self) -> PathBuf {
        self.dir.path().join("fleet.toml")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    pub(crate) fn set(&self, file: &str, text: &str) {
        std::fs::write(self.dir.path().join("vm").join(file), text).unwrap();
    }

    /// A file of the stand-in guard; empty where there is none.
    pub(crate) fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.dir.path().join("vm").join(file)).unwrap_or_default()
    }

    pub(crate) fn call(&self, arguments: &[&str]) -> Out {
        let mut command = command(arguments);
        command.env("BREAKGLASS_FLEET", self.fleet()).output().unwrap().into()
    }
}
