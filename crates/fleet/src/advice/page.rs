//! The page: whether anybody can log in, and what travels in the clear.
//!
//! Sections that nothing acts on are not told here: the fleet itself lists them.

use super::{Advice, say};
use crate::Fleet;

pub(super) fn advise(fleet: &Fleet, advice: &mut Vec<Advice>) {
    let web = &fleet.web;
    let beyond_this_machine = web.listen.iter().any(|address| !address.ip().is_loopback());
    let about = || "[web]".to_owned();
    if web.password_file.is_none() && web.token_file.is_none() && web.trusted_header.is_none() {
        say(
            advice,
            about(),
            "nobody can log in: give it a password_file, which works when everything else is down",
        );
    } else if web.password_file.is_none() && web.trusted_header.is_some() {
        say(
            advice,
            about(),
            "people log in through the proxy only: add a password_file for when single sign-on is down",
        );
    }
    if beyond_this_machine && !web.secure_cookies {
        say(
            advice,
            about(),
            "secure_cookies is off and the page listens beyond this machine: log-ins can be read on the way",
        );
    }
}
