//! The JSON API under `/api/v1`: the same use cases as the forms, for programs.

use crate::app::App;
use crate::forms::{accepted, not_taken};
use crate::gate;
use crate::identity::Visitor;
use crate::live;
use crate::problem::{ApiProblem, Problem};
use crate::shows::{After, exported};
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use breakglass_incident::{CommandId, IncidentId, Seq, View};
use breakglass_journal::{Keeping, Wanted};
use breakglass_protocol::Verb;
use breakglass_recovery::{Press, Pressed, Run};
use bytes::{BufMut, BytesMut};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

type Answer = Result<Response, ApiProblem>;
type Body<T> = Result<Json<T>, JsonRejection>;

fn body<T>(body: Body<T>) -> Result<T, Problem> {
    body.map(|Json(body)| body).map_err(|rejection| {
        Problem::new(
            rejection.status(),
            format!("{}.", rejection.body_text()),
            "Send a JSON object with content-type application/json. Nothing was done.",
        )
    })
}

/// `GET /api/v1/targets`
pub(crate) async fn targets(State(app): State<App>) -> Response {
    Json(json!({ "targets": app.desk.board.targets() })).into_response()
}

/// `GET /api/v1/targets/{name}`
pub(crate) async fn target(State(app): State<App>, Path(name): Path<String>) -> Answer {
    Ok(Json(app.target(&name)?).into_response())
}

/// `POST /api/v1/targets/{name}/triage`
pub(crate) async fn triage(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(name): Path<String>,
) -> Answer {
    let name = app.target(&name)?.name;
    Ok(Json(breakglass_recovery::triage(&app.desk, &visitor.actor, &name, None).await).into_response())
}

/// The body of a press. `seen` left out means that the caller takes the state as it is.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PressBody {
    seen: Option<Seq>,
    shown: String,
    incident: Option<IncidentId>,
}

/// `POST /api/v1/targets/{name}/verbs/{verb}`
pub(crate) async fn press(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path((name, verb)): Path<(String, String)>,
    bytes: axum::body::Bytes,
) -> Answer {
    let target = app.target(&name)?.name;
    let verb = Verb::from_bytes(verb.as_bytes()).ok_or_else(|| {
        Problem::new(
            StatusCode::NOT_FOUND,
            "That is none of the six verbs. Nothing was sent.",
            "status, forensics, reset, stop, start or cycle.",
        )
    })?;
    let said: PressBody = if bytes.is_empty() {
        PressBody::default()
    } else {
        serde_json::from_slice(&bytes).map_err(|error| {
            Problem::new(
                StatusCode::BAD_REQUEST,
                format!("{error}."),
                "{\"seen\":SEQ,\"shown\":TEXT,\"incident\":NUMBER}, each optional. Nothing was sent.",
            )
        })?
    };
    let shown = said.shown.chars().take(200).collect();
    let press = Press { target, verb, seen: said.seen, shown, incident: said.incident };
    let pressed = breakglass_recovery::press(&app.desk, visitor.actor, press).await;
    let (status, value) = told(pressed);
    Ok((status, Json(value)).into_response())
}

fn told(pressed: Pressed) -> (StatusCode, Value) {
    match pressed {
        Pressed::Accepted { incident, press, operation, joined } => (
            StatusCode::ACCEPTED,
            json!({ "pressed": "accepted", "incident": incident, "press": press, "operation": operation, "joined": joined }),
        ),
        Pressed::Looked { incident, status, message } => (
            StatusCode::OK,
            json!({ "pressed": "looked", "incident": incident, "status": status, "message": message }),
        ),
        Pressed::Stale { since } => (
            StatusCode::CONFLICT,
            json!({ "pressed": "stale", "error": "something has happened since; nothing was sent", "since": since,
                    "what_now": "read `since`, then press again with a newer `seen`" }),
        ),
        Pressed::Refused { incident, refusal } => (
            StatusCode::CONFLICT,
            json!({ "pressed": "refused", "incident": incident, "error": refusal.reason, "refusal": refusal,
                    "what_now": refusal.hint }),
        ),
        Pressed::Busy { incident, message } => (
            StatusCode::CONFLICT,
            json!({ "pressed": "busy", "incident": incident, "error": message,
                    "what_now": "wait for its end, or press the same verb to join it" }),
        ),
        Pressed::Unsure { incident, press, message } => (
            StatusCode::ACCEPTED,
            json!({ "pressed": "unsure", "incident": incident, "press": press, "message": message,
                    "what_now": "follow the incident; it is never sent a second time" }),
        ),
        Pressed::Failed { incident, message } => (
            StatusCode::BAD_GATEWAY,
            json!({ "pressed": "failed", "incident": incident, "error": message,
                    "what_now": "nothing was started; look at /api/v1/dependencies" }),
        ),
    }
}

/// The body of a command.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CommandBody {
    command: String,
    deadline_seconds: Option<u64>,
    incident: Option<IncidentId>,
    /// Whether the answer waits for the command's end.
    #[serde(default)]
    wait: bool,
}

