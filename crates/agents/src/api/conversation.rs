//! What has been said in a turn, in neither dialect, and the rule by which it is kept short enough for the model.
//!
//! The rule: what people asked and what the model said stays longest; the oldest answers of tools go first, and say that
//! they went; then whole early exchanges. The newest exchange always stays, so that a model never waits for an answer that it
//! was given and cannot see.

use breakglass_recovery::turn::{Told, ToolAnswer, TurnBrief};
use serde_json::Value;

/// One message.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Message {
    /// From a person, with what was measured.
    User(String),
    /// From the model.
    Model {
        /// What it said.
        text: String,
        /// What it called, in order.
        calls: Vec<Call>,
    },
    /// What its calls were answered, in the same order.
    Answers(Vec<Answer>),
}

/// A tool called.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Call {
    /// The endpoint's name for this call.
    pub(super) id: String,
    /// The tool.
    pub(super) name: String,
    /// Its arguments; a text where they were no JSON.
    pub(super) arguments: Value,
}

/// What a call was answered.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    /// The call's.
    pub(super) id: String,
    /// The answer.
    pub(super) answer: ToolAnswer,
}

/// A turn's messages, oldest first.
#[derive(Debug, Clone)]
pub(super) struct Conversation {
    pub(super) system: String,
    pub(super) messages: Vec<Message>,
}

impl Conversation {
    /// The beginning of a turn: the earlier ones, then what is asked now.
    pub(super) fn begin(brief: &TurnBrief) -> Self {
        let mut messages = Vec::new();
        for (number, told) in brief.history.iter().enumerate() {
            recall(&mut messages, number, told);
        }
        push_user(&mut messages, brief.message());
        // Both dialects want a person to speak first.
        if !matches!(messages.first(), Some(Message::User(_))) {
            messages.insert(0, Message::User("(earlier turns of this incident follow)".to_owned()));
        }
        Self { system: brief.system.clone(), messages }
    }

    /// Adds a message of a person, or to the last one if that was a person's too.
    pub(super) fn ask(&mut self, text: String) {
        push_user(&mut self.messages, text);
    }

    /// Makes it fit into `limit` bytes by the rule above.
    pub(super) fn trim(&mut self, limit: usize) {
        let mut size = self.system.len() + self.messages.iter().map(Message::size).sum::<usize>();
        let newest = self.messages.len().saturating_sub(2);
        for message in self.messages.iter_mut().take(newest) {
            let Message::Answers(answers) = message else { continue };
            for Answer { answer, .. } in answers {
                if size <= limit {
                    return;
                }
                let left = format!(
                    "[{} bytes of this answer were left out to make room; ask again if they matter]",
                    answer.text.len()
                );
                if left.len() < answer.text.len() {
                    size -= answer.text.len() - left.len();
                    answer.text = left;
                }
            }
        }
        // A model's message with calls goes together with their answers, whichever dialect it is.
        while size > limit && self.messages.len() > 3 {
            let Some(first) = self.messages.iter().skip(1).position(|m| matches!(m, Message::Model { .. }))
            else {
                return;
            };
            let first = first + 1;
            let with_answers = matches!(self.messages.get(first + 1), Some(Message::Answers(_)));
            let end = first + 1 + usize::from(with_answers);
            if end >= self.messages.len() {
                return;
            }
            size -= self.messages.drain(first..end).map(|message| message.size()).sum::<usize>();
            self.join_users(first);
        }
    }

    /// After a removal two messages of people may stand beside each other, which one dialect refuses.
    fn join_users(&mut self, at: usize) {
        let both = (self.messages.get(at - 1), self.messages.get(at));
        if let (Some(Message::User(before)), Some(Message::User(after))) = both {
            let joined = Message::User(format!("{before}\n\n{after}"));
            self.messages.splice(at - 1..=at, [joined]);
        }
    }
}

fn push_user(messages: &mut Vec<Message>, text: String) {
    if let Some(Message::User(last)) = messages.last_mut() {
        last.push_str("\n\n");
        last.push_str(&text);
    } else {
        messages.push(Message::User(text));
    }
}

/// One thing of an earlier turn. Calls there get names of our own, since the endpoint's were not kept.
fn recall(messages: &mut Vec<Message>, number: usize, told: &Told) {
    match told {
        Told::Asked(text) => push_user(messages, text.clone()),
        Told::Said(said) => match messages.last_mut() {
            Some(Message::Model { text, calls }) if calls.is_empty() => {
                text.push_str("\n\n");
                text.push_str(said);
            }
            _ => messages.push(Message::Model { text: said.clone(), calls: Vec::new() }),
        },
        Told::Called { tool, arguments, answer, is_error } => {
            let id = format!("earlier_{number}");
            let call = Call { id: id.clone(), name: tool.clone(), arguments: arguments.clone() };
            match messages.last_mut() {
                Some(Message::Model { calls, .. }) if calls.is_empty() => calls.push(call),
                _ => messages.push(Message::Model { text: String::new(), calls: vec![call] }),
            }
            let answer = ToolAnswer { text: answer.clone(), is_error: *is_error };
            messages.push(Message::Answers(vec![Answer { id, answer }]));
        }
    }
}

impl Message {
    fn size(&self) -> usize {
        match self {
            Self::User(text) => text.len(),
            Self::Model { text, calls } => {
                text.len()
                    + calls.iter().map(|call| call.name.len() + json_size(&call.arguments)).sum::<usize>()
            }
            Self::Answers(answers) => answers.iter().map(|answer| answer.answer.text.len()).sum(),
        }
    }
}

/// About how long a value is as JSON, without writing it.
fn json_size(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len() + 2,
        Value::Array(items) => items.iter().map(json_size).sum::<usize>() + items.len() + 1,
        Value::Object(fields) => fields.iter().map(|(key, value)| key.len() + 4 + json_size(value)).sum(),
        _ => 6,
    }
}

#[cfg(test)]
mod tests;
