//! A connection that is made anew for one look at a door and shared with nobody: what a held connection still lets through says
//! nothing about whether the next log-in will work.
//!
//! It asks what a client may ask, and what it should not get: a terminal, a way on into the host's network.

use crate::ask::{Captured, Chunk};
use crate::connection::Connection;
use crate::dial::Failure;
use crate::end::{End, Stage, Stopped};
use crate::run::{self, Times};
use russh::{ChannelMsg, ChannelOpenFailure};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Chunks that wait for their reader.
const CHUNKS: usize = 16;
/// What a forwarding is asked to lead to: the host's own loopback and a port on which nothing can listen.
const NOWHERE: (&str, u32) = ("127.0.0.1", 0);

/// What came of asking for something that a door should not give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// It is not given.
    Denied,
    /// It is.
    Granted,
    /// Neither was seen, and why.
    Unclear(String),
}

/// A connection of one's own through a door. It ends when this is dropped.
pub struct Fresh {
    connection: Arc<Connection>,
}

impl std::fmt::Debug for Fresh {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fresh").field("address", &self.connection.address).finish_non_exhaustive()
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        Arc::clone(&self.connection).hang_up();
    }
}

impl Fresh {
    pub(crate) const fn new(connection: Arc<Connection>) -> Self {
        Self { connection }
    }

    /// Sends one command, once, and keeps up to `limit` bytes of each output.
    pub async fn capture(&self, command: &str, deadline: Duration, limit: usize) -> (End, Captured) {
        let times = Times::new(deadline);
        let opened = match timeout(deadline, self.connection.open()).await {
            Ok(Ok(Ok(opened))) => opened,
            Ok(Ok(Err(none))) => return (Failure::from(none).into(), Captured::default()),
            Ok(Err(_)) => {
                let reason = "the connection was given up".to_owned();
                return (End::Unreachable { reason }, Captured::default());
            }
            Err(_) => {
                let end = End::TimedOut { stage: Stage::Open, stopped: Stopped::NotStarted };
                return (end, Captured::default());
            }
        };
        let (chunks, mut taken) = mpsc::channel::<Chunk>(CHUNKS);
        let keep = async {
            let mut captured = Captured::default();
            while let Some(chunk) = taken.recv().await {
                captured.take(&chunk, limit);
            }
            captured
        };
        let (end, captured) = tokio::join!(run::run(opened, command.to_owned(), times, chunks), keep);
        let unsent =
            |_| End::Unreachable { reason: "the connection broke before the command was sent".to_owned() };
        (end.unwrap_or_else(unsent), captured)
    }

    /// Whether the door gives a terminal. One that was given is taken back at once; nothing is run in it.
    pub async fn terminal(&self, deadline: Duration) -> Asked {
        let asked = async {
            let Ok(Ok(mut opened)) = self.connection.open().await else {
                return Asked::Unclear("no channel was given to ask on".to_owned());
            };
            let sent = opened.writer.request_pty(true, "dumb", 80, 24, 0, 0, &[]).await;
            let answer = loop {
                match opened.reader.wait().await {
                    _ if sent.is_err() => break Asked::Unclear(self.connection.broke()),
                    Some(ChannelMsg::Success) => break Asked::Granted,
                    Some(ChannelMsg::Failure) => break Asked::Denied,
                    Some(_) => {}
                    None => break Asked::Unclear(self.connection.broke()),
                }
            };
            tokio::spawn(opened.close());
            answer
        };
        timeout(deadline, asked).await.unwrap_or_else(|_| Asked::Unclear("no answer in time".to_owned()))
    }

    /// Whether the door lets a connection through to the host's network. It leads nowhere: to a port that no program can have.
    pub async fn forwarding(&self, deadline: Duration) -> Asked {
        match timeout(deadline, self.connection.forward(NOWHERE)).await {
            Ok(Err(russh::Error::ChannelOpenFailure(
                ChannelOpenFailure::AdministrativelyProhibited | ChannelOpenFailure::UnknownChannelType,
            ))) => Asked::Denied,
            // It tried: that the port is dead is no merit of the door's.
            Ok(Err(russh::Error::ChannelOpenFailure(ChannelOpenFailure::ConnectFailed)) | Ok(())) => {
                Asked::Granted
            }
            Ok(Err(error)) => Asked::Unclear(error.to_string()),
            Err(_) => Asked::Unclear("no answer in time".to_owned()),
        }
    }
}
