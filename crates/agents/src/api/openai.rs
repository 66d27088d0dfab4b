//! OpenAI chat completions: <https://platform.openai.com/docs/api-reference/chat-streaming>, as llama.cpp, vLLM and
//! Ollama speak it too.
//!
//! Local servers leave out what they have no use for (a call's id, its number), so nothing but the text itself is relied on.

use super::conversation::{Conversation, Message};
use super::dialect::{Growing, Piece, Stop, error_in_stream, number, text};
use crate::endpoint::Endpoint;
use crate::http::Trouble;
use breakglass_recovery::turn::ToolSpec;
use serde_json::{Value, json};

/// The body of a request.
pub(super) fn body(endpoint: &Endpoint, conversation: &Conversation, tools: &[ToolSpec]) -> Value {
    let mut messages = vec![json!({"role": "system", "content": conversation.system})];
    messages.extend(conversation.messages.iter().flat_map(message));
    let mut body = json!({
        "model": endpoint.model,
        "stream": true,
        "stream_options": {"include_usage": true},
        "messages": messages,
    });
    // An empty list is refused by some.
    if let (Some(fields), false) = (body.as_object_mut(), tools.is_empty()) {
        let tools = tools.iter().map(|tool| {
            json!({
                "type": "function",
                "function": {"name": tool.name, "description": tool.description, "parameters": tool.schema},
            })
        });
        fields.insert("tools".to_owned(), tools.collect());
    }
    body
}

fn message(message: &Message) -> Vec<Value> {
    match message {
        Message::User(text) => vec![json!({"role": "user", "content": text})],
        Message::Model { text, calls } if calls.is_empty() => {
            vec![json!({"role": "assistant", "content": text})]
        }
        Message::Model { text, calls } => {
            let calls = calls.iter().map(|call| {
                let arguments = match &call.arguments {
                    Value::String(malformed) => malformed.clone(),
                    arguments => arguments.to_string(),
                };
                json!({
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.name, "arguments": arguments},
                })
            });
            vec![json!({"role": "assistant", "content": text, "tool_calls": calls.collect::<Vec<_>>()})]
        }
        Message::Answers(answers) => answers
            .iter()
            .map(|answer| {
                // The dialect has no field for a refusal.
                let refused = if answer.answer.is_error { "Not done: " } else { "" };
                json!({
                    "role": "tool",
                    "tool_call_id": answer.id,
                    "content": format!("{refused}{}", answer.answer.text),
                })
            })
            .collect(),
    }
}

/// Takes one event in.
pub(super) fn take(growing: &mut Growing, event: &Value) -> Result<Vec<Piece>, Trouble> {
    if let Some(error) = event.get("error").filter(|error| !error.is_null()) {
        return Err(error_in_stream(error));
    }
    let mut pieces = Vec::new();
    if let Some(usage) = event.get("usage").filter(|usage| usage.is_object()) {
        let (input, output) = (number(usage, "prompt_tokens"), number(usage, "completion_tokens"));
        pieces.push(Piece::Used { input, output });
    }
    let Some(choice) = event.pointer("/choices/0") else { return Ok(pieces) };
    let delta = choice.get("delta").unwrap_or(&Value::Null);
    if let Some(more) = text(delta, "content").filter(|more| !more.is_empty()) {
        growing.grow(more.len())?;
        growing.text.push_str(more);
        pieces.push(Piece::Text(more.to_owned()));
    }
    let calls = delta.get("tool_calls").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for more in calls {
        take_call(growing, more)?;
    }
    match text(choice, "finish_reason") {
        None => return Ok(pieces),
        Some("length") => growing.stop = Stop::Length,
        Some("content_filter") => growing.stop = Stop::Declined,
        Some(_) => {}
    }
    growing.finished = true;
    Ok(pieces)
}

fn take_call(growing: &mut Growing, more: &Value) -> Result<(), Trouble> {
    let function = more.get("function").unwrap_or(&Value::Null);
    let begins = text(function, "name").is_some_and(|name| !name.is_empty());
    let last = growing.calls.last().map_or(0, |call| call.index);
    let next = if growing.calls.is_empty() { 0 } else { last + 1 };
    let unnumbered = if begins { next } else { last };
    let index = more.get("index").and_then(Value::as_u64).unwrap_or(unnumbered);
    let arguments = match function.get("arguments") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        // Some servers send the object itself.
        Some(whole) => whole.to_string(),
    };
    growing.grow(arguments.len() + 64)?;
    if let Some(call) = growing.call(index) {
        if let Some(id) = text(more, "id").filter(|id| !id.is_empty()) {
            id.clone_into(&mut call.id);
        }
        call.name.push_str(text(function, "name").unwrap_or_default());
        call.arguments.push_str(&arguments);
    }
    Ok(())
}
