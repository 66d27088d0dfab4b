//! One message of the model: asked for, streamed, and asked for again a bounded number of times when that may help.
//!
//! Asking again is always safe: a call is made only once the message that holds it is whole.

use super::conversation::Conversation;
use super::dialect::{Growing, Piece};
use super::sse::Events;
use crate::endpoint::{BadEndpoint, Dialect};
use crate::http::{Caller, Trouble, innermost};
use breakglass_recovery::turn::{Says, ToolSpec};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Request, Response};
use std::time::Duration;
use tokio::sync::mpsc::Sender;
use tokio::time::{sleep, timeout};

/// The version of the Messages protocol that is spoken here.
const ANTHROPIC_VERSION: &str = "2023-06-01";

/// Asks for the next message, at most `retries` times more than once. Tells text as it comes, and each new attempt.
pub(super) async fn ask(
    caller: &Caller,
    conversation: &Conversation,
    tools: &[ToolSpec],
    says: &Sender<Says>,
) -> Result<Growing, Trouble> {
    let patience = caller.endpoint().patience;
    let mut pause = patience.pause;
    let mut tried = 0;
    loop {
        let mut growing = Growing::default();
        let trouble = match attempt(caller, conversation, tools, says, &mut growing).await {
            Ok(()) => return Ok(growing),
            Err(trouble) => trouble,
        };
        tried += 1;
        if !growing.text.is_empty() {
            // What people have read stays, as what it is: a message that broke off.
            tell(says, Says::TextDone(growing.text)).await;
        }
        if !trouble.again || tried > patience.retries {
            return Err(ended(trouble, tried));
        }
        let wait = trouble.after.unwrap_or_else(|| jittered(pause));
        if wait > patience.longest_pause {
            let sentence =
                format!("{}, and wants to be left alone for {} s", trouble.sentence, wait.as_secs());
            return Err(Trouble { sentence, again: false, ..trouble });
        }
        tell(says, Says::Note(format!("{}. Asking again in {:.1} s.", trouble.sentence, wait.as_secs_f32())))
            .await;
        sleep(wait).await;
        pause = (pause * 2).min(patience.longest_pause);
    }
}

fn ended(trouble: Trouble, tried: u32) -> Trouble {
    if tried < 2 {
        return trouble;
    }
    Trouble { sentence: format!("{} (tried {tried} times)", trouble.sentence), ..trouble }
}

/// Many turns that failed at once should not come back at once.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f32(rand::random_range(0.75..1.25))
}

/// Tells the turn. Where it does not listen any more it has ended, and will drop us.
pub(super) async fn tell(says: &Sender<Says>, what: Says) {
    let _ = says.send(what).await;
}

async fn attempt(
    caller: &Caller,
    conversation: &Conversation,
    tools: &[ToolSpec],
    says: &Sender<Says>,
    growing: &mut Growing,
) -> Result<(), Trouble> {
    let endpoint = caller.endpoint();
    let body = endpoint.dialect.body(endpoint, conversation, tools);
    let request = request(caller, Bytes::from(body.to_string()))?;
    let response = caller.send(request).await?;
    is_stream(caller, &response)?;
    read(caller, response.into_body(), says, growing).await
}

fn request(caller: &Caller, body: Bytes) -> Result<Request<Full<Bytes>>, Trouble> {
    let endpoint = caller.endpoint();
    let uri = endpoint.conversation().map_err(|error: BadEndpoint| Trouble::lasting(error.to_string()))?;
    let mut request = Request::post(uri)
        .header(CONTENT_TYPE, "application/json")
        .header(ACCEPT, "text/event-stream")
        .body(Full::new(body))
        .map_err(|error| Trouble::lasting(format!("the request cannot be made ({error})")))?;
    let headers = request.headers_mut();
    if endpoint.dialect == Dialect::Anthropic {
        headers.insert("anthropic-version", HeaderValue::from_static(ANTHROPIC_VERSION));
    }
    if let Some(key) = caller.key() {
        let (name, value) = match endpoint.dialect {
            Dialect::Anthropic => (HeaderName::from_static("x-api-key"), key.reveal().to_owned()),
            Dialect::OpenAi => (AUTHORIZATION, format!("Bearer {}", key.reveal())),
        };
        let mut value = HeaderValue::from_str(&value)
            .map_err(|_| Trouble::lasting("the key has characters that no header may carry"))?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(request)
}

/// A page of some proxy with status 200 is no answer.
fn is_stream(caller: &Caller, response: &Response<Incoming>) -> Result<(), Trouble> {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.is_empty() || kind.starts_with("text/event-stream") {
        return Ok(());
    }
    Err(Trouble::passing(format!(
        "{} answered with “{}” instead of a stream of events; check that the address and the dialect in `[agent]` belong \
         together",
        caller.endpoint(),
        caller.quote(kind)
    )))
}

/// Reads the stream to the end of the message.
async fn read(
    caller: &Caller,
    mut body: Incoming,
    says: &Sender<Says>,
    growing: &mut Growing,
) -> Result<(), Trouble> {
    let endpoint = caller.endpoint();
    let mut events = Events::default();
    // A stream of nothing but keep-alives is silence too, so silence is counted in events, not in bytes.
    let mut silence = Silence::new(endpoint.patience.answer, endpoint.patience.silence);
    loop {
        let frame = timeout(silence.left(), body.frame()).await.map_err(|_| {
            Trouble::passing(format!(
                "{endpoint} went silent in the middle of its answer for {} s",
                silence.limit.as_secs()
            ))
        })?;
        let data = match frame {
            None if growing.finished => return Ok(()),
            None => {
                return Err(Trouble::passing(format!(
                    "{endpoint} closed the connection in the middle of its answer"
                )));
            }
            Some(Err(error)) => {
                return Err(Trouble::passing(format!(
                    "the connection to {endpoint} broke in the middle of its answer ({})",
                    innermost(&error)
                )));
            }
            Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
        };
        events.push(&data).map_err(|_| {
            Trouble::lasting(format!(
                "{endpoint} sent one event without end; is it a model's endpoint at all?"
            ))
        })?;
        while let Some(data) = events.pop() {
            silence.broken();
            for piece in endpoint.dialect.take(growing, &data)? {
                match piece {
                    Piece::Text(text) => tell(says, Says::Text(text)).await,
                    Piece::Used { input, output } => tell(says, Says::Used { input, output }).await,
                    Piece::Whole => return Ok(()),
                }
            }
        }
    }
}

/// How long it has been since anything was said.
struct Silence {
    since: tokio::time::Instant,
    limit: Duration,
    later: Duration,
}

impl Silence {
    fn new(first: Duration, later: Duration) -> Self {
        Self { since: tokio::time::Instant::now(), limit: first, later }
    }

    fn broken(&mut self) {
        self.since = tokio::time::Instant::now();
        self.limit = self.later;
    }

    fn left(&self) -> Duration {
        self.limit.saturating_sub(self.since.elapsed())
    }
}
