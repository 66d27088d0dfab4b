//! Which host keys are trusted: the pins, what was shown last, and the one act by which a person accepts a new key.
//!
//! No database and no network. The file is written by a thread of its own ([`keeper`]); when it can't be, doors go on
//! from memory and [`HostKeys::keeping`] says so. Nothing here accepts a key by itself, except the very first one of a
//! host whose policy is `tofu-alarm`.

mod file;
mod judge;
mod keeper;

use crate::lock::lock;
use breakglass_fleet::HostKeyPolicy;
use judge::{Pin, Verdict};
use keeper::Order;
use russh::keys::{Algorithm, PublicKey, PublicKeyOrCertificate};
use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::oneshot;

/// How long a log-in waits for a second look into the file.
const RELOAD_WAIT: Duration = Duration::from_millis(300);

/// The host keys that are trusted. Cheap to clone; all clones are one.
#[derive(Debug, Clone)]
pub struct HostKeys {
    shared: Arc<Shared>,
    orders: Sender<Order>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    pins: HashMap<String, Pin>,
    /// Components whose pin was set here and is not in the file yet, so that reading it again never forgets them.
    unsaved: HashSet<String>,
    shown: HashMap<String, Shown>,
    keeping: Keeping,
    /// Whether the file has been read since the start.
    was_read: bool,
}

impl State {
    /// The file was read at last. What it says outranks what was believed on first contact meanwhile; a host that showed
    /// another key than the pinned one is closed from now on. Gives the components whose first contact was wrong.
    fn recall(&mut self, pins: HashMap<String, Pin>) -> Vec<String> {
        self.was_read = true;
        let mut wrong = Vec::new();
        for (name, pin) in pins {
            if self.pins.get(&name).is_some_and(|ours| ours.accepted || *ours == pin) {
                continue;
            }
            if let (Some(shown), Some(pinned)) = (self.shown.get_mut(&name), &pin.key)
                && shown.key.key_data() != pinned.key_data()
                && self.pins.contains_key(&name)
            {
                shown.refused = Some((judge::fingerprint(pinned), judge::fingerprint(&shown.key)));
                wrong.push(name.clone());
            }
            self.unsaved.remove(&name);
            self.pins.insert(name, pin);
        }
        wrong
    }
}

/// What a host showed when it was last looked at.
#[derive(Debug, Clone)]
struct Shown {
    key: PublicKey,
    /// `Some` where it was not trusted: what would have been, and what was shown.
    refused: Option<(String, String)>,
}

/// Whether what is pinned is also on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keeping {
    /// All of it.
    Kept,
    /// Not all: these components' keys are known until this process ends. They are tried again every few seconds.
    MemoryOnly {
        /// The file and what it said.
        why: String,
        /// Whose keys.
        components: Vec<String>,
    },
}

/// What is known of a component's host key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostKeyState {
    /// It was not seen yet, and nothing is pinned.
    Unknown,
    /// A key is pinned, or the last one seen was trusted.
    Trusted {
        /// `SHA256:…`
        fingerprint: String,
    },
    /// The last one seen was not trusted: the doors to this component are closed until a person acts.
    Changed {
        /// What is trusted.
        pinned: String,
        /// What was shown.
        shown: String,
    },
}

/// Why the host key file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum HostKeysError {
    /// It exists and can't be read. Trusting nothing would close all doors, trusting anything would open them to
    /// anyone, so a person has to look.
    #[error("host key file {} can't be read; mend it, or move it away to pin every host anew", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// No thread could be started.
    #[error("the thread that keeps host keys can't be started")]
    Thread {
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Why no key was accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AcceptError {
    /// This process was shown no key of that component that it does not trust already.
    #[error(
        "{component} has shown no new host key to this process; use one of its doors first, then accept what it shows"
    )]
    NothingShown {
        /// The component.
        component: String,
    },
    /// Between looking and accepting, the host showed yet another key.
    #[error(
        "{component} shows another key now ({shown}) than the one that was accepted ({expected}); nothing was changed: compare again"
    )]
    ShowsAnother {
        /// The component.
        component: String,
        /// What the person saw.
        expected: String,
        /// What is shown now.
        shown: String,
    },
}

impl HostKeys {
    /// Opens the file, which need not exist yet; nor need its directory, until the first pin.
    ///
    /// # Errors
    /// [`HostKeysError`] where it exists and can't be read.
    pub fn open(path: &Path) -> Result<Self, HostKeysError> {
        let text = keeper::read(path)
            .map_err(|source| HostKeysError::Unreadable { path: path.to_owned(), source })?;
        let (keys, _first) = Self::start(path, Some(text))?;
        Ok(keys)
    }

