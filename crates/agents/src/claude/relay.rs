//! The one thing on the network that an agent's process reaches: a listener of this turn, which passes conversations on to
//! the model's endpoint with the key that the agent never has.
//!
//! It takes a word that is good for this turn, asks for nothing but messages, and holds the deadlines. Tools never go this way.

use crate::endpoint::{Endpoint, Patience};
use crate::http::{Caller, Trouble};
use bytes::Bytes;
use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderValue, TRANSFER_ENCODING,
};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use subtle::ConstantTimeEq as _;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// A conversation is not longer, the largest answers of tools included.
const REQUEST_LIMIT: usize = 32 * 1024 * 1024;
/// How long an agent may take to send its request.
const REQUEST_TIME: Duration = Duration::from_secs(20);
const CONNECTIONS: usize = 16;

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// What the turn reads of the relay.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// What was wrong with the newest request, if anything.
    pub(super) trouble: Option<Trouble>,
}

/// A listener of one turn.
pub(super) struct Relay {
    listener: TcpListener,
    state: Arc<State>,
}

struct State {
    caller: Caller,
    word: String,
    seen: Arc<Mutex<Seen>>,
}

impl Relay {
    /// Begins to listen.
    pub(super) async fn bind(endpoint: &Endpoint, seen: Arc<Mutex<Seen>>) -> Result<Self, String> {
        let caller = Caller::new(endpoint)?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await;
        let listener = listener.map_err(|error| format!("no port for the agent's requests ({error})"))?;
        let word = format!("turn-{:032x}", rand::random::<u128>());
        Ok(Self { listener, state: Arc::new(State { caller, word, seen }) })
    }

    pub(super) fn port(&self) -> io::Result<u16> {
        Ok(self.listener.local_addr()?.port())
    }

    /// What the agent shows instead of a key.
    pub(super) fn word(&self) -> &str {
        &self.state.word
    }

    /// Serves until dropped; every connection ends with it.
    pub(super) async fn serve(self) {
        let mut served = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept() => {
                    let Ok((stream, _)) = accepted else { continue };
                    if served.len() >= CONNECTIONS {
                        continue;
                    }
                    let state = Arc::clone(&self.state);
                    served.spawn(async move {
                        let service = service_fn(move |request| answer(Arc::clone(&state), request));
                        let mut http = hyper::server::conn::http1::Builder::new();
                        http.timer(TokioTimer::new()).header_read_timeout(REQUEST_TIME);
                        let _ = http.serve_connection(TokioIo::new(stream), service).await;
                    });
                }
                Some(_) = served.join_next() => {}
            }
        }
    }
}

async fn answer(state: Arc<State>, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    Ok(match forward(&state, request).await {
        Ok(response) => response,
        Err((status, trouble)) => {
            let sentence = trouble.sentence.clone();
            if status.is_server_error() {
                state.set(Some(trouble));
            }
            plain(status, &sentence)
        }
    })
}

impl State {
    fn set(&self, trouble: Option<Trouble>) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).trouble = trouble;
    }

    fn knows(&self, headers: &HeaderMap) -> bool {
        let bearer = headers.get(AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        let shown = headers.get("x-api-key").map(HeaderValue::as_bytes).or(bearer).unwrap_or_default();
        shown.ct_eq(self.word.as_bytes()).into()
    }
}

async fn forward(
    state: &Arc<State>,
    request: Request<Incoming>,
) -> Result<Response<Body>, (StatusCode, Trouble)> {
    let here = |status, sentence: &str| (status, Trouble::lasting(sentence));
    if request.method() == Method::HEAD {
        return Ok(plain(StatusCode::OK, ""));
    }
    if !state.knows(request.headers()) {
        return Err(here(StatusCode::FORBIDDEN, "this address belongs to another turn"));
    }
    let path = request.uri().path_and_query().map_or("", |path| path.as_str());
    let rest =
        path.strip_prefix("/v1/messages").filter(|rest| rest.is_empty() || rest.starts_with(['?', '/']));
    let (Some(rest), &Method::POST) = (rest, request.method()) else {
        return Err(here(StatusCode::NOT_FOUND, "only messages are passed on from here"));
    };
    let endpoint = state.caller.endpoint();
    let target = endpoint.conversation().and_then(|uri| endpoint.at(&format!("{}{rest}", uri.path())));
    let target = target.map_err(|error| here(StatusCode::BAD_GATEWAY, &error.to_string()))?;
    let mut headers = request.headers().clone();
    for name in [HOST, CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, AUTHORIZATION] {
        headers.remove(name);
    }
    headers.remove("x-api-key");
    if let Some(key) = state.caller.key() {
        let mut value = HeaderValue::from_str(key.reveal())
            .map_err(|_| here(StatusCode::BAD_GATEWAY, "the key has characters that no header may carry"))?;
        value.set_sensitive(true);
        headers.insert("x-api-key", value);
    }
    let body = timeout(REQUEST_TIME, Limited::new(request.into_body(), REQUEST_LIMIT).collect()).await;
    let body = match body {
        Ok(Ok(body)) => body.to_bytes(),
        _ => {
            return Err(here(
                StatusCode::PAYLOAD_TOO_LARGE,
                "the conversation is too long or never came whole",
            ));
        }
    };
    let mut outgoing = Request::post(target)
        .body(Full::new(body))
        .map_err(|error| here(StatusCode::BAD_GATEWAY, &error.to_string()))?;
    *outgoing.headers_mut() = headers;
    let response =
        state.caller.exchange(outgoing).await.map_err(|trouble| (StatusCode::BAD_GATEWAY, trouble))?;
    let (mut parts, body) = response.into_parts();
    let wrong = !parts.status.is_success();
    state.set(wrong.then(|| state.caller.refused(parts.status, &parts.headers, "")));
    for name in [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING] {
        parts.headers.remove(name);
    }
    Ok(Response::from_parts(parts, watched(body, Arc::clone(state), endpoint.patience)))
}

/// The body of an answer, ended when it goes silent or breaks, with the reason kept for the turn.
fn watched(body: Incoming, state: Arc<State>, patience: Patience) -> Body {
    let frames = stream::unfold(Some(body), move |body| {
        let state = Arc::clone(&state);
        async move {
            let mut body = body?;
            let (what, error) = match timeout(patience.silence, body.frame()).await {
                Ok(None) => return None,
                Ok(Some(Ok(frame))) => {
                    return Some((Ok::<Frame<Bytes>, io::Error>(frame), Some(body)));
                }
                Ok(Some(Err(error))) => ("broke off", io::Error::other(error)),
                Err(_) => ("went silent", io::ErrorKind::TimedOut.into()),
            };
            let endpoint = state.caller.endpoint();
            state.set(Some(Trouble::passing(format!("{endpoint} {what} in the middle of its answer"))));
            Some((Err(error), None))
        }
    });
    StreamBody::new(frames).boxed_unsync()
}

fn plain(status: StatusCode, sentence: &str) -> Response<Body> {
    let error = serde_json::json!({"type": "error", "error": {"type": "api_error", "message": sentence}});
    let text = if sentence.is_empty() { String::new() } else { error.to_string() };
    let body = Full::new(Bytes::from(text)).map_err(|never: Infallible| match never {});
    let mut response = Response::new(body.boxed_unsync());
    *response.status_mut() = status;
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
    response
}
