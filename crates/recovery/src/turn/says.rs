//! What an agent says: shown as it comes, a few frames a second, and kept as one event when it is whole.

use super::answer::redacted;
use super::engine::Says;
use crate::Desk;
use crate::record::keep;
use breakglass_incident::{Actor, EventBody, IncidentId, TurnEvent, TurnId};
use bytes::Bytes;

/// One message is kept up to this.
const LONGEST_MESSAGE: usize = 64 << 10;
/// All messages of a turn together.
const LONGEST_SPEECH: usize = 1 << 20;

/// Takes in what the engine of one turn tells.
pub(crate) struct Speech {
    desk: Desk,
    incident: IncidentId,
    turn: TurnId,
    actor: Actor,
    /// Came as pieces since the last whole message.
    pieces: String,
    /// How much of the pieces was shown.
    shown: usize,
    spoken: usize,
    silenced: bool,
    tokens: Option<(u64, u64)>,
}

impl Speech {
    pub(crate) fn new(desk: &Desk, incident: IncidentId, turn: TurnId, actor: Actor) -> Self {
        Self {
            desk: desk.clone(),
            incident,
            turn,
            actor,
            pieces: String::new(),
            shown: 0,
            spoken: 0,
            silenced: false,
            tokens: None,
        }
    }

    /// Takes in one thing.
    pub(crate) async fn take(&mut self, says: Says) {
        match says {
            Says::Text(piece) => {
                let room = LONGEST_MESSAGE.saturating_sub(self.pieces.len());
                self.pieces.push_str(super::answer::cut(&piece, room));
            }
            Says::TextDone(text) => {
                self.pieces.clear();
                self.shown = 0;
                self.keep(&text).await;
            }
            Says::Note(text) => {
                let text = redacted(super::answer::cut(&text, 2_000));
                self.tell(TurnEvent::EngineNoted { turn: self.turn, text }).await;
            }
            Says::Used { input, output } => {
                let (sent, got) = self.tokens.unwrap_or_default();
                self.tokens = Some((sent.saturating_add(input), got.saturating_add(output)));
            }
        }
    }

    /// Shows the pieces that were not shown yet.
    pub(crate) fn show(&mut self) {
        let new = self.pieces.get(self.shown..).unwrap_or_default();
        if new.is_empty() {
            return;
        }
        let frame = serde_json::json!({ "live": "says", "turn": self.turn, "from": self.shown, "text": new });
        self.shown = self.pieces.len();
        self.desk.journal.live(Some(self.incident), Bytes::from(frame.to_string()));
    }

    /// The engine tells nothing more: a message that was cut off is kept as far as it came.
    pub(crate) async fn end(&mut self) -> Option<(u64, u64)> {
        let pieces = std::mem::take(&mut self.pieces);
        if !pieces.trim().is_empty() {
            self.keep(&format!("{pieces} […]")).await;
        }
        self.tokens
    }

    async fn keep(&mut self, text: &str) {
        let text = text.trim();
        if text.is_empty() || self.silenced {
            return;
        }
        let whole = super::answer::cut(text, LONGEST_MESSAGE);
        self.spoken += whole.len();
        let mut words = redacted(whole);
        if whole.len() < text.len() {
            words.push_str(" […]");
        }
        self.tell(TurnEvent::AgentSaid { turn: self.turn, text: words }).await;
        if self.spoken > LONGEST_SPEECH {
            self.silenced = true;
            let text =
                "It has said more than a mebibyte in this turn; what it says from here on is not kept."
                    .to_owned();
            self.tell(TurnEvent::EngineNoted { turn: self.turn, text }).await;
        }
    }

    async fn tell(&self, body: TurnEvent) {
        keep(&self.desk, Some(self.incident), self.actor.clone(), EventBody::Turn(body)).await;
    }
}
