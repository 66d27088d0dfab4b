//! `[watch]`: how often targets are looked at, and when nobody is to be woken.

use super::{names_of, plain};
use crate::reader::{Report, Section};
use crate::references::{Names, Space};
use crate::values;
use crate::{Maintenance, Watch, Weekday};
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);

pub(crate) fn watch(file: &mut Section<'_, '_>, report: &mut Report<'_>, names: &mut Names) -> Watch {
    let default = Watch::default();
    let Some(mut section) = file.table(report, "watch", "[watch]") else { return default };
    let interval =
        section.duration(report, "interval", Duration::from_millis(100)..=Duration::from_secs(3600));
    let confirm = section.number(report, "confirm", 1..=100);
    let learn = section.duration(report, "learn", Duration::from_secs(1)..=DAY * 7);
    let sync_probe = section.yes_or_no(report, "sync_probe");
    let windows = section.tables(report, "maintenance", "[[watch.maintenance]]");
    let maintenance = windows.into_iter().map(|window| maintenance(window, report, names)).collect();
    section.close(report);
    Watch {
        interval: interval.unwrap_or(default.interval),
        confirm: confirm.unwrap_or(default.confirm),
        learn: learn.unwrap_or(default.learn),
        sync_probe: sync_probe.unwrap_or(default.sync_probe),
        maintenance,
    }
}

fn maintenance(mut section: Section<'_, '_>, report: &mut Report<'_>, names: &mut Names) -> Maintenance {
    section.must_have("from");
    section.must_have("lasts");
    let targets = plain(Some(names_of(&mut section, report, names, "targets", Space::Component)));
    let days = section.words(report, "days", Weekday::WORDS, Weekday::from_word);
    let from = section.text(report, "from", values::minute_of_day);
    let lasts = section.duration(report, "lasts", Duration::from_secs(60)..=DAY);
    let reason = section.text(report, "reason", values::line);
    section.close(report);
    Maintenance {
        targets,
        days: days.unwrap_or_else(|| Weekday::ALL.to_vec()),
        from_minute: from.map_or(0, |from| from.value),
        lasts: lasts.unwrap_or(Duration::ZERO),
        reason: reason.map_or_else(String::new, |reason| reason.value),
    }
}
