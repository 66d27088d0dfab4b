//! `[notify]`: the receivers, each with its address and the files of its secrets.

use super::{declare, plain};
use crate::notify::{Address, Mail, MailTls, Notify, Ntfy, Occasion, Receiver, Way, Webhook};
use crate::reader::{Report, Section};
use crate::references::{Names, Space};
use crate::values;
use std::net::IpAddr;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

pub(crate) fn notify(file: &mut Section<'_, '_>, report: &mut Report<'_>, names: &mut Names) -> Notify {
    let default = Notify::default();
    let Some(mut section) = file.table(report, "notify", "[notify]") else { return default };
    let keep_trying = section.duration(report, "keep_trying", MINUTE..=MINUTE * 60 * 24);
    let ca_file = section.text(report, "ca_file", values::path).map(|path| path.value);
    let mut receivers = Vec::new();
    for entry in section.tables(report, "webhook", "[[notify.webhook]]") {
        receivers.extend(receiver(entry, report, names, webhook));
    }
    for entry in section.tables(report, "ntfy", "[[notify.ntfy]]") {
        receivers.extend(receiver(entry, report, names, ntfy));
    }
    for entry in section.tables(report, "mail", "[[notify.mail]]") {
        receivers.extend(receiver(entry, report, names, mail));
    }
    // Whoever is told has to find the page.
    if !receivers.is_empty() {
        section.must_have("page");
    }
    let page = section.text(report, "page", values::url).map(|page| page.value);
    section.close(report);
    Notify { page, keep_trying: keep_trying.unwrap_or(default.keep_trying), ca_file, receivers }
}

/// One receiver; `way` reads what its kind has beside the name and what it is told of.
fn receiver(
    mut section: Section<'_, '_>,
    report: &mut Report<'_>,
    names: &mut Names,
    way: fn(&mut Section<'_, '_>, &mut Report<'_>) -> Option<Way>,
) -> Option<Receiver> {
    let name = declare(&mut section, report, names, Space::Receiver);
    let about = section.words(report, "about", Occasion::WORDS, Occasion::from_word).unwrap_or_default();
    let way = way(&mut section, report);
    section.close(report);
    Some(Receiver { name, about, way: way? })
}

fn webhook(section: &mut Section<'_, '_>, report: &mut Report<'_>) -> Option<Way> {
    section.must_have("secret_file");
    let url = here_or_in_file(section, report, "url", "url_file", values::url);
    let secret_file = section.text(report, "secret_file", values::path);
    Some(Way::Webhook(Webhook { url: url?, secret_file: secret_file?.value }))
}

fn ntfy(section: &mut Section<'_, '_>, report: &mut Report<'_>) -> Option<Way> {
    section.must_have("server");
    let server = section.text(report, "server", values::url);
    let topic = here_or_in_file(section, report, "topic", "topic_file", topic);
    let token_file = section.text(report, "token_file", values::path).map(|path| path.value);
    Some(Way::Ntfy(Ntfy { server: server?.value, topic: topic?, token_file }))
}

/// A value that stands in the fleet file or, where it is a secret by itself, in a file of its own.
fn here_or_in_file(
    section: &mut Section<'_, '_>,
    report: &mut Report<'_>,
    key: &'static str,
    file_key: &'static str,
    parse: fn(&str) -> values::Parsed<String>,
) -> Option<Address> {
    if section.value(file_key).is_none() {
        section.must_have(key);
    }
    let plain = section.text(report, key, parse);
    let file = section.text(report, file_key, values::path);
    match (plain, file) {
        (Some(_), Some(file)) => {
            let reason = format!("`{key}` and `{file_key}` both say it");
            report.say(&file.span, reason, Some("take one of the two out".to_owned()));
            None
        }
        (Some(plain), None) => Some(Address::Plain(plain.value)),
        (None, Some(file)) => Some(Address::File(file.value)),
        (None, None) => None,
    }
}

fn mail(section: &mut Section<'_, '_>, report: &mut Report<'_>) -> Option<Way> {
    for key in ["relay", "from", "to"] {
        section.must_have(key);
    }
    let relay = section.text(report, "relay", values::host);
    let tls = section.word(report, "tls", MailTls::WORDS, MailTls::from_word).unwrap_or(MailTls::Tls);
    let port = section.number(report, "port", 1..=65_535).and_then(|port| u16::try_from(port).ok());
    let user = section.text(report, "user", values::line);
    let password_file = section.text(report, "password_file", values::path).map(|path| path.value);
    let from = section.text(report, "from", values::mail_address);
    let to = plain(section.texts(report, "to", values::mail_address));
    if user.is_some() != password_file.is_some()
        && let Some(span) = section.key_span("user").or_else(|| section.key_span("password_file"))
    {
        let hint = Some("a relay that asks for neither needs neither".to_owned());
        report.say(&span, "`user` and `password_file` belong together", hint);
    }
    let relay = relay?.value;
    let on_this_machine = relay.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    if let Some(user) = user.as_ref().filter(|_| tls == MailTls::None && !on_this_machine) {
        let hint = Some("write tls = \"tls\" or tls = \"starttls\"".to_owned());
        report.say(&user.span, "the password would travel unencrypted", hint);
    }
    let nobody = section.value("to").and_then(|to| to.get_ref().as_array()).is_some_and(|to| to.is_empty());
    if nobody && let Some(span) = section.key_span("to") {
        report.say(&span, "nobody gets this mail", Some("write to = [\"oncall@example.org\"]".to_owned()));
    }
    let port = port.unwrap_or(tls.default_port());
    let user = user.map(|user| user.value);
    Some(Way::Mail(Mail { relay, port, tls, user, password_file, from: from?.value, to }))
}

/// The name of an ntfy topic.
fn topic(text: &str) -> values::Parsed<String> {
    let fine = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if !text.is_empty() && text.len() <= 64 && text.bytes().all(fine) {
        Ok(text.to_owned())
    } else {
        Err(format!("`{}` is no topic: 1 to 64 letters, digits, `_` and `-`", text.escape_debug()))
    }
}
