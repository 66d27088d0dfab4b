//! The times and counts within which doors work. The defaults are for people; tests shorten them.

use std::time::Duration;

/// Times and counts of the doors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// After how long without an answer on a held connection a second one is dialled beside it.
    pub silent_after: Duration,
    /// How long one address is tried alone before the next is tried beside it.
    pub stagger: Duration,
    /// How long one attempt to connect and log in may take in all. Longer than any request's patience on purpose: a
    /// machine that thrashes needs it, and a log-in that succeeds late is the one that the next request will use.
    pub dial: Duration,
    /// How often a held connection is asked for a sign of life. Silence is noted and never ends a connection.
    pub ping: Duration,
    /// How many commands run on one connection at a time; OpenSSH allows ten sessions.
    pub channels_per_connection: usize,
    /// How many connections are held for one way in, silent ones included.
    pub connections_per_way: usize,
    /// The first pause after a failed attempt to warm a door; it doubles up to `warm_pause_max`.
    pub warm_pause: Duration,
    /// The longest pause between attempts to warm a door.
    pub warm_pause_max: Duration,
    /// The pause where the far end refused us or showed an untrusted key: knocking again soon changes nothing, and
    /// looks like an attack to whatever counts failed log-ins there and would then lock the rescuer out.
    pub warm_pause_refused: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            silent_after: Duration::from_millis(800),
            stagger: Duration::from_millis(250),
            dial: Duration::from_secs(30),
            ping: Duration::from_secs(10),
            channels_per_connection: 8,
            connections_per_way: 3,
            warm_pause: Duration::from_secs(1),
            warm_pause_max: Duration::from_secs(30),
            warm_pause_refused: Duration::from_secs(300),
        }
    }
}
