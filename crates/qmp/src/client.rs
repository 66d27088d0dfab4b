//! Framing: one JSON object a line, answers matched to commands by id, events set aside.
//!
//! Knows no command by name except the one that leaves negotiation; those are in `commands`.

use crate::QmpError;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io::{Read, Write};

/// The longest line taken from QEMU. `query-block` of a VM with dozens of disks and backing chains is far below it.
const LINE_LIMIT: usize = 1024 * 1024;
/// Events kept for the caller; the oldest go first.
const EVENTS_KEPT: usize = 64;
/// An event whose line is longer keeps its name and loses its data, so that a flood of them stays small.
const EVENT_DATA_LIMIT: usize = 16 * 1024;
/// Lines that may come before the answer to a command, so that a stream without a deadline ends too.
const SKIPPED_LIMIT: usize = 10_000;

/// The one command that a monitor takes after its greeting.
const LEAVE_NEGOTIATION: &str = "qmp_capabilities";

/// What QEMU says of itself when a client connects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Greeting {
    /// Major version of QEMU.
    pub major: u32,
    /// Minor version.
    pub minor: u32,
    /// Micro version.
    pub micro: u32,
    /// The packager's version text; may be empty.
    pub package: String,
}

/// Something that QEMU told without being asked.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Event {
    /// Its name, such as `SHUTDOWN` or `BLOCK_IO_ERROR`.
    #[serde(rename = "event")]
    pub name: String,
    /// What it carries; null where it carries nothing or too much.
    #[serde(default)]
    pub data: Value,
}

/// One connection to one monitor, ready for commands.
#[derive(Debug)]
pub struct Client<S> {
    stream: S,
    greeting: Greeting,
    received: Vec<u8>,
    events: VecDeque<Event>,
    events_lost: u64,
    last_id: u64,
    /// Commands that were sent before their answers are asked for, with their ids, in the order of their answers.
    ahead: VecDeque<(String, u64)>,
}

impl<S: Read + Write> Client<S> {
    /// Reads the greeting and leaves capability negotiation.
    ///
    /// # Errors
    /// [`QmpError`]: the stream ended or timed out, or what answers is no monitor.
    pub fn connect(stream: S) -> Result<Self, QmpError> {
        let nobody = Greeting { major: 0, minor: 0, micro: 0, package: String::new() };
        let mut client = Self {
            stream,
            greeting: nobody,
            received: Vec::new(),
            events: VecDeque::new(),
            events_lost: 0,
            last_id: 0,
            ahead: VecDeque::new(),
        };
        client.greeting = parse_greeting(&client.read_line("the greeting")?)?;
        client.execute::<Value>(LEAVE_NEGOTIATION)?;
        Ok(client)
    }

    /// What QEMU said of itself.
    pub const fn greeting(&self) -> &Greeting {
        &self.greeting
    }

    /// The stream, for a caller who moves its deadline.
    pub const fn stream_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    /// The events that came so far, oldest first; they are handed over and forgotten.
    pub fn take_events(&mut self) -> Vec<Event> {
        self.events.drain(..).collect()
    }

    /// How many events were dropped since more came than are kept.
    pub const fn events_lost(&self) -> u64 {
        self.events_lost
    }

    /// Waits for the next event, one that was set aside first.
    ///
    /// # Errors
    /// [`QmpError`], a deadline of the stream above all.
    pub fn next_event(&mut self) -> Result<Event, QmpError> {
        for _ in 0..SKIPPED_LIMIT {
            if let Some(event) = self.events.pop_front() {
                return Ok(event);
            }
            let line = self.read_line("an event")?;
            self.sort_out("an event", 0, &line)?;
        }
        Err(too_much("an event"))
    }

    /// Sends commands without arguments now, in one piece; their answers are read by [`Client::execute`], which must be
    /// called with the same commands in the same order. Saves waking QEMU for each.
    ///
    /// # Errors
    /// [`QmpError`]: they could not be sent.
    pub fn send_ahead(&mut self, commands: &[&str]) -> Result<(), QmpError> {
        let mut lines = String::new();
        for &command in commands {
            self.last_id += 1;
            self.ahead.push_back((command.to_owned(), self.last_id));
            lines.push_str(&json!({ "execute": command, "id": self.last_id }).to_string());
            lines.push('\n');
        }
        self.send("commands", &lines)
    }

    fn send(&mut self, during: &str, text: &str) -> Result<(), QmpError> {
        self.stream
            .write_all(text.as_bytes())
            .and_then(|()| self.stream.flush())
            .map_err(|source| QmpError::from_io(during, source))
    }

    /// Runs a command that takes no arguments and reads its answer as `T`.
    ///
    /// # Errors
    /// [`QmpError`]: after [`QmpError::TimedOut`] the connection is still usable, and whether QEMU carried the
    /// command out is unknown.
    pub fn execute<T: DeserializeOwned>(&mut self, command: &str) -> Result<T, QmpError> {
        self.execute_with(command, Value::Null)
    }

    /// Runs a command with arguments (an object, or null for none) and reads its answer as `T`.
    ///
    /// # Errors
    /// As [`Client::execute`].
    pub fn execute_with<T: DeserializeOwned>(
        &mut self,
        command: &str,
        arguments: Value,
    ) -> Result<T, QmpError> {
        let id = match self.ahead.pop_front() {
            Some((sent, id)) if sent == command && arguments.is_null() => id,
            _ => {
                // Whatever else was sent ahead is not waited for any more; its answers are dropped as they come.
                self.ahead.clear();
                self.last_id += 1;
                let mut request = json!({ "execute": command, "id": self.last_id });
                if let (Value::Object(fields), false) = (&mut request, arguments.is_null()) {
                    fields.insert("arguments".to_owned(), arguments);
                }
                self.send(command, &format!("{request}\n"))?;
                self.last_id
            }
        };
        for _ in 0..SKIPPED_LIMIT {
            let line = self.read_line(command)?;
            if let Some(answer) = self.sort_out(command, id, &line)? {
                return read_answer(command, answer);
            }
        }
        Err(too_much(command))
    }