/// `POST /api/v1/incidents/{id}/commands/{command}/stop`: with the sentence of the host's guard.
pub(crate) async fn stop_command(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path((id, command)): Path<(u64, u64)>,
) -> Result<Response, ApiProblem> {
    app.known(IncidentId(id)).await?;
    let (incident, command) = (IncidentId(id), CommandId(command));
    let stopped = breakglass_recovery::stop_command(&app.desk, visitor.actor, Some(incident), command).await;
    let said = stopped.map_err(|error| Problem::not_stopped(&error))?;
    Ok(Json(json!({ "command": command, "said": said })).into_response())
}

/// `POST /api/v1/targets/{name}/commands`
pub(crate) async fn command(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(name): Path<String>,
    said: Body<CommandBody>,
) -> Answer {
    let (target, said) = (app.target(&name)?.name, body(said)?);
    let deadline = said.deadline_seconds.map(|seconds| Duration::from_secs(seconds.clamp(1, 3600)));
    let run = Run { target, command: said.command, incident: said.incident, deadline };
    let refused = |error: breakglass_recovery::RunError| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            format!("{error}."),
            "The power door works without the repair door.",
        )
    };
    if !said.wait {
        let command = breakglass_recovery::run(&app.desk, visitor.actor, run).await.map_err(refused)?;
        return Ok((StatusCode::ACCEPTED, Json(json!({ "command": command }))).into_response());
    }
    let end = breakglass_recovery::run_to_end(&app.desk, visitor.actor, run).await.map_err(refused)?;
    Ok(Json(ended_command(&end)).into_response())
}

/// `GET /api/v1/incidents`
pub(crate) async fn incidents(State(app): State<App>) -> Response {
    let all: Vec<Value> = app
        .desk
        .journal
        .incidents()
        .await
        .into_iter()
        .map(|summary| {
            let closed = summary.closed.map(|(at, reason)| json!({ "at": at, "reason": reason }));
            json!({ "id": summary.id, "target": summary.target, "reason": summary.reason, "opened": summary.opened,
                    "closed": closed, "events": summary.events, "last": summary.last })
        })
        .collect();
    Json(json!({ "incidents": all })).into_response()
}

/// The body that opens an incident.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OpenBody {
    target: String,
    reason: String,
}

/// `POST /api/v1/incidents`
pub(crate) async fn open(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    said: Body<OpenBody>,
) -> Answer {
    let said = body(said)?;
    let reason: String = said.reason.chars().take(500).collect();
    let opened = breakglass_recovery::open_incident(&app.desk, visitor.actor, &said.target, &reason).await;
    let incident = opened.map_err(not_taken)?;
    Ok((StatusCode::CREATED, Json(json!({ "incident": incident }))).into_response())
}

/// `GET /api/v1/incidents/{id}`: in short; its events are beside it.
pub(crate) async fn incident(State(app): State<App>, Path(id): Path<u64>) -> Answer {
    let view = View::fold(&app.events(IncidentId(id)).await?);
    let state = view.state.as_ref().map(|(at, state)| json!({ "at": at, "state": state }));
    let running = view.running.as_ref().map(|running| {
        json!({ "verb": running.verb, "operation": running.operation, "by": running.by, "since": running.since,
                "steps": running.steps, "line_lost": running.line_lost })
    });
    Ok(Json(json!({
        "id": id, "target": view.target, "reason": view.reason, "opened": view.opened, "closed": view.closed,
        "close_reason": view.close_reason, "away_millis": view.away_millis, "state": state, "running": running,
        "triage": view.triage, "turns": turns(&view), "last": view.last,
    }))
    .into_response())
}

/// The turns in short; what was said and called is in the events.
fn turns(view: &View) -> Vec<Value> {
    let waits = |turn: &breakglass_incident::Turn| {
        view.turns.waiting().filter(|(of, ..)| of.id == turn.id).map(|(_, call, until)| {
            json!({ "call": call.id, "tool": call.tool, "shown": call.shown, "digest": call.digest, "expires": until })
        })
    };
    let told = view.turns.all.iter().map(|turn| {
        let end = turn.end.as_ref();
        json!({ "turn": turn.id, "by": turn.by, "engine": turn.engine, "ask": turn.ask, "since": turn.since,
                "calls": turn.calls.len(), "waiting": waits(turn), "ended": end.map(|end| end.at),
                "how": end.and_then(|end| end.how), "sentence": end.map(|end| &end.sentence) })
    });
    told.collect()
}

