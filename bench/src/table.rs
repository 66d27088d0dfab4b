//! The table of all rows, as it is printed at the end.

use std::io::Write as _;

/// One figure.
struct Row {
    work: String,
    ours: String,
    beside: String,
    result: String,
    target: String,
    met: bool,
}

/// All figures of a run.
#[derive(Default)]
pub(crate) struct Table(Vec<Row>);

impl Table {
    /// A ratio of medians that must not be larger than `target`.
    pub(crate) fn ratio(&mut self, work: &str, ours: &str, beside: &str, ratio: f64, target: f64) {
        self.push(work, ours, beside, format!("{ratio:.2}x"), format!("<= {target}x"), ratio <= target);
    }

    /// A number in its unit that must not be larger than `target`.
    pub(crate) fn at_most(&mut self, work: &str, value: f64, unit: &str, beside: &str, target: f64) {
        let ours = format!("{value:.2} {unit}");
        self.push(work, &ours, beside, String::new(), format!("<= {target} {unit}"), value <= target);
    }

    /// A number in its unit that must not be smaller than `target`.
    pub(crate) fn at_least(&mut self, work: &str, value: f64, unit: &str, beside: &str, target: f64) {
        let ours = format!("{value:.2} {unit}");
        self.push(work, &ours, beside, String::new(), format!(">= {target} {unit}"), value >= target);
    }

    fn push(&mut self, work: &str, ours: &str, beside: &str, result: String, target: String, met: bool) {
        let row = Row {
            work: work.to_owned(),
            ours: ours.to_owned(),
            beside: beside.to_owned(),
            result,
            target,
            met,
        };
        let _ = writeln!(
            std::io::stderr(),
            "{}: {} beside {}: {} {}",
            row.work,
            row.ours,
            row.beside,
            row.result,
            row.target
        );
        self.0.push(row);
    }

    /// Prints it as Markdown.
    pub(crate) fn print(&self) {
        let mut out = std::io::stdout().lock();
        let _ = writeln!(
            out,
            "| work | ours | beside it, same run | ratio | target | |\n|---|---|---|---|---|---|"
        );
        for row in &self.0 {
            let verdict = if row.met { "met" } else { "**missed**" };
            let Row { work, ours, beside, result, target, .. } = row;
            let _ = writeln!(out, "| {work} | {ours} | {beside} | {result} | {target} | {verdict} |");
        }
    }
}
