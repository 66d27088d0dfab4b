//! E-mail through a relay. A relay that takes a message has it; the key of the notice is in its Message-ID, by which mail
//! programs know a second copy.

use crate::notice::{Letter, Urgency};
use crate::secret::Secret;
use crate::trouble::{Trouble, innermost};
use breakglass_fleet::{Mail, MailTls};
use lettre::message::Mailbox;
use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use std::path::Path;
use std::time::Duration;

pub(crate) async fn send(
    mail: &Mail,
    letter: &Letter,
    ca_file: Option<&Path>,
    patience: Duration,
) -> Result<(), Trouble> {
    let message = message(mail, letter)?;
    let tls = |parameters: TlsParameters| match mail.tls {
        MailTls::Tls => Tls::Wrapper(parameters),
        MailTls::StartTls => Tls::Required(parameters),
        MailTls::None => Tls::None,
    };
    let tls = match mail.tls {
        MailTls::None => Tls::None,
        MailTls::Tls | MailTls::StartTls => tls(parameters(&mail.relay, ca_file).await?),
    };
    let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&mail.relay)
        .port(mail.port)
        .tls(tls)
        .timeout(Some(patience))
        .hello_name(ClientId::Domain(domain(&mail.from)));
    if let (Some(user), Some(path)) = (&mail.user, &mail.password_file) {
        let password = Secret::read(path).await.map_err(Trouble::passing)?;
        transport = transport.credentials(Credentials::new(user.clone(), password.reveal().to_owned()));
    }
    let relay = &mail.relay;
    match transport.build().send(message).await {
        Ok(_) => Ok(()),
        Err(error) if error.is_permanent() => Err(Trouble::lasting(format!(
            "{relay} refuses the message: {}; look at `[[notify.mail]]`",
            innermost(&error)
        ))),
        Err(error) if error.is_transient() => Err(Trouble {
            answered: true,
            ..Trouble::passing(format!("{relay} does not take the message now: {}", innermost(&error)))
        }),
        Err(error) => Err(Trouble::passing(format!("{relay} cannot be spoken to: {}", innermost(&error)))),
    }
}

fn message(mail: &Mail, letter: &Letter) -> Result<Message, Trouble> {
    let mailbox = |address: &str| {
        address.parse::<Mailbox>().map_err(|error| {
            Trouble::lasting(format!("`{address}` is no mail address: {error}; look at `[notify]`"))
        })
    };
    let mut builder = Message::builder()
        .from(mailbox(&mail.from)?)
        .subject(format!("[{}] {}", letter.fleet, letter.title))
        .message_id(Some(format!("<{}@{}>", letter.id, domain(&mail.from))))
        // No holiday notice in answer to this.
        .header(AutoSubmitted)
        .header(ContentType::TEXT_PLAIN);
    if letter.urgency == Urgency::Wakes {
        builder = builder.header(Urgent);
    }
    for address in &mail.to {
        builder = builder.to(mailbox(address)?);
    }
    let body = format!("{}\n\n{}\n\n{}\n", letter.text, letter.link, letter.at);
    builder.body(body).map_err(|error| Trouble::lasting(error.to_string()))
}

fn domain(address: &str) -> String {
    address.rsplit_once('@').map_or_else(|| "localhost".to_owned(), |(_, domain)| domain.to_owned())
}

async fn parameters(relay: &str, ca_file: Option<&Path>) -> Result<TlsParameters, Trouble> {
    let (relay, ca_file) = (relay.to_owned(), ca_file.map(Path::to_owned));
    let built = tokio::task::spawn_blocking(move || {
        let mut builder = TlsParameters::builder(relay);
        if let Some(path) = ca_file {
            let shown = path.display();
            let pem = std::fs::read(&path).map_err(|error| format!("{shown} cannot be read: {error}"))?;
            builder = builder.add_root_certificate(
                Certificate::from_pem(&pem).map_err(|error| format!("{shown}: {error}"))?,
            );
        }
        builder.build_rustls().map_err(|error| innermost(&error))
    });
    built.await.unwrap_or_else(|error| Err(error.to_string())).map_err(Trouble::passing)
}

/// A header with one value that never changes.
macro_rules! fixed {
    ($type:ident, $name:literal, $value:literal, $why:literal) => {
        #[doc = $why]
        #[derive(Clone)]
        struct $type;

        impl Header for $type {
            fn name() -> HeaderName {
                HeaderName::new_from_ascii_str($name)
            }

            fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
                Ok(Self)
            }

            fn display(&self) -> HeaderValue {
                HeaderValue::new(Self::name(), $value.to_owned())
            }
        }
    };
}

fixed!(AutoSubmitted, "Auto-Submitted", "auto-generated", "RFC 3834: a machine wrote this.");
fixed!(Urgent, "Importance", "high", "RFC 2156: shown by mail programs.");
