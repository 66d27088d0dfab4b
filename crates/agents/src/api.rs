//! The engine `api`: our own loop over a model's endpoint. No process, no files; calls go straight to the turn's tools.
//!
//! It works wherever the server does, which is why it is the one to fall back on.

mod anthropic;
mod ask;
mod conversation;
mod dialect;
mod openai;
mod shorten;
mod sse;

use crate::endpoint::Endpoint;
use crate::http::{Caller, Trouble};
use ask::{ask, tell};
use breakglass_recovery::turn::{Engine, Says, Tools, TurnBrief, TurnEnd};
use conversation::{Answer, Conversation, Message};
use dialect::{Stop, weight_of_tools};
use futures_util::future::BoxFuture;
use std::sync::Arc;
use tokio::sync::mpsc::Sender;
use tokio::time::timeout;

/// A turn that asks its model more often than this goes round in circles. What each call may do is bounded by the turn.
const STEPS: usize = 200;
/// So often a model is told to go on after its message was cut off.
const CUT_OFF: usize = 3;

/// The engine.
#[derive(Debug)]
pub struct ApiEngine {
    name: String,
    endpoint: Endpoint,
}

impl ApiEngine {
    /// An engine with the name that the fleet file gives it.
    #[must_use]
    pub fn new(name: impl Into<String>, endpoint: Endpoint) -> Self {
        Self { name: name.into(), endpoint }
    }
}

impl Engine for ApiEngine {
    fn name(&self) -> &str {
        &self.name
    }

    fn ready(&self) -> BoxFuture<'_, Result<(), String>> {
        // Whether the endpoint answers is found out by asking it something, which costs money: that is the turn's.
        Box::pin(async { Caller::new(&self.endpoint).map(|_| ()) })
    }

    fn run(&self, brief: TurnBrief, tools: Arc<dyn Tools>, says: Sender<Says>) -> BoxFuture<'_, TurnEnd> {
        Box::pin(async move {
            let stop = brief.stop.clone();
            let whole = timeout(brief.wall_clock, turn(&self.endpoint, &brief, tools.as_ref(), &says));
            tokio::select! {
                biased;
                () = stop.cancelled() => TurnEnd::Stopped,
                ended = whole => ended.unwrap_or(TurnEnd::OutOfTime),
            }
        })
    }
}

/// Ask the model, make the calls that it wants, and tell it what came of them, until it wants none.
async fn turn(endpoint: &Endpoint, brief: &TurnBrief, tools: &dyn Tools, says: &Sender<Says>) -> TurnEnd {
    let caller = match Caller::new(endpoint) {
        Ok(caller) => caller,
        Err(sentence) => return TurnEnd::Failed { sentence, retry_other: true },
    };
    let specs = tools.list();
    let room = endpoint.context_bytes.saturating_sub(weight_of_tools(&specs));
    let mut conversation = Conversation::begin(brief);
    let mut cut_off = 0;
    for step in 0..STEPS {
        conversation.trim(room);
        let mut message = match ask(&caller, &conversation, &specs, says).await {
            Ok(message) => message,
            Err(trouble) => return failed(trouble),
        };
        if !message.text.is_empty() {
            tell(says, Says::TextDone(message.text.clone())).await;
        }
        let calls = message.take_calls(step);
        let text = std::mem::take(&mut message.text);
        match message.stop {
            Stop::Declined => {
                return TurnEnd::Failed {
                    sentence: format!(
                        "the model {} declined to go on; ask in other words, or press the buttons",
                        endpoint.model
                    ),
                    retry_other: true,
                };
            }
            Stop::Length if cut_off < CUT_OFF => {
                cut_off += 1;
                tell(says, Says::Note("The model's message was too long and was cut off.".to_owned())).await;
                if !text.is_empty() {
                    conversation.hear(text, &[]);
                }
                conversation.ask(
                    "Your message was cut off at its limit, and none of its calls were made. Go on, shorter."
                        .to_owned(),
                );
                continue;
            }
            Stop::Done | Stop::Length if calls.is_empty() => return TurnEnd::Finished { said: text },
            Stop::Done | Stop::Length => {}
        }
        let mut answers = Vec::with_capacity(calls.len());
        conversation.hear(text, &calls);
        for call in calls {
            let answer = tools.call(call.name, call.arguments).await;
            answers.push(Answer { id: call.id, answer });
        }
        conversation.messages.push(Message::Answers(answers));
    }
    TurnEnd::Failed {
        sentence: format!(
            "the model was asked {STEPS} times without coming to an end; look at what it did, and ask for one thing"
        ),
        retry_other: true,
    }
}

fn failed(trouble: Trouble) -> TurnEnd {
    TurnEnd::Failed { sentence: format!("{}.", trouble.sentence), retry_other: trouble.retry_other }
}
