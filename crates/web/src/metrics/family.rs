//! Metrics as values, and how the library writes them. It escapes and formats; what is told is decided elsewhere.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// One series' labels. Their names are ours; a value is ours too, or a name that the fleet file declares.
pub(super) type Labels = Vec<(&'static str, String)>;

/// One metric with all its series.
#[derive(Debug)]
pub(super) struct Family {
    name: &'static str,
    help: &'static str,
    counts: bool,
    series: Vec<(Labels, f64)>,
}

impl Family {
    /// Something that goes up and down.
    pub(super) const fn gauge(name: &'static str, help: &'static str) -> Self {
        Self { name, help, counts: false, series: Vec::new() }
    }

    /// Something that only goes up while the process lives. The library puts `_total` behind the name.
    pub(super) const fn counter(name: &'static str, help: &'static str) -> Self {
        Self { name, help, counts: true, series: Vec::new() }
    }

    /// With one series without labels.
    pub(super) fn is(mut self, value: f64) -> Self {
        self.series.push((Vec::new(), value));
        self
    }

    /// With one series without labels, where there is something to tell.
    pub(super) fn may_be(self, value: Option<f64>) -> Self {
        match value {
            Some(value) => self.is(value),
            None => self,
        }
    }

    /// With these series more.
    pub(super) fn with(mut self, series: impl IntoIterator<Item = (Labels, f64)>) -> Self {
        self.series.extend(series);
        self
    }
}

/// All of them, as the library collects them.
#[derive(Debug)]
pub(super) struct Families(pub(super) Vec<Family>);

impl Collector for Families {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        for family in self.0.iter().filter(|family| !family.series.is_empty()) {
            let kind = if family.counts { MetricType::Counter } else { MetricType::Gauge };
            let mut written = encoder.encode_descriptor(family.name, family.help, None, kind)?;
            for (labels, value) in &family.series {
                let series = written.encode_family(labels)?;
                if family.counts {
                    ConstCounter::new(*value).encode(series)?;
                } else {
                    ConstGauge::new(*value).encode(series)?;
                }
            }
        }
        Ok(())
    }
}
