//! `[web]`: where the page listens and how one logs in.

use super::plain;
use crate::reader::{Report, Section};
use crate::values;
use crate::{TrustedHeader, Web};

pub(crate) fn web(file: &mut Section<'_, '_>, report: &mut Report<'_>) -> Web {
    let default = Web::default();
    let Some(mut section) = file.table(report, "web", "[web]") else { return default };
    let listen = section.texts(report, "listen", values::listen).map(|listen| plain(Some(listen)));
    let password_file = section.text(report, "password_file", values::path).map(|path| path.value);
    let token_file = section.text(report, "token_file", values::path).map(|path| path.value);
    let session_hours = section.number(report, "session_hours", 1..=720);
    let secure_cookies = section.yes_or_no(report, "secure_cookies");
    let trusted_header = section
        .table(report, "trusted_header", "[web.trusted_header]")
        .and_then(|header| trusted_header(header, report));
    section.close(report);
    Web {
        listen: listen.unwrap_or(default.listen),
        password_file,
        token_file,
        trusted_header,
        session_hours: session_hours.unwrap_or(default.session_hours),
        secure_cookies: secure_cookies.unwrap_or(default.secure_cookies),
    }
}

fn trusted_header(mut section: Section<'_, '_>, report: &mut Report<'_>) -> Option<TrustedHeader> {
    section.must_have("name");
    section.must_have("proxies");
    let name = section.text(report, "name", values::header);
    let proxies = section.texts(report, "proxies", values::ip);
    if proxies.as_ref().is_some_and(Vec::is_empty) {
        let span = section.key_span("proxies").unwrap_or_else(|| section.span().clone());
        let hint = "list the addresses of the proxies that set the header, or take the table out".to_owned();
        report.say(&span, "a header that nobody may set admits nobody", Some(hint));
    }
    section.close(report);
    Some(TrustedHeader { name: name?.value, proxies: plain(proxies) })
}
