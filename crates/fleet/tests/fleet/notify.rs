//! `[notify]`: what is understood, and what is refused with which words.

use super::{GOOD, good, parse};
use breakglass_fleet::{Address, MailTls, Occasion, Way};
use std::path::PathBuf;
use std::time::Duration;

const PAGE: &str = "page = \"https://breakglass.example.org/\"\n";
const HOOK: &str =
    "[[notify.webhook]]\nname = \"oncall\"\nurl = \"https://hooks.example.org/a/\"\nsecret_file = \"/s\"\n";
const MAIL: &str = "[[notify.mail]]\nname = \"mail\"\nrelay = \"mail.example.org\"\nfrom = \"a@example.org\"\nto = [\"b@example.org\"]\n";

fn with(top: &str, receivers: &str) -> String {
    format!("{GOOD}\n[notify]\n{top}{receivers}")
}

#[test]
fn receivers_are_understood_with_their_defaults() {
    let ntfy = "[[notify.ntfy]]\nname = \"phone\"\nserver = \"http://[2001:db8::1]\"\ntopic_file = \"/t\"\nabout = [\"journal\"]\n";
    let fleet = good(&with(&format!("keep_trying = \"5 min\"\n{PAGE}"), &[HOOK, ntfy, MAIL].concat()));
    let notify = &fleet.notify;
    assert_eq!(notify.page.as_deref(), Some("https://breakglass.example.org"));
    assert_eq!(notify.keep_trying, Duration::from_secs(300));
    let [hook, phone, mail] = notify.receivers.as_slice() else { panic!("{:?}", notify.receivers) };
    assert!(hook.wants(Occasion::VerbPressed), "without a list everything is told");
    assert!(phone.wants(Occasion::Journal) && !phone.wants(Occasion::TargetDown));
    let Way::Webhook(hook) = &hook.way else { panic!("{hook:?}") };
    assert_eq!(hook.url, Address::Plain("https://hooks.example.org/a".to_owned()));
    let Way::Mail(mail) = &mail.way else { panic!("{mail:?}") };
    assert_eq!((mail.tls, mail.port), (MailTls::Tls, 465));
    assert_eq!(notify.secret_files(), ["/s", "/t"].map(PathBuf::from), "what no agent may reach");
}

#[test]
fn what_is_wrong_is_said_with_what_would_be_right() {
    let account = "user = \"u\"\npassword_file = \"/p\"\n";
    let port = |line: &str| format!("{MAIL}{line}");
    for (top, receivers, wanted) in [
        ("", HOOK.to_owned(), "[notify] has no `page`"),
        (
            "page = \"breakglass.example.org\"\n",
            HOOK.to_owned(),
            "write it like https://breakglass.example.org",
        ),
        ("page = \"https://me:pw@example.org\"\n", HOOK.to_owned(), "no place in an address"),
        ("page = \"https://example.org/?token=1\"\n", HOOK.to_owned(), "no address on the web"),
        ("page = \"https://192.0.2.300\"\n", HOOK.to_owned(), "no address on the web"),
        (PAGE, HOOK.replace("secret_file = \"/s\"\n", ""), "has no `secret_file`"),
        (PAGE, format!("{HOOK}url_file = \"/u\"\n"), "`url` and `url_file` both say it"),
        (PAGE, HOOK.replace("url", "uri"), "did you mean `url`"),
        (PAGE, format!("{HOOK}{}", MAIL.replace("\"mail\"", "\"oncall\"")), "another receiver \"oncall\""),
        (PAGE, format!("{HOOK}about = [\"target-dwon\"]\n"), "did you mean \"target-down\""),
        (PAGE, MAIL.replace("b@example.org", "b"), "no mail address like oncall@example.org"),
        (PAGE, MAIL.replace("[\"b@example.org\"]", "[]"), "nobody gets this mail"),
        (PAGE, MAIL.replace("a@example.org", "a@b\\r\\nBcc: x"), "no mail address"),
        (PAGE, port("user = \"u\"\n"), "`user` and `password_file` belong together"),
        (PAGE, port(&format!("tls = \"none\"\n{account}")), "the password would travel unencrypted"),
        (PAGE, port("port = 0\n"), "`port` is out of range"),
        (
            PAGE,
            "[[notify.ntfy]]\nname = \"p\"\nserver = \"https://x.org\"\ntopic = \"a/b\"\n".to_owned(),
            "is no topic",
        ),
        ("keep_trying = \"2 s\"\n", String::new(), "`keep_trying` is out of range"),
    ] {
        let text = with(top, &receivers);
        let Err(invalid) = parse(&text) else { panic!("accepted: {text}") };
        let told = invalid.to_string();
        assert!(told.contains(wanted), "{wanted}: {told}");
        assert!(told.contains("1 error"), "{told}");
    }
    // On this very machine nothing travels.
    let local = MAIL.replace("mail.example.org", "127.0.0.1");
    good(&with(PAGE, &format!("{local}tls = \"none\"\n{account}")));
}
