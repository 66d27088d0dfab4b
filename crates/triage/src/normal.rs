//! What a target does when it is well, learnt from what a watch sees.
//!
//! Counters come at whatever interval the watch looks; what is learnt does not depend on it: rates are taken over
//! buckets of a least length, and quiet is measured from write to write. Only what was seen while the target was well
//! counts, and a stretch of quiet counts once a write ended it: a stall that nobody has noticed yet teaches nothing.

use crate::evidence::Normal;
use breakglass_protocol::{BlockSample, ProcessIdentity, Status, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Rates are taken over at least so long.
const BUCKET_MILLIS: u64 = 2_000;
/// So many buckets are remembered; at the watch's default interval, the last fifty minutes.
const REMEMBERED: usize = 600;
/// Fewer buckets than this are no normal.
const ENOUGH: usize = 5;

/// Learns one target's normal. Serialisable, so that a restart of the server forgets nothing; bounded in size.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct NormalLearner {
    /// Rates of whole buckets, oldest first.
    buckets: VecDeque<Bucket>,
    longest_quiet_millis: Option<u64>,
    last_well: Option<Timestamp>,
    refusing_port_refused: Option<bool>,
    /// The process that the counters below belong to.
    process: Option<ProcessIdentity>,
    /// Where the bucket that fills now began.
    bucket_from: Option<Counters>,
    /// The newest counters.
    newest: Option<Counters>,
    /// The interval in which the newest write was seen: its beginning and its end.
    last_write: Option<(Timestamp, Timestamp)>,
    /// Whether the quiet that lasts now was seen while the target was unwell: then it is no quiet of its own.
    unwell_quiet: bool,
    /// What the newest counters teach if the target turns out to have been well.
    pending: Pending,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Bucket {
    writes_per_second: f64,
    cpu_percent: f64,
    millis: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Counters {
    at: Timestamp,
    writes: u64,
    cpu_millis: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Pending {
    bucket: Option<Bucket>,
    quiet_millis: Option<u64>,
}

impl NormalLearner {
    /// Takes in the counters of a status. Whether they teach anything is said by [`Self::well`] afterwards.
    pub fn status(&mut self, status: &Status) {
        if status.process != self.process {
            self.forget_counters();
            self.process = status.process;
        }
        for sample in &status.samples {
            self.take(sample);
        }
    }

    /// Takes in one sample and whether the target was well then.
    pub fn observe(&mut self, at: Timestamp, sample: &BlockSample, healthy: bool) {
        self.take(sample);
        self.well(at, healthy);
    }

    /// Says whether the target was well when it was last looked at, by the watcher's clock.
    pub fn well(&mut self, at: Timestamp, healthy: bool) {
        let pending = std::mem::take(&mut self.pending);
        if !healthy {
            self.unwell_quiet = true;
            self.bucket_from = self.newest;
            return;
        }
        self.last_well = Some(at);
        if let Some(bucket) = pending.bucket {
            self.buckets.push_back(bucket);
            while self.buckets.len() > REMEMBERED {
                self.buckets.pop_front();
            }
        }
        self.longest_quiet_millis = self.longest_quiet_millis.max(pending.quiet_millis);
    }

    /// Says whether the port where nothing listens refused a connection while the target was well.
    pub fn refusing_port(&mut self, refused: bool) {
        self.refusing_port_refused = Some(refused || self.refusing_port_refused == Some(true));
    }

    /// For how long the target was seen well, in milliseconds of remembered buckets.
    #[must_use]
    pub fn learnt_millis(&self) -> u64 {
        self.buckets.iter().fold(0, |sum, bucket| sum.saturating_add(bucket.millis))
    }

    /// What was learnt until `now`. Rates are absent until there is enough of them.
    #[must_use]
    pub fn normal(&self, now: Timestamp) -> Normal {
        let enough = self.buckets.len() >= ENOUGH;
        let median = |of: fn(&Bucket) -> f64| enough.then(|| self.median(of)).flatten();
        let quiet =
            self.newest.zip(self.last_write).map(|(newest, (_, ended))| newest.at.millis_since(ended));
        Normal {
            writes_per_second: median(|bucket| bucket.writes_per_second),
            longest_quiet_millis: self.longest_quiet_millis.filter(|_| enough),
            quiet_millis: quiet,
            cpu_percent: median(|bucket| bucket.cpu_percent),
            last_well: self.last_well.filter(|well| *well <= now),
            refusing_port_refused: self.refusing_port_refused,
        }
    }

    fn take(&mut self, sample: &BlockSample) {
        let writes = sample.disks.iter().fold(0_u64, |sum, disk| sum.saturating_add(disk.writes));
        let now = Counters { at: sample.at, writes, cpu_millis: sample.cpu_millis };
        let before = match self.newest {
            Some(before) if now.at <= before.at && now.writes >= before.writes => return,
            Some(before) if now.writes >= before.writes && now.cpu_millis >= before.cpu_millis => before,
            // The first of all, or counters that went back: another process.
            _ => {
                self.forget_counters();
                self.newest = Some(now);
                self.bucket_from = Some(now);
                self.last_write = Some((now.at, now.at));
                return;
            }
        };
        if now.writes > before.writes {
            let own = !std::mem::take(&mut self.unwell_quiet);
            if let Some((began, _)) = self.last_write.filter(|_| own) {
                // As long as the quiet can have been at most.
                let quiet = now.at.millis_since(began);
                self.pending.quiet_millis = self.pending.quiet_millis.max(Some(quiet));
            }
            self.last_write = Some((before.at, now.at));
        }
        self.newest = Some(now);
        self.fill_bucket(now);
    }

    fn fill_bucket(&mut self, now: Counters) {
        let Some(from) = self.bucket_from else { return };
        let millis = now.at.millis_since(from.at);
        if millis >= BUCKET_MILLIS {
            let seconds = as_f64(millis) / 1000.0;
            self.pending.bucket = Some(Bucket {
                writes_per_second: as_f64(now.writes.saturating_sub(from.writes)) / seconds,
                cpu_percent: as_f64(now.cpu_millis.saturating_sub(from.cpu_millis)) / seconds / 10.0,
                millis,
            });
            self.bucket_from = Some(now);
        }
    }

    fn forget_counters(&mut self) {
        self.bucket_from = None;
        self.newest = None;
        self.last_write = None;
        self.unwell_quiet = false;
        self.pending = Pending::default();
    }

    /// The median weighted by time, so that a long interval counts for as much time as it covers.
    fn median(&self, of: fn(&Bucket) -> f64) -> Option<f64> {
        let mut rates: Vec<(f64, u64)> =
            self.buckets.iter().map(|bucket| (of(bucket), bucket.millis)).collect();
        rates.sort_by(|one, other| one.0.total_cmp(&other.0));
        let half = self.learnt_millis() / 2;
        let mut passed = 0_u64;
        rates.into_iter().find_map(|(rate, millis)| {
            passed = passed.saturating_add(millis);
            (passed >= half).then_some(rate)
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "counters of one bucket, far below 2^52")]
const fn as_f64(number: u64) -> f64 {
    number as f64
}
