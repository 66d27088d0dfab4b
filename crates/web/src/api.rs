//! The JSON API under `/api/v1`: the same use cases as the forms, for programs.

use crate::answers::{
    Accepted, Closed, Dependencies, Ended, HostLine, Hosts, Incident, IncidentLine, Incidents, JournalHead,
    KeepingNow, Looked, NotSent, NotThrough, Opened, Running, Sent, Started, StateAt, Stopped, Targets,
    TurnLine, Waits, Written,
};
use crate::app::App;
use crate::extract::{Asked, At, MaySay, Said, whole};
use crate::forms::{accepted, not_taken};
use crate::gate;
use crate::identity::Visitor;
use crate::live;
use crate::problem::{ApiProblem, Problem};
use crate::shows::{After, exported};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use breakglass_incident::{CommandId, IncidentId, Seq, View, WaitingCall};
use breakglass_journal::{Keeping, Wanted};
use breakglass_protocol::Verb;
use breakglass_recovery::{Press, Pressed, Run, RunError};
use bytes::{BufMut, BytesMut};
use schemars::JsonSchema;
use serde::Deserialize;
use std::time::Duration;

type Answer = Result<Response, ApiProblem>;

/// `GET /api/v1/targets`
pub(crate) async fn targets(State(app): State<App>) -> Response {
    Json(Targets { targets: app.desk.board.targets() }).into_response()
}

/// `GET /api/v1/targets/{name}`
pub(crate) async fn target(State(app): State<App>, At(name): At<String>) -> Answer {
    Ok(Json(app.target(&name)?).into_response())
}

/// `POST /api/v1/targets/{name}/triage`
pub(crate) async fn triage(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    At(name): At<String>,
) -> Answer {
    let name = app.target(&name)?.name;
    Ok(Json(breakglass_recovery::triage(&app.desk, &visitor.actor, &name, None).await).into_response())
}

/// The body of a press. `seen` left out means that the caller takes the state as it is.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PressBody {
    /// The newest event that was seen.
    #[serde(deserialize_with = "whole")]
    seen: Option<u64>,
    /// What was shown, for the journal; cut after 200 characters.
    shown: String,
    /// The incident that it belongs to.
    #[serde(deserialize_with = "whole")]
    incident: Option<u64>,
}

/// `POST /api/v1/targets/{name}/verbs/{verb}`
pub(crate) async fn press(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    At((name, verb)): At<(String, String)>,
    MaySay(said): MaySay<PressBody>,
) -> Answer {
    let target = app.target(&name)?.name;
    let verb = Verb::from_bytes(verb.as_bytes()).ok_or_else(|| {
        Problem::new(
            StatusCode::NOT_FOUND,
            "That is none of the six verbs. Nothing was sent.",
            "status, forensics, reset, stop, start or cycle.",
        )
    })?;
    if app.desk.fleet.power_door(&target).is_none() {
        return Err(Problem::new(
            StatusCode::NOT_FOUND,
            format!("No power door controls “{target}”. Nothing was sent."),
            "One is declared in fleet.toml: kind = \"power\" and controls.",
        )
        .into());
    }
    let shown = said.shown.chars().take(200).collect();
    let (seen, incident) = (said.seen.map(Seq), said.incident.map(IncidentId));
    let press = Press { target, verb, seen, shown, incident };
    let pressed = breakglass_recovery::press(&app.desk, visitor.actor, press).await;
    Ok(told(pressed))
}

fn told(pressed: Pressed) -> Response {
    match pressed {
        Pressed::Accepted { incident, press, operation, joined } => {
            (StatusCode::ACCEPTED, Json(Sent::Accepted { incident, press, operation, joined }))
                .into_response()
        }
        Pressed::Unsure { incident, press, message } => {
            let what_now = "follow the incident; it is never sent a second time";
            (StatusCode::ACCEPTED, Json(Sent::Unsure { incident, press, message, what_now })).into_response()
        }
        Pressed::Looked { incident, status, message } => {
            Json(Looked::Looked { incident, status, message }).into_response()
        }
        Pressed::Stale { since } => {
            let error = "something has happened since; nothing was sent";
            let what_now = "read `since`, then press again with a newer `seen`";
            (StatusCode::CONFLICT, Json(NotSent::Stale { error, since, what_now })).into_response()
        }
        Pressed::Refused { incident, refusal } => {
            let (error, what_now) = (refusal.reason.clone(), refusal.hint.clone());
            (StatusCode::CONFLICT, Json(NotSent::Refused { incident, error, refusal, what_now }))
                .into_response()
        }
        Pressed::Busy { incident, message } => {
            let what_now = "wait for its end, or press the same verb to join it";
            (StatusCode::CONFLICT, Json(NotSent::Busy { incident, error: message, what_now })).into_response()
        }
        Pressed::Failed { incident, message } => {
            let what_now = "nothing was started; look at /api/v1/dependencies";
            (StatusCode::BAD_GATEWAY, Json(NotThrough::Failed { incident, error: message, what_now }))
                .into_response()
        }
    }
}

