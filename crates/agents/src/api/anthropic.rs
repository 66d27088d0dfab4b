//! Anthropic Messages: <https://docs.anthropic.com/en/api/messages-streaming>.

use super::conversation::{Conversation, Message};
use super::dialect::{Growing, Piece, Stop, error_in_stream, number, text};
use crate::endpoint::Endpoint;
use crate::http::Trouble;
use breakglass_recovery::turn::ToolSpec;
use serde_json::{Value, json};

/// The longest answer that is asked for.
const ANSWER_TOKENS: u32 = 8192;

/// The body of a request. System text and tools are the same for each of a turn, and marked as worth keeping there.
pub(super) fn body(endpoint: &Endpoint, conversation: &Conversation, tools: &[ToolSpec]) -> Value {
    let tools: Vec<Value> = tools
        .iter()
        .map(|tool| json!({"name": tool.name, "description": tool.description, "input_schema": tool.schema}))
        .collect();
    let messages: Vec<Value> = conversation.messages.iter().map(message).collect();
    json!({
        "model": endpoint.model,
        "max_tokens": ANSWER_TOKENS,
        "stream": true,
        "system": [{"type": "text", "text": conversation.system, "cache_control": {"type": "ephemeral"}}],
        "tools": tools,
        "messages": messages,
    })
}

fn message(message: &Message) -> Value {
    match message {
        Message::User(text) => json!({"role": "user", "content": text}),
        Message::Model { text, calls } => {
            let said = (!text.trim().is_empty()).then(|| json!({"type": "text", "text": text}));
            let calls = calls.iter().map(|call| {
                // The dialect takes objects alone; what was none is told as what it was.
                let input = if call.arguments.is_object() {
                    call.arguments.clone()
                } else {
                    json!({"malformed": call.arguments})
                };
                json!({"type": "tool_use", "id": call.id, "name": call.name, "input": input})
            });
            json!({"role": "assistant", "content": said.into_iter().chain(calls).collect::<Vec<_>>()})
        }
        Message::Answers(answers) => {
            let answers = answers.iter().map(|answer| {
                json!({
                    "type": "tool_result",
                    "tool_use_id": answer.id,
                    "content": answer.answer.text,
                    "is_error": answer.answer.is_error,
                })
            });
            json!({"role": "user", "content": answers.collect::<Vec<_>>()})
        }
    }
}

/// Takes one event in. Kinds that are not known are passed over, as the dialect's description demands.
pub(super) fn take(growing: &mut Growing, event: &Value) -> Result<Vec<Piece>, Trouble> {
    let index = number(event, "index");
    match text(event, "type").unwrap_or_default() {
        "message_start" => {
            let usage = event.pointer("/message/usage").unwrap_or(&Value::Null);
            growing.input = number(usage, "input_tokens")
                + number(usage, "cache_creation_input_tokens")
                + number(usage, "cache_read_input_tokens");
        }
        "content_block_start" => {
            let block = event.get("content_block").unwrap_or(&Value::Null);
            if text(block, "type") == Some("tool_use") {
                growing.grow(64)?;
                let (id, name) = (text(block, "id"), text(block, "name"));
                if let Some(call) = growing.call(index) {
                    call.id = id.unwrap_or_default().to_owned();
                    call.name = name.unwrap_or_default().to_owned();
                }
            } else if let Some(begun) = text(block, "text").filter(|text| !text.is_empty()) {
                return said(growing, begun);
            }
        }
        "content_block_delta" => {
            let delta = event.get("delta").unwrap_or(&Value::Null);
            if let Some(more) = text(delta, "text") {
                return said(growing, more);
            }
            if let Some(more) = text(delta, "partial_json") {
                growing.grow(more.len())?;
                if let Some(call) = growing.call(index) {
                    call.arguments.push_str(more);
                }
            }
        }
        "message_delta" => {
            growing.stop = match event.pointer("/delta/stop_reason").and_then(Value::as_str) {
                Some("max_tokens") => Stop::Length,
                Some("refusal") => Stop::Declined,
                _ => Stop::Done,
            };
            let output = number(event.get("usage").unwrap_or(&Value::Null), "output_tokens");
            return Ok(vec![Piece::Used { input: growing.input, output }]);
        }
        "message_stop" => return Ok(vec![Piece::Whole]),
        "error" => return Err(error_in_stream(event.get("error").unwrap_or(&Value::Null))),
        _ => {}
    }
    Ok(Vec::new())
}

fn said(growing: &mut Growing, more: &str) -> Result<Vec<Piece>, Trouble> {
    growing.grow(more.len())?;
    growing.text.push_str(more);
    Ok(vec![Piece::Text(more.to_owned())])
}
