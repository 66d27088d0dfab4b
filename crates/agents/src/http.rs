//! One request to a model's endpoint, under deadlines: connect, the first byte, and every silence after it.
//!
//! What goes wrong is a [`Trouble`] that says whether asking again makes sense. Who asks again, and how often, is decided
//! elsewhere (`api/ask.rs`).

use crate::endpoint::Endpoint;
use crate::key::Key;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{HeaderMap, RETRY_AFTER};
use hyper::{Request, Response, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use std::time::Duration;
use tokio::time::timeout;

/// Of an answer that is an error, no more is read.
const ERROR_LIMIT: usize = 16 * 1024;
/// Of that, no more is quoted.
const QUOTED: usize = 240;
/// How long a connection is kept for the next request of the same turn.
const IDLE: Duration = Duration::from_secs(30);

/// What was wrong with one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// What happened and what to do, in a sentence without its full stop.
    pub(crate) sentence: String,
    /// Whether asking again may help.
    pub(crate) again: bool,
    /// How long the endpoint wants to be left alone.
    pub(crate) after: Option<Duration>,
    /// Whether another engine could fare better.
    pub(crate) retry_other: bool,
}

impl Trouble {
    pub(crate) fn passing(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), again: true, after: None, retry_other: true }
    }

    pub(crate) fn lasting(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), again: false, after: None, retry_other: true }
    }
}

/// A client of one endpoint. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Caller {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    endpoint: Endpoint,
    key: Option<Key>,
}

impl Caller {
    /// A client with the key read anew.
    ///
    /// # Errors
    /// A sentence, where there is no key or no list of certificate authorities.
    pub(crate) fn new(endpoint: &Endpoint) -> Result<Self, String> {
        let key = endpoint.key.read()?;
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_connect_timeout(Some(endpoint.patience.connect));
        http.set_nodelay(true);
        let builder = HttpsConnectorBuilder::new();
        // Reading the machine's certificate authorities costs memory; an endpoint without TLS does not need them.
        let connector = if endpoint.encrypted() {
            let roots = builder.with_provider_and_native_roots(ring::default_provider()).map_err(|error| {
                format!("no certificate authorities are installed on this machine ({error}), so {endpoint} cannot be checked; install ca-certificates")
            })?;
            roots.https_only().enable_http1().wrap_connector(http)
        } else {
            builder.with_tls_config(trusting_nobody()?).https_or_http().enable_http1().wrap_connector(http)
        };
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE)
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(1)
            .build(connector);
        Ok(Self { client, endpoint: endpoint.clone(), key })
    }

    /// The endpoint.
    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The key.
    pub(crate) fn key(&self) -> Option<&Key> {
        self.key.as_ref()
    }

    /// Sends, and waits for the first byte of an answer that is none of the errors.
    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Trouble> {
        let response = self.exchange(request).await?;
        if response.status().is_success() {
            return Ok(response);
        }
        let (parts, body) = response.into_parts();
        let silence = self.endpoint.patience.silence;
        let text = timeout(silence, beginning(body)).await.unwrap_or_default();
        let quoted = self.quote(&String::from_utf8_lossy(&text));
        Err(self.refused(parts.status, &parts.headers, &quoted))
    }

    /// Sends, and takes any answer as it is.
    pub(crate) async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, Trouble> {
        let patience = self.endpoint.patience;
        // The connector's own limit covers each address alone and no encryption; this one covers everything.
        match timeout(patience.connect + patience.answer, self.client.request(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) if error.is_connect() => Err(Trouble::passing(format!(
                "{} cannot be reached ({}); check that it runs and that this server may connect to it",
                self.endpoint,
                innermost(&error)
            ))),
            Ok(Err(error)) => Err(Trouble::passing(format!(
                "{} broke off before it answered ({})",
                self.endpoint,
                innermost(&error)
            ))),
            Err(_) => Err(Trouble::passing(format!(
                "{} took the request and did not answer within {} s",
                self.endpoint,
                (patience.connect + patience.answer).as_secs()
            ))),
        }
    }

    /// A status that is none of success, in a sentence.
    pub(crate) fn refused(&self, status: StatusCode, headers: &HeaderMap, quoted: &str) -> Trouble {
        let endpoint = &self.endpoint;
        let model = &endpoint.model;
        let code = status.as_u16();
        let said = if quoted.is_empty() { String::new() } else { format!(": “{quoted}”") };
        let mut trouble = match code {
            401 | 403 => Trouble::lasting(format!(
                "{endpoint} refuses the key ({code}){said}; put a valid one where `[agent]` says that it is"
            )),
            404 => Trouble::lasting(format!(
                "{endpoint} knows neither this address nor the model {model} (404){said}; check both in `[agent]`"
            )),
            429 => Trouble::passing(format!("{endpoint} says that too much was asked of it (429){said}")),
            408 | 409 | 425 | 500..=599 => {
                Trouble::passing(format!("{endpoint} has a fault of its own ({code}){said}"))
            }
            300..=399 => Trouble::lasting(format!(
                "{endpoint} sends elsewhere ({code}), which is not followed with a key in hand; put the final address \
                 into `[agent]`"
            )),
            _ => Trouble {
                retry_other: false,
                ..Trouble::lasting(format!("{endpoint} refuses the request as it is ({code}){said}"))
            },
        };
        trouble.after = headers
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.trim().parse().ok())
            .map(Duration::from_secs);
        trouble
    }

    /// A short piece of what an endpoint said, fit to be shown.
    pub(crate) fn quote(&self, text: &str) -> String {
        let message = serde_json::from_str::<serde_json::Value>(text).ok().and_then(|value| {
            let error = value.get("error").unwrap_or(&value);
            let message = error.get("message").unwrap_or(error);
            message.as_str().map(str::to_owned)
        });
        let text = message.as_deref().unwrap_or(text);
        let text = self.key.as_ref().map_or_else(|| text.to_owned(), |key| key.scrub(text));
        let words: Vec<&str> = text.split(|c: char| c.is_whitespace() || c.is_control()).collect();
        let mut line = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
        if let Some((cut, _)) = line.char_indices().nth(QUOTED) {
            line.truncate(cut);
            line.push('…');
        }
        line
    }
}

/// The encryption of an endpoint that has none.
fn trusting_nobody() -> Result<ClientConfig, String> {
    let builder = ClientConfig::builder_with_provider(ring::default_provider().into());
    let builder = builder.with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
    Ok(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}

/// The beginning of a body.
async fn beginning(mut body: Incoming) -> Vec<u8> {
    let mut text = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        let Some(data) = frame.data_ref() else { continue };
        text.extend_from_slice(data.get(..data.len().min(ERROR_LIMIT - text.len())).unwrap_or_default());
        if text.len() >= ERROR_LIMIT {
            break;
        }
    }
    text
}

/// The cause of all causes: the one that names what the system said.
pub(crate) fn innermost(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}
