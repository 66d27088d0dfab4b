//! The rule by which a conversation is kept short.

use super::*;
use serde_json::json;

fn said(text: &str) -> Message {
    Message::Model { text: text.to_owned(), calls: Vec::new() }
}

fn exchange(number: usize, size: usize) -> [Message; 2] {
    let id = format!("c{number}");
    let call = Call { id: id.clone(), name: "diag".to_owned(), arguments: json!({"command": "df"}) };
    let answer = ToolAnswer { text: "x".repeat(size), is_error: false };
    [Message::Model { text: String::new(), calls: vec![call] }, Message::Answers(vec![Answer { id, answer }])]
}

fn conversation(exchanges: usize, size: usize) -> Conversation {
    let mut messages = vec![Message::User("disk full".to_owned())];
    messages.extend((0..exchanges).flat_map(|number| exchange(number, size)));
    Conversation { system: "rules".to_owned(), messages }
}

fn size(conversation: &Conversation) -> usize {
    conversation.messages.iter().map(Message::size).sum()
}

/// Every call is answered right after it, which both dialects insist on.
fn is_well_formed(conversation: &Conversation) -> bool {
    matches!(conversation.messages.first(), Some(Message::User(_)))
        && conversation.messages.windows(2).all(|pair| match pair {
            [Message::Model { calls, .. }, Message::Answers(answers)] => {
                calls.iter().map(|call| &call.id).eq(answers.iter().map(|answer| &answer.id))
            }
            [Message::Model { calls, .. }, Message::User(_)] => calls.is_empty(),
            [Message::Answers(_), Message::Model { .. } | Message::User(_)] => true,
            [Message::User(_), Message::Model { .. }] => true,
            _ => false,
        })
}

#[test]
fn what_fits_stays_as_it_is() {
    let mut kept = conversation(5, 1000);
    let before = kept.messages.clone();
    kept.trim(100_000);
    assert_eq!(kept.messages, before);
}

#[test]
fn the_oldest_answers_go_first_and_say_so() {
    let mut trimmed = conversation(10, 1000);
    trimmed.trim(8_000);
    assert!(size(&trimmed) <= 8_000);
    assert!(is_well_formed(&trimmed));
    assert_eq!(trimmed.messages.len(), 21, "every exchange is still told of");
    let answers: Vec<&str> = trimmed
        .messages
        .iter()
        .filter_map(|message| match message {
            Message::Answers(answers) => answers.first().map(|answer| answer.answer.text.as_str()),
            _ => None,
        })
        .collect();
    assert!(answers[0].contains("1000 bytes of this answer were left out"), "{}", answers[0]);
    assert_eq!(answers[9].len(), 1000);
}

#[test]
fn whole_exchanges_go_next_and_the_newest_never() {
    let mut trimmed = conversation(400, 1000);
    trimmed.trim(4_000);
    assert!(is_well_formed(&trimmed));
    assert!(size(&trimmed) <= 4_000, "{}", size(&trimmed));
    assert_eq!(trimmed.messages.first(), Some(&Message::User("disk full".to_owned())));
    assert_eq!(trimmed.messages.last(), exchange(399, 1000).last());
    let mut tiny = conversation(1, 50_000);
    tiny.trim(10);
    assert_eq!(tiny.messages.len(), 3);
    assert!(is_well_formed(&tiny));
}

#[test]
fn people_who_come_together_by_a_removal_are_one_message() {
    let mut trimmed = conversation(0, 0);
    for turn in 0..20 {
        trimmed.messages.push(said(&"y".repeat(500)));
        trimmed.ask(format!("turn {turn}"));
    }
    trimmed.trim(2_000);
    assert!(is_well_formed(&trimmed), "{:?}", trimmed.messages);
    assert!(size(&trimmed) <= 2_000);
}
