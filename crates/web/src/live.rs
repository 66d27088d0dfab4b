//! Streams: the journal's frames as they are for programs, and as pieces of a page for browsers.
//!
//! A stream begins with what the client has not seen (`Last-Event-ID`, or `after` in the address) and goes on live
//! without a hole; the journal sees to that. Only durable events carry an id, so a client never comes back with a
//! number that a crash has taken away.

use crate::app::App;
use crate::metrics::{Attached, Reader};
use crate::pages::{call, head, row};
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use breakglass_incident::{EventBody, IncidentId, Seq, TurnEvent, View};
use breakglass_journal::{Frame, Tail};
use bytes::{BufMut, BytesMut};
use futures_util::stream;
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::time::Duration;
use tokio::time::{Instant, Sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// A line without meaning, so that proxies and phones keep the stream open and a dead one is noticed.
const BEAT: Duration = Duration::from_secs(15);
/// What is ready at once goes out together, up to about so many bytes.
const TOGETHER: usize = 64 * 1024;
/// The head of a target is sent again no more often.
const HEAD_EVERY: Duration = Duration::from_millis(900);
/// For the client: how soon it comes back after a lost line, in milliseconds.
const COME_BACK: &str = "retry: 1000\n\n";

/// Where a client left off: the header that a browser sends when it comes back, else the address.
pub(crate) fn after(headers: &HeaderMap, query: Option<u64>) -> Option<Seq> {
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok()?.trim().parse().ok());
    last.or(query).map(Seq)
}

/// The journal's own frames, of one incident or of everything, for programs.
pub(crate) fn raw(app: &App, incident: Option<IncidentId>, after: Option<Seq>) -> Response {
    let journal = &app.desk.journal;
    let tail = match (incident, after) {
        (None, None) => journal.subscribe(),
        (incident, after) => journal.attach(incident, after.unwrap_or(Seq(0))),
    };
    // Boxed once: the state of a stream is what a client costs for as long as it is attached.
    let reading = Box::new(Reading::new(tail, app.stop.clone(), BEAT, app.tally.attach(Reader::Program)));
    let chunks = stream::unfold(Box::into_pin(reading), |mut reading| async move {
        let chunk = reading.as_mut().next().await?;
        Some((Ok::<_, std::convert::Infallible>(chunk), reading))
    });
    event_stream(Body::from_stream(chunks))
}

pin_project! {
    /// A program's stream. What it waits for beside frames is begun once, not for every frame: a thousand clients would
    /// queue for the locks of the clock and of the stop each time.
    struct Reading {
        tail: Tail,
        #[pin]
        stop: WaitForCancellationFutureOwned,
        #[pin]
        beat: Sleep,
        every: Duration,
        sent: Instant,
        begun: bool,
        _attached: Attached,
    }
}

impl Reading {
    /// `every`: after how long without a frame a line without meaning is sent.
    fn new(tail: Tail, stop: CancellationToken, every: Duration, attached: Attached) -> Self {
        Self {
            tail,
            stop: stop.cancelled_owned(),
            beat: tokio::time::sleep(every),
            every,
            sent: Instant::now(),
            begun: false,
            _attached: attached,
        }
    }

    async fn next(self: Pin<&mut Self>) -> Option<Bytes> {
        let mut this = self.project();
        if !std::mem::replace(this.begun, true) {
            return Some(Bytes::from_static(COME_BACK.as_bytes()));
        }
        let chunk = loop {
            tokio::select! {
                () = this.stop.as_mut() => return None,
                frame = this.tail.next() => break together(this.tail, &frame?),
                () = this.beat.as_mut() => {
                    // Frames leave the clock as it is; it is set by the last of them once it has run out.
                    let (now, due) = (Instant::now(), *this.sent + *this.every);
                    this.beat.as_mut().reset(if due > now { due } else { now + *this.every });
                    if due <= now {
                        break Bytes::from_static(b": still here\n\n");
                    }
                }
            }
        };
        *this.sent = Instant::now();
        Some(chunk)
    }
}

/// A frame and all that are ready behind it.
fn together(tail: &mut Tail, first: &Frame) -> Bytes {
    let mut out = BytesMut::with_capacity(first.json.len() + 40);
    put_frame(&mut out, first);
    while out.len() < TOGETHER
        && let Some(frame) = tail.ready()
    {
        put_frame(&mut out, &frame);
    }
    out.freeze()
}

