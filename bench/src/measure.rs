//! Samples and what is said of them: median and the spread between the tenth and the ninetieth percentile.

use std::time::{Duration, Instant};

/// Times of one thing that was done many times.
#[derive(Debug, Clone, Default)]
pub(crate) struct Samples(Vec<Duration>);

impl Samples {
    /// Adds one.
    pub(crate) fn push(&mut self, took: Duration) {
        self.0.push(took);
    }

    /// The value below which `share` (0 to 1) of the samples lie.
    pub(crate) fn percentile(&self, share: f64) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a place in a short list"
        )]
        let place = (share * sorted.len().saturating_sub(1) as f64).round() as usize;
        sorted.get(place).copied().unwrap_or_default()
    }

    /// The median.
    pub(crate) fn median(&self) -> Duration {
        self.percentile(0.5)
    }

    /// `1.02 ms (0.98 to 1.31)`.
    pub(crate) fn words(&self) -> String {
        let millis = |at: f64| self.percentile(at).as_secs_f64() * 1000.0;
        format!("{:.2} ms ({:.2} to {:.2})", millis(0.5), millis(0.1), millis(0.9))
    }

    /// The median as a multiple of another's.
    pub(crate) fn ratio(&self, to: &Self) -> f64 {
        self.median().as_secs_f64() / to.median().as_secs_f64().max(f64::EPSILON)
    }
}

/// Does the two in turn, `rounds` times, after three rounds that do not count.
pub(crate) fn in_turn(
    rounds: usize,
    mut ours: impl FnMut() -> anyhow::Result<()>,
    mut theirs: impl FnMut() -> anyhow::Result<()>,
) -> anyhow::Result<(Samples, Samples)> {
    let (mut first, mut second) = (Samples::default(), Samples::default());
    for round in 0..rounds + 3 {
        let begun = Instant::now();
        ours()?;
        let between = Instant::now();
        theirs()?;
        if round >= 3 {
            first.push(between - begun);
            second.push(between.elapsed());
        }
    }
    Ok((first, second))
}

/// Resident memory of a process in MiB, as the kernel counts it (`VmRSS`).
pub(crate) fn resident_mib(pid: u32) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kib = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse::<f64>().ok());
    kib.map(|kib| kib / 1024.0).ok_or_else(|| anyhow::anyhow!("process {pid} tells no VmRSS"))
}
