//! Events as lines for a terminal, in the words that the page and the export use too.

use crate::colour::Colour;
use breakglass_incident::{Event, row};

/// One event as a line (or a few: what belongs to it stands indented below).
pub(crate) fn line(event: &Event, colour: Colour) -> String {
    let time = colour.faint(&event.at.time_of_day());
    let Some(row) = row(event) else {
        return format!(
            "{time}  {}",
            colour.faint(&format!("{:?}", event.body).chars().take(160).collect::<String>())
        );
    };
    let words = row.sentences.join(" ");
    let words = row.health.map_or_else(|| words.clone(), |health| colour.health(health, &words));
    let mut text = format!("{time}  {}  {words}", colour.bold(&row.actor.to_string()));
    for detail in row.detail.iter().take(40) {
        text.push_str("\n          ");
        text.push_str(&colour.faint(detail));
    }
    text
}
