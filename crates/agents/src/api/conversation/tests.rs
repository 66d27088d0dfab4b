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
    conversation.weight()
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

/// A conversation whose newest exchange has many calls, each as large as it may be, and as long answers.
fn overfull() -> Conversation {
    let mut full = conversation(30, 9000);
    let long = |number: usize| match (number, number % 3) {
        (3, _) => json!({ "command": "y".repeat(5 << 20) }),
        (_, 0) => json!({ "command": "\u{1}\"".repeat(20_000) }),
        (_, 1) => json!("no json \\".repeat(5000)),
        _ => json!({ "command": { "nested": ["x".repeat(40_000)] } }),
    };
    let call = |number| Call {
        id: format!("n{number}"),
        name: "repair\u{202e} ".repeat(99),
        arguments: long(number),
    };
    let calls: Vec<Call> = (0..64).map(call).collect();
    let answer = |call: &Call| {
        let text = format!("Refused (too-large): {}", "\u{1b}ä".repeat(8000));
        Answer { id: call.id.clone(), answer: ToolAnswer { text, is_error: true } }
    };
    let answers = calls.iter().map(answer).collect();
    full.hear("\t".repeat(1 << 20), &calls);
    full.messages.push(Message::Answers(answers));
    full
}

#[test]
fn what_an_earlier_turn_called_is_told_by_a_name_that_no_endpoint_refuses() {
    let mut messages = vec![Message::User("go".to_owned())];
    let told = Told::Called {
        tool: "rm -rf \"/\" \u{202e}".to_owned(),
        arguments: json!({}),
        answer: "Refused (unknown-tool)".to_owned(),
        is_error: true,
    };
    recall(&mut messages, 1, &told);
    let Some(Message::Model { calls, .. }) = messages.get(1) else { panic!("{messages:?}") };
    assert!(calls[0].name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'), "{calls:?}");
}

#[test]
fn the_newest_exchange_is_shortened_where_it_alone_is_too_long() {
    for limit in [160_000, 400_000] {
        let mut trimmed = overfull();
        trimmed.trim(limit);
        assert!(is_well_formed(&trimmed));
        assert!(trimmed.weight() <= limit, "{} of {limit}", trimmed.weight());
        let Some(Message::Answers(answers)) = trimmed.messages.last() else { panic!("no answers") };
        assert_eq!(answers.len(), 64);
        for Answer { answer, .. } in answers {
            assert!(answer.text.starts_with("Refused (too-large)") && answer.text.contains("left out"));
        }
    }
}

#[test]
fn no_request_is_larger_than_what_was_weighed() {
    let tools: Vec<_> = ["hosts", "repair"]
        .map(|name| breakglass_recovery::turn::ToolSpec {
            name: name.to_owned(),
            description: "Says \"this\".\n".repeat(40),
            schema: json!({ "type": "object", "properties": { "command": { "type": "string" } } }),
            read_only: true,
            destructive: false,
        })
        .into();
    for dialect in [crate::Dialect::Anthropic, crate::Dialect::OpenAi] {
        let endpoint =
            crate::Endpoint::new("http://127.0.0.1:1", dialect, "m", crate::KeySource::None).unwrap();
        let around = super::super::dialect::weight_of_tools(&tools);
        for mut all in [overfull(), conversation(5, 10), conversation(300, 2000)] {
            all.trim(200_000);
            let body = dialect.body(&endpoint, &all, &tools).to_string();
            assert!(body.len() <= all.weight() + around, "{} of {}", body.len(), all.weight() + around);
        }
    }
}
