//! The running server, over its JSON API with the token of an outside agent: one request a call, never repeated.
//!
//! What goes wrong is told apart by what is safe then: nothing was sent, the server refused, or nobody knows.

use super::trust::{Judge, Trust};
use crate::KeySource;
use crate::http::innermost;
use breakglass_recovery::turn::{ToolAnswer, ToolSpec};
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, Uri};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// To connect, and to agree on encryption.
const CONNECT: Duration = Duration::from_secs(4);
/// From a request to the first byte of its answer.
const ANSWER: Duration = Duration::from_secs(20);
/// Between two bytes of an answer; the server says every five seconds that it still works on it.
const SILENCE: Duration = Duration::from_secs(30);
/// No answer is longer.
const LARGEST: usize = 1 << 20;

/// A server, and the token for it. The token is read anew for each request.
pub struct Remote {
    base: String,
    token: KeySource,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    judge: Arc<Judge>,
}

/// Why there is no such server to ask.
#[derive(Debug, thiserror::Error)]
pub enum BadServer {
    /// It is no address.
    #[error(
        "`{address}` is no address of a breakglass server: it has to be like https://192.0.2.2:8443 or http://127.0.0.1:8080"
    )]
    Address {
        /// What was given.
        address: String,
    },
    /// A token would travel in the clear.
    #[error(
        "{address} is plain http to another machine: whoever listens on the way would have the token. Use https, or a tunnel to 127.0.0.1"
    )]
    InTheClear {
        /// The address.
        address: String,
    },
    /// A pin is none.
    #[error(
        "`{given}` is no SHA-256 of a certificate: it has 64 hexadecimal digits, as `breakglass status` on the server prints them"
    )]
    Fingerprint {
        /// What was given.
        given: String,
    },
    /// A pin or an authority for a line that has no certificate.
    #[error(
        "{address} has no encryption, so there is no certificate to hold against --fingerprint; use https"
    )]
    NothingToPin {
        /// The address.
        address: String,
    },
    /// The certificate authorities cannot be read.
    #[error("the certificates of whoever vouches for the server cannot be read: {reason}")]
    Authorities {
        /// Why.
        reason: String,
    },
}

/// Why a call has no answer.
#[derive(Debug)]
pub(super) enum Unreached {
    /// Nothing was sent.
    NotThere(String),
    /// The server did not take it.
    Refused(String),
    /// It was sent, and what became of it is not known.
    Lost(String),
}

