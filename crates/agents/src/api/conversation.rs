//! What has been said in a turn, in neither dialect, and the rule by which it is kept short enough for the model.
//!
//! The rule: what people asked and what the model said stays longest; the oldest answers of tools go first, and say that
//! they went; then what the oldest calls were given; then whole early exchanges. The newest exchange always stays, so that a
//! model never waits for an answer that it was given and cannot see; what it is too long for is shortened in it. What no
//! tool takes at all is never sent back whole.

use super::shorten;
use breakglass_recovery::turn::{LARGEST_ARGUMENTS, Told, ToolAnswer, TurnBrief};
use serde_json::Value;

/// Of one message of the model so much is told back to it; the journal keeps no more either.
const LONGEST_SPEECH: usize = 64 << 10;
/// Arguments that weigh less are not worth shortening.
const SHORT_ARGUMENTS: usize = 1 << 10;
/// However little room there is, so much of an answer is seen.
const LEAST: usize = 256;

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

    /// Adds what the model said and called. The calls are judged as they came; what no tool takes is told back shortened.
    pub(super) fn hear(&mut self, mut text: String, calls: &[Call]) {
        shorten::text(&mut text, LONGEST_SPEECH);
        let kept = |call: &Call| Call {
            id: call.id.clone(),
            name: shorten::name(&call.name),
            arguments: match shorten::weight_of(&call.arguments) {
                0..=LARGEST_ARGUMENTS => call.arguments.clone(),
                _ => shorten::arguments(&call.arguments),
            },
        };
        let calls = calls.iter().map(kept).collect();
        self.messages.push(Message::Model { text, calls });
    }

    /// What it weighs in a request.
    pub(super) fn weight(&self) -> usize {
        shorten::MESSAGE
            + shorten::weight(&self.system)
            + self.messages.iter().map(Message::weight).sum::<usize>()
    }

    /// Makes it fit into `limit` bytes by the rule above.
    pub(super) fn trim(&mut self, limit: usize) {
        let mut weight = self.weight();
        let newest = self.messages.len().saturating_sub(2);
        for message in self.messages.iter_mut().take(newest) {
            let Message::Answers(answers) = message else { continue };
            for Answer { answer, .. } in answers {
                if weight <= limit {
                    return;
                }
                let left = format!(
                    "[{} bytes of this answer were left out to make room; ask again if they matter]",
                    answer.text.len()
                );
                if left.len() < answer.text.len() {
                    weight -= shorten::weight(&answer.text) - left.len();
                    answer.text = left;
                }
            }
        }
        for message in self.messages.iter_mut().take(newest) {
            if weight <= limit {
                return;
            }
            weight -= message.shorten_calls();
        }
        // A model's message with calls goes together with their answers, whichever dialect it is.
        while weight > limit && self.messages.len() > 3 {
            let Some(first) = self.messages.iter().skip(1).position(|m| matches!(m, Message::Model { .. }))
            else {
                break;
            };
            let first = first + 1;
            let with_answers = matches!(self.messages.get(first + 1), Some(Message::Answers(_)));
            let end = first + 1 + usize::from(with_answers);
            if end >= self.messages.len() {
                break;
            }
            weight -= self.messages.drain(first..end).map(|message| message.weight()).sum::<usize>();
            self.join_users(first);
        }
        if weight > limit {
            self.shorten_newest(limit);
        }
    }

    /// The newest exchange alone is too long: what the model said and called is shortened first, since it knows that, then
    /// each answer to its share of what is left.
    fn shorten_newest(&mut self, limit: usize) {
        let newest = self.messages.len().saturating_sub(2);
        for message in self.messages.iter_mut().skip(newest) {
            message.shorten_calls();
            if let Message::Model { text, .. } = message {
                shorten::text(text, limit / 8);
            }
        }
        let whole = self.weight();
        let Some(Message::Answers(answers)) = self.messages.last_mut() else { return };
        let theirs: usize = answers.iter().map(|answer| shorten::weight(&answer.answer.text)).sum();
        let room = limit.saturating_sub(whole - theirs);
        let share = (room / answers.len().max(1)).max(LEAST);
        for answer in answers {
            shorten::text(&mut answer.answer.text, share);
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
            // As one dialect insists on: a name that a hostile model made up would have every later turn refused.
            let call = Call { id: id.clone(), name: shorten::name(tool), arguments: arguments.clone() };
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
    /// What it weighs in a request, in whichever dialect it weighs more.
    fn weight(&self) -> usize {
        let text = match self {
            Self::User(text) | Self::Model { text, .. } => shorten::weight(text),
            Self::Answers(_) => 0,
        };
        let calls: usize = match self {
            Self::Model { calls, .. } => calls.iter().map(Call::weight).sum(),
            Self::User(_) | Self::Answers(_) => 0,
        };
        let answers: usize = match self {
            Self::Answers(answers) => answers.iter().map(Answer::weight).sum(),
            Self::User(_) | Self::Model { .. } => 0,
        };
        shorten::MESSAGE + text + calls + answers
    }

    /// Leaves of each long call its beginning; gives how much room that made.
    fn shorten_calls(&mut self) -> usize {
        let Self::Model { calls, .. } = self else { return 0 };
        let mut made = 0;
        for call in calls {
            let before = shorten::weight_of(&call.arguments);
            if before > SHORT_ARGUMENTS {
                call.arguments = shorten::arguments(&call.arguments);
                made += before.saturating_sub(shorten::weight_of(&call.arguments));
            }
        }
        made
    }
}

impl Call {
    fn weight(&self) -> usize {
        shorten::CALL + self.id.len() + self.name.len() + shorten::weight_of(&self.arguments)
    }
}

impl Answer {
    fn weight(&self) -> usize {
        shorten::ANSWER + self.id.len() + shorten::weight(&self.answer.text)
    }
}

#[cfg(test)]
mod tests;
