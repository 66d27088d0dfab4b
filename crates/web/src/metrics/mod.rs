//! `GET /metrics`: what a monitoring system scrapes, in the text format of Prometheus. Why it is made so, and who may read
//! it, is ADR-0024.
//!
//! A scrape reads what is in memory and asks nobody: no door, no disk, no database. No lock that it takes is held by anyone
//! who waits for a disk, so it answers while the journal's hangs.

mod family;
mod gather;
mod own;
mod tally;

pub(crate) use own::Disk;
pub(crate) use tally::{Attached, LogIn, Reader, Tally};

use crate::app::App;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use family::Families;
use prometheus_client::encoding::prometheus_text::{CONTENT_TYPE, encode};
use prometheus_client::registry::Registry;
use tokio_util::sync::CancellationToken;

/// `GET /metrics`
pub(crate) async fn scrape(State(app): State<App>) -> Response {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Families(gather::families(&app))));
    let mut text = String::new();
    match encode(&mut text, &registry) {
        Ok(()) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        // Writing into memory does not fail; half a scrape would be worse than none.
        Err(std::fmt::Error) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Counts what happens, from the journal's live frames: they come whether or not the disk takes the events.
pub(crate) async fn follow(app: &App, stop: CancellationToken) {
    let mut tail = app.desk.journal.subscribe();
    loop {
        let frame = tokio::select! {
            () = stop.cancelled() => return,
            frame = tail.next() => frame,
        };
        let Some(frame) = frame else { return };
        if let Some(event) = frame.event() {
            app.tally.event(&event);
        }
    }
}