fn put_frame(out: &mut BytesMut, frame: &Frame) {
    if let Some(seq) = frame.seq {
        out.put_slice(b"id: ");
        out.put_slice(seq.to_string().as_bytes());
        out.put_slice(b"\n");
    }
    out.put_slice(b"data: ");
    out.put_slice(&frame.json);
    out.put_slice(b"\n\n");
}

fn event_stream(body: Body) -> Response {
    // The last one keeps a proxy in front from holding events back.
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, body).into_response()
}

/// What a page shows, so that its stream knows what to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shows {
    /// The board with all targets.
    Fleet,
    /// One target, and its incident where it has one.
    Target { name: String, incident: Option<IncidentId> },
}

/// Pieces of a page, for a browser. `view`: the incident as it stands, where the page has one.
pub(crate) fn page(app: &App, shows: Shows, after: Option<Seq>, view: Option<View>) -> Response {
    let journal = &app.desk.journal;
    let tail = match (&shows, after) {
        (Shows::Target { incident: Some(incident), .. }, after) => {
            Some(journal.attach(Some(*incident), after.unwrap_or(Seq(0))))
        }
        _ => None,
    };
    let mut changes = app.desk.board.changes();
    changes.mark_unchanged();
    let viewer = Viewer {
        app: app.clone(),
        shows,
        view,
        tail,
        changes,
        told: Told::default(),
        begun: false,
        dirty: true,
        _attached: app.tally.attach(Reader::Page),
    };
    let chunks = stream::unfold(Box::new(viewer), |mut viewer| async move {
        let chunk = viewer.next().await?;
        Some((Ok::<_, std::convert::Infallible>(chunk), viewer))
    });
    event_stream(Body::from_stream(chunks))
}

struct Viewer {
    app: App,
    shows: Shows,
    view: Option<View>,
    tail: Option<Tail>,
    changes: tokio::sync::watch::Receiver<u64>,
    told: Told,
    begun: bool,
    /// Whether the board has changed since it was looked at here.
    dirty: bool,
    _attached: Attached,
}

/// What the page was told already, so that nothing is sent twice.
#[derive(Default)]
struct Told {
    head: String,
    salient: Option<String>,
    at: Option<Instant>,
}

impl Viewer {
    async fn next(&mut self) -> Option<Bytes> {
        if !std::mem::replace(&mut self.begun, true) {
            return Some(Bytes::from_static(COME_BACK.as_bytes()));
        }
        let beat = tokio::time::sleep(BEAT);
        tokio::pin!(beat);
        loop {
            if self.dirty && self.may_look() {
                self.dirty = false;
                self.told.at = Some(Instant::now());
                if let Some(chunk) = self.board_changed() {
                    return Some(chunk);
                }
            }
            let look_at = self.told.at.filter(|_| self.dirty).map(|at| at + HEAD_EVERY);
            tokio::select! {
                () = self.app.stop.cancelled() => return None,
                frame = next_of(&mut self.tail) => return Some(self.piece(&frame?)),
                changed = self.changes.changed() => { changed.ok()?; self.dirty = true; }
                () = sleep_until(look_at) => {}
                () = &mut beat => return Some(named("beat", "{}", None)),
            }
        }
    }

    fn may_look(&self) -> bool {
        self.told.at.is_none_or(|at| at.elapsed() >= HEAD_EVERY)
    }

    /// A journal frame as a piece of the page.
    fn piece(&mut self, frame: &Frame) -> Bytes {
        let Some(event) = frame.event() else {
            let text = String::from_utf8_lossy(&frame.json);
            return output_piece(&text);
        };
        if let Some(view) = &mut self.view {
            view.apply(&event);
        }
        let id = frame.seq.map(|seq| seq.0);
        let state = !matches!(
            event.body,
            EventBody::Note { .. }
                | EventBody::Turn(
                    TurnEvent::AgentSaid { .. }
                        | TurnEvent::ToolCalled { .. }
                        | TurnEvent::ToolAnswered { .. }
                        | TurnEvent::TurnBriefed { .. }
                        | TurnEvent::OutcomeObserved { .. }
                )
        );
        if let EventBody::Turn(TurnEvent::ToolAnswered { call: id_of_call, .. }) = &event.body {
            let html = call::answered(&event).into_string();
            let fill = format!("c{id_of_call}");
            let piece = serde_json::json!({ "seq": id, "fill": fill, "html": html, "state": false,
                "line": format!("h{id_of_call}"), "how": call::how(Some(&event)).into_string() });
            return named("row", &piece.to_string(), id);
        }
        let piece = match row::end_of(&event) {
            Some((command, end)) => {
                let html = row::ended(&end, &format!("o{command}")).into_string();
                serde_json::json!({ "seq": id, "fill": format!("c{command}"), "html": html, "state": state })
            }
            None => {
                let html = row::row(&event, None, event.at).map(maud::PreEscaped::into_string);
                serde_json::json!({ "seq": id, "html": html, "state": state })
            }
        };
        named("row", &piece.to_string(), id)
    }

