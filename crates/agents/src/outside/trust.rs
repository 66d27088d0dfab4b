//! By what the server's certificate is believed: this machine's authorities, a file of them, or the fingerprint that a person
//! compared. What was shown and not believed is told with its fingerprint, so that there is something to compare.
//!
//! A token is sent only after this: whoever stands in between has heard nothing by then.

use super::remote::BadServer;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// By what the server's certificate is believed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Trust {
    /// Whoever this machine believes.
    #[default]
    Machine,
    /// Whoever is in this PEM file, and nobody else.
    Authorities(PathBuf),
    /// This very certificate, whatever its names and its end are.
    Pinned(Fingerprint),
}

/// SHA-256 of a certificate, as browsers, `openssl` and `breakglass status` show it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    fn of(certificate: &CertificateDer<'_>) -> Self {
        Self(Sha256::digest(certificate).into())
    }
}

impl std::str::FromStr for Fingerprint {
    type Err = BadServer;

    /// 64 hexadecimal digits, in either case, with colons or without; `SHA-256` or `sha256:` may stand before them.
    fn from_str(text: &str) -> Result<Self, BadServer> {
        let bad = || BadServer::Fingerprint { given: text.chars().take(100).collect() };
        let lower = text.trim().to_ascii_lowercase();
        let bare = lower.strip_prefix("sha-256").or(lower.strip_prefix("sha256")).unwrap_or(&lower);
        let digits: Vec<u8> = bare.bytes().filter(|byte| !matches!(byte, b':' | b'=' | b' ')).collect();
        let mut bytes = [0; 32];
        if digits.len() != 2 * bytes.len() || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(bad());
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| bad())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| bad())?;
        }
        Ok(Self(bytes))
    }
}

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = String::with_capacity(95);
        for byte in self.0 {
            let colon = if text.is_empty() { "" } else { ":" };
            let _ = write!(text, "{colon}{byte:02X}");
        }
        f.write_str(&text)
    }
}

impl std::fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

/// Judges the certificates of one server, and remembers the last one that it did not believe.
#[derive(Debug)]
pub(super) struct Judge {
    provider: Arc<CryptoProvider>,
    by: By,
    shown: Mutex<Option<Fingerprint>>,
}

#[derive(Debug)]
enum By {
    Machine(Arc<WebPkiServerVerifier>),
    Authorities(Arc<WebPkiServerVerifier>),
    Pin(Fingerprint),
    /// The address has no encryption, and nobody is believed.
    Nobody,
}

impl Judge {
    pub(super) fn new(trust: Trust, encrypted: bool) -> Result<Arc<Self>, String> {
        let provider = Arc::new(ring::default_provider());
        let verifier = |roots: RootCertStore| {
            let of = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
            of.build().map_err(|error| error.to_string())
        };
        let by = match trust {
            Trust::Pinned(pin) => By::Pin(pin),
            Trust::Authorities(path) => By::Authorities(verifier(of_file(&path)?)?),
            Trust::Machine if encrypted => By::Machine(verifier(of_machine()?)?),
            Trust::Machine => By::Nobody,
        };
        Ok(Arc::new(Self { provider, by, shown: Mutex::default() }))
    }

    /// What connects to servers that this believes.
    pub(super) fn connector(
        self: &Arc<Self>,
        http: HttpConnector,
    ) -> Result<HttpsConnector<HttpConnector>, String> {
        let builder = ClientConfig::builder_with_provider(Arc::clone(&self.provider));
        let builder = builder.with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
        let verifier: Arc<dyn ServerCertVerifier> = Arc::clone(self) as _;
        let config = builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
        let connector = HttpsConnectorBuilder::new().with_tls_config(config).https_or_http().enable_http1();
        Ok(connector.wrap_connector(http))
    }

    /// What a person does about a certificate that is not believed; `None` where the error is none of that kind.
    pub(super) fn sentence(&self, base: &str, error: &(dyn std::error::Error + 'static)) -> Option<String> {
        let Error::InvalidCertificate(why) = of_tls(error)? else {
            return Some(format!(
                "Something answers at {base}, and no encryption could be agreed on with it ({}). The token was not sent. Is it \
                 a port that speaks TLS?",
                of_tls(error)?
            ));
        };
        let shown = *self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let shown = shown.map_or_else(|| "unknown".to_owned(), |shown| shown.to_string());
        let compare = "compare that with what `breakglass status` says on the server itself";
        let (what, then) = match (&self.by, why) {
            (By::Pin(pin), _) => (
                format!("another certificate than the one that is pinned ({pin})"),
                format!(
                    "It was replaced, or somebody stands in between: {compare}, and pin the new one with --fingerprint only if \
                     they are the same."
                ),
            ),
            (_, CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }) => (
                "a certificate for other names than this address".to_owned(),
                format!(
                    "Use the name that it is made for, put this one into `names` of [web.tls], or {compare} and pin it with \
                     --fingerprint."
                ),
            ),
            (
                _,
                CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. },
            ) => (
                "a certificate that is not valid at this time".to_owned(),
                format!(
                    "Renew it, look at the clock of this machine, or {compare} and pin it with --fingerprint."
                ),
            ),
            (By::Authorities(_), _) => (
                "a certificate that nobody in the file of --ca vouches for".to_owned(),
                format!("Name the right file, or {compare} and pin it with --fingerprint."),
            ),
            _ => (
                "a certificate that nobody whom this machine believes vouches for".to_owned(),
                format!(
                    "If the server made it itself, {compare}, then give --fingerprint with it; if an authority of your own did, \
                     name its file with --ca."
                ),
            ),
        };
        Some(format!("The server at {base} shows {what}: SHA-256 {shown}. The token was not sent. {then}"))
    }
}

fn of_machine() -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err("this machine has none (install ca-certificates); name a file with --ca, or the certificate itself with \
                    --fingerprint"
            .to_owned());
    }
    Ok(roots)
}

fn of_file(path: &Path) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let told = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| told(&error))? {
        let certificate = certificate.map_err(|error| told(&error))?;
        roots.add(certificate).map_err(|error| told(&error))?;
    }
    if roots.is_empty() { Err(told(&"no certificate is in it")) } else { Ok(roots) }
}

/// What the encryption said, in a chain of errors: it stands within errors of input and output, which do not name it as their
/// source.
fn of_tls<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref() {
            return Some(tls);
        }
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next = match inner {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let shown = Fingerprint::of(certificate);
        let verdict = match &self.by {
            By::Pin(pin) if *pin == shown => Ok(ServerCertVerified::assertion()),
            By::Pin(_) => Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)),
            By::Machine(by) | By::Authorities(by) => {
                by.verify_server_cert(certificate, between, name, ocsp, now)
            }
            By::Nobody => Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)),
        };
        if verdict.is_err() {
            *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(shown);
        }
        verdict
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_read_as_it_is_shown_anywhere() {
        let shown = "AB:CD:".repeat(15) + "AB:CD";
        let wanted: Fingerprint = shown.parse().unwrap();
        assert_eq!(wanted.to_string(), shown);
        let bare = "abcd".repeat(16);
        for text in
            [bare.clone(), format!("SHA-256 {shown}"), format!("sha256:{bare}"), format!(" {shown}\n")]
        {
            assert_eq!(text.parse::<Fingerprint>().unwrap(), wanted, "{text}");
        }
        for bad in ["", "AB:CD", &"g".repeat(64), &(bare + "00"), "SHA256:uNiVztksCsDhcc0u9e8BrQ"] {
            let error = bad.parse::<Fingerprint>().unwrap_err();
            assert!(error.to_string().contains("breakglass status"), "{error}");
        }
    }
}
