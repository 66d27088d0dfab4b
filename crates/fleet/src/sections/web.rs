//! `[web]`: where the page listens, how one logs in, and what one may do then.

use super::plain;
use crate::reader::{Located, Report, Section};
use crate::values;
use crate::{CertificateFiles, Role, Roles, Tls, TrustedHeader, Web};

pub(crate) fn web(file: &mut Section<'_, '_>, report: &mut Report<'_>) -> Web {
    let default = Web::default();
    let Some(mut section) = file.table(report, "web", "[web]") else { return default };
    let listen = section.texts(report, "listen", values::listen).map(|listen| plain(Some(listen)));
    let password_file = section.text(report, "password_file", values::path).map(|path| path.value);
    let token_file = section.text(report, "token_file", values::path).map(|path| path.value);
    let session_hours = section.number(report, "session_hours", 1..=720);
    let secure_cookies = section.yes_or_no(report, "secure_cookies");
    let everybody = section.word(report, "everybody", Role::WORDS, Role::from_word);
    let tls = section.table(report, "tls", "[web.tls]").map(|section| tls(section, report));
    let trusted_header = section
        .table(report, "trusted_header", "[web.trusted_header]")
        .and_then(|header| trusted_header(header, report));
    let named = section.tables(report, "role", "[[web.role]]");
    let mut roles = Roles { everybody: everybody.unwrap_or(default.roles.everybody), ..Roles::default() };
    for section in named {
        role(section, report, &mut roles);
    }
    section.close(report);
    Web {
        listen: listen.unwrap_or(default.listen),
        tls,
        password_file,
        token_file,
        trusted_header,
        session_hours: session_hours.unwrap_or(default.session_hours),
        secure_cookies: secure_cookies.unwrap_or(default.secure_cookies),
        roles,
    }
}

fn tls(mut section: Section<'_, '_>, report: &mut Report<'_>) -> Tls {
    section.must_have("listen");
    let listen = section.texts(report, "listen", values::listen);
    if listen.as_ref().is_some_and(Vec::is_empty) {
        let span = section.key_span("listen").unwrap_or_else(|| section.span().clone());
        report.say(&span, "TLS is spoken nowhere", Some("write listen = [\"0.0.0.0:8443\"]".to_owned()));
    }
    let certificate = section.text(report, "certificate", values::path);
    let key = section.text(report, "key", values::path);
    let names = section.texts(report, "names", values::host);
    let files = match (certificate, key) {
        (Some(certificate), Some(key)) => {
            Some(CertificateFiles { certificate: certificate.value, key: key.value })
        }
        (None, None) => None,
        (Some(one), None) | (None, Some(one)) => {
            let hint = "give both, or neither: then the server makes a certificate of its own and keeps it";
            report.say(
                &one.span,
                "a certificate needs its key, and a key its certificate",
                Some(hint.to_owned()),
            );
            None
        }
    };
    section.close(report);
    Tls { listen: plain(listen), files, names: plain(names) }
}

fn trusted_header(mut section: Section<'_, '_>, report: &mut Report<'_>) -> Option<TrustedHeader> {
    section.must_have("name");
    section.must_have("proxies");
    let name = section.text(report, "name", values::header);
    let groups = section.text(report, "groups", values::header);
    let proxies = section.texts(report, "proxies", values::ip);
    if proxies.as_ref().is_some_and(Vec::is_empty) {
        let span = section.key_span("proxies").unwrap_or_else(|| section.span().clone());
        let hint = "list the addresses of the proxies that set the header, or take the table out".to_owned();
        report.say(&span, "a header that nobody may set admits nobody", Some(hint));
    }
    if let (Some(name), Some(groups)) = (&name, &groups)
        && name.value == groups.value
    {
        report.say(&groups.span, "one header cannot carry both the name and the groups", None);
    }
    section.close(report);
    Some(TrustedHeader {
        name: name?.value,
        groups: groups.map(|groups| groups.value),
        proxies: plain(proxies),
    })
}

fn role(mut section: Section<'_, '_>, report: &mut Report<'_>, roles: &mut Roles) {
    section.must_have("role");
    let role = section.word(report, "role", Role::WORDS, Role::from_word);
    let people = section.texts(report, "people", values::visitor);
    let tokens = section.texts(report, "tokens", values::visitor);
    let groups = section.texts(report, "groups", values::line);
    if [&people, &tokens, &groups].into_iter().all(|named| named.as_ref().is_none_or(Vec::is_empty)) {
        let hint = "write people = [\"…\"], tokens = [\"…\"] or groups = [\"…\"]".to_owned();
        let span = section.span().clone();
        report.say(&span, "this role is given to nobody", Some(hint));
    }
    section.close(report);
    let role = role.unwrap_or(Role::View);
    give(&mut roles.people, people, role, report);
    give(&mut roles.tokens, tokens, role, report);
    give(&mut roles.groups, groups, role, report);
}

/// Whoever is given two roles has neither by the file's word: which one is meant has to be said.
fn give(
    to: &mut Vec<(String, Role)>,
    named: Option<Vec<Located<String>>>,
    role: Role,
    report: &mut Report<'_>,
) {
    for name in named.unwrap_or_default() {
        if to.iter().any(|(there, _)| *there == name.value) {
            let reason = format!("`{}` is given a role twice", name.value.escape_debug());
            report.say(&name.span, reason, Some("leave the one that is meant".to_owned()));
        } else {
            to.push((name.value, role));
        }
    }
}
