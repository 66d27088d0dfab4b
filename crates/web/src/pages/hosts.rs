//! The hosts that one may look at, and host keys that changed: what that means, and how a person accepts a rebuilt host.

use super::layout::{csrf, reserved};
use super::words::clean;
use crate::identity::Visitor;
use breakglass_fleet::{Fleet, Role};
use breakglass_recovery::ChangedKey;
use maud::{Markup, html};

/// Everything below the bar.
pub(crate) fn main(fleet: &Fleet, changed: &[ChangedKey], visitor: &Visitor) -> Markup {
    html! {
        h1 { "Hosts" }
        @if fleet.hosts().next().is_none() {
            p.quiet { "No host has a read-only door. " code { "breakglass-guard install diag --key FILE" }
                " puts one there; declare it in fleet.toml as a door of kind " code { "diag" } "." }
        }
        div.keys { @for host in fleet.hosts() { a.btn href={ "/hosts/" (host.name) } { "Look at " (host.name) } } }
        h2 { "Host keys" }
        @if changed.is_empty() { p { "Every host shows the key that is pinned for it." } }
        @for key in changed {
            section.card aria-label={ "Key of " (key.host) } {
                p.lit.down { span.lamp.down { (key.host) " shows another key" } }
                div.in.stack {
                    p { "Its doors are closed until a person has decided. Either the host was rebuilt, or somebody stands \
                         between it and this server." }
                    dl.facts { dt { "Pinned" } dd { code { (clean(&key.pinned)) } }
                        dt { "Shown" } dd { code { (clean(&key.shown)) } } }
                    p { "Compare the second with what the host itself says, on its console or its hypervisor's: "
                        code { "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub" } }
                    @if visitor.is_ambient() {
                        details.fold.panel id={ "accept-" (key.host) } {
                            summary { b { "Accept the new key of " (key.host) } }
                            form.in.stack method="post" action={ "/hosts/" (key.host) "/accept-key" } {
                                (csrf(visitor))
                                input type="hidden" name="shown" value=(key.shown);
                                p { "From then on only the new key opens the doors. This is kept in the journal under your name." }
                                (reserved(visitor, Role::Admin, html! {
                                    button.fire.wide { "Accept the new key of " (key.host) " now" }
                                }))
                            }
                        }
                    }
                }
            }
        }
    }
}
