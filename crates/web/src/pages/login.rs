//! The way in. It says which ways work, and nothing of what is behind it.

use super::{layout, ways};
use maud::{Markup, html};

/// What a failed attempt is told.
pub(crate) struct Refused {
    pub(crate) sentence: String,
}

/// Which ways are there.
pub(crate) struct Offers<'a> {
    pub(crate) passwords: bool,
    pub(crate) proxy: bool,
    /// All ways in, in sentences.
    pub(crate) ways: &'a [String],
}

/// The page. `next`: where to go afterwards.
pub(crate) fn page(offers: &Offers<'_>, next: &str, name: &str, refused: Option<&Refused>) -> Markup {
    let main = html! {
        div.stack {
            h1 { "Who are you?" }
            @if let Some(refused) = refused { p.lamp.down role="alert" { (refused.sentence) } }
            @else { p.quiet { "Logging in needs neither the internet nor a database." } }
        }
        section.panel aria-label="Ways to log in" {
            @if offers.passwords {
                form.in.stack method="post" action="/login" {
                    div { label for="u" { "Name" }
                        input #u name="name" value=(name) autocomplete="username" autocapitalize="none" autocorrect="off"
                            spellcheck="false" required maxlength="64" autofocus[name.is_empty()]; }
                    div { label for="p" { "Password" }
                        input #p name="password" type="password" autocomplete="current-password" required
                            maxlength="1024" autofocus[!name.is_empty()]; }
                    input type="hidden" name="next" value=(next);
                    button.go.wide { "Log in" }
                }
            } @else {
                p.in { "No password file is configured. " code { "password_file" } " in " code { "[web]" } " of fleet.toml \
                        names one." }
            }
            @if offers.proxy {
                p.in.small.quiet { "Single sign-on: come through its proxy and you are logged in. It did not name you now; a \
                                    password works without it." }
            }
        }
        (ways::fold(offers.ways, refused.is_some()))
    };
    layout::bare("Log in · breakglass", &main)
}
