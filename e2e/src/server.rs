//! The built server as a child process: started, killed hard or stopped in order, as often as a test likes, on the
//! same state. What it writes to its error output is kept for the test that fails.

use crate::http::{self, Answer};
use anyhow::{Context, Result, bail};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Name and password of the person who logs in.
pub const PERSON: (&str, &str) = ("mara", "correct horse battery staple");

/// How long one HTTP request may take.
const REQUEST: Duration = Duration::from_secs(30);

/// A server on its own state directory, and the fleet file that it serves.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// A bearer token that it takes.
    pub token: String,
    /// The fleet file.
    pub fleet: PathBuf,
    /// Its state directory.
    pub state: PathBuf,
    binary: PathBuf,
    log: PathBuf,
    child: Option<Child>,
}

/// The built `breakglass` binary, beside the running test.
///
/// # Errors
/// When it is not there: `cargo xtask test` builds it first.
pub fn binary() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("BREAKGLASS_BIN") {
        return Ok(path.into());
    }
    let test = std::env::current_exe()?;
    let beside =
        test.ancestors().find_map(|folder| Some(folder.join("breakglass")).filter(|path| path.is_file()));
    beside.context("no built `breakglass` beside the test; run `cargo xtask test`")
}

impl Server {
    /// Writes the fleet file (`machines`, which names `state` as its state directory, and a web section) and the
    /// identity files into `folder`, and starts the server.
    ///
    /// # Errors
    /// When it does not answer `/healthz` within 10 s.
    pub fn start(folder: &Path, state: &Path, machines: &str) -> Result<Self> {
        Self::start_program(binary()?, folder, state, machines)
    }

    /// The same with a binary at another place: one that other accounts may run, say.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn start_program(binary: PathBuf, folder: &Path, state: &Path, machines: &str) -> Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, breakglass_lab::free_port()?));
        let (passwords, tokens) = (folder.join("passwords"), folder.join("tokens"));
        std::fs::create_dir_all(folder)?;
        std::fs::create_dir_all(state)?;
        let (line, _) = made(&binary, &["password", PERSON.0], PERSON.1)?;
        std::fs::write(&passwords, line)?;
        let (line, said) = made(&binary, &["token", "test"], "")?;
        std::fs::write(&tokens, line)?;
        let token = said.lines().last().context("`breakglass token` showed no token")?.trim().to_owned();
        let fleet = folder.join("fleet.toml");
        let web = format!(
            "\n[web]\nlisten = [\"{address}\"]\npassword_file = {passwords:?}\ntoken_file = {tokens:?}\nsecure_cookies = false\n"
        );
        std::fs::write(&fleet, machines.to_owned() + &web)?;
        let log = folder.join("server.log");
        let mut server = Self { address, token, fleet, state: state.to_owned(), binary, log, child: None };
        server.run()?;
        Ok(server)
    }

    /// Starts it again after [`Server::kill`] or [`Server::stop`].
    ///
    /// # Errors
    /// When it does not answer within 10 s; with what it wrote.
    pub fn run(&mut self) -> Result<()> {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(&self.log)?;
        let child = Command::new(&self.binary)
            .args(["serve", "--fleet"])
            .arg(&self.fleet)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("starting {}", self.binary.display()))?;
        self.child = Some(child);
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(10) {
            if http::request(self.address, "GET", "/healthz", &[], None, REQUEST).is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        bail!("the server does not answer: {}", self.log())
    }

    /// What it wrote so far.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Kills it without a word, as a crash would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// A GET with the bearer token.
    ///
    /// # Errors
    /// When no answer came.
    pub fn read(&self, path: &str) -> Result<Answer> {
        let bearer = format!("Bearer {}", self.token);
        http::request(self.address, "GET", path, &[("Authorization", &bearer)], None, REQUEST)
    }

    /// A JSON POST with the bearer token.
    ///
    /// # Errors
    /// When no answer came.
    pub fn send(&self, path: &str, body: &serde_json::Value) -> Result<Answer> {
        let bearer = format!("Bearer {}", self.token);
        let body = body.to_string();
        http::request(
            self.address,
            "POST",
            path,
            &[("Authorization", &bearer)],
            Some(("application/json", &body)),
            REQUEST,
        )
    }

    /// Runs the built binary on the same fleet file and gives its exit code, output and error output.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn cli(&self, arguments: &[&str]) -> Result<(Option<i32>, String, String)> {
        let output = Command::new(&self.binary)
            .args(arguments)
            .env("BREAKGLASS_FLEET", &self.fleet)
            .stdin(Stdio::null())
            .output()?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok((output.status.code(), text(&output.stdout), text(&output.stderr)))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Output and error output of the binary, given one line of input.
fn made(binary: &Path, arguments: &[&str], input: &str) -> Result<(String, String)> {
    let mut command = Command::new(binary);
    let mut child = command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        use std::io::Write as _;
        // A command that reads nothing may have ended already.
        let _ = writeln!(stdin, "{input}");
    }
    let output = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        bail!("`breakglass {}` failed: {said}", arguments.join(" "));
    }
    Ok((String::from_utf8(output.stdout)?, said))
}
