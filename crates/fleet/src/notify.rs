//! `[notify]`: who is told elsewhere of what happens, and how they are reached.
//!
//! Values only. A secret is never one of them: it is named by the file that holds it.

use crate::model::words;
use std::path::PathBuf;
use std::time::Duration;

/// Who is told, and where the page is that every notice leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notify {
    /// The page as people reach it, without a slash at its end; there where anybody is told.
    pub page: Option<String>,
    /// For how long a notice is tried before it is given up.
    pub keep_trying: Duration,
    /// Certificate authorities that are trusted beside the machine's own, a PEM file.
    pub ca_file: Option<PathBuf>,
    /// Who is told, in the file's order: webhooks, ntfy topics, mail.
    pub receivers: Vec<Receiver>,
}

impl Default for Notify {
    fn default() -> Self {
        Self { page: None, keep_trying: Duration::from_secs(3600), ca_file: None, receivers: Vec::new() }
    }
}

impl Notify {
    /// The files that hold secrets of it.
    #[must_use]
    pub fn secret_files(&self) -> Vec<PathBuf> {
        let of_address = |address: &Address| match address {
            Address::Plain(_) => None,
            Address::File(path) => Some(path.clone()),
        };
        let of_way = |way: &Way| match way {
            Way::Webhook(hook) => vec![of_address(&hook.url), Some(hook.secret_file.clone())],
            Way::Ntfy(ntfy) => vec![of_address(&ntfy.topic), ntfy.token_file.clone()],
            Way::Mail(mail) => vec![mail.password_file.clone()],
        };
        self.receivers.iter().flat_map(|receiver| of_way(&receiver.way)).flatten().collect()
    }
}

/// What people may want to be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Occasion {
    /// A target stopped answering.
    TargetDown,
    /// It answers again.
    TargetBack,
    /// Somebody pressed a verb that changes something.
    VerbPressed,
    /// An agent asks a person.
    ApprovalAsked,
    /// The doors of a target were tried and not all were proven, or they are proven again.
    CanaryFailed,
    /// The journal does not keep what happens, or keeps it again.
    Journal,
}

words!(Occasion: TargetDown = "target-down", TargetBack = "target-back", VerbPressed = "verb-pressed",
    ApprovalAsked = "approval-asked", CanaryFailed = "canary-failed", Journal = "journal");

/// One who is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receiver {
    /// Its name, for the page and the journal.
    pub name: String,
    /// What it is told of; empty means everything.
    pub about: Vec<Occasion>,
    /// How it is reached.
    pub way: Way,
}

impl Receiver {
    /// Whether it wants to be told of this.
    #[must_use]
    pub fn wants(&self, occasion: Occasion) -> bool {
        self.about.is_empty() || self.about.contains(&occasion)
    }
}

/// How a receiver is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// A signed JSON body, posted.
    Webhook(Webhook),
    /// A topic of an ntfy server.
    Ntfy(Ntfy),
    /// E-mail through a relay.
    Mail(Mail),
}

impl Way {
    /// `webhook`, `ntfy` or `mail`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Webhook(_) => "webhook",
            Self::Ntfy(_) => "ntfy",
            Self::Mail(_) => "mail",
        }
    }
}

/// An address that a JSON body is posted to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// The address, or the file that holds it where the address itself is a secret.
    pub url: Address,
    /// The file with the secret that signs the body.
    pub secret_file: PathBuf,
}

/// An address, or where it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// As it stands in the file.
    Plain(String),
    /// In the first line of this file.
    File(PathBuf),
}

/// A topic of an ntfy server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ntfy {
    /// The server, without a slash at its end.
    pub server: String,
    /// The topic, or the file that holds it: on a public server its name is all that keeps others out.
    pub topic: Address,
    /// The file with the access token.
    pub token_file: Option<PathBuf>,
}

/// E-mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// The relay: a host name or an address.
    pub relay: String,
    /// Its port.
    pub port: u16,
    /// How the line to it is encrypted.
    pub tls: MailTls,
    /// The account there.
    pub user: Option<String>,
    /// The file with its password.
    pub password_file: Option<PathBuf>,
    /// The sender.
    pub from: String,
    /// To whom.
    pub to: Vec<String>,
}

/// How the line to a mail relay is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MailTls {
    /// From the first byte.
    Tls,
    /// After a greeting; a relay that does not offer it gets nothing.
    StartTls,
    /// Not at all.
    None,
}

words!(MailTls: Tls = "tls", StartTls = "starttls", None = "none");

impl MailTls {
    /// The port unless the file says otherwise.
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Tls => 465,
            Self::StartTls => 587,
            Self::None => 25,
        }
    }
}
