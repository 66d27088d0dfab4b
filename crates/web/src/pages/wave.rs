//! The wave: what a target wrote over the last minutes, as a line. A stretch of nothing is drawn thick.

use breakglass_recovery::WriteRate;
use maud::{Markup, html};
use std::fmt::Write as _;

/// The drawing's own units; the style sheet stretches it.
const WIDTH: f64 = 300.0;
const FLOOR: f64 = 54.0;
const CEILING: f64 = 6.0;
/// Fewer points tell nothing.
const FEWEST: usize = 3;
/// A guest that writes less than this a second writes nothing.
const NOTHING: f64 = 0.05;

/// The drawing, where there is enough to draw. `alarming` marks the stretches of nothing at the end.
pub(crate) fn wave<'a>(rates: impl IntoIterator<Item = &'a WriteRate>, alarming: bool) -> Option<Markup> {
    let rates: Vec<&WriteRate> = rates.into_iter().collect();
    let (first, last) = (rates.first()?, rates.last()?);
    if rates.len() < FEWEST {
        return None;
    }
    let span = millis(last.at.millis_since(first.at)).max(1.0);
    let highest = rates.iter().map(|rate| rate.per_second).fold(1.0, f64::max);
    let place = |rate: &WriteRate| {
        let x = millis(rate.at.millis_since(first.at)) / span * WIDTH;
        // The square root keeps a quiet machine's small life visible beside one burst.
        let y = FLOOR - (rate.per_second.max(0.0) / highest).sqrt() * (FLOOR - CEILING);
        (x, y)
    };
    let quiet_from = rates.iter().rposition(|rate| rate.per_second >= NOTHING).map_or(0, |at| at + 1);
    let (alive, quiet) = rates.split_at(if alarming { quiet_from.min(rates.len()) } else { rates.len() });
    // The two lines meet in one point, so that the fall is seen.
    let alive = line(alive.iter().chain(quiet.first()).map(|rate| place(rate)));
    let quiet_line = line(quiet.iter().map(|rate| place(rate)));
    let minutes = last.at.millis_since(first.at).div_ceil(60_000);
    let told = match quiet.first() {
        Some(rate) => {
            format!("Guest writes over {minutes} minutes: none since {} UTC", rate.at.time_of_day())
        }
        None => format!("Guest writes over {minutes} minutes: {:.0} a second at the end", last.per_second),
    };
    Some(html! {
        svg.wave viewBox="0 0 300 56" preserveAspectRatio="none" role="img" aria-label=(told) {
            path.axis d="M0 54H300" {}
            @if !alive.is_empty() { path d=(alive) {} }
            @if !quiet_line.is_empty() { path.flat d=(quiet_line) {} }
        }
    })
}

fn line(points: impl Iterator<Item = (f64, f64)>) -> String {
    let mut path = String::new();
    for (x, y) in points {
        let command = if path.is_empty() { 'M' } else { 'L' };
        let _ = write!(path, "{command}{x:.1} {y:.1}");
    }
    path
}

fn millis(value: u64) -> f64 {
    f64::from(u32::try_from(value).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use breakglass_protocol::Timestamp;

    fn rates(values: &[f64]) -> Vec<WriteRate> {
        let at = |n: usize| Timestamp::from_unix_millis(i64::try_from(n).unwrap() * 5000);
        values.iter().enumerate().map(|(n, &per_second)| WriteRate { at: at(n), per_second }).collect()
    }

    #[test]
    fn draws_the_stretch_of_nothing_only_when_it_alarms() {
        let some = rates(&[40.0, 38.0, 41.0, 0.0, 0.0, 0.0]);
        let alarmed = wave(&some, true).unwrap().into_string();
        assert!(alarmed.contains("class=\"flat\"") && alarmed.contains("none since 00:00:15"), "{alarmed}");
        let idle = wave(&some, false).unwrap().into_string();
        assert!(!idle.contains("flat"), "an idle machine stays quiet: {idle}");
        assert!(wave(&rates(&[1.0, 2.0]), true).is_none());
    }
}
