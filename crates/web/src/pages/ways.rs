//! The ways in as a list, for whoever failed by one of them.

use maud::{Markup, html};

/// The list.
pub(crate) fn list(sentences: &[String]) -> Markup {
    html! {
        ul.points.small aria-label="Ways in" { @for sentence in sentences { li { (typed(sentence)) } } }
    }
}

/// The list, folded until it is needed.
pub(crate) fn fold(sentences: &[String], open: bool) -> Markup {
    html! {
        details.fold.panel #ways open[open] {
            summary { span { "Other ways in" } }
            div.in { (list(sentences)) }
        }
    }
}

/// What stands between backticks is to be typed.
fn typed(sentence: &str) -> Markup {
    html! {
        @for (place, part) in sentence.split('`').enumerate() {
            @if place % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}
