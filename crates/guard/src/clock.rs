//! The one place that reads the wall clock.

use breakglass_protocol::Timestamp;
use std::time::{SystemTime, UNIX_EPOCH};

/// Now, in UTC. A clock before 1970 reads as 1970.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
