//! Turns of agents: what the forms and the API do. Each is one use case of `recovery`.
//!
//! Starting is for whoever is known; what a token starts asks for everything. Allowing is for persons: the table of routes
//! says so, and `recovery` holds it again.

use crate::answers::{Decided, Turn};
use crate::app::App;
use crate::extract::{At, Said};
use crate::identity::Visitor;
use crate::problem::{ApiProblem, PageProblem, Problem};
use axum::extract::{Form, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Extension, Json};
use breakglass_incident::{CallId, IncidentId, TurnId};
use breakglass_recovery::turn::{
    ApprovalError, NotRunning, Preset, StartError, StartTurn, answer_call, start_turn, stop_turn,
};
use schemars::JsonSchema;
use serde::Deserialize;

/// The box to ask in: words, or a preset, or both.
#[derive(Debug, Deserialize)]
pub(crate) struct Question {
    #[serde(default)]
    text: String,
    preset: Option<String>,
    engine: Option<String>,
}

impl Question {
    fn ask(&self) -> String {
        let preset = self.preset.as_deref().and_then(Preset::from_word).map(Preset::ask);
        match (preset, self.text.trim()) {
            (Some(preset), "") => preset.to_owned(),
            (Some(preset), text) => format!("{preset}\n\n{text}"),
            (None, text) => text.to_owned(),
        }
    }
}

async fn start(app: &App, visitor: Visitor, incident: IncidentId, said: Question) -> Result<TurnId, Problem> {
    let start = StartTurn { incident, ask: said.ask(), engine: said.engine };
    start_turn(&app.desk, visitor.actor, start).await.map_err(|error| {
        let status = match error {
            StartError::NotOpen { .. } | StartError::Running { .. } | StartError::NoAgent => {
                StatusCode::CONFLICT
            }
            StartError::NoSuchAgent { .. } | StartError::Length { .. } => StatusCode::BAD_REQUEST,
        };
        Problem::new(
            status,
            format!("{error}."),
            "No agent was started. Triage and the buttons work without one.",
        )
    })
}

/// `POST /incidents/{id}/turn`
pub(crate) async fn ask(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<u64>,
    Form(form): Form<Question>,
) -> Result<Redirect, PageProblem> {
    app.known(IncidentId(id)).await?;
    let turn = start(&app, visitor, IncidentId(id), form).await?;
    Ok(Redirect::to(&format!("/incidents/{id}#e{turn}")))
}

/// `POST /targets/{name}/turn`: a question is the beginning of a recovery, so it opens an incident.
pub(crate) async fn ask_target(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(name): Path<String>,
    Form(form): Form<Question>,
) -> Result<Redirect, PageProblem> {
    let name = app.target(&name)?.name;
    if app.desk.turns.engines().list.is_empty() {
        let why = format!("{}.", StartError::NoAgent);
        return Err(Problem::new(StatusCode::CONFLICT, why, "Nothing was opened.").into());
    }
    let reason = format!("{} asked an agent about it", visitor.name());
    let opened = breakglass_recovery::open_incident(&app.desk, visitor.actor.clone(), &name, &reason).await;
    let incident = opened.map_err(crate::forms::not_taken)?;
    start(&app, visitor, incident, form).await?;
    Ok(Redirect::to(&format!("/incidents/{incident}")))
}

fn end(app: &App, visitor: Visitor, incident: IncidentId) -> Result<TurnId, Problem> {
    stop_turn(&app.desk, visitor.actor, incident).map_err(|error: NotRunning| {
        Problem::new(StatusCode::CONFLICT, format!("{error}."), "It has ended already; the page shows how.")
    })
}

/// `POST /incidents/{id}/turn/stop`
pub(crate) async fn stop(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<u64>,
) -> Result<Redirect, PageProblem> {
    app.known(IncidentId(id)).await?;
    end(&app, visitor, IncidentId(id))?;
    Ok(Redirect::to(&format!("/incidents/{id}")))
}

/// The answer to a question: the digest of the call that the page showed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Digest {
    digest: String,
}

/// The same from a form, which carries its proof of intent too.
#[derive(Debug, Deserialize)]
pub(crate) struct DigestForm {
    digest: String,
}

async fn decide(
    app: &App,
    visitor: Visitor,
    (id, call): (u64, u64),
    digest: &str,
    allow: bool,
) -> Result<(), Problem> {
    let incident = IncidentId(id);
    app.known(incident).await?;
    answer_call(&app.desk, visitor.actor, incident, CallId(call), digest, allow).await.map_err(|error| {
        let status = match error {
            ApprovalError::NotAPerson => StatusCode::FORBIDDEN,
            ApprovalError::NotWaiting { .. } | ApprovalError::OtherCall => StatusCode::CONFLICT,
        };
        Problem::new(
            status,
            format!("{error}."),
            "The incident's page shows what waits now, if anything does.",
        )
    })
}

/// `POST /incidents/{id}/calls/{call}/approve`
pub(crate) async fn approve(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(which): Path<(u64, u64)>,
    Form(form): Form<DigestForm>,
) -> Result<Redirect, PageProblem> {
    decide(&app, visitor, which, &form.digest, true).await?;
    Ok(Redirect::to(&format!("/incidents/{}", which.0)))
}

/// `POST /incidents/{id}/calls/{call}/refuse`
pub(crate) async fn refuse(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(which): Path<(u64, u64)>,
    Form(form): Form<DigestForm>,
) -> Result<Redirect, PageProblem> {
    decide(&app, visitor, which, &form.digest, false).await?;
    Ok(Redirect::to(&format!("/incidents/{}", which.0)))
}

/// What a program asks.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TurnBody {
    /// At most 16 KiB.
    #[schemars(length(min = 1, max = 16384), regex(pattern = r"\S"))]
    ask: String,
    engine: Option<String>,
}

/// `POST /api/v1/incidents/{id}/turns`
pub(crate) async fn api_start(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    At(id): At<u64>,
    Said(said): Said<TurnBody>,
) -> Result<Response, ApiProblem> {
    let TurnBody { ask, engine } = said;
    app.known(IncidentId(id)).await?;
    let turn = start(&app, visitor, IncidentId(id), Question { text: ask, preset: None, engine }).await?;
    Ok((StatusCode::ACCEPTED, Json(Turn { turn })).into_response())
}

/// `POST /api/v1/incidents/{id}/turns/stop`
pub(crate) async fn api_stop(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    At(id): At<u64>,
) -> Result<Response, ApiProblem> {
    app.known(IncidentId(id)).await?;
    Ok(Json(Turn { turn: end(&app, visitor, IncidentId(id))? }).into_response())
}

/// `POST /api/v1/incidents/{id}/calls/{call}/approve`
pub(crate) async fn api_approve(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    At(which): At<(u64, u64)>,
    Said(said): Said<Digest>,
) -> Result<Response, ApiProblem> {
    decide(&app, visitor, which, &said.digest, true).await?;
    Ok(Json(Decided { call: which.1, decided: "allowed" }).into_response())
}

/// `POST /api/v1/incidents/{id}/calls/{call}/refuse`
pub(crate) async fn api_refuse(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    At(which): At<(u64, u64)>,
    Said(said): Said<Digest>,
) -> Result<Response, ApiProblem> {
    decide(&app, visitor, which, &said.digest, false).await?;
    Ok(Json(Decided { call: which.1, decided: "refused" }).into_response())
}