impl Remote {
    /// A server at this address, believed by `trust` where it is encrypted.
    ///
    /// # Errors
    /// [`BadServer`].
    pub fn new(address: &str, token: KeySource, trust: Trust) -> Result<Self, BadServer> {
        let base = address.trim_end_matches('/').to_owned();
        let bad = || BadServer::Address { address: address.to_owned() };
        let uri: Uri = base.parse().map_err(|_| bad())?;
        let host = uri.host().ok_or_else(bad)?;
        let fine = matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'))
            && matches!(uri.path(), "" | "/")
            && uri.query().is_none();
        if !fine {
            return Err(bad());
        }
        let encrypted = uri.scheme_str() == Some("https");
        let here = host == "localhost"
            || host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
        if !encrypted && !here {
            return Err(BadServer::InTheClear { address: base });
        }
        if !encrypted && matches!(trust, Trust::Pinned(_)) {
            return Err(BadServer::NothingToPin { address: base });
        }
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_connect_timeout(Some(CONNECT));
        http.set_nodelay(true);
        let judged = Judge::new(trust, encrypted).and_then(|judge| Ok((judge.connector(http)?, judge)));
        let (connector, judge) = judged.map_err(|reason| BadServer::Authorities { reason })?;
        // No connection is kept: a server that was restarted in between would turn a kept one into a call of unknown fate.
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector);
        Ok(Self { base, token, client, judge })
    }

    /// The tools that the server offers to this token.
    pub(super) async fn tools(&self) -> Result<Vec<ToolSpec>, Unreached> {
        let response = self.send(Method::GET, "/api/v1/agent/tools", Bytes::new()).await?;
        let body = Limited::new(response.into_body(), LARGEST).collect();
        let lost = |why: &str| Unreached::Lost(format!("{} {why}.", self.base));
        let body = timeout(SILENCE, body).await.map_err(|_| lost("stopped in the middle of its answer"))?;
        let body = body.map_err(|_| lost("broke off its answer"))?.to_bytes();
        let offered: Offered =
            serde_json::from_slice(&body).map_err(|_| lost("answered in words that are not ours"))?;
        Ok(offered.tools.into_iter().map(ToolSpec::from).collect())
    }

    /// One call. `beats` hears that the server still works on it, or waits for a person.
    pub(super) async fn call(
        &self,
        agent: &str,
        tool: &str,
        arguments: &Value,
        beats: &mpsc::Sender<()>,
    ) -> Result<ToolAnswer, Unreached> {
        let body = json!({ "agent": agent, "tool": tool, "arguments": arguments }).to_string();
        let mut body = self.send(Method::POST, "/api/v1/agent/calls", Bytes::from(body)).await?.into_body();
        let mut held = BytesMut::new();
        loop {
            let frame = match timeout(SILENCE, body.frame()).await {
                Ok(Some(Ok(frame))) => frame,
                Ok(Some(Err(error))) => {
                    return Err(self.lost(&format!("broke off ({})", innermost(&error))));
                }
                Ok(None) => {
                    return Err(self.lost("ended without an answer, so it went down or was restarted"));
                }
                Err(_) => return Err(self.lost(&format!("has been silent for {} s", SILENCE.as_secs()))),
            };
            held.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
            while let Some(end) = held.iter().position(|byte| *byte == b'\n') {
                let line = held.split_to(end + 1);
                match serde_json::from_slice(&line) {
                    Ok(Line { answer: Some(answer) }) => {
                        return Ok(ToolAnswer { text: answer.text, is_error: answer.is_error });
                    }
                    Ok(Line { answer: None }) => {
                        let _ = beats.try_send(());
                    }
                    Err(_) => return Err(self.lost("answered in words that are not ours")),
                }
            }
            if held.len() > LARGEST {
                return Err(self.lost("answered without end"));
            }
        }
    }

    fn lost(&self, what: &str) -> Unreached {
        Unreached::Lost(format!("The line to {} {what}.", self.base))
    }

    async fn send(&self, method: Method, path: &str, body: Bytes) -> Result<Response<Incoming>, Unreached> {
        let base = &self.base;
        let token =
            self.token.read().map_err(|why| Unreached::Refused(format!("There is no token: {why}.")))?;
        let token = token.ok_or_else(|| {
            Unreached::Refused(
                "There is no token: name its file with --token-file or BREAKGLASS_TOKEN_FILE.".to_owned(),
            )
        })?;
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.reveal())).map_err(|_| {
            Unreached::Refused("The token has characters that no header may carry.".to_owned())
        })?;
        bearer.set_sensitive(true);
        let request = Request::builder()
            .method(method)
            .uri(format!("{base}{path}"))
            .header(AUTHORIZATION, bearer)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|error| Unreached::NotThere(format!("{base} cannot be asked ({error}).")))?;
        let response = match timeout(CONNECT + ANSWER, self.client.request(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) if error.is_connect() => {
                let why = self.judge.sentence(base, &error).unwrap_or_else(|| {
                    format!("The breakglass server at {base} does not answer ({}).", innermost(&error))
                });
                return Err(Unreached::NotThere(why));
            }
            Ok(Err(error)) => return Err(self.lost(&format!("broke off ({})", innermost(&error)))),
            Err(_) => return Err(self.lost(&format!("was silent for {} s", (CONNECT + ANSWER).as_secs()))),
        };
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let said = timeout(SILENCE, Limited::new(response.into_body(), 16 << 10).collect()).await;
        let said = said.ok().and_then(Result::ok).map(|said| said.to_bytes()).unwrap_or_default();
        let said = serde_json::from_slice::<Said>(&said).map_or_else(|_| String::new(), |said| said.told());
        let said = token.scrub(&said);
        Err(Unreached::Refused(match status.as_u16() {
            401 => format!(
                "{base} does not know the token. Make one there with `breakglass token NAME --agent`, put its line into the \
                 server's token file and the token into the file that --token-file names."
            ),
            404 => format!("{base} answers, and is no breakglass server with tools for agents (404)."),
            code => format!("{base} refused ({code}): {said}"),
        }))
    }
}

#[derive(Deserialize)]
struct Offered {
    tools: Vec<OfferedTool>,
}

#[derive(Deserialize)]
struct OfferedTool {
    name: String,
    description: String,
    schema: Value,
    read_only: bool,
    destructive: bool,
}

impl From<OfferedTool> for ToolSpec {
    fn from(tool: OfferedTool) -> Self {
        let OfferedTool { name, description, schema, read_only, destructive } = tool;
        Self { name, description, schema, read_only, destructive }
    }
}

#[derive(Deserialize)]
struct Line {
    answer: Option<Answer>,
}

#[derive(Deserialize)]
struct Answer {
    text: String,
    is_error: bool,
}

#[derive(Deserialize)]
struct Said {
    error: String,
    #[serde(default)]
    what_now: String,
}

impl Said {
    fn told(&self) -> String {
        format!("{} {}", self.error, self.what_now).trim().to_owned()
    }
}
