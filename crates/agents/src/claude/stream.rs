//! What the Claude CLI tells of itself, line by line (`--output-format stream-json`).

use serde_json::Value;

/// What one line means to a turn.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Event {
    /// It is up. A tools' server that failed is no error to it, so that is looked at here.
    Up {
        /// Whether our tools are connected; else in which state they are.
        tools: Result<(), String>,
        /// Tools that are not ours.
        foreign: Vec<String>,
    },
    /// A piece of text.
    Text(String),
    /// A message's text, whole.
    TextDone(String),
    /// It is about to make these calls.
    Calls(Vec<String>),
    /// It asks the endpoint again.
    Retry(String),
    /// The turn is over.
    Ended {
        /// Its last message, or its error.
        said: String,
        /// Which of the two; the field beside it says "success" for both.
        failed: bool,
        /// Tokens in.
        input: u64,
        /// Tokens out.
        output: u64,
    },
    /// Nothing that matters here.
    Other,
}

/// Reads a line; `None` where it is none of the CLI's.
pub(super) fn read(line: &[u8]) -> Option<Event> {
    let value: Value = serde_json::from_slice(line).ok()?;
    let word = |value: &Value, field: &str| value.get(field).and_then(Value::as_str).map(str::to_owned);
    let kind = word(&value, "type")?;
    Some(match (kind.as_str(), word(&value, "subtype").unwrap_or_default().as_str()) {
        ("system", "init") => up(&value),
        ("system", "api_retry") => Event::Retry(word(&value, "error").unwrap_or_default()),
        ("stream_event", _) => match value.pointer("/event/delta/text").and_then(Value::as_str) {
            Some(text) if value.get("parent_tool_use_id").is_none_or(Value::is_null) => {
                Event::Text(text.to_owned())
            }
            _ => Event::Other,
        },
        ("assistant", _) => message(&value),
        ("result", _) => Event::Ended {
            said: word(&value, "result").unwrap_or_default(),
            failed: value.get("is_error").and_then(Value::as_bool).unwrap_or(true),
            input: usage(&value, "input_tokens")
                + usage(&value, "cache_creation_input_tokens")
                + usage(&value, "cache_read_input_tokens"),
            output: usage(&value, "output_tokens"),
        },
        _ => Event::Other,
    })
}

fn usage(value: &Value, field: &str) -> u64 {
    value.get("usage").and_then(|usage| usage.get(field)).and_then(Value::as_u64).unwrap_or_default()
}

fn up(value: &Value) -> Event {
    let list = |field: &str| value.get(field).and_then(Value::as_array).cloned().unwrap_or_default();
    let ours = list("mcp_servers")
        .into_iter()
        .find(|server| server.get("name").and_then(Value::as_str) == Some(crate::mcp::SERVER));
    let status = ours.as_ref().and_then(|server| server.get("status")).and_then(Value::as_str);
    let tools = match status {
        Some("connected") => Ok(()),
        status => Err(status.unwrap_or("missing").to_owned()),
    };
    let prefix = format!("mcp__{}__", crate::mcp::SERVER);
    let foreign = list("tools").into_iter().filter_map(|tool| tool.as_str().map(str::to_owned));
    Event::Up { tools, foreign: foreign.filter(|tool| !tool.starts_with(&prefix)).collect() }
}

fn message(value: &Value) -> Event {
    let blocks = value.pointer("/message/content").and_then(Value::as_array).map(Vec::as_slice);
    let blocks = blocks.unwrap_or_default();
    let field = |kind: &'static str, field: &'static str| {
        let blocks =
            blocks.iter().filter(move |block| block.get("type").and_then(Value::as_str) == Some(kind));
        blocks.filter_map(move |block| block.get(field).and_then(Value::as_str).map(str::to_owned))
    };
    let calls: Vec<String> = field("tool_use", "id").collect();
    let text: Vec<String> = field("text", "text").collect();
    match (calls.is_empty(), text.is_empty()) {
        (false, _) => Event::Calls(calls),
        (true, false) => Event::TextDone(text.join("\n")),
        (true, true) => Event::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(value: &Value) -> Event {
        read(value.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn a_failed_tools_server_and_a_foreign_tool_show() {
        let line = |status: &str, tools: Value| {
            json!({"type": "system", "subtype": "init", "tools": tools,
                "mcp_servers": [{"name": "breakglass", "status": status}]})
        };
        let ours = json!(["mcp__breakglass__diag"]);
        assert_eq!(event(&line("connected", ours)), Event::Up { tools: Ok(()), foreign: vec![] });
        let wanted = Event::Up { tools: Err("failed".into()), foreign: vec!["Bash".into()] };
        assert_eq!(event(&line("failed", json!(["Bash"]))), wanted);
        let none = Event::Up { tools: Err("missing".into()), foreign: vec![] };
        assert_eq!(event(&json!({"type": "system", "subtype": "init"})), none);
    }

    #[test]
    fn an_error_is_one_whatever_its_subtype_says() {
        let line =
            json!({"type": "result", "subtype": "success", "is_error": true, "result": "API Error: 500"});
        assert!(matches!(event(&line), Event::Ended { failed: true, .. }));
        let line = json!({"type": "result", "subtype": "success", "is_error": false, "result": "up",
            "usage": {"input_tokens": 2, "cache_read_input_tokens": 40, "output_tokens": 3}});
        let wanted = Event::Ended { said: "up".into(), failed: false, input: 42, output: 3 };
        assert_eq!(event(&line), wanted);
        assert_eq!(read(b"garbage"), None);
        assert_eq!(read(b"{\"a\":1}"), None);
    }
}
