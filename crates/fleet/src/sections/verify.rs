//! `[verify]`: how often the doors are proven without anybody asking.

use crate::Verify;
use crate::reader::{Report, Section};
use std::time::Duration;

/// What stands there instead of a duration where nothing is to be proven by itself.
const OFF: &str = "off";

pub(crate) fn verify(file: &mut Section<'_, '_>, report: &mut Report<'_>) -> Verify {
    let default = Verify::default();
    let Some(mut section) = file.table(report, "verify", "[verify]") else { return default };
    let off = section.value("every").is_some_and(|value| value.get_ref().as_str() == Some(OFF));
    let every = if off {
        None
    } else {
        let range = Duration::from_secs(60)..=Duration::from_secs(7 * 86_400);
        section.duration(report, "every", range).or(default.every)
    };
    section.close(report);
    Verify { every }
}
