//! The Unix socket of one turn: who may speak there is decided by the kernel's word about the peer, not by a secret that
//! could be read somewhere.

use super::TurnServer;
use breakglass_recovery::turn::Says;
use rmcp::ServiceExt as _;
use rustix::fs::{Gid, Uid, chown};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// An agent needs one connection; more than this are refused.
const CONNECTIONS: usize = 4;
/// So many strangers are told in the turn; the log has them all.
const TOLD: u32 = 3;
/// No family tree of an agent is deeper.
const GENERATIONS: usize = 32;

/// A listening socket that belongs to a turn.
pub(crate) struct TurnSocket {
    listener: UnixListener,
    uid: u32,
}

impl TurnSocket {
    /// Makes it, for processes of the user `uid`. The directory has to be private already.
    pub(crate) fn bind(path: &Path, uid: u32, gid: u32) -> io::Result<Self> {
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        if uid != rustix::process::geteuid().as_raw() {
            chown(path, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
        }
        Ok(Self { listener, uid })
    }

    /// Serves the tools to the process `ancestor` and what it started, until dropped. That a stranger came is told in the turn.
    pub(crate) async fn serve(self, ancestor: u32, server: TurnServer, says: mpsc::Sender<Says>) {
        let mut served = JoinSet::new();
        let mut strangers = 0;
        loop {
            let stream = tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => stream,
                    Err(error) => {
                        tracing::warn!(%error, "a connection to a turn's tools could not be taken");
                        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                        continue;
                    }
                },
                Some(_) = served.join_next() => continue,
            };
            match self.refusal(&stream, ancestor) {
                Some(why) => {
                    tracing::warn!(why, "a stranger at a turn's tools was turned away");
                    strangers += 1;
                    if strangers <= TOLD {
                        // Nobody waits for it: a turn that is busy talking has it in the log alone.
                        let _ = says.try_send(Says::Note(format!(
                            "Somebody on this machine knocked at this turn's tools and was turned away ({why}). Nothing was done."
                        )));
                    }
                }
                None if served.len() >= CONNECTIONS => {
                    tracing::warn!("too many connections to a turn's tools")
                }
                None => {
                    let server = server.clone();
                    served.spawn(async move {
                        if let Ok(running) = server.serve(stream.into_split()).await {
                            let _ = running.waiting().await;
                        }
                    });
                }
            }
        }
    }

    fn refusal(&self, stream: &UnixStream, ancestor: u32) -> Option<&'static str> {
        let Ok(peer) = stream.peer_cred() else { return Some("the kernel does not say who it is") };
        if peer.uid() != self.uid {
            return Some("another user");
        }
        let pid = peer.pid().and_then(|pid| u32::try_from(pid).ok());
        let related = pid.is_some_and(|pid| descends(pid, ancestor));
        (!related).then_some("no process of this turn")
    }
}

/// Whether a process is `ancestor` or was started by it, by the kernel's table of parents.
fn descends(pid: u32, ancestor: u32) -> bool {
    let mut pid = pid;
    for _ in 0..GENERATIONS {
        if pid == ancestor {
            return true;
        }
        match parent(pid) {
            Some(parent) if parent > 1 => pid = parent,
            _ => return false,
        }
    }
    false
}

fn parent(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold anything, a closing parenthesis included: what follows the last one is ours to read.
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_descends_and_a_stranger_does_not() {
        let own = std::process::id();
        assert!(descends(own, own));
        assert!(descends(own, parent(own).unwrap()));
        assert!(!descends(parent(own).unwrap(), own));
        assert!(!descends(0, own));
    }
}
