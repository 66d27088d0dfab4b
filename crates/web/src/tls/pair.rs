//! A certificate chain and its key, read from two PEM files and held against each other.

use super::Facts;
use breakglass_protocol::Timestamp;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

/// Longer than any chain; a file of more is a mistake.
const LARGEST: u64 = 1 << 20;

/// A chain and a key that belong together.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) key: Arc<CertifiedKey>,
    pub(super) facts: Facts,
}

impl Pair {
    /// Reads both.
    ///
    /// # Errors
    /// What is wrong, with the file it is wrong in.
    pub(super) fn read(certificate: &Path, key: &Path) -> Result<Self, String> {
        let (chain, private) = (bytes_of(certificate)?, bytes_of(key)?);
        Self::of(&chain, &private).map_err(|why| match why {
            Fault::Chain(why) => format!("{}: {why}", certificate.display()),
            Fault::Key(why) => format!("{}: {why}", key.display()),
            Fault::Both(why) => format!("{} and {}: {why}", certificate.display(), key.display()),
        })
    }

    /// The same from memory.
    pub(super) fn of(chain: &[u8], private: &[u8]) -> Result<Self, Fault> {
        let chain = chain_of(chain).map_err(Fault::Chain)?;
        let facts = facts_of(&chain).map_err(Fault::Chain)?;
        let private = PrivateKeyDer::from_pem_slice(private)
            .map_err(|error| Fault::Key(format!("no private key in PEM can be read from it ({error})")))?;
        let provider = rustls::crypto::ring::default_provider();
        let key = CertifiedKey::from_der(chain, private, &provider).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => {
                Fault::Both("the key is not the one of this certificate".to_owned())
            }
            error => Fault::Both(format!("they cannot be used together ({error})")),
        })?;
        Ok(Self { key: Arc::new(key), facts })
    }
}

/// What is wrong, and with which of the two.
#[derive(Debug)]
pub(super) enum Fault {
    Chain(String),
    Key(String),
    Both(String),
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Chain(why) | Self::Key(why) | Self::Both(why) => f.write_str(why),
        }
    }
}

/// What the first certificate in a file says.
pub(super) fn certificate_facts(path: &Path) -> Result<Facts, String> {
    let chain = chain_of(&bytes_of(path)?).and_then(|chain| facts_of(&chain));
    chain.map_err(|why| format!("{}: {why}", path.display()))
}

fn bytes_of(path: &Path) -> Result<Vec<u8>, String> {
    let read = || {
        let file = std::fs::File::open(path)?;
        if !file.metadata()?.is_file() {
            return Err(std::io::Error::other("it is not a regular file"));
        }
        let mut bytes = Vec::new();
        file.take(LARGEST).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(|error| format!("{}: {error}", path.display()))
}

fn chain_of(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
    match chain {
        Ok(chain) if chain.is_empty() => Err("no certificate in PEM is in it".to_owned()),
        Ok(chain) => Ok(chain),
        Err(error) => Err(format!("the certificates in it cannot be read ({error})")),
    }
}

fn facts_of(chain: &[CertificateDer<'_>]) -> Result<Facts, String> {
    let first = chain.first().ok_or("no certificate is in it")?;
    let (_, parsed) = x509_parser::parse_x509_certificate(first)
        .map_err(|error| format!("the first certificate cannot be read ({error})"))?;
    let mut fingerprint = String::new();
    for byte in Sha256::digest(first) {
        let colon = if fingerprint.is_empty() { "" } else { ":" };
        let _ = write!(fingerprint, "{colon}{byte:02X}");
    }
    let ends = parsed.validity().not_after.timestamp().saturating_mul(1000);
    Ok(Facts {
        fingerprint,
        ends: Timestamp::from_unix_millis(ends),
        self_signed: parsed.issuer().as_raw() == parsed.subject().as_raw(),
    })
}
