//! What a piece of a conversation weighs in a request, and how one that weighs too much is shortened: its beginning stays, and
//! a sentence in brackets names how much is gone.
//!
//! Weighed is what is written, escapes included: a kilobyte of control characters is six in a request.

use serde_json::{Map, Value};

/// Beside the text of a message, of a call, of an answer: the words of whichever dialect needs more.
pub(super) const MESSAGE: usize = 64;
pub(super) const CALL: usize = 96;
pub(super) const ANSWER: usize = 128;
/// The note of a cut is not longer.
const NOTE: usize = 96;
/// So much of a long argument stays.
const HEAD: usize = 512;
/// More arguments than this in one call are kept as what they are: too many.
const FIELDS: usize = 8;
/// A name that a model made up is not kept at any length; both dialects refuse long ones.
const NAME: usize = 64;

/// What a text weighs as a string of JSON.
pub(super) fn weight(text: &str) -> usize {
    text.chars().map(cost).sum()
}

fn cost(c: char) -> usize {
    match c {
        '"' | '\\' => 2,
        c if c < ' ' => 6,
        c => c.len_utf8(),
    }
}

/// What arguments weigh. One dialect writes them as a string within a string, so each escape is counted as escaped again.
pub(super) fn weight_of(value: &Value) -> usize {
    let string = |text: &str| {
        let cost = |c| match c {
            '"' | '\\' => 4,
            c if c < ' ' => 7,
            c => c.len_utf8(),
        };
        text.chars().map(cost).sum::<usize>() + 4
    };
    match value {
        Value::String(text) => string(text),
        Value::Array(items) => items.iter().map(|item| weight_of(item) + 1).sum::<usize>() + 2,
        Value::Object(fields) => {
            fields.iter().map(|(key, value)| string(key) + weight_of(value) + 2).sum::<usize>() + 2
        }
        // The longest number that is ever written has fewer digits.
        Value::Number(_) => 32,
        Value::Bool(_) | Value::Null => 5,
    }
}

/// A text that weighs at most `most`, the note included; a note alone where there is no room for more.
pub(super) fn text(text: &mut String, most: usize) {
    if let Some(short) = beginning(text, most) {
        *text = short;
    }
}

/// The beginning and the note, where the whole weighs more than `most`.
fn beginning(text: &str, most: usize) -> Option<String> {
    if weight(text) <= most {
        return None;
    }
    let mut room = most.saturating_sub(NOTE);
    let mut end = 0;
    for (at, c) in text.char_indices() {
        let Some(left) = room.checked_sub(cost(c)) else { break };
        room = left;
        end = at + c.len_utf8();
    }
    let head = text.get(..end).unwrap_or_default();
    Some(format!("{head}[… {} bytes of this were left out to make room]", text.len() - end))
}

/// Arguments of which only the beginnings are kept: of each that is a text, where they are few; of the whole otherwise.
pub(super) fn arguments(value: &Value) -> Value {
    let head = |text: &str| beginning(text, HEAD + NOTE).unwrap_or_else(|| text.to_owned());
    if let Value::Object(fields) = value
        && fields.len() <= FIELDS
        && fields.iter().all(|(key, value)| key.len() <= NAME && !value.is_object() && !value.is_array())
    {
        let kept = fields.iter().map(|(key, value)| {
            let value = value.as_str().map_or_else(|| value.clone(), |text| Value::String(head(text)));
            (key.clone(), value)
        });
        return Value::Object(kept.collect());
    }
    let head = match value {
        Value::String(malformed) => head(malformed),
        other => head(&other.to_string()),
    };
    Value::Object(Map::from_iter([("left_out".to_owned(), Value::String(head))]))
}

/// A tool's name as both dialects take it.
pub(super) fn name(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "_-".contains(c) { c } else { '_' };
    let name: String = name.chars().take(NAME).map(plain).collect();
    if name.is_empty() { "unnamed".to_owned() } else { name }
}

/// Whether an endpoint's name for a call can be told back to it.
pub(super) fn is_id(id: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-.:".contains(&b);
    (1..=128).contains(&id.len()) && id.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_text_keeps_its_beginning_and_names_what_is_gone() {
        for hostile in ["x".repeat(5000), "\u{1}".repeat(5000), "ä\"".repeat(2000), "\\\n".repeat(3000)] {
            let mut short = hostile.clone();
            text(&mut short, 1000);
            let written = serde_json::to_string(&short).unwrap().len();
            assert!(written <= 1002, "{written}");
            let (head, note) = short.split_once("[… ").unwrap();
            assert!(hostile.starts_with(head) && !head.is_empty());
            let gone: usize = note.split_once(' ').unwrap().0.parse().unwrap();
            assert_eq!(head.len() + gone, hostile.len());
        }
        let mut kept = "kept".to_owned();
        text(&mut kept, 4);
        assert_eq!(kept, "kept");
    }

    #[test]
    fn no_arguments_weigh_more_than_is_written_of_them() {
        let long = "x".repeat(5 << 20);
        let many = Value::Object((0..9000).map(|n| (format!("k{n}"), json!(n))).collect());
        let nested = json!({ "command": { "of": vec!["y"; 100_000] } });
        let keys = Value::Object(Map::from_iter([(long.clone(), json!(1))]));
        for value in [json!({ "command": long }), json!(long), json!([long]), many, nested, keys] {
            assert!(weight_of(&value) >= serde_json::to_string(&value.to_string()).unwrap().len() - 2);
            let value = arguments(&value);
            assert!(value.is_object(), "one dialect takes nothing else");
            let written = value.to_string();
            assert!(written.len() < 12_000 && written.contains("left out"), "{}", written.len());
        }
        let short = json!({ "command": "df -h", "deadline_seconds": 5 });
        assert_eq!(arguments(&short), short);
        let long = arguments(&json!({ "target": "devvm", "command": "x".repeat(5 << 20) }));
        assert_eq!(long["target"], "devvm", "the other arguments still say what it was about");
    }

    #[test]
    fn names_are_told_back_as_the_dialects_take_them() {
        assert_eq!(name("repair"), "repair");
        assert_eq!(name("rm -rf /\u{202e}"), "rm_-rf___");
        assert_eq!(name(""), "unnamed");
        assert_eq!(name(&"n".repeat(5 << 20)).len(), 64);
        assert!(is_id("toolu_01AbC-9") && is_id("call.1:2"));
        for bad in ["", "a b", "\"", &"i".repeat(129)] {
            assert!(!is_id(bad));
        }
    }
}