    /// As [`Self::open`], and waits for the disk at most so long. Where it does not answer, hosts are judged by the fleet file alone
    /// until it does, [`Self::keeping`] says so, and a key that was believed meanwhile and is not the pinned one closes its doors then.
    /// Blocks.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_within(path: &Path, deadline: Duration) -> Result<Self, HostKeysError> {
        let (keys, first) = Self::start(path, None)?;
        match first.recv_timeout(deadline) {
            Ok(Ok(())) => Ok(keys),
            Ok(Err(source)) => Err(HostKeysError::Unreadable { path: path.to_owned(), source }),
            Err(_silent) => {
                let why = format!(
                    "{}: the disk did not answer in {deadline:?}; pinned keys are not known until it does, and a host is believed \
                     as if it were new unless the fleet file names its key",
                    path.display()
                );
                tracing::error!(%why, "host keys cannot be read");
                let mut state = lock(&keys.shared.state);
                // It may have answered in this very moment.
                if !state.was_read {
                    state.keeping = Keeping::MemoryOnly { why, components: Vec::new() };
                }
                drop(state);
                Ok(keys)
            }
        }
    }

    fn start(path: &Path, text: Option<String>) -> Result<(Self, Receiver<io::Result<()>>), HostKeysError> {
        let state = State {
            pins: text.as_deref().map(file::parse).unwrap_or_default(),
            was_read: text.is_some(),
            unsaved: HashSet::new(),
            shown: HashMap::new(),
            keeping: Keeping::Kept,
        };
        let shared = Arc::new(Shared { state: Mutex::new(state) });
        let (orders, first) =
            keeper::start(path.to_owned(), &shared).map_err(|source| HostKeysError::Thread { source })?;
        Ok((Self { shared, orders }, first))
    }

    /// Pins the key that the component showed last, as a person's decision: it is trusted from now on whatever the
    /// policy says. Returns its fingerprint. Whether the disk has it too, [`Self::keeping`] tells.
    ///
    /// # Errors
    /// [`AcceptError::NothingShown`].
    pub fn accept(&self, component: &str) -> Result<String, AcceptError> {
        self.accept_if(component, |_| Ok(()))
    }

    /// Like [`Self::accept`], but only the key with this fingerprint, the one that the person looked at.
    ///
    /// # Errors
    /// [`AcceptError`].
    pub fn accept_shown(&self, component: &str, fingerprint: &str) -> Result<String, AcceptError> {
        self.accept_if(component, |shown| {
            if shown == fingerprint {
                return Ok(());
            }
            Err(AcceptError::ShowsAnother {
                component: component.to_owned(),
                expected: fingerprint.to_owned(),
                shown: shown.to_owned(),
            })
        })
    }

    fn accept_if(
        &self,
        component: &str,
        check: impl FnOnce(&str) -> Result<(), AcceptError>,
    ) -> Result<String, AcceptError> {
        let mut state = lock(&self.shared.state);
        let shown = state.shown.get(component).filter(|shown| shown.refused.is_some());
        let Some(key) = shown.map(|shown| shown.key.clone()) else {
            return Err(AcceptError::NothingShown { component: component.to_owned() });
        };
        let fingerprint = judge::fingerprint(&key);
        check(&fingerprint)?;
        state.shown.insert(component.to_owned(), Shown { key: key.clone(), refused: None });
        self.pin(&mut state, component, Pin { key: Some(key), accepted: true });
        Ok(fingerprint)
    }

    /// What is known of a component's key.
    #[must_use]
    pub fn state(&self, component: &str) -> HostKeyState {
        let state = lock(&self.shared.state);
        if let Some(shown) = state.shown.get(component) {
            return match &shown.refused {
                Some((pinned, shown)) => {
                    HostKeyState::Changed { pinned: pinned.clone(), shown: shown.clone() }
                }
                None => HostKeyState::Trusted { fingerprint: judge::fingerprint(&shown.key) },
            };
        }
        match state.pins.get(component).and_then(|pin| pin.key.as_ref()) {
            Some(key) => HostKeyState::Trusted { fingerprint: judge::fingerprint(key) },
            None => HostKeyState::Unknown,
        }
    }

    /// The fingerprint of the untrusted key that the component showed last: what [`Self::accept`] would accept.
    #[must_use]
    pub fn shown(&self, component: &str) -> Option<String> {
        let state = lock(&self.shared.state);
        let shown = state.shown.get(component).filter(|shown| shown.refused.is_some())?;
        Some(judge::fingerprint(&shown.key))
    }

    /// Whether what is pinned is also on disk.
    #[must_use]
    pub fn keeping(&self) -> Keeping {
        lock(&self.shared.state).keeping.clone()
    }

    /// Waits until everything pinned so far was written or could not be, at most `wait`, and says which. A process that
    /// is about to end after [`Self::accept`] has to call this, or the decision may die with it.
    pub async fn settled(&self, wait: Duration) -> Keeping {
        self.reload(wait).await;
        self.keeping()
    }

    /// Judges what a host shows, pins a first key where the policy says so, and remembers what was shown.
    pub(crate) async fn meet(
        &self,
        component: &str,
        policy: &HostKeyPolicy,
        principals: &[String],
        shown: &PublicKeyOrCertificate,
    ) -> Result<(), (String, String)> {
        if self.judge(component, policy, principals, shown) != Verdict::Trusted {
            // Another process of ours may have pinned or accepted it since.
            self.reload(RELOAD_WAIT).await;
        }
        let verdict = self.judge(component, policy, principals, shown);
        let mut state = lock(&self.shared.state);
        let key = shown.public_key();
        match verdict {
            Verdict::Trusted => {
                state.shown.insert(component.to_owned(), Shown { key, refused: None });
                Ok(())
            }
            Verdict::TrustAndPin => {
                tracing::info!(component, fingerprint = judge::fingerprint(&key), "pinned on first contact");
                state.shown.insert(component.to_owned(), Shown { key: key.clone(), refused: None });
                self.pin(&mut state, component, Pin { key: Some(key), accepted: false });
                Ok(())
            }
            Verdict::Not { pinned, shown } => {
                tracing::warn!(component, pinned, shown, "host key is not the trusted one");
                let refused = (pinned, shown);
                state.shown.insert(component.to_owned(), Shown { key, refused: Some(refused.clone()) });
                Err(refused)
            }
        }
    }

    /// The algorithm of the key that is pinned: asking for another one would look like a changed key.
    pub(crate) fn pinned_algorithm(&self, component: &str) -> Option<Algorithm> {
        let state = lock(&self.shared.state);
        state.pins.get(component)?.key.as_ref().map(PublicKey::algorithm)
    }

    fn judge(
        &self,
        component: &str,
        policy: &HostKeyPolicy,
        principals: &[String],
        shown: &PublicKeyOrCertificate,
    ) -> Verdict {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let state = lock(&self.shared.state);
        judge::judge(policy, state.pins.get(component), principals, shown, now)
    }

    fn pin(&self, state: &mut State, component: &str, pin: Pin) {
        state.pins.insert(component.to_owned(), pin.clone());
        state.unsaved.insert(component.to_owned());
        // The thread is there as long as any clone is.
        let _ = self.orders.send(Order::Save(component.to_owned(), pin));
    }

    async fn reload(&self, wait: Duration) {
        let (reply, answer) = oneshot::channel();
        if self.orders.send(Order::Reload(reply)).is_ok() {
            let _ = tokio::time::timeout(wait, answer).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
    const OTHER: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAVwiEUehtd6W7H5aJTShDxsehscl8y/Di6S3HFgAcwk";

    fn pin(key: &str, accepted: bool) -> Pin {
        Pin { key: PublicKey::from_openssh(key).ok(), accepted }
    }

    #[test]
    fn what_was_believed_while_the_file_could_not_be_read_gives_way_to_what_it_says() {
        let shown = |key: &str| Shown { key: PublicKey::from_openssh(key).unwrap(), refused: None };
        let named = |names: &[(&str, &str, bool)]| -> HashMap<String, Pin> {
            names.iter().map(|(name, key, accepted)| ((*name).to_owned(), pin(key, *accepted))).collect()
        };
        let mut state = State {
            pins: named(&[("same", KEY, false), ("wrong", OTHER, false), ("accepted", OTHER, true)]),
            unsaved: ["same", "wrong", "accepted"].map(str::to_owned).into(),
            shown: [("same", KEY), ("wrong", OTHER), ("accepted", OTHER)]
                .map(|(name, key)| (name.to_owned(), shown(key)))
                .into(),
            keeping: Keeping::Kept,
            was_read: false,
        };
        let file = named(&[
            ("same", KEY, false),
            ("wrong", KEY, false),
            ("accepted", KEY, false),
            ("new", KEY, true),
        ]);
        assert_eq!(state.recall(file), ["wrong"]);
        assert!(state.was_read && !state.unsaved.contains("wrong"));
        assert!(state.shown["wrong"].refused.is_some(), "its doors close");
        assert!(state.shown["same"].refused.is_none() && state.shown["accepted"].refused.is_none());
        assert_eq!(state.pins["wrong"], pin(KEY, false), "the file is not written over");
        assert_eq!(state.pins["accepted"], pin(OTHER, true), "a person's decision is newer");
        assert_eq!(state.pins["new"], pin(KEY, true));
    }
}
