//! Who was told elsewhere: a line in the head of an incident, so that whoever comes knows who else does.

use super::words::{clean, moment};
use breakglass_incident::{Delivery, NoticeView, View};
use breakglass_protocol::Timestamp;
use maud::{Markup, html};

/// The line; nothing where nobody is told of anything.
pub(crate) fn line(view: Option<&View>, now: Timestamp) -> Markup {
    let Some(view) = view.filter(|view| !view.notices.is_empty()) else { return html! {} };
    html! {
        ul.notices.small aria-label="Who was told elsewhere" {
            @for (name, notice) in &view.notices { li { (one(name, notice, now)) } }
        }
    }
}

fn one(name: &str, notice: &NoticeView, now: Timestamp) -> Markup {
    let name = clean(name);
    match notice.how {
        Delivery::Sent => {
            html! { span.lamp.good { (name) " was told" } " " span.quiet { (moment(notice.at, now)) } }
        }
        Delivery::Waiting => html! {
            span.lamp.work { (name) " could not be told yet" } " " span.quiet { (clean(&notice.sentence)) }
        },
        Delivery::GivenUp => {
            html! { span.lamp.work { (name) " was not told" } " " span.quiet { (clean(&notice.sentence)) } }
        }
    }
}
