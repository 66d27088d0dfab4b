//! The frame around every page: bar, banner, main, foot.

use crate::assets::ASSETS;
use crate::identity::Visitor;
use breakglass_fleet::Role;
use breakglass_incident::IncidentId;
use maud::{DOCTYPE, Markup, html};

/// Which entry of the bar is the current one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Fleet,
    Incidents,
    Hosts,
    Elsewhere,
}

/// A link that the caller of the server adds to the bar, such as the demo's panel.
#[derive(Debug, Clone)]
pub struct ExtraLink {
    /// What it says.
    pub label: String,
    /// Where it leads.
    pub href: String,
}

/// What the frame shows on every page behind the log-in.
pub(crate) struct Frame<'a> {
    pub(crate) visitor: &'a Visitor,
    pub(crate) place: Place,
    /// Open incidents, so that the bar can count them and lead to the only one.
    pub(crate) open: &'a [IncidentId],
    pub(crate) link: Option<&'a ExtraLink>,
    /// Why the journal cannot keep events, where it cannot.
    pub(crate) not_keeping: Option<&'a str>,
    /// Host keys that changed, by component.
    pub(crate) changed_keys: usize,
    pub(crate) version: &'a str,
}

/// One page.
pub(crate) struct Page<'a> {
    pub(crate) title: &'a str,
    /// Sticks to the top: what runs now.
    pub(crate) banner: Markup,
    pub(crate) main: Markup,
    /// Above the foot's last line.
    pub(crate) foot: Markup,
    /// Where the script listens, and where it gets the parts again.
    pub(crate) live: Option<Live>,
    /// Whether a browser without script loads the page again by itself.
    pub(crate) refresh: bool,
    /// Whether the page has a dock at the bottom edge.
    pub(crate) dock: bool,
}

/// Where a page's script listens.
pub(crate) struct Live {
    pub(crate) stream: String,
    pub(crate) parts: String,
}

fn head(title: &str, refresh: bool) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover";
            meta name="color-scheme" content="light dark";
            meta name="theme-color" content="#e9ece8" media="(prefers-color-scheme: light)";
            meta name="theme-color" content="#0a0f11" media="(prefers-color-scheme: dark)";
            title { (title) }
            link rel="icon" href=(ASSETS.mark.href) type="image/svg+xml";
            link rel="stylesheet" href=(ASSETS.style.href);
            link rel="manifest" href=(ASSETS.manifest.href);
            link rel="apple-touch-icon" href=(ASSETS.touch_icon.href);
            script src=(ASSETS.script.href) defer {}
            @if refresh { noscript { meta http-equiv="refresh" content="3"; } }
        }
    }
}

fn mark() -> Markup {
    html! {
        a.mark href="/" aria-label="breakglass" {
            svg viewBox="0 0 20 20" aria-hidden="true" { path d="M2 2h9.5L8 10l3 8H2zM14 2h4v16h-4.5L10.5 10z" {} }
            " " span { "breakglass" }
        }
    }
}

/// A page for somebody who is known.
pub(crate) fn page(frame: &Frame<'_>, page: &Page<'_>) -> Markup {
    let here = |place| (frame.place == place).then_some("page");
    let incidents = match frame.open {
        [only] => format!("/incidents/{only}"),
        _ => "/incidents".to_owned(),
    };
    html! {
        (DOCTYPE)
        html lang="en" {
            (head(page.title, page.refresh))
            body data-stream=[page.live.as_ref().map(|live| &live.stream)] data-parts=[page.live.as_ref().map(|live| &live.parts)] {
                a.skip href="#main" { "Skip to content" }
                header.bar {
                    (mark())
                    nav aria-label="Pages" {
                        a href="/" aria-current=[here(Place::Fleet)] { "Fleet" }
                        a href=(incidents) aria-current=[here(Place::Incidents)] {
                            "Incidents" @if !frame.open.is_empty() { " " span.count { (frame.open.len()) } }
                        }
                        @if frame.changed_keys > 0 || frame.place == Place::Hosts {
                            a href="/hosts" aria-current=[here(Place::Hosts)] {
                                @if frame.changed_keys > 0 { "Keys " span.count { (frame.changed_keys) } }
                                @else { "Hosts" }
                            }
                        }
                        @if let Some(link) = frame.link { a href=(link.href) { (link.label) } }
                    }
                }
                section #banner aria-label="Now" data-part { (page.banner) }
                @if let Some(why) = frame.not_keeping {
                    p.banner.lit.down role="status" {
                        span.lamp.down { "The journal does not keep what happens, " (why) "." }
                        " Buttons, triage and commands work all the same; write down what you do."
                    }
                }
                main #main class=[page.dock.then_some("reach")] { (page.main) }
                footer.foot {
                    (page.foot)
                    form.row.small.quiet method="post" action="/logout" {
                        span { "Here as " b { (frame.visitor.name()) } ", by " (frame.visitor.way.as_str())
                            ", role " (frame.visitor.role) ". " span #zone { "Times are UTC." } " breakglass " (frame.version) "." }
                        a.tap href="/sessions" { "Sessions" }
                        (csrf(frame.visitor))
                        @if frame.visitor.way == crate::identity::Way::Password { button.link { "Log out" } }
                    }
                }
            }
        }
    }
}

/// A page for somebody who may be a stranger: it tells nothing of the fleet.
pub(crate) fn bare(title: &str, main: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            (head(title, false))
            body {
                a.skip href="#main" { "Skip to content" }
                header.bar { (mark()) }
                main #main.narrow { (main) }
            }
        }
    }
}

/// The proof of intent that each of a visitor's forms carries.
pub(crate) fn csrf(visitor: &Visitor) -> Markup {
    html! { input type="hidden" name="csrf" value=(visitor.csrf); }
}

/// What somebody needs a role for: as it is for who has it; else it stands there, cannot be pressed, and says why.
pub(crate) fn reserved(visitor: &Visitor, needed: Role, body: Markup) -> Markup {
    let Some(lack) = visitor.lacks(needed) else { return body };
    html! {
        fieldset disabled title=(lack) { (body) }
        p.small.quiet.lack { (lack) }
    }
}

/// A page of a router that the caller merged in, framed like ours but without what only our own handlers know.
#[must_use]
pub fn extra_page(visitor: &Visitor, title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            (head(title, false))
            body {
                a.skip href="#main" { "Skip to content" }
                header.bar {
                    (mark())
                    nav aria-label="Pages" { a href="/" { "Fleet" } a href="/incidents" { "Incidents" } }
                }
                main #main { (body) }
                footer.foot { p.small.quiet { "Here as " (visitor.name()) "." } }
            }
        }
    }
}

/// The hidden field that a form of such a page must carry.
#[must_use]
pub fn csrf_field(visitor: &Visitor) -> Markup {
    csrf(visitor)
}