    /// Sets an event aside and drops the late answer to a command that was given up; what is left is the answer to
    /// the command with this id.
    fn sort_out(&mut self, during: &str, id: u64, line: &[u8]) -> Result<Option<Answer>, QmpError> {
        match serde_json::from_slice(line) {
            Ok(Message::Event(event)) => {
                self.keep(event, line.len());
                Ok(None)
            }
            // An answer without an id is QEMU's to a line that it could not even parse.
            Ok(Message::Answer(answer)) if answer.id.is_none_or(|of| of == id) => Ok(Some(answer)),
            Ok(Message::Answer(_)) => Ok(None),
            Ok(Message::GreetedAgain { .. }) => self.leave_negotiation_again().map(|()| None),
            Err(error) => Err(garbage(during, format!("{error} in {}", excerpt(line)))),
        }
    }

    /// A QEMU that is just starting can greet twice: its monitor's own thread installs the handlers, and so tells
    /// "open", while its main thread accepts the first client and tells the same (`monitor_qmp_event` in
    /// `monitor/qmp.c`). Each greeting puts the monitor back into negotiation, so we leave it again. The answer is
    /// dropped like a late one, and where negotiation had not begun anew it is a refusal that hurts nobody.
    fn leave_negotiation_again(&mut self) -> Result<(), QmpError> {
        self.last_id += 1;
        let request = json!({ "execute": LEAVE_NEGOTIATION, "id": self.last_id });
        self.send(LEAVE_NEGOTIATION, &format!("{request}\n"))
    }

    fn keep(&mut self, mut event: Event, line_length: usize) {
        if line_length > EVENT_DATA_LIMIT {
            event.data = Value::Null;
            event.name.truncate(event.name.floor_char_boundary(64));
        }
        if self.events.len() >= EVENTS_KEPT {
            self.events.pop_front();
            self.events_lost += 1;
        }
        self.events.push_back(event);
    }

    /// One line without its end. What was read beyond it, or of it before a timeout, stays for the next call.
    fn read_line(&mut self, during: &str) -> Result<Vec<u8>, QmpError> {
        let mut searched = 0;
        loop {
            let unsearched = self.received.get(searched..).unwrap_or_default();
            if let Some(end) = unsearched.iter().position(|&b| b == b'\n') {
                let rest = self.received.split_off(searched + end + 1);
                let mut line = std::mem::replace(&mut self.received, rest);
                while matches!(line.last(), Some(b'\n' | b'\r')) {
                    line.pop();
                }
                return Ok(line);
            }
            searched = self.received.len();
            if searched > LINE_LIMIT {
                return Err(garbage(during, format!("a line longer than {LINE_LIMIT} bytes")));
            }
            self.read_more(during)?;
        }
    }

    fn read_more(&mut self, during: &str) -> Result<(), QmpError> {
        let mut chunk = [0_u8; 16 * 1024];
        loop {
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(QmpError::Closed { during: during.to_owned() }),
                Ok(length) => {
                    self.received.extend_from_slice(chunk.get(..length).unwrap_or_default());
                    return Ok(());
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(QmpError::from_io(during, error)),
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Message {
    Event(Event),
    GreetedAgain {
        #[serde(rename = "QMP")]
        _greeting: IgnoredAny,
    },
    Answer(Answer),
}

#[derive(Deserialize)]
struct Answer {
    id: Option<u64>,
    #[serde(rename = "return")]
    returned: Option<Value>,
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    class: String,
    desc: String,
}

fn read_answer<T: DeserializeOwned>(command: &str, answer: Answer) -> Result<T, QmpError> {
    match (answer.error, answer.returned) {
        (Some(refusal), _) => {
            Err(QmpError::Refused { command: command.to_owned(), class: refusal.class, desc: refusal.desc })
        }
        (None, Some(value)) => {
            serde_json::from_value(value).map_err(|error| garbage(command, error.to_string()))
        }
        (None, None) => Err(garbage(command, "an object that is neither answer, error nor event".to_owned())),
    }
}

fn parse_greeting(line: &[u8]) -> Result<Greeting, QmpError> {
    let value: Value = serde_json::from_slice(line)
        .map_err(|error| garbage("the greeting", format!("{error} in {}", excerpt(line))))?;
    let version = value.pointer("/QMP/version").ok_or_else(|| garbage("the greeting", excerpt(line)))?;
    let number = |at: &str| {
        version.pointer(at).and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok()).unwrap_or(0)
    };
    Ok(Greeting {
        major: number("/qemu/major"),
        minor: number("/qemu/minor"),
        micro: number("/qemu/micro"),
        package: version.pointer("/package").and_then(Value::as_str).unwrap_or_default().to_owned(),
    })
}

fn garbage(during: &str, why: String) -> QmpError {
    QmpError::Garbage { during: during.to_owned(), why }
}

fn too_much(during: &str) -> QmpError {
    garbage(during, format!("{SKIPPED_LIMIT} lines without an answer"))
}

/// The beginning of a line in printable form.
fn excerpt(line: &[u8]) -> String {
    let head = line.get(..80).unwrap_or(line);
    format!("`{}`", head.escape_ascii())
}

#[cfg(test)]
mod tests;
