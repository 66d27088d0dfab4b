//! The way in. It says which ways work, and nothing of what is behind it.

use super::layout;
use maud::{Markup, html};

/// What a failed attempt is told.
pub(crate) struct Refused {
    pub(crate) sentence: String,
}

/// The page. `passwords`, `sso`: which ways are there. `next`: where to go afterwards.
pub(crate) fn page(passwords: bool, sso: bool, next: &str, name: &str, refused: Option<&Refused>) -> Markup {
    let main = html! {
        div.stack {
            h1 { "Who are you?" }
            @if let Some(refused) = refused { p.lamp.down role="alert" { (refused.sentence) } }
            @else { p.quiet { "Logging in needs neither the internet nor a database." } }
        }
        section.panel aria-label="Ways to log in" {
            @if passwords {
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
            @if sso {
                p.in.small.quiet { "Single sign-on: come through its proxy and you are logged in. It did not name you now; a \
                                    password works without it." }
            }
        }
        p.quiet.small { "Neither works? The command line needs no log-in here, and plain ssh leads through the same guards." }
    };
    layout::bare("Log in · breakglass", &main)
}
