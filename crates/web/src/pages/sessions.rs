//! Who is logged in from where, and how to end it.

use super::layout::{csrf, reserved};
use super::words::{clean, moment, ticking};
use crate::identity::{SessionEntry, Visitor, Way};
use breakglass_fleet::{Role, Roles};
use breakglass_protocol::Timestamp;
use maud::{Markup, html};
use std::collections::BTreeSet;

/// What the page shows.
pub(crate) struct Shown<'a> {
    pub(crate) visitor: &'a Visitor,
    /// Everybody's for an admin, else the visitor's own.
    pub(crate) sessions: &'a [SessionEntry],
    pub(crate) tokens: &'a [String],
    pub(crate) roles: &'a Roles,
    pub(crate) fault: Option<&'a str>,
    pub(crate) now: Timestamp,
}

/// Everything below the bar.
pub(crate) fn main(shown: &Shown<'_>) -> Markup {
    let admin = shown.visitor.role == Role::Admin;
    html! {
        div.stack {
            h1 { @if admin { "Sessions" } @else { "Your sessions" } }
            p.quiet { "You are " b { (shown.visitor.name()) } ", by " (shown.visitor.way.as_str()) ", with the role "
                b { (shown.visitor.role) } ". " (may(shown.visitor.role)) }
            @if let Some(fault) = shown.fault { p.lamp.down role="alert" { (clean(fault)) } }
            @if shown.visitor.way == Way::Header {
                p.quiet { "You came through the single sign-on, which alone can end that: there is no session of yours here." }
            }
        }
        section.stack aria-label="Sessions" {
            @if shown.sessions.is_empty() { p { "Nobody is logged in by password." } }
            @for session in shown.sessions { (card(shown, session, admin)) }
        }
        @let people: BTreeSet<&str> = shown.sessions.iter().map(|session| session.name.as_str()).collect();
        section.stack aria-labelledby="everywhere" {
            h2 #everywhere { "Everywhere at once" }
            p.quiet { "Ends all sessions of a person and forgets the browsers that are known for them. Use it when a device \
                       is lost; make a new password line as well." }
            (reserved(shown.visitor, Role::Admin, html! {
                div.keys {
                    @for name in &people {
                        form method="post" action={ "/admin/people/" (name) "/end" } {
                            (csrf(shown.visitor))
                            button.wide { "End all of " (name) }
                        }
                    }
                }
            }))
        }
        @if admin {
            section.stack aria-labelledby="tokens" {
                h2 #tokens { "Tokens" }
                @if shown.tokens.is_empty() { p.quiet { "There are none." } }
                ul.points { @for token in shown.tokens {
                    li { b { (token) } " " span.quiet { (shown.roles.of_token(token)) } }
                } }
                p.quiet.small { "A token ends within a second once its line is taken out of the token file." }
            }
        }
    }
}

fn card(shown: &Shown<'_>, session: &SessionEntry, admin: bool) -> Markup {
    let own = shown.visitor.session.as_ref() == Some(&session.id);
    let action = if admin && session.name != shown.visitor.name() {
        format!("/admin/sessions/{}/end", session.id)
    } else {
        format!("/sessions/{}/end", session.id)
    };
    html! {
        article.card {
            div.in.stack {
                div.row.apart {
                    h2 { (session.name) @if own { span.tag { "this one" } } }
                    span.quiet.small { "seen " (ticking(session.seen, shown.now)) " ago" }
                }
                dl.facts.small {
                    dt { "From" } dd { (clean(&session.from)) }
                    dt { "Browser" } dd { @if session.browser.is_empty() { "says nothing" } @else { (clean(&session.browser)) } }
                    dt { "Since" } dd { (moment(session.began, shown.now)) }
                    dt { "Until" } dd { (moment(session.expires, shown.now)) }
                }
                form method="post" action=(action) {
                    (csrf(shown.visitor))
                    button { @if own { "Log out here" } @else { "End this session" } }
                }
            }
        }
    }
}

const fn may(role: Role) -> &'static str {
    match role {
        Role::View => "You see everything and press nothing.",
        Role::Operate => "You may press, run and decide; sessions of others and host keys are for admins.",
        Role::Admin => "You may do everything here.",
    }
}
