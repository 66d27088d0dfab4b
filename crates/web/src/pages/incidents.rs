//! The list of incidents, newest first.

use super::words::{duration, moment, sentence, ticking};
use breakglass_incident::IncidentId;
use breakglass_protocol::Timestamp;
use maud::{Markup, html};

/// One line of the list.
pub(crate) struct Line {
    pub(crate) id: IncidentId,
    pub(crate) target: String,
    pub(crate) reason: String,
    pub(crate) opened: Timestamp,
    pub(crate) closed: Option<Timestamp>,
}

/// Everything below the bar.
pub(crate) fn main(lines: &[Line], now: Timestamp) -> Markup {
    html! {
        h1 { "Incidents" }
        @if lines.is_empty() {
            p { "None yet. The watch opens one when a target stops serving; pressing a verb opens one too." }
        } @else {
            table {
                thead { tr { th scope="col" { "Incident" } th scope="col" { "State" } th scope="col" { "Why" } } }
                tbody { @for line in lines { tr {
                    th scope="row" { a.tap href={ "/incidents/" (line.id) } { b { (line.id) ", " (line.target) } }
                        small { (moment(line.opened, now)) } }
                    td.half { @match line.closed {
                        Some(closed) => { span.lamp.none { "closed" } small { "after " (duration(closed.millis_since(line.opened))) } }
                        None => { span.lamp.work { "open" } small { "for " (ticking(line.opened, now)) } }
                    } }
                    td.whole { (sentence(&line.reason)) }
                } } }
            }
        }
    }
}
