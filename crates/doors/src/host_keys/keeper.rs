//! The thread that owns the host key file, so that a full or hung disk never holds up a log-in.
//!
//! It reads, merges and replaces the file under a lock that other processes of ours take too (a CLI beside a server).
//! What can't be written is kept and tried again; meanwhile memory knows it.

use super::file;
use super::judge::Pin;
use super::{Keeping, Shared};
use crate::lock::lock;
use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// What the thread is asked to do.
pub(crate) enum Order {
    /// Keep this pin.
    Save(String, Pin),
    /// Read the file again; the answer means that memory has it.
    Reload(oneshot::Sender<()>),
}

/// How long between attempts to write what could not be written.
const RETRY: Duration = Duration::from_secs(5);
/// How long another process may hold the file before that counts as a failure.
const LOCK_WAIT: Duration = Duration::from_secs(1);

/// Starts the thread. It ends when the last [`super::HostKeys`] is gone and everything that can be written is.
/// Reads the file first where that was not done yet, and tells how that went.
pub(crate) fn start(
    path: PathBuf,
    shared: &Arc<Shared>,
) -> io::Result<(Sender<Order>, Receiver<io::Result<()>>)> {
    let ((orders, inbox), (tell, first)) = (channel(), channel());
    let shared = Arc::downgrade(shared);
    let work = move || {
        let wrong = recall(&path, &shared, &tell);
        keep(&path, &shared, &inbox, &wrong);
    };
    std::thread::Builder::new().name("host-keys".to_owned()).spawn(work)?;
    Ok((orders, first))
}

/// The first reading, however long the disk takes. Gives the components whose key was believed meanwhile and is not the pinned one.
fn recall(path: &Path, shared: &Weak<Shared>, tell: &Sender<io::Result<()>>) -> Vec<String> {
    let is_known = |shared: &Weak<Shared>| shared.upgrade().is_none_or(|shared| lock(&shared.state).was_read);
    while !is_known(shared) {
        match read(path) {
            Ok(text) => {
                let Some(shared) = shared.upgrade() else { break };
                let mut state = lock(&shared.state);
                let wrong = state.recall(file::parse(&text));
                state.keeping = Keeping::Kept;
                drop(state);
                for component in &wrong {
                    tracing::error!(
                        component,
                        "its host key was believed while the pinned one could not be read, and is another"
                    );
                }
                // Nobody listens where it took too long.
                let _late = tell.send(Ok(()));
                return wrong;
            }
            Err(error) => {
                tracing::warn!(%error, "host keys cannot be read");
                let _late = tell.send(Err(error));
                std::thread::sleep(RETRY);
            }
        }
    }
    Vec::new()
}

fn keep(path: &Path, shared: &Weak<Shared>, inbox: &Receiver<Order>, wrong: &[String]) {
    let mut unsaved: HashMap<String, Pin> = HashMap::new();
    loop {
        let mut waiting = Vec::new();
        match inbox.recv_timeout(RETRY) {
            // Ordered before the file could be read, and taken back by what it says.
            Ok(Order::Save(component, pin)) if !pin.accepted && wrong.contains(&component) => continue,
            Ok(Order::Save(component, pin)) => {
                unsaved.insert(component, pin);
            }
            Ok(Order::Reload(reply)) => waiting.push(reply),
            Err(RecvTimeoutError::Timeout) if unsaved.is_empty() => continue,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let outcome = if unsaved.is_empty() {
            read(path).map(|text| file::parse(&text))
        } else {
            write(path, &unsaved)
        };
        let Some(shared) = shared.upgrade() else { return };
        let mut state = lock(&shared.state);
        match outcome {
            Ok(mut pins) => {
                for (name, pin) in unsaved.drain() {
                    if state.pins.get(&name) == Some(&pin) {
                        state.unsaved.remove(&name);
                    }
                }
                // What was decided in this process since is newer than the file.
                for name in &state.unsaved {
                    if let Some(pin) = state.pins.get(name) {
                        pins.insert(name.clone(), pin.clone());
                    }
                }
                state.pins = pins;
                state.keeping = Keeping::Kept;
            }
            Err(error) if unsaved.is_empty() => tracing::warn!(%error, "host key file can't be read again"),
            Err(error) => {
                let mut components: Vec<String> = unsaved.keys().cloned().collect();
                components.sort();
                tracing::warn!(%error, ?components, "host keys can't be written; memory keeps them");
                state.keeping =
                    Keeping::MemoryOnly { why: format!("{}: {error}", path.display()), components };
            }
        }
        drop(state);
        for reply in waiting {
            let _ = reply.send(());
        }
    }
}

/// Puts the pins into the file, atomically, and gives back all that it now holds.
fn write(path: &Path, unsaved: &HashMap<String, Pin>) -> io::Result<HashMap<String, Pin>> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(directory)?;
    let _held = hold(&path.with_extension("lock"))?;
    let mut text = read(path)?;
    for (component, pin) in unsaved {
        text = file::replace(&text, component, pin);
    }
    let fresh = path.with_extension("new");
    let mut out = File::create(&fresh)?;
    out.write_all(text.as_bytes())?;
    out.sync_all()?;
    fs::rename(&fresh, path)?;
    File::open(directory)?.sync_all()?;
    Ok(file::parse(&text))
}

/// The file's text; none is an empty one.
pub(crate) fn read(path: &Path) -> io::Result<String> {
    match fs::read(path) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(error),
    }
}

fn hold(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
    let until = Instant::now() + LOCK_WAIT;
    loop {
        match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(error) => return Err(error.into()),
        }
    }
}
