//! One POST, and what the answer's status means. Nothing is kept between two of them: notices are rare, and a connection that
//! has been idle for a day is worth nothing.
//!
//! The body of an answer is not read: the status decides. Nobody is followed elsewhere with a signature in hand.

use crate::trouble::{Trouble, innermost};
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use std::path::{Path, PathBuf};
use std::time::Duration;

const AGENT: &str = concat!("breakglass/", env!("CARGO_PKG_VERSION"));
/// Nobody is left alone for longer than this because they ask for it.
const LONGEST_ASKED: Duration = Duration::from_secs(600);

/// A request. What its `Debug` would show is secret, so it has none.
pub(crate) struct Post {
    pub(crate) url: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

impl Post {
    /// Sends it.
    ///
    /// # Errors
    /// What went wrong.
    pub(crate) async fn send(self, ca_file: Option<&Path>) -> Result<(), Trouble> {
        let uri: Uri = self
            .url
            .parse()
            .map_err(|_| Trouble::lasting("the address is none that a notice can be sent to"))?;
        let host = uri.host().unwrap_or_default().to_owned();
        let mut request = Request::new(Full::new(Bytes::from(self.body)));
        *request.method_mut() = Method::POST;
        for (name, value) in &self.headers {
            let mut value = HeaderValue::from_str(value).map_err(|_| {
                Trouble::lasting(format!("what belongs into the header {name} cannot stand in one"))
            })?;
            value.set_sensitive(*name == "authorization");
            request.headers_mut().insert(HeaderName::from_static(name), value);
        }
        request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(AGENT));
        let tls = if uri.scheme_str() == Some("https") {
            trusting(ca_file).await.map_err(Trouble::passing)?
        } else {
            config(RootCertStore::empty()).map_err(Trouble::lasting)?
        };
        *request.uri_mut() = uri;
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector);
        match client.request(request).await {
            Ok(response) => judge(&host, response.status(), response.headers()),
            Err(error) if error.is_connect() => {
                Err(Trouble::passing(format!("{host} cannot be reached: {}", innermost(&error))))
            }
            Err(error) => {
                Err(Trouble::passing(format!("{host} broke off before it answered: {}", innermost(&error))))
            }
        }
    }
}

/// What an answer means for a notice.
fn judge(host: &str, status: StatusCode, headers: &HeaderMap) -> Result<(), Trouble> {
    let code = status.as_u16();
    let trouble = match code {
        200..=299 => return Ok(()),
        429 => Trouble::passing(format!("{host} says that too much was asked of it (429)")),
        408 | 425 | 500..=599 => Trouble::passing(format!("{host} has a fault of its own ({code})")),
        300..=399 => Trouble::lasting(format!(
            "{host} sends elsewhere ({code}), which is not followed; write the final address into `[notify]`"
        )),
        401 | 403 => Trouble::lasting(format!(
            "{host} does not accept who we are ({code}); look at the files that `[notify]` names"
        )),
        404 | 410 => Trouble::lasting(format!("{host} knows no such address ({code}); look at `[notify]`")),
        _ => Trouble::lasting(format!("{host} refuses the notice as it is ({code})")),
    };
    let after = headers
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.trim().parse().ok())
        .map(|seconds| Duration::from_secs(seconds).min(LONGEST_ASKED));
    Err(Trouble { answered: true, after, ..trouble })
}

/// The machine's certificate authorities, and those of the fleet file.
async fn trusting(ca_file: Option<&Path>) -> Result<ClientConfig, String> {
    let ca_file = ca_file.map(Path::to_owned);
    let roots =
        tokio::task::spawn_blocking(move || roots(ca_file)).await.map_err(|error| error.to_string())??;
    config(roots)
}

fn roots(ca_file: Option<PathBuf>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca_file {
        let shown = path.display();
        let certificates =
            CertificateDer::pem_file_iter(&path).map_err(|error| format!("{shown}: {error}"))?;
        for certificate in certificates {
            let certificate = certificate.map_err(|error| format!("{shown}: {error}"))?;
            roots.add(certificate).map_err(|error| format!("{shown}: {error}"))?;
        }
    }
    if roots.is_empty() {
        return Err(
            "this machine trusts no certificate authority; install ca-certificates or name a ca_file"
                .to_owned(),
        );
    }
    Ok(roots)
}

fn config(roots: RootCertStore) -> Result<ClientConfig, String> {
    let builder = ClientConfig::builder_with_provider(ring::default_provider().into());
    let builder = builder.with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
