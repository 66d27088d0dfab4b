//! How long is waited for what, in one place, so that tests can run the same rules faster.

use std::time::Duration;

/// The pace of notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// How long a target has to stay down before anybody is told: several that go down together become one notice, and
    /// what is over by then is none.
    pub gather: Duration,
    /// Within which time targets that go down too often count as flapping.
    pub flap_window: Duration,
    /// How often a target may go down within that before it counts as flapping.
    pub flaps: usize,
    /// How long a flapping target has to stay down before it is told once more.
    pub stays_down: Duration,
    /// How long a flapping target has to be well before it is told to be.
    pub stays_well: Duration,
    /// For how long after a hypervisor came back its guests may still be on their way up.
    pub waking: Duration,
    /// How long one try may take in all: name, connection, encryption, answer.
    pub attempt: Duration,
    /// The first pause after a try that failed; each later one is twice as long.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
    /// How old an event may be, at the start, for a receiver that was never told anything before.
    pub recent: Duration,
    /// How often due notices are looked for.
    pub tick: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        Self {
            gather: Duration::from_secs(5),
            flap_window: minutes(30),
            flaps: 3,
            stays_down: minutes(5),
            stays_well: minutes(15),
            waking: breakglass_recovery::Times::default().waking,
            attempt: Duration::from_secs(10),
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(60),
            recent: minutes(10),
            tick: Duration::from_secs(1),
        }
    }
}

/// Whether so much time lies between two moments.
pub(crate) fn passed(
    from: breakglass_protocol::Timestamp,
    now: breakglass_protocol::Timestamp,
    time: Duration,
) -> bool {
    u128::from(now.millis_since(from)) >= time.as_millis()
}
