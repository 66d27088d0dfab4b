//! One host through its read-only door: probes that take one tap, a request of one's own, and what was answered.

use super::layout::{csrf, reserved};
use super::proof::Proofs;
use super::words::{clean, moment, readable, took};
use crate::identity::Visitor;
use breakglass_fleet::{Component, Door, Role};
use breakglass_protocol::{Timestamp, exit};
use breakglass_recovery::Taken;
use maud::{Markup, html};

/// What one tap asks, by the words on the key.
const PROBES: [(&str, &str); 8] = [
    ("Load, memory", "cat /proc/loadavg /proc/meminfo | head -n 6"),
    ("Disks", "df -h"),
    ("Inodes", "df -i"),
    ("Pressure", "grep . /proc/pressure/cpu /proc/pressure/io /proc/pressure/memory"),
    ("Failed units", "systemctl --failed --no-legend"),
    ("Busiest", "ps aux --sort=-%cpu | head -n 12"),
    ("Kernel log", "journalctl -k -n 40 --no-pager"),
    ("Network", "ip -br addr"),
];

/// What the page shows.
pub(crate) struct Shown<'a> {
    pub(crate) host: &'a Component,
    pub(crate) door: &'a Door,
    pub(crate) visitor: &'a Visitor,
    /// Newest first.
    pub(crate) looks: &'a [Taken],
    pub(crate) proofs: Proofs<'a>,
}

/// Everything below the bar.
pub(crate) fn main(shown: &Shown<'_>) -> Markup {
    let name = &shown.host.name;
    html! {
        header.head {
            div.in.row.apart {
                h1.name { (name) }
                p.quiet.small { (shown.host.kind) ", " (shown.host.addresses.join(", ")) br;
                    "through " (shown.door.name) ", as " (shown.door.user) }
            }
            div.in { (shown.proofs.lines(std::iter::once(shown.door.name.as_str()))) }
        }
        div.two {
            section.panel.act aria-labelledby="probes" {
                div.in { h2 #probes { "Look at " (name) }
                    p.quiet { "Read only. The guard on " (name) " lets nothing else through." } }
                form.in.keys method="post" action={ "/hosts/" (name) "/look" } {
                    (csrf(shown.visitor))
                    (reserved(shown.visitor, Role::Operate, html! {
                        @for (label, request) in PROBES { button name="request" value=(request) title=(request) { (label) } }
                    }))
                }
                form.in.stack method="post" action={ "/hosts/" (name) "/look" } {
                    (csrf(shown.visitor))
                    div { label for="request" { "A request of your own" }
                        input #request.mono name="request" required maxlength="8000" autocapitalize="none" autocorrect="off"
                            spellcheck="false" autocomplete="off" placeholder="journalctl -u nginx -n 50"; }
                    (reserved(shown.visitor, Role::Operate, html! { button.go { "Look" } }))
                    p.small.quiet { "Pipes between allowed commands work. No shell, no redirection, no writing." }
                }
            }
            section.stack aria-labelledby="answers" {
                h2 #answers { "Answers" }
                @if shown.looks.is_empty() { p.quiet { "Nobody has looked lately." } }
                @for look in shown.looks { (answer(look, shown.proofs.now)) }
            }
        }
    }
}

fn answer(look: &Taken, now: Timestamp) -> Markup {
    html! {
        article.card {
            div.in.answer {
                h3 { code { (clean(&look.request)) } }
                @match &look.ended {
                    None => p.small.quiet { "No end was seen; asked by " (clean(&look.by.to_string())) " at " (moment(look.at, now)) },
                    Some(end) => {
                        @if end.exit == Some(u32::from(exit::REFUSED)) { p.lamp.none { "Refused by the guard" } }
                        p.small.quiet {
                            @match end.exit { Some(code) => { "Exit " (code) }, None => (clean(&end.message)) }
                            " in " (took(end.millis)) ", asked by " (clean(&look.by.to_string())) " at " (moment(look.at, now))
                        }
                    }
                }
            }
            @if let Some(end) = &look.ended {
                @if !end.output.is_empty() { pre.out tabindex="0" { (readable(&end.output)) } }
                @if let Some(rest) = &end.rest {
                    p.in.small { a href={ "/artifacts/" (rest.sha256) } { "All " (rest.bytes) " bytes" } }
                }
            }
        }
    }
}
