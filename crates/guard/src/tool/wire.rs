//! The way to a QEMU's monitor: its socket, or a hypervisor's tool that passes each command on where a daemon keeps
//! the one connection to itself.

use super::{Does, Said, ask};
use breakglass_qmp::{Client, Deadlined, QmpError};
use serde_json::{Value, json};
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::Instant;

/// One conversation's way.
#[derive(Debug)]
pub(crate) enum Wire {
    /// QEMU's own socket.
    Socket(Deadlined),
    /// Each command becomes the last word of a tool's command line, and the tool's output is the answer.
    Tool { words: Vec<String>, deadline: Instant, sent: Vec<u8>, answers: Vec<u8> },
}

impl Wire {
    /// Opens a conversation. `tool` is what goes before a command, where there is no socket to talk to.
    ///
    /// # Errors
    /// As [`Client::open`].
    pub(crate) fn open(
        socket: &Path,
        tool: Option<&[String]>,
        deadline: Instant,
    ) -> Result<Client<Self>, QmpError> {
        let wire = match tool {
            None => Deadlined::connect(socket, deadline).map(Self::Socket).map_err(|source| {
                let during = "connecting".to_owned();
                match source.kind() {
                    io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => QmpError::TimedOut { during },
                    _ => QmpError::Stream { during, source },
                }
            })?,
            // The daemon has read the real greeting; what the client needs of it is that there was one.
            Some(words) => Self::Tool {
                words: words.to_vec(),
                deadline,
                sent: Vec::new(),
                answers: b"{\"QMP\":{\"version\":{},\"capabilities\":[]}}\n".to_vec(),
            },
        };
        Client::connect(wire)
    }

    /// Moves the deadline, for what is asked from here on.
    pub(crate) fn set_deadline(&mut self, until: Instant) {
        match self {
            Self::Socket(socket) => socket.set_deadline(until),
            Self::Tool { deadline, .. } => *deadline = until,
        }
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Socket(socket) => socket.read(buffer),
            Self::Tool { answers, .. } => {
                let length = answers.as_slice().read(buffer)?;
                answers.drain(..length);
                Ok(length)
            }
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Socket(socket) => socket.write(bytes),
            Self::Tool { sent, .. } => sent.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        let Self::Tool { words, deadline, sent, answers } = self else { return Ok(()) };
        let mut command: Value = serde_json::from_slice(&std::mem::take(sent))?;
        // The daemon numbers commands by itself.
        let id = command.as_object_mut().and_then(|fields| fields.remove("id")).unwrap_or_default();
        let mut answer = if command.get("execute").is_some_and(|it| it == "qmp_capabilities") {
            json!({ "return": {} })
        } else {
            let words = [words.as_slice(), &[command.to_string()]].concat();
            match ask(Does::Tied, &words, *deadline) {
                Said::Yes(text) => serde_json::from_str(&text)?,
                Said::Late(_) => return Err(io::ErrorKind::TimedOut.into()),
                other => return Err(io::Error::other(other.text().err().unwrap_or_default())),
            }
        };
        if let Some(fields) = answer.as_object_mut() {
            fields.insert("id".to_owned(), id);
        }
        answers.extend_from_slice(format!("{answer}\n").as_bytes());
        Ok(())
    }
}
