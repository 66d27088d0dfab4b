//! The thread that starts the keyholder and starts it again.
//!
//! The listening socket is made once, here, and every child inherits it: while one is dead, askers wait in its queue
//! instead of failing. It is a thread of its own because the kernel ties "dies with its parent" to the very thread that
//! started the child; a runtime's worker that ends would take the keyholder with it.

use super::{KeyholderError, Problem};
use crate::lock::lock;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs::DirBuilder;
use std::io::{self, BufRead, BufReader, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How long the first start may take.
const START: Duration = Duration::from_secs(10);
/// Pauses before starting it again.
const PAUSE: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// A keyholder that lived this long was well; the next pause is short again.
const WELL: Duration = Duration::from_secs(10);
/// The line that it says when it is ready is not longer.
const REPORT_LIMIT: u64 = 64 * 1024;

/// What the names of the directories begin with; a process id and a count follow.
const PREFIX: &str = "breakglass-keyholder-";

/// What is known of the child.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) pid: Option<u32>,
    pub(super) problems: Vec<Problem>,
    pub(super) isolation: Vec<String>,
}

/// A keyholder that was started here.
#[derive(Debug)]
pub(super) struct Supervised {
    directory: PathBuf,
    pub(super) report: Arc<Mutex<Report>>,
    over: Arc<AtomicBool>,
}

impl Supervised {
    pub(super) fn start(exe: &Path, keys: &[(String, PathBuf)]) -> Result<Self, KeyholderError> {
        let directory = private_directory()?;
        let supervised = Self {
            directory,
            report: Arc::new(Mutex::new(Report::default())),
            over: Arc::new(AtomicBool::new(false)),
        };
        let fault = |source| KeyholderError::NotStarted { exe: exe.to_owned(), source };
        let listener = UnixListener::bind(supervised.socket()).map_err(fault)?;
        let keeper = Keeper {
            exe: exe.to_owned(),
            keys: keys.to_vec(),
            listener,
            report: Arc::clone(&supervised.report),
            over: Arc::clone(&supervised.over),
        };
        let (first, ready) = channel();
        std::thread::Builder::new()
            .name("keyholder".to_owned())
            .spawn(move || keeper.keep(&first))
            .map_err(fault)?;
        match ready.recv_timeout(START) {
            Ok(Ok(())) => Ok(supervised),
            Ok(Err(error)) => Err(fault(error)),
            Err(_) => Err(fault(io::ErrorKind::TimedOut.into())),
        }
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.directory.join("agent")
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        let report = lock(&self.report);
        // The id is taken away under this lock before the child is reaped, so it can be nobody else's.
        if let Some(pid) = report.pid.and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::KILL);
        }
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

struct Keeper {
    exe: PathBuf,
    keys: Vec<(String, PathBuf)>,
    listener: UnixListener,
    report: Arc<Mutex<Report>>,
    over: Arc<AtomicBool>,
}

impl Keeper {
    fn keep(&self, first: &Sender<io::Result<()>>) {
        let mut pause = PAUSE;
        loop {
            let began = Instant::now();
            match self.start() {
                Ok((child, out)) => {
                    let _ = first.send(Ok(()));
                    self.wait_for_end(child, out);
                }
                // Nobody takes this after the first start, which is when it means that there is no keyholder at all.
                Err(error) => {
                    tracing::error!(%error, exe = %self.exe.display(), "the keyholder does not start");
                    if first.send(Err(error)).is_ok() {
                        return;
                    }
                }
            }
            if self.over.load(Ordering::SeqCst) {
                return;
            }
            pause = if began.elapsed() > WELL { PAUSE } else { pause };
            tracing::warn!(?pause, "the keyholder ended and is started again");
            std::thread::sleep(pause);
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// Starts it and takes its report.
    fn start(&self) -> io::Result<(Child, BufReader<ChildStdout>)> {
        let mut command = Command::new(&self.exe);
        command.args(["keyholder", "--fd", "0"]);
        for (name, path) in &self.keys {
            command.arg("--key").arg(name).arg(path);
        }
        // Nothing of our environment: no preload, no debugging of the library that handles keys.
        command.env_clear().stdin(OwnedFd::from(self.listener.try_clone()?)).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        lock(&self.report).pid = Some(child.id());
        // Whoever ends us sets `over` first and then looks for a child to kill; we the other way round.
        if self.over.load(Ordering::SeqCst) {
            let _ = child.kill();
        }
        let Some(out) = child.stdout.take() else { return Err(io::ErrorKind::BrokenPipe.into()) };
        let mut out = BufReader::new(out);
        let mut line = String::new();
        out.by_ref().take(REPORT_LIMIT).read_line(&mut line)?;
        let said: Value = match serde_json::from_str(&line) {
            Ok(said) => said,
            Err(_) => {
                self.wait_for_end(child, out);
                return Err(io::Error::other(
                    "it ended before it was ready; what it said is on standard error",
                ));
            }
        };
        let mut report = lock(&self.report);
        report.isolation = texts(&said, "isolation").collect();
        report.problems = problems(&said);
        for problem in &report.problems {
            tracing::error!(key = problem.key, reason = problem.reason, "key not loaded");
        }
        drop(report);
        Ok((child, out))
    }

    /// Its output ends when it does.
    fn wait_for_end(&self, mut child: Child, mut out: BufReader<ChildStdout>) {
        let mut rest = [0; 256];
        while matches!(out.read(&mut rest), Ok(1..)) {}
        lock(&self.report).pid = None;
        let _ = child.wait();
    }
}

fn texts<'a>(said: &'a Value, field: &str) -> impl Iterator<Item = String> + use<'a> {
    let list = said.get(field).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(Value::as_str).map(str::to_owned)
}

fn problems(said: &Value) -> Vec<Problem> {
    let list = said.get("problems").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let text = |value: &Value, field: &str| value.get(field).and_then(Value::as_str).map(str::to_owned);
    list.iter().filter_map(|p| Some(Problem { key: text(p, "key")?, reason: text(p, "reason")? })).collect()
}

/// Removes what servers that were killed left behind: a directory of ours whose process is gone and whose socket
/// nobody listens on (both, for a neighbour may see other process ids).
fn sweep(place: &Path) {
    let Ok(entries) = std::fs::read_dir(place) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split('-').next()) else {
            continue;
        };
        let gone = pid.parse::<u32>().is_ok_and(|pid| !Path::new(&format!("/proc/{pid}")).exists());
        let deaf = || {
            UnixStream::connect(entry.path().join("agent")).is_err_and(|error| {
                matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound)
            })
        };
        if gone && deaf() {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// A fresh directory that only we can enter, in memory where there is such a place: a full disk must not matter.
fn private_directory() -> Result<PathBuf, KeyholderError> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let places = [runtime, Some(PathBuf::from("/run")), Some(std::env::temp_dir())];
    let places: Vec<PathBuf> = places.into_iter().flatten().filter(|place| place.is_absolute()).collect();
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for place in &places {
        sweep(place);
        for _ in 0..100 {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let directory = place.join(format!("{PREFIX}{}-{count}", std::process::id()));
            match DirBuilder::new().mode(0o700).create(&directory) {
                Ok(()) => return Ok(directory),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => last = error,
                Err(error) => {
                    last = error;
                    break;
                }
            }
        }
    }
    Err(KeyholderError::NoDirectory { tried: places, source: last })
}
