//! TLS by the server itself, so that the page opens by address when the proxy in front is what broke.
//!
//! The certificate comes from two files or, where none are given, is made once and kept. Whatever happens to the files,
//! the page goes on opening: new ones that cannot be used leave the old ones in place, and files that could never be
//! read leave a certificate of our own. Each of these is said in the log and among what the page depends on.

mod own;
mod pair;
pub(crate) mod plain;
mod watch;

use crate::server::ServeError;
use breakglass_fleet::{CertificateFiles, Fleet, Tls};
use breakglass_protocol::Timestamp;
use breakglass_recovery::Dependency;
use breakglass_triage::Health;
use pair::Pair;
use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio_rustls::TlsAcceptor;

/// A disk that takes longer hangs; the page opens without it.
const DISK_DEADLINE: Duration = Duration::from_secs(3);
/// From so long before its end on, a certificate's end is told.
const TOLD_BEFORE_DAYS: i64 = 30;
const DAY_MILLIS: i64 = 86_400_000;
/// A browser that was told to insist lets nobody past a certificate that went bad, so it is told so for a short time
/// only, and long before the end no more.
const HSTS: &str = "max-age=604800";

/// Where a certificate comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// From the files that the fleet file names.
    Given,
    /// Made by us, and kept: it is the same after a restart.
    Kept,
    /// Made by us, and not kept: another one after a restart.
    Passing,
}

/// The certificate that the page shows now.
#[derive(Debug)]
pub(crate) struct Certificate {
    held: RwLock<Held>,
    files: Option<CertificateFiles>,
}

#[derive(Debug, Clone)]
struct Held {
    key: Arc<CertifiedKey>,
    facts: Facts,
    origin: Origin,
    /// What is wrong with what should be shown instead.
    fault: Option<String>,
}

/// What a reader is told of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    /// SHA-256 of the certificate as browsers and `openssl` show it.
    pub(crate) fingerprint: String,
    /// When it ends.
    pub(crate) ends: Timestamp,
    /// Whether it vouches for itself.
    pub(crate) self_signed: bool,
}

impl Certificate {
    /// Finds the certificate to begin with. It always finds one, and says what is wrong with it.
    pub(crate) async fn open(tls: &Tls, state: &Path, now: Timestamp) -> Result<Arc<Self>, ServeError> {
        let mut fault = None;
        if let Some(files) = tls.files.clone() {
            let read = on_disk(move || Pair::read(&files.certificate, &files.key)).await;
            match read {
                Ok(pair) => return Ok(Self::with(pair, Origin::Given, tls, None)),
                Err(why) => {
                    let why =
                        format!("{why}. Until they can be read, the page shows a certificate of its own");
                    tracing::error!(why, "the certificate files cannot be used");
                    fault = Some(why);
                }
            }
        }
        let names = own::names(tls);
        let (dir, wanted) = (own::directory(state), names.clone());
        let (pair, origin) = match on_disk(move || own::kept(&dir, &wanted, now)).await {
            Ok(pair) => (pair, Origin::Kept),
            Err(why) => {
                tracing::warn!(why, "our own certificate cannot be kept");
                let not_kept = format!("{why}. A passing one is shown, which ends with this run");
                fault = Some(fault.map_or(not_kept.clone(), |fault| format!("{fault}; {not_kept}")));
                let pair = own::passing(&names, now).map_err(|why| ServeError::Tls { why })?;
                (pair, Origin::Passing)
            }
        };
        Ok(Self::with(pair, origin, tls, fault))
    }

    fn with(pair: Pair, origin: Origin, tls: &Tls, fault: Option<String>) -> Arc<Self> {
        let held = Held { key: pair.key, facts: pair.facts, origin, fault };
        Arc::new(Self { held: RwLock::new(held), files: tls.files.clone() })
    }

    /// What connections are accepted with.
    pub(crate) fn acceptor(self: &Arc<Self>) -> Result<TlsAcceptor, ServeError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| ServeError::Tls { why: error.to_string() })?;
        let resolver: Arc<dyn ResolvesServerCert> = Arc::clone(self) as _;
        let mut config = builder.with_no_client_auth().with_cert_resolver(resolver);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    fn held(&self) -> Held {
        self.held.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What it is.
    pub(crate) fn facts(&self) -> Facts {
        self.held().facts
    }

    /// Where it comes from.
    pub(crate) fn origin(&self) -> Origin {
        self.held().origin
    }

    /// `Strict-Transport-Security`, where it does more good than harm: never for a certificate that vouches for
    /// itself, and not near the end of one.
    pub(crate) fn hsts(&self, now: Timestamp) -> Option<&'static str> {
        let held = self.held();
        let safe = held.origin == Origin::Given && !held.facts.self_signed && held.fault.is_none();
        (safe && days_left(held.facts.ends, now) > TOLD_BEFORE_DAYS).then_some(HSTS)
    }

    /// The certificate as something that the page depends on.
    pub(crate) fn dependency(&self, now: Timestamp) -> Dependency {
        let held = self.held();
        let days = days_left(held.facts.ends, now);
        let kind = if held.facts.self_signed { "vouches for itself" } else { "is vouched for" };
        let renew = match held.origin {
            Origin::Given => "put a new one into its files, they are read again by themselves",
            Origin::Kept => "remove it from the state directory and start again, and a new one is made",
            Origin::Passing => "start again, and a new one is made",
        };
        let (health, sentence) = if let Some(fault) = &held.fault {
            (Health::Down, fault.clone())
        } else if days < 0 {
            let sentence =
                format!("ended {} days ago: browsers warn, and can be told to go on; {renew}", -days);
            (Health::Down, sentence)
        } else if days <= TOLD_BEFORE_DAYS {
            (Health::Degraded, format!("ends in {days} days; {renew}"))
        } else {
            let sentence = format!("{kind}, for {days} days more; SHA-256 {}", held.facts.fingerprint);
            (Health::Good, sentence)
        };
        Dependency { name: "certificate".to_owned(), health, sentence }
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.held().key)
    }
}

/// The fingerprint that the page of a fleet shows or would show, read from its files; for `breakglass check`.
///
/// # Errors
/// Why it cannot be told, in a sentence.
pub fn fingerprint(fleet: &Fleet) -> Result<String, String> {
    let Some(tls) = &fleet.web.tls else { return Err("the page speaks no TLS itself".to_owned()) };
    let path = match &tls.files {
        Some(files) => files.certificate.clone(),
        None => own::certificate_file(&own::directory(&fleet.state)),
    };
    match pair::certificate_facts(&path) {
        Ok(facts) => Ok(facts.fingerprint),
        Err(_) if tls.files.is_none() && !path.exists() => {
            Err("the page has no certificate yet; `breakglass serve` makes one and prints its fingerprint"
                .to_owned())
        }
        Err(why) => Err(why),
    }
}

fn days_left(ends: Timestamp, now: Timestamp) -> i64 {
    ends.unix_millis().saturating_sub(now.unix_millis()).div_euclid(DAY_MILLIS)
}

/// Does something that may hang with a disk, and gives up on it in time.
async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    match tokio::time::timeout(DISK_DEADLINE, tokio::task::spawn_blocking(work)).await {
        Ok(Ok(done)) => done,
        Ok(Err(_)) | Err(_) => Err("the disk of the certificate does not answer".to_owned()),
    }
}
