//! What travels to a client: one event or one piece of live text, encoded once and shared by all who watch.

use crate::encode::parse_event;
use breakglass_incident::{Event, IncidentId, Seq};
use bytes::Bytes;
use std::sync::Arc;

/// One frame of the live tail or of a replay.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The id that a client may come back with. Only a durable event has one; live text and events that are not kept (yet) have none.
    pub seq: Option<Seq>,
    /// The incident that it belongs to.
    pub incident: Option<IncidentId>,
    /// The JSON: an event (with `"kept":false` where it is not durable), or whatever [`crate::Journal::live`] was given.
    pub json: Bytes,
    event: Option<Arc<Event>>,
}

impl Frame {
    pub(crate) const fn live(incident: Option<IncidentId>, json: Bytes) -> Self {
        Self { seq: None, incident, json, event: None }
    }

    pub(crate) const fn stored(seq: Seq, incident: Option<IncidentId>, json: Bytes) -> Self {
        Self { seq: Some(seq), incident, json, event: None }
    }

    pub(crate) const fn event_frame(
        seq: Option<Seq>,
        incident: Option<IncidentId>,
        json: Bytes,
        event: Arc<Event>,
    ) -> Self {
        Self { seq, incident, json, event: Some(event) }
    }

    /// The event, for readers inside the server; `None` for live text. A frame that came from the database is parsed here.
    #[must_use]
    pub fn event(&self) -> Option<Arc<Event>> {
        match (&self.event, self.seq) {
            (Some(event), _) => Some(Arc::clone(event)),
            (None, Some(_)) => parse_event(&self.json).map(Arc::new),
            (None, None) => None,
        }
    }
}
