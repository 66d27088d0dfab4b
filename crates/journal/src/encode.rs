//! The bytes of an event: what the database holds in columns, what a client gets as one JSON object, and what the chain hashes.

use crate::intake::SpoolLine;
use breakglass_chain::{Hash, digest, link};
use breakglass_incident::{Actor, Event, EventBody, IncidentId, Seq};
use breakglass_protocol::Timestamp;
use bytes::Bytes;
use std::sync::Arc;

/// An event, encoded once.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) event: Arc<Event>,
    pub(crate) at: String,
    pub(crate) actor: String,
    pub(crate) body: String,
    pub(crate) body_digest: Hash,
    /// The event whose body goes when this one is written.
    pub(crate) erases: Option<Seq>,
    /// The line of a spool that tells it.
    pub(crate) taken: Option<SpoolLine>,
}

/// An event before it has its place: the costly part of encoding, done outside any lock.
pub(crate) struct Draft {
    actor: Actor,
    actor_json: String,
    body: EventBody,
    body_json: String,
    body_digest: Hash,
    pub(crate) erases: Option<Seq>,
    pub(crate) taken: Option<SpoolLine>,
}

impl Draft {
    pub(crate) fn new(actor: Actor, body: EventBody) -> Self {
        let body_json = json(&body);
        let body_digest = digest(body_json.as_bytes());
        Self { actor_json: json(&actor), actor, body, body_json, body_digest, erases: None, taken: None }
    }

    pub(crate) fn place(self, seq: Seq, incident: Option<IncidentId>, at: Timestamp) -> Entry {
        Entry {
            at: at.to_string(),
            actor: self.actor_json,
            body: self.body_json,
            body_digest: self.body_digest,
            erases: self.erases,
            taken: self.taken,
            event: Arc::new(Event { seq, incident, at, actor: self.actor, body: self.body }),
        }
    }
}

impl Entry {
    pub(crate) fn kind(&self) -> &'static str {
        self.event.body.kind()
    }

    pub(crate) fn link(&self, prev: &Hash) -> Hash {
        let incident = self.event.incident.map(|id| id.0);
        link_row(prev, self.event.seq.0, incident, &self.at, &self.actor, self.kind(), &self.body_digest)
    }

    pub(crate) fn json(&self, kept: bool) -> Bytes {
        let mut text = Vec::with_capacity(self.body.len() + self.actor.len() + 96);
        let incident = self.event.incident.map(|id| id.0);
        let (at, actor, body) = (self.at.as_bytes(), self.actor.as_bytes(), self.body.as_bytes());
        push_event(&mut text, self.event.seq.0, incident, at, actor, body);
        if !kept {
            text.pop();
            text.extend_from_slice(b",\"kept\":false}");
        }
        Bytes::from(text)
    }
}

/// The hash of one row. The body goes in as its digest, so that it can be erased.
pub(crate) fn link_row(
    prev: &Hash,
    seq: u64,
    incident: Option<u64>,
    at: &str,
    actor: &str,
    kind: &str,
    body_digest: &Hash,
) -> Hash {
    let incident = incident.map_or_else(String::new, |id| id.to_string());
    let fields: [&[u8]; 6] = [
        &seq.to_be_bytes(),
        incident.as_bytes(),
        at.as_bytes(),
        actor.as_bytes(),
        kind.as_bytes(),
        body_digest.as_bytes(),
    ];
    link(prev, &fields)
}

/// Appends the JSON of an event, put together from what is JSON already. Ten thousand of these are one attach, so it neither
/// formats nor validates what was both when it was written.
pub(crate) fn push_event(
    out: &mut Vec<u8>,
    seq: u64,
    incident: Option<u64>,
    at: &[u8],
    actor: &[u8],
    body: &[u8],
) {
    out.extend_from_slice(b"{\"seq\":");
    push_number(out, seq);
    out.extend_from_slice(b",\"incident\":");
    match incident {
        Some(id) => push_number(out, id),
        None => out.extend_from_slice(b"null"),
    }
    for piece in [b",\"at\":\"", at, b"\",\"actor\":", actor, b",\"body\":", body, b"}"] {
        out.extend_from_slice(piece);
    }
}

fn push_number(out: &mut Vec<u8>, mut number: u64) {
    let start = out.len();
    loop {
        out.push(b'0' + u8::try_from(number % 10).unwrap_or(0));
        number /= 10;
        if number == 0 {
            break;
        }
    }
    if let Some(digits) = out.get_mut(start..) {
        digits.reverse();
    }
}

/// The body that stands for one that is not there.
pub(crate) fn removed(was: &str, why: &str) -> EventBody {
    EventBody::Removed { was: was.to_owned(), why: why.to_owned() }
}

/// The event of a frame's JSON. One whose kind this version does not know keeps its place, time and actor; `None` is live text.
pub(crate) fn parse_event(json: &[u8]) -> Option<Event> {
    #[derive(serde::Deserialize)]
    struct Shell {
        seq: Seq,
        incident: Option<IncidentId>,
        at: Timestamp,
        actor: Actor,
        body: Kind,
    }
    #[derive(serde::Deserialize)]
    struct Kind {
        kind: String,
    }
    serde_json::from_slice(json).ok().or_else(|| {
        let Shell { seq, incident, at, actor, body } = serde_json::from_slice(json).ok()?;
        let body = removed(&body.kind, "this version of breakglass does not understand it");
        Some(Event { seq, incident, at, actor, body })
    })
}

/// The types of an event have string keys and finite numbers, so rendering them cannot fail. Should it ever, the row says so
/// instead of taking the server down.
pub(crate) fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| {
        tracing::error!(%error, "an event could not be rendered as JSON");
        json_of_failure(&error.to_string())
    })
}

fn json_of_failure(why: &str) -> String {
    let quoted = serde_json::Value::String(why.to_owned());
    format!("{{\"kind\":\"removed\",\"was\":\"unknown\",\"why\":{quoted}}}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_same_json_as_the_type_renders() {
        for (incident, seq) in [(None, 1), (Some(IncidentId(41)), 10), (Some(IncidentId(0)), u64::MAX)] {
            let body = EventBody::Note { text: "a \"quoted\"\nline \u{1b}[31m".to_owned() };
            let entry = Draft::new(Actor::Human("mara\"".to_owned()), body).place(
                Seq(seq),
                incident,
                Timestamp::from_unix_millis(1_795_316_920_125),
            );
            assert_eq!(entry.json(true), serde_json::to_string(&*entry.event).unwrap());
            let unkept: serde_json::Value = serde_json::from_slice(&entry.json(false)).unwrap();
            assert_eq!(unkept.get("kept"), Some(&serde_json::Value::Bool(false)));
            assert_eq!(serde_json::from_slice::<Event>(&entry.json(false)).unwrap(), *entry.event);
            let parsed: serde_json::Value = serde_json::from_str(&entry.body).unwrap();
            assert_eq!(parsed["kind"], entry.kind());
        }
    }
}