/// The body of a command.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CommandBody {
    /// The command line; at most 32 KiB.
    #[schemars(length(min = 1, max = 32768), regex(pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$"))]
    command: String,
    /// After how long it is ended; between a second and an hour.
    #[serde(default, deserialize_with = "whole")]
    deadline_seconds: Option<u64>,
    /// The incident that it belongs to.
    #[serde(default, deserialize_with = "whole")]
    incident: Option<u64>,
    /// Whether the answer waits for the command's end.
    #[serde(default)]
    wait: bool,
}

/// `POST /api/v1/incidents/{id}/commands/{command}/stop`: with the sentence of the host's guard.
pub(crate) async fn stop_command(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    At((id, command)): At<(u64, u64)>,
) -> Result<Response, ApiProblem> {
    app.known(IncidentId(id)).await?;
    let (incident, command) = (IncidentId(id), CommandId(command));
    let stopped = breakglass_recovery::stop_command(&app.desk, visitor.actor, Some(incident), command).await;
    let said = stopped.map_err(|error| Problem::not_stopped(&error))?;
    Ok(Json(Stopped { command, said }).into_response())
}

/// `POST /api/v1/targets/{name}/commands`
pub(crate) async fn command(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    At(name): At<String>,
    Said(said): Said<CommandBody>,
) -> Answer {
    let target = app.target(&name)?.name;
    let deadline = said.deadline_seconds.map(|seconds| Duration::from_secs(seconds.clamp(1, 3600)));
    let run = Run { target, command: said.command, incident: said.incident.map(IncidentId), deadline };
    let refused = |error: RunError| {
        let status = match error {
            RunError::NoDoor { .. } | RunError::NoIncident { .. } => StatusCode::NOT_FOUND,
            _ => StatusCode::BAD_REQUEST,
        };
        Problem::new(status, format!("{error}."), "The power door works without the repair door.")
    };
    if !said.wait {
        let command = breakglass_recovery::run(&app.desk, visitor.actor, run).await.map_err(refused)?;
        return Ok((StatusCode::ACCEPTED, Json(Started { command })).into_response());
    }
    let end = breakglass_recovery::run_to_end(&app.desk, visitor.actor, run).await.map_err(refused)?;
    Ok(Json(Ended::from(end)).into_response())
}

/// `GET /api/v1/incidents`
pub(crate) async fn incidents(State(app): State<App>) -> Response {
    let all = app.desk.journal.incidents().await.into_iter().map(|summary| IncidentLine {
        id: summary.id,
        target: summary.target,
        reason: summary.reason,
        opened: summary.opened,
        closed: summary.closed.map(|(at, reason)| Closed { at, reason }),
        events: summary.events,
        last: summary.last,
    });
    Json(Incidents { incidents: all.collect() }).into_response()
}

/// The body that opens an incident.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OpenBody {
    target: String,
    reason: String,
}

/// `POST /api/v1/incidents`
pub(crate) async fn open(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Said(said): Said<OpenBody>,
) -> Answer {
    let reason: String = said.reason.chars().take(500).collect();
    let opened = breakglass_recovery::open_incident(&app.desk, visitor.actor, &said.target, &reason).await;
    let incident = opened.map_err(not_taken)?;
    Ok((StatusCode::CREATED, Json(Opened { incident })).into_response())
}

/// `GET /api/v1/incidents/{id}`: in short; its events are beside it.
pub(crate) async fn incident(State(app): State<App>, At(id): At<u64>) -> Answer {
    let view = View::fold(&app.events(IncidentId(id)).await?);
    let (turns, outside_waiting) = (turns(&view), outside(&view));
    Ok(Json(Incident {
        id,
        target: view.target,
        reason: view.reason,
        opened: view.opened,
        closed: view.closed,
        close_reason: view.close_reason,
        away_millis: view.away_millis,
        state: view.state.map(|(at, state)| StateAt { at, state }),
        running: view.running.map(|running| Running {
            verb: running.verb,
            operation: running.operation,
            by: running.by,
            since: running.since,
            steps: running.steps,
            line_lost: running.line_lost,
        }),
        triage: view.triage,
        turns,
        outside_waiting,
        last: view.last,
    })
    .into_response())
}

/// The turns in short; what was said and called is in the events.
fn turns(view: &View) -> Vec<TurnLine> {
    let waiting = |turn: &breakglass_incident::Turn| {
        view.turns.waiting().into_iter().find(|waiting| turn.calls.contains(waiting.call)).map(waits)
    };
    let told = view.turns.all.iter().map(|turn| TurnLine {
        turn: turn.id,
        by: turn.by.clone(),
        engine: turn.engine.clone(),
        ask: turn.ask.clone(),
        since: turn.since,
        calls: turn.calls.len(),
        waiting: waiting(turn),
        ended: turn.end.as_ref().map(|end| end.at),
        how: turn.end.as_ref().and_then(|end| end.how),
        sentence: turn.end.as_ref().map(|end| end.sentence.clone()),
    });
    told.collect()
}