/// `GET /api/v1/incidents/{id}/events`: a stream, or (for `Accept: application/json`) what there is so far.
pub(crate) async fn events(
    State(app): State<App>,
    Path(id): Path<u64>,
    Query(after): Query<After>,
    headers: HeaderMap,
) -> Answer {
    let (incident, after) = (IncidentId(id), after.or_last_seen(&headers));
    app.known(incident).await?;
    if !gate::wants_json(&headers) {
        return Ok(live::raw(&app, Some(incident), after));
    }
    let wanted = Wanted { incident: Some(incident), after: after.unwrap_or(Seq(0)), limit: usize::MAX };
    let frames = app.desk.journal.replay_frames(wanted).await;
    // The events are JSON already: they are strung together as they lie in the journal.
    let mut out =
        BytesMut::with_capacity(frames.iter().map(|frame| frame.json.len() + 1).sum::<usize>() + 16);
    out.put_slice(b"{\"events\":[");
    for (place, frame) in frames.iter().enumerate() {
        if place > 0 {
            out.put_u8(b',');
        }
        out.put_slice(&frame.json);
    }
    out.put_slice(b"]}");
    Ok(([(header::CONTENT_TYPE, "application/json")], out.freeze()).into_response())
}

/// `GET /api/v1/events`: everything that happens from now on, or from a number on.
pub(crate) async fn all_events(
    State(app): State<App>,
    Query(after): Query<After>,
    headers: HeaderMap,
) -> Response {
    live::raw(&app, None, after.or_last_seen(&headers))
}

/// The body of a note.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoteBody {
    text: String,
}

/// `POST /api/v1/incidents/{id}/notes`
pub(crate) async fn note(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<u64>,
    said: Body<NoteBody>,
) -> Answer {
    let said = body(said)?;
    app.known(IncidentId(id)).await?;
    let seq = breakglass_recovery::note(&app.desk, visitor.actor, IncidentId(id), &said.text)
        .await
        .map_err(not_taken)?;
    Ok((StatusCode::CREATED, Json(json!({ "seq": seq }))).into_response())
}

/// The body that closes an incident.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CloseBody {
    reason: String,
}

/// `POST /api/v1/incidents/{id}/close`
pub(crate) async fn close(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<u64>,
    said: Body<CloseBody>,
) -> Answer {
    let reason: String = body(said)?.reason.chars().take(500).collect();
    let closed = breakglass_recovery::close(&app.desk, visitor.actor, IncidentId(id), &reason).await;
    Ok(Json(json!({ "seq": closed.map_err(not_taken)? })).into_response())
}

/// `GET /api/v1/incidents/{id}/export/{format}`
pub(crate) async fn export(State(app): State<App>, Path((id, format)): Path<(u64, String)>) -> Answer {
    Ok(exported(&app, IncidentId(id), &format).await?)
}

/// `GET /api/v1/dependencies`
pub(crate) async fn dependencies(State(app): State<App>) -> Response {
    let faults = app.identity.faults().await;
    Json(json!({ "dependencies": app.dependencies(), "identity_faults": faults })).into_response()
}

/// `GET /api/v1/journal/head`
pub(crate) async fn journal_head(State(app): State<App>) -> Response {
    let head = app.desk.journal.head();
    let keeping = match app.desk.journal.keeping() {
        Keeping::Ok => json!({ "keeps": true }),
        Keeping::NotKeeping { since, why, missing } => {
            json!({ "keeps": false, "since": since, "why": why, "missing": missing })
        }
    };
    Json(json!({ "seq": head.seq, "hash": head.hash.to_string(), "keeping": keeping })).into_response()
}

/// The fingerprint that a person compared.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AcceptBody {
    shown: String,
}

/// `GET /api/v1/hosts`
pub(crate) async fn hosts(State(app): State<App>) -> Response {
    let hosts: Vec<Value> = app
        .desk
        .fleet
        .hosts()
        .map(|host| json!({ "name": host.name, "kind": host.kind.as_str(), "groups": host.groups }))
        .collect();
    let changed = breakglass_recovery::changed_host_keys(&app.desk);
    Json(json!({ "hosts": hosts, "changed": changed })).into_response()
}

/// The body of a look.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LookBody {
    request: String,
    #[serde(default)]
    incident: Option<IncidentId>,
    #[serde(default)]
    deadline_seconds: Option<u64>,
}

/// `POST /api/v1/hosts/{name}/looks`
pub(crate) async fn look(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(name): Path<String>,
    said: Body<LookBody>,
) -> Answer {
    let said = body(said)?;
    let deadline = said.deadline_seconds.map(|seconds| Duration::from_secs(seconds.clamp(1, 3600)));
    let look = breakglass_recovery::Look { request: said.request, incident: said.incident, deadline };
    let ended = breakglass_recovery::diagnose(&app.desk, visitor.actor, &name, look, None).await;
    let end = ended.map_err(|error| Problem::not_looked(&error))?;
    Ok(Json(ended_command(&end)).into_response())
}

/// How a command or a look ended.
fn ended_command(end: &breakglass_recovery::CommandEnd) -> Value {
    json!({ "command": end.command, "exit": end.exit, "message": end.message, "millis": end.millis,
            "output": end.output, "rest": end.rest })
}

/// `POST /api/v1/hosts/{name}/accept-key`
pub(crate) async fn accept_key(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(name): Path<String>,
    said: Body<AcceptBody>,
) -> Answer {
    let fingerprint = accepted(&app, visitor, &name, &body(said)?.shown).await?;
    Ok(Json(json!({ "fingerprint": fingerprint })).into_response())
}
