//! What the two dialects have in common: a request made of a conversation, and a stream that becomes one message.

use super::conversation::{Call, Conversation};
use super::{anthropic, openai, shorten};
use crate::endpoint::{Dialect, Endpoint};
use crate::http::Trouble;
use breakglass_recovery::turn::ToolSpec;
use serde_json::Value;
use std::collections::HashSet;

/// A whole message of the model is not larger than this, arguments of calls included.
pub(super) const MESSAGE_LIMIT: usize = 16 * 1024 * 1024;
/// More calls than this in one message are no sensible answer.
pub(super) const CALLS_LIMIT: usize = 64;

/// Something that one event of a stream told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Text to show as it comes.
    Text(String),
    /// Tokens that were counted.
    Used {
        /// What went in.
        input: u64,
        /// What came out.
        output: u64,
    },
    /// The message is whole.
    Whole,
}

/// Why the model stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Stop {
    /// It is done, or waits for answers.
    #[default]
    Done,
    /// Its message became too long.
    Length,
    /// It, or a filter before it, declined.
    Declined,
}

/// A message as it grows.
#[derive(Debug, Default)]
pub(super) struct Growing {
    pub(super) text: String,
    pub(super) calls: Vec<GrowingCall>,
    pub(super) stop: Stop,
    pub(super) input: u64,
    /// Whether the model said that it is done, which one dialect does before the stream's own end.
    pub(super) finished: bool,
    size: usize,
}

/// A call as it grows.
#[derive(Debug, Default)]
pub(super) struct GrowingCall {
    /// The endpoint's number for it within the message.
    pub(super) index: u64,
    pub(super) id: String,
    pub(super) name: String,
    pub(super) arguments: String,
}

impl Growing {
    /// Counts bytes that are about to be kept.
    pub(super) fn grow(&mut self, by: usize) -> Result<(), Trouble> {
        self.size += by;
        if self.size > MESSAGE_LIMIT || self.calls.len() > CALLS_LIMIT {
            return Err(Trouble::lasting(
                "the model's message grew past every sensible size and was dropped",
            ));
        }
        Ok(())
    }

    /// The call with this number, made where there is none.
    pub(super) fn call(&mut self, index: u64) -> Option<&mut GrowingCall> {
        if !self.calls.iter().any(|call| call.index == index) {
            self.calls.push(GrowingCall { index, ..GrowingCall::default() });
        }
        self.calls.iter_mut().find(|call| call.index == index)
    }

    /// The calls, with arguments that are no JSON as the text that they are: whoever judges them should see it.
    pub(super) fn take_calls(&mut self, step: usize) -> Vec<Call> {
        let calls = std::mem::take(&mut self.calls);
        let mut ids = HashSet::new();
        calls
            .into_iter()
            .enumerate()
            .map(|(number, call)| {
                let arguments = match call.arguments.trim() {
                    "" => Value::Object(serde_json::Map::new()),
                    text => {
                        serde_json::from_str(text).unwrap_or_else(|_| Value::String(call.arguments.clone()))
                    }
                };
                // What cannot be told back, or says nothing, is replaced by a name of ours.
                let id = if shorten::is_id(&call.id) && ids.insert(call.id.clone()) {
                    call.id
                } else {
                    format!("call_{step}_{number}")
                };
                Call { id, name: call.name, arguments }
            })
            .collect()
    }
}

/// What the tools weigh in each request.
pub(super) fn weight_of_tools(tools: &[ToolSpec]) -> usize {
    let one = |tool: &ToolSpec| {
        shorten::ANSWER + shorten::weight(&tool.description) + tool.name.len() + tool.schema.to_string().len()
    };
    tools.iter().map(one).sum::<usize>() + shorten::ANSWER
}

impl Dialect {
    /// The body of a request.
    pub(super) fn body(self, endpoint: &Endpoint, conversation: &Conversation, tools: &[ToolSpec]) -> Value {
        match self {
            Self::Anthropic => anthropic::body(endpoint, conversation, tools),
            Self::OpenAi => openai::body(endpoint, conversation, tools),
        }
    }

    /// Takes one event's data into the message.
    pub(super) fn take(self, growing: &mut Growing, data: &str) -> Result<Vec<Piece>, Trouble> {
        if self == Self::OpenAi && data.trim() == "[DONE]" {
            return Ok(vec![Piece::Whole]);
        }
        let event: Value = serde_json::from_str(data)
            .map_err(|_| Trouble::passing("the endpoint sent an event that is no JSON"))?;
        match self {
            Self::Anthropic => anthropic::take(growing, &event),
            Self::OpenAi => openai::take(growing, &event),
        }
    }
}

/// An error that arrived within a stream that began well.
pub(super) fn error_in_stream(error: &Value) -> Trouble {
    let kind = error.get("type").and_then(Value::as_str).unwrap_or_default();
    let message = error.get("message").and_then(Value::as_str).or(error.as_str()).unwrap_or(kind);
    let message: String = message.chars().filter(|c| !c.is_control()).take(240).collect();
    let sentence = format!("the endpoint broke off in the middle of its answer: “{message}”");
    if kind == "invalid_request_error" || kind == "authentication_error" {
        Trouble::lasting(sentence)
    } else {
        Trouble::passing(sentence)
    }
}

/// A text field of an event.
pub(super) fn text<'a>(value: &'a Value, field: &str) -> Option<&'a str> {
    value.get(field).and_then(Value::as_str)
}

/// A number field of an event.
pub(super) fn number(value: &Value, field: &str) -> u64 {
    value.get(field).and_then(Value::as_u64).unwrap_or_default()
}