/// The calls of outside agents that wait for a person.
fn outside(view: &View) -> Vec<Waits> {
    let waiting = view.turns.waiting().into_iter();
    waiting.filter(|waiting| view.turns.outside.contains(waiting.call)).map(waits).collect()
}

fn waits(WaitingCall { by, call, until }: WaitingCall<'_>) -> Waits {
    Waits {
        by: by.clone(),
        call: call.id,
        tool: call.tool.clone(),
        shown: call.shown.clone(),
        digest: call.digest.clone(),
        expires: until,
    }
}

/// `GET /api/v1/incidents/{id}/events`: a stream, or (for `Accept: application/json`) what there is so far.
pub(crate) async fn events(
    State(app): State<App>,
    At(id): At<u64>,
    Asked(after): Asked<After>,
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
    Asked(after): Asked<After>,
    headers: HeaderMap,
) -> Response {
    live::raw(&app, None, after.or_last_seen(&headers))
}

/// The body of a note.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoteBody {
    /// At most 16 KiB.
    #[schemars(length(min = 1, max = 16384), regex(pattern = r"\S"))]
    text: String,
}

/// `POST /api/v1/incidents/{id}/notes`
pub(crate) async fn note(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    At(id): At<u64>,
    Said(said): Said<NoteBody>,
) -> Answer {
    app.known(IncidentId(id)).await?;
    let seq = breakglass_recovery::note(&app.desk, visitor.actor, IncidentId(id), &said.text)
        .await
        .map_err(not_taken)?;
    Ok((StatusCode::CREATED, Json(Written { seq })).into_response())
}

/// The body that closes an incident.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CloseBody {
    reason: String,
}

/// `POST /api/v1/incidents/{id}/close`
pub(crate) async fn close(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    At(id): At<u64>,
    Said(said): Said<CloseBody>,
) -> Answer {
    let reason: String = said.reason.chars().take(500).collect();
    let closed = breakglass_recovery::close(&app.desk, visitor.actor, IncidentId(id), &reason).await;
    Ok(Json(Written { seq: closed.map_err(not_taken)? }).into_response())
}

/// `GET /api/v1/incidents/{id}/export/{format}`
pub(crate) async fn export(State(app): State<App>, At((id, format)): At<(u64, String)>) -> Answer {
    Ok(exported(&app, IncidentId(id), &format).await?)
}

/// `GET /api/v1/dependencies`
pub(crate) async fn dependencies(State(app): State<App>) -> Response {
    let identity_faults = app.identity.faults().await;
    Json(Dependencies { dependencies: app.dependencies(), identity_faults }).into_response()
}

/// `GET /api/v1/journal/head`
pub(crate) async fn journal_head(State(app): State<App>) -> Response {
    let head = app.desk.journal.head();
    let keeping = match app.desk.journal.keeping() {
        Keeping::Ok => KeepingNow { keeps: true, ..KeepingNow::default() },
        Keeping::NotKeeping { since, why, missing } => {
            KeepingNow { keeps: false, since: Some(since), why: Some(why), missing: Some(missing) }
        }
    };
    Json(JournalHead { seq: head.seq, hash: head.hash.to_string(), keeping }).into_response()
}

/// The fingerprint that a person compared.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AcceptBody {
    shown: String,
}

/// `GET /api/v1/hosts`
pub(crate) async fn hosts(State(app): State<App>) -> Response {
    let hosts = app.desk.fleet.hosts().map(|host| HostLine {
        name: host.name.clone(),
        kind: host.kind.as_str(),
        groups: host.groups.clone(),
    });
    let changed = breakglass_recovery::changed_host_keys(&app.desk);
    Json(Hosts { hosts: hosts.collect(), changed }).into_response()
}

/// The body of a look.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LookBody {
    /// What to ask the host's guard; at most 32 KiB.
    #[schemars(length(min = 1, max = 32768), regex(pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$"))]
    request: String,
    /// The incident that it belongs to.
    #[serde(default, deserialize_with = "whole")]
    incident: Option<u64>,
    /// After how long it is ended; between a second and an hour.
    #[serde(default, deserialize_with = "whole")]
    deadline_seconds: Option<u64>,
}

/// `POST /api/v1/hosts/{name}/looks`
pub(crate) async fn look(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    At(name): At<String>,
    Said(said): Said<LookBody>,
) -> Answer {
    let deadline = said.deadline_seconds.map(|seconds| Duration::from_secs(seconds.clamp(1, 3600)));
    let look = breakglass_recovery::Look {
        request: said.request,
        incident: said.incident.map(IncidentId),
        deadline,
    };
    let ended = breakglass_recovery::diagnose(&app.desk, visitor.actor, &name, look, None).await;
    let end = ended.map_err(|error| Problem::not_looked(&error))?;
    Ok(Json(Ended::from(end)).into_response())
}

/// `POST /api/v1/hosts/{name}/accept-key`
pub(crate) async fn accept_key(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    At(name): At<String>,
    Said(said): Said<AcceptBody>,
) -> Answer {
    let fingerprint = accepted(&app, visitor, &name, &said.shown).await?;
    Ok(Json(Accepted { fingerprint }).into_response())
}
