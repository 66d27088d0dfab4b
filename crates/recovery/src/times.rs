//! How long the use cases wait for what. The defaults are for a real night; tests shorten them.

use std::time::Duration;

/// All waiting in one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// For so long a door that is not open yet may take to open before a verb is sent.
    pub reach: Duration,
    /// For so long the guard's acceptance of a verb is waited for.
    pub acceptance: Duration,
    /// For so long one line is listened to; what still runs then is asked for instead.
    pub listening: Duration,
    /// One question for the status, after a line was lost, may take this long.
    pub status: Duration,
    /// For so long after a lost line an acceptance may still come to light: sshd may start the guard late.
    pub may_still_appear: Duration,
    /// After so long without any answer it is said that the end was not learnt. Nothing is sent then either.
    pub give_up: Duration,
    /// The same for a door that opens and has no guard behind it.
    pub give_up_on_nonsense: Duration,
    /// For so long after a verb the target may take until it is well; then it is said that it is not.
    pub well_again: Duration,
    /// For so long after a hypervisor came back a guest that is down may still be on its way up: that is part of the hypervisor's
    /// incident and opens none of its own.
    pub waking: Duration,
    /// The doors of one target may take this long in all to be proven, or not.
    pub verify: Duration,
    /// For so long after its start the server proves nothing by itself: doors are being warmed and the past is resumed.
    pub canary_settle: Duration,
    /// Overdue proofs are spread over this much time, or over half the period where that is less.
    pub canary_spread: Duration,
    /// A failure counts when it is seen again after so long.
    pub canary_confirm: Duration,
    /// While doors of a target are not proven they are tried again after this, or after the period where that is less.
    pub canary_retry: Duration,
    /// So often it is looked whether a target that was left alone may be tried now.
    pub canary_put_off: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            reach: Duration::from_secs(15),
            acceptance: Duration::from_secs(20),
            listening: Duration::from_secs(15 * 60),
            status: Duration::from_secs(8),
            may_still_appear: Duration::from_secs(12),
            give_up: Duration::from_secs(30 * 60),
            give_up_on_nonsense: Duration::from_secs(60),
            well_again: Duration::from_secs(180),
            waking: Duration::from_secs(180),
            verify: Duration::from_secs(30),
            canary_settle: Duration::from_secs(60),
            canary_spread: Duration::from_secs(600),
            canary_confirm: Duration::from_secs(30),
            canary_retry: Duration::from_secs(15 * 60),
            canary_put_off: Duration::from_secs(20),
        }
    }
}