    /// What the board has new for this page.
    fn board_changed(&mut self) -> Option<Bytes> {
        let board = &self.app.desk.board;
        match &self.shows {
            Shows::Fleet => {
                let asked = self.app.desk.turns.asked().into_iter().map(|asked| asked.call.to_string());
                let salient = board.targets().iter().map(salient).chain(asked).collect::<Vec<_>>().join("\n");
                let new = self.told.salient.replace(salient.clone()).is_some_and(|before| before != salient);
                new.then(|| named("state", "{}", None))
            }
            Shows::Target { name, incident } => {
                let target = board.target(name)?;
                let now = self.app.desk.now();
                let new_incident = incident.is_none() && target.incident.is_some();
                let salient = format!("{} {new_incident}", salient(&target));
                let before = self.told.salient.replace(salient.clone());
                if before.is_some_and(|before| before != salient) {
                    self.told.head.clear();
                    return Some(named("state", "{}", None));
                }
                let head = head::head(&self.app.desk.fleet, &target, self.view.as_ref(), now).into_string();
                if head == self.told.head {
                    return None;
                }
                let first = self.told.head.is_empty();
                self.told.head.clone_from(&head);
                (!first).then(|| named("head", &serde_json::json!({ "html": head }).to_string(), None))
            }
        }
    }
}

/// What makes a page fetch its parts again when it changes.
fn salient(target: &breakglass_recovery::TargetView) -> String {
    let doors: Vec<_> = target.doors.iter().map(|door| door.health).collect();
    let running =
        target.running.as_ref().map(|running| (running.verb, running.phase, running.operation.clone()));
    let triage = target.triage.as_ref().map(|triage| triage.at);
    let status = target.status.as_ref().map(|s| (&s.state, s.process, &s.lock, s.jobs.len(), s.staged.len()));
    format!(
        "{} {:?} {} {:?} {doors:?} {running:?} {triage:?} {status:?} {:?} {}",
        target.name, target.health, target.sentence, target.since, target.incident, target.maintenance
    )
}

/// Live output is passed on only in the one shape that the page's script knows.
fn output_piece(json: &str) -> Bytes {
    let Ok(value) = serde_json::from_str::<serde_json::Value>(json) else { return Bytes::new() };
    if let (Some("says"), Some(from), Some(text)) = (
        value.get("live").and_then(serde_json::Value::as_str),
        value.get("from").and_then(serde_json::Value::as_u64),
        value.get("text").and_then(serde_json::Value::as_str),
    ) {
        let text = crate::pages::words::clean(text);
        return named("says", &serde_json::json!({ "from": from, "text": text }).to_string(), None);
    }
    let (Some("output"), Some(command), Some(text)) = (
        value.get("live").and_then(serde_json::Value::as_str),
        value.get("command").and_then(serde_json::Value::as_u64),
        value.get("text").and_then(serde_json::Value::as_str),
    ) else {
        return Bytes::from_static(b": nothing for a page\n\n");
    };
    let text = crate::pages::words::clean(text);
    named("output", &serde_json::json!({ "command": command, "text": text }).to_string(), None)
}

fn named(event: &str, data: &str, id: Option<u64>) -> Bytes {
    let id = id.map_or_else(String::new, |id| format!("id: {id}\n"));
    Bytes::from(format!("event: {event}\n{id}data: {data}\n\n"))
}

async fn next_of(tail: &mut Option<Tail>) -> Option<Frame> {
    match tail {
        Some(tail) => tail.next().await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
