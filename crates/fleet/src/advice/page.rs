//! The page: whether anybody can log in, and what travels in the clear.
//!
//! Sections that nothing acts on are not told here: the fleet itself lists them.

use super::{Advice, say};
use crate::{Fleet, Role};

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
    if web.listen.is_empty() && web.tls.is_none() {
        say(advice, about(), "the page listens nowhere: give it an address in listen, or a [web.tls]");
    }
    if web.tls.is_none() && web.trusted_header.is_some() {
        say(
            advice,
            about(),
            "the page is reached through the proxy only: a [web.tls] lets it open by address when the proxy is what broke",
        );
    }
    roles(fleet, advice);
    if beyond_this_machine && !web.secure_cookies {
        say(
            advice,
            about(),
            "secure_cookies is off and the page listens beyond this machine: log-ins can be read on the way",
        );
    }
}

fn roles(fleet: &Fleet, advice: &mut Vec<Advice>) {
    let (web, roles) = (&fleet.web, &fleet.web.roles);
    let about = || "[[web.role]]".to_owned();
    if !roles.has_admin() {
        say(
            advice,
            about(),
            "no person is admin: on the page nobody can end another's session or accept a host key; `breakglass sessions` \
             and `breakglass accept-host-key` on the server still can",
        );
    }
    let groups_come = web.trusted_header.as_ref().is_some_and(|header| header.groups.is_some());
    if !roles.groups.is_empty() && !groups_come {
        say(
            advice,
            about(),
            "groups are given roles, and no header brings groups: give [web.trusted_header] its groups",
        );
    }
    let named =
        roles.people.iter().chain(&roles.groups).chain(&roles.tokens).any(|(_, role)| *role > Role::View);
    if named && roles.everybody == Role::Admin {
        say(
            advice,
            about(),
            "some are made operate or admin by name, and everybody else is admin: set everybody in [web]",
        );
    }
}
