//! What can go wrong between us and a monitor. Says what QEMU said, and decides nothing.

use std::io;

/// The end of an attempt to talk to a monitor.
#[derive(Debug, thiserror::Error)]
pub enum QmpError {
    /// QEMU closed the connection: it ended, or it threw this client out.
    #[error("QEMU closed the monitor connection while we waited for {during}")]
    Closed {
        /// What was waited for: `the greeting` or a command's name.
        during: String,
    },
    /// The stream's deadline passed. The process may be busy, hung, or serving another client on this monitor.
    #[error("QEMU's monitor did not answer {during} in time")]
    TimedOut {
        /// What was waited for: `the greeting` or a command's name.
        during: String,
    },
    /// QEMU understood the command and refused it.
    #[error("QEMU refused {command}: {desc} ({class})")]
    Refused {
        /// The command.
        command: String,
        /// QEMU's error class, such as `GenericError` or `CommandNotFound`.
        class: String,
        /// QEMU's own sentence.
        desc: String,
    },
    /// What came is not the protocol: no JSON, the wrong shape, or a line beyond the limit.
    #[error("the monitor answered {during} with something that is not QMP: {why}")]
    Garbage {
        /// What was waited for.
        during: String,
        /// What is wrong with it.
        why: String,
    },
    /// The operating system failed the stream in another way.
    #[error("the monitor connection failed during {during}")]
    Stream {
        /// What was being done.
        during: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl QmpError {
    /// Sorts an error of the stream into the three ways in which a stream ends.
    pub(crate) fn from_io(during: &str, source: io::Error) -> Self {
        let during = during.to_owned();
        match source.kind() {
            // A socket whose SO_RCVTIMEO passed says "would block".
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Self::TimedOut { during },
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted => Self::Closed { during },
            _ => Self::Stream { during, source },
        }
    }

    /// Whether it was the deadline: the process may yet be alive and merely not answer.
    #[must_use]
    pub const fn is_timeout(&self) -> bool {
        matches!(self, Self::TimedOut { .. })
    }
}
