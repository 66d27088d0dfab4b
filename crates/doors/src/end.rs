//! How a request through a door ended: one type, six ends, each with a sentence for whoever is woken by it.
//!
//! The line that matters most runs between "nothing was sent" and "it was sent and nobody saw how it ended". Every
//! end stands plainly on one side of it ([`End::was_sent`]).

use std::fmt;

/// How far a request had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// No connection yet.
    Connect,
    /// Connected; no SSH banner yet.
    Banner,
    /// The key exchange.
    KeyExchange,
    /// The log-in.
    Authenticate,
    /// Logged in; no channel for the command yet.
    Open,
    /// The command was sent.
    Run,
}

impl Stage {
    /// What was being waited for, as the end of "while …".
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connecting",
            Self::Banner => "waiting for an SSH banner",
            Self::KeyExchange => "agreeing on keys",
            Self::Authenticate => "logging in",
            Self::Open => "opening a channel",
            Self::Run => "the command ran",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether the remote command is over, after a deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stopped {
    /// It was killed, and its end was seen.
    Confirmed,
    /// It was told to end and its end was not seen: it may still run.
    NotConfirmed,
    /// It was never sent.
    NotStarted,
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The command ran and its end was seen.
    Finished {
        /// Its exit code, where it exited.
        exit: Option<u32>,
        /// The signal that ended it, without `SIG`, where one did.
        signal: Option<String>,
        /// From the request to the end, in milliseconds.
        millis: u64,
    },
    /// The far end, or this side, would not: log-in refused, channel refused, no such door, no such key. Nothing ran.
    Refused {
        /// By whom and why, and what to do.
        reason: String,
    },
    /// The deadline came first.
    TimedOut {
        /// How far it had come.
        stage: Stage,
        /// Whether the command is over.
        stopped: Stopped,
    },
    /// No way there: every address failed, or no connection could be made to the end. Nothing ran.
    Unreachable {
        /// What each address said.
        reason: String,
    },
    /// The line broke after the command was sent: it may have run, in part or whole, and may still run.
    LineLost {
        /// What broke.
        reason: String,
    },
    /// The host showed a key other than the one that is trusted. The door is closed. Nothing ran.
    HostKeyChanged {
        /// The component whose key it is.
        host: String,
        /// What is trusted: a fingerprint, or an authority.
        pinned: String,
        /// What was shown.
        shown: String,
    },
}

impl End {
    /// Whether the command ended by itself with exit code 0.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        matches!(self, Self::Finished { exit: Some(0), .. })
    }

    /// Whether the command may have reached the far end. `false` is a promise: it did not, so asking again is safe.
    #[must_use]
    pub fn was_sent(&self) -> bool {
        match self {
            Self::Finished { .. } | Self::LineLost { .. } => true,
            Self::TimedOut { stopped, .. } => *stopped != Stopped::NotStarted,
            Self::Refused { .. } | Self::Unreachable { .. } | Self::HostKeyChanged { .. } => false,
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Finished { exit: Some(0), millis, .. } => write!(f, "done in {millis} ms"),
            Self::Finished { exit: Some(code), millis, .. } => {
                write!(f, "ended with exit code {code} after {millis} ms")
            }
            Self::Finished { signal: Some(signal), millis, .. } => {
                write!(f, "ended by signal {signal} after {millis} ms")
            }
            Self::Finished { millis, .. } => {
                write!(f, "ended after {millis} ms without saying how; look at what it should have done")
            }
            Self::Refused { reason } => write!(f, "refused, nothing ran: {reason}"),
            Self::TimedOut { stage, stopped: Stopped::NotStarted } => {
                write!(f, "out of time while {stage}; the command was not sent, so trying again is safe")
            }
            Self::TimedOut { stopped: Stopped::Confirmed, .. } => {
                f.write_str("out of time while the command ran; it was killed, and its end was seen")
            }
            Self::TimedOut { .. } => f.write_str(
                "out of time while the command ran; its end was not seen, so it may still be running: look before \
                 you repeat it",
            ),
            Self::Unreachable { reason } => write!(f, "unreachable, nothing ran: {reason}"),
            Self::LineLost { reason } => write!(
                f,
                "the line broke after the command was sent ({reason}); it may have run and may still run: look \
                 before you repeat it"
            ),
            Self::HostKeyChanged { host, pinned, shown } => write!(
                f,
                "the door is closed and nothing ran: the host key of {host} is not the trusted one (trusted: {pinned}; \
                 shown: {shown}). If {host} was rebuilt, a person accepts the new key in the page or with \
                 `breakglass accept-host-key {host}`; if not, somebody may stand in between: compare the fingerprint \
                 on its console first"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_says_whether_it_was_sent() {
        let not_sent = [
            End::Refused { reason: String::new() },
            End::Unreachable { reason: String::new() },
            End::TimedOut { stage: Stage::Open, stopped: Stopped::NotStarted },
            End::HostKeyChanged { host: "pve".into(), pinned: "a".into(), shown: "b".into() },
        ];
        for end in not_sent {
            assert!(!end.was_sent(), "{end}");
            assert!(end.to_string().contains("nothing ran") || end.to_string().contains("not sent"), "{end}");
        }
        let sent = [
            End::LineLost { reason: String::new() },
            End::TimedOut { stage: Stage::Run, stopped: Stopped::NotConfirmed },
        ];
        for end in sent {
            assert!(end.was_sent(), "{end}");
            assert!(end.to_string().contains("look before you repeat it"), "{end}");
        }
    }
}
