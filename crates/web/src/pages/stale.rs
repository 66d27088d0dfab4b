//! The answer to a press on a page that was no longer true: nothing was sent; this has happened since; the choice
//! again, with what is true now.

use super::confirm::{self, Context};
use super::row;
use super::words::verb_title;
use breakglass_incident::Event;
use breakglass_protocol::Verb;
use maud::{Markup, html};

/// Everything below the bar.
pub(crate) fn main(context: &Context<'_>, verb: Verb, since: &[Event], back: &str) -> Markup {
    let name = &context.target.name;
    html! {
        div.stack {
            h1 { "Nothing was sent: something has happened since" }
            p { "You pressed " b { (verb) } " for " (name) " on a page that was older than this:" }
            ol.log { @for event in since { @if let Some(row) = row::row(event, None, context.now) { (row) } } }
        }
        section.panel aria-labelledby="again" {
            div.in { h2 #again { "Do you still want to " (verb) " " (name) "?" } }
            div.in.stack {
                (confirm::form(context, verb, "again-now", false))
                a.btn.wide href=(back) { "No, back to the page" }
            }
        }
        p.quiet.small { (verb_title(verb)) " was not asked of the guard." }
    }
}

/// A press that led to nothing: refused, busy or failed. `otherwise`: what can be done without this page.
pub(crate) fn told(
    context: &Context<'_>,
    title: &str,
    sentences: &[String],
    back: &str,
    otherwise: &Markup,
) -> Markup {
    html! {
        div.stack {
            h1 { (title) }
            @for sentence in sentences { p { (super::words::sentence(sentence)) } }
            p { a.btn.go href=(back) { "Back to " (context.target.name) } }
            (otherwise)
        }
    }
}
