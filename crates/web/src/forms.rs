//! What the forms of the pages do. Each is one use case of `recovery`, then the page that shows what came of it.

use crate::app::App;
use crate::identity::Visitor;
use crate::pages::layout::Place;
use crate::pages::{foot, stale};
use crate::problem::{PageProblem, Problem};
use crate::shows::{context, quiet_page};
use axum::Extension;
use axum::extract::{Form, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use breakglass_incident::{CommandId, IncidentId, Seq, View};
use breakglass_protocol::{RunState, Verb};
use breakglass_recovery::{Look, Press, Pressed, Run, TargetView};
use serde::Deserialize;

/// The form of a verb.
#[derive(Debug, Deserialize)]
pub(crate) struct Power {
    verb: String,
    seen: Option<u64>,
    shown: Option<String>,
}

/// `POST /incidents/{id}/power`
pub(crate) async fn incident_power(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<u64>,
    Form(form): Form<Power>,
) -> Result<Response, PageProblem> {
    let view = View::fold(&app.events(IncidentId(id)).await?);
    let target = app.target(&view.target)?;
    // In an incident that is over, a verb begins another one.
    let incident = view.is_open().then_some(IncidentId(id));
    Ok(power(&app, visitor, target, incident, &format!("/incidents/{id}"), form).await?)
}

/// `POST /targets/{name}/power`
pub(crate) async fn target_power(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(name): Path<String>,
    Form(form): Form<Power>,
) -> Result<Response, PageProblem> {
    let target = app.target(&name)?;
    Ok(power(&app, visitor, target, None, &format!("/targets/{name}"), form).await?)
}

async fn power(
    app: &App,
    visitor: Visitor,
    target: TargetView,
    incident: Option<IncidentId>,
    back: &str,
    form: Power,
) -> Result<Response, Problem> {
    let verb = Verb::from_bytes(form.verb.as_bytes()).ok_or_else(|| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "That is none of the six verbs. Nothing was sent.",
            "Press one on the page.",
        )
    })?;
    if verb.is_mutating() && form.seen.is_none() {
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "The form did not say what its page had shown. Nothing was sent.",
            "Load the page again and press there.",
        ));
    }
    let press = Press {
        target: target.name.clone(),
        verb,
        seen: form.seen.map(Seq),
        shown: form.shown.unwrap_or_default().chars().take(200).collect(),
        incident,
    };
    let pressed = breakglass_recovery::press(&app.desk, visitor.actor.clone(), press).await;
    let to = |incident: Option<IncidentId>| {
        incident.map_or_else(|| back.to_owned(), |id| format!("/incidents/{id}"))
    };
    Ok(match pressed {
        Pressed::Accepted { incident, .. } | Pressed::Unsure { incident, .. } => {
            Redirect::to(&to(Some(incident))).into_response()
        }
        Pressed::Looked { incident: Some(incident), .. } => Redirect::to(&to(Some(incident))).into_response(),
        Pressed::Looked { incident: None, status, message } => {
            let state = status.as_ref().map(|status| match &status.state {
                RunState::Other(word) => format!("The hypervisor says: {word}."),
                state => format!("The hypervisor says: {}.", crate::pages::words::run_state(state).1),
            });
            let sentences: Vec<String> = state.into_iter().chain([message]).collect();
            told(app, &visitor, &target, StatusCode::OK, "Looked, and changed nothing", &sentences, back)
        }
        Pressed::Stale { since } => {
            let target = app.target(&target.name)?;
            let newest =
                since.last().map_or(Seq(0), |event| event.seq).max(Seq(form.seen.unwrap_or_default()));
            let view = match incident {
                Some(id) => Some(View::fold(&app.desk.journal.incident(id).await)),
                None => None,
            };
            let seen =
                view.as_ref().map_or_else(|| Seq(app.desk.journal.head().seq), |view| view.last).max(newest);
            let context = context(app, &visitor, &target, view.as_ref(), seen);
            let main = stale::main(&context, verb, &since, back);
            let place = Place::Incidents;
            let page = quiet_page(app, &visitor, place, "Nothing was sent · breakglass", main);
            (StatusCode::CONFLICT, page).into_response()
        }
        Pressed::Busy { incident, message } => {
            let sentences =
                [message, "Nothing was started by you. The page shows how it goes on.".to_owned()];
            told(
                app,
                &visitor,
                &target,
                StatusCode::CONFLICT,
                "Somebody is at it already",
                &sentences,
                &to(incident),
            )
        }
        Pressed::Refused { incident, refusal } => {
            let sentences = [
                format!("The guard refused ({}): {}.", refusal.rule, refusal.reason),
                format!("Nothing was started. {}.", refusal.hint),
            ];
            told(app, &visitor, &target, StatusCode::CONFLICT, "The guard refused", &sentences, &to(incident))
        }
        Pressed::Failed { incident, message } => {
            let sentences = [message, "Triage, notes and the other doors go on working.".to_owned()];
            told(
                app,
                &visitor,
                &target,
                StatusCode::BAD_GATEWAY,
                "Nothing was started",
                &sentences,
                &to(incident),
            )
        }
    })
}

fn told(
    app: &App,
    visitor: &Visitor,
    target: &TargetView,
    status: StatusCode,
    title: &str,
    sentences: &[String],
    back: &str,
) -> Response {
    let context = context(app, visitor, target, None, Seq(0));
    let otherwise = match status {
        StatusCode::BAD_GATEWAY => foot::if_this_page_dies(&app.desk.fleet, Some(&target.name)),
        _ => maud::html! {},
    };
    let main = stale::told(&context, title, sentences, back, &otherwise);
    (status, quiet_page(app, visitor, Place::Elsewhere, title, main)).into_response()
}

/// `POST /incidents/{id}/triage`
pub(crate) async fn incident_triage(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<u64>,
) -> Result<Redirect, PageProblem> {
    let incident = IncidentId(id);
    let target = View::fold(&app.events(incident).await?).target;
    let _ = breakglass_recovery::triage(&app.desk, &visitor.actor, &target, Some(incident)).await;
    Ok(Redirect::to(&format!("/incidents/{id}")))
}

/// `POST /targets/{name}/triage`
pub(crate) async fn target_triage(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(name): Path<String>,
) -> Result<Redirect, PageProblem> {
    let name = app.target(&name)?.name;
    let _ = breakglass_recovery::triage(&app.desk, &visitor.actor, &name, None).await;
    Ok(Redirect::to(&format!("/targets/{name}")))
}

/// The command box.
#[derive(Debug, Deserialize)]
pub(crate) struct Command {
    command: String,
}

/// `POST /incidents/{id}/run`
pub(crate) async fn incident_run(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<u64>,
    Form(form): Form<Command>,
) -> Result<Redirect, PageProblem> {
    let target = View::fold(&app.events(IncidentId(id)).await?).target;
    Ok(run(&app, visitor, target, IncidentId(id), form).await?)
}

/// `POST /incidents/{id}/commands/{command}/stop`: how it ended comes with the command's own end.
pub(crate) async fn stop_command(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path((id, command)): Path<(u64, u64)>,
) -> Result<Redirect, PageProblem> {
    app.known(IncidentId(id)).await?;
    let (incident, command) = (IncidentId(id), CommandId(command));
    let stopped = breakglass_recovery::stop_command(&app.desk, visitor.actor, Some(incident), command).await;
    stopped.map_err(|error| Problem::not_stopped(&error))?;
    Ok(Redirect::to(&format!("/incidents/{id}#e{command}")))
}

/// `POST /targets/{name}/run`: a command is part of a recovery, so it opens an incident.
pub(crate) async fn target_run(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(name): Path<String>,
    Form(form): Form<Command>,
) -> Result<Redirect, PageProblem> {
    let name = app.target(&name)?.name;
    let reason = format!("{} ran a command on it", visitor.name());
    let incident = breakglass_recovery::open_incident(&app.desk, visitor.actor.clone(), &name, &reason).await;
    let incident = incident.map_err(not_taken)?;
    Ok(run(&app, visitor, name, incident, form).await?)
}

async fn run(
    app: &App,
    visitor: Visitor,
    target: String,
    incident: IncidentId,
    form: Command,
) -> Result<Redirect, Problem> {
    let run = Run { target, command: form.command, incident: Some(incident), deadline: None };
    let started = breakglass_recovery::run(&app.desk, visitor.actor, run).await;
    let command = started.map_err(|error| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            format!("{error}."),
            "The power door works without the repair door.",
        )
    })?;
    Ok(Redirect::to(&format!("/incidents/{incident}#e{command}")))
}

/// The request of a look.
#[derive(Debug, Deserialize)]
pub(crate) struct Looking {
    request: String,
}

/// `POST /hosts/{name}/look`: waits for the answer, which the door's deadline bounds, then shows it on the host's page.
pub(crate) async fn look(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(name): Path<String>,
    Form(form): Form<Looking>,
) -> Result<Redirect, PageProblem> {
    let look = Look { request: form.request.trim().to_owned(), incident: None, deadline: None };
    let ended = breakglass_recovery::diagnose(&app.desk, visitor.actor, &name, look, None).await;
    ended.map_err(|error| Problem::not_looked(&error))?;
    Ok(Redirect::to(&format!("/hosts/{name}#answers")))
}

/// The notes box.
#[derive(Debug, Deserialize)]
pub(crate) struct Words {
    text: String,
}

/// `POST /incidents/{id}/note`
pub(crate) async fn note(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<u64>,
    Form(form): Form<Words>,
) -> Result<Redirect, PageProblem> {
    app.known(IncidentId(id)).await?;
    let kept = breakglass_recovery::note(&app.desk, visitor.actor, IncidentId(id), form.text.trim()).await;
    let seq = kept.map_err(not_taken)?;
    Ok(Redirect::to(&format!("/incidents/{id}#e{seq}")))
}

/// Why an incident is opened or closed.
#[derive(Debug, Deserialize)]
pub(crate) struct Reason {
    reason: String,
}

/// `POST /incidents/{id}/close`
pub(crate) async fn close(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<u64>,
    Form(form): Form<Reason>,
) -> Result<Redirect, PageProblem> {
    let reason: String = form.reason.chars().take(500).collect();
    breakglass_recovery::close(&app.desk, visitor.actor, IncidentId(id), &reason).await.map_err(not_taken)?;
    Ok(Redirect::to(&format!("/incidents/{id}")))
}

/// `POST /targets/{name}/open`
pub(crate) async fn open(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(name): Path<String>,
    Form(form): Form<Reason>,
) -> Result<Redirect, PageProblem> {
    let name = app.target(&name)?.name;
    let reason: String = form.reason.chars().take(500).collect();
    let opened = breakglass_recovery::open_incident(&app.desk, visitor.actor, &name, &reason).await;
    let incident = opened.map_err(not_taken)?;
    Ok(Redirect::to(&format!("/incidents/{incident}")))
}

/// The fingerprint that a person compared.
#[derive(Debug, Deserialize)]
pub(crate) struct Compared {
    shown: String,
}

/// `POST /hosts/{name}/accept-key`
pub(crate) async fn accept_key(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(name): Path<String>,
    Form(form): Form<Compared>,
) -> Result<Redirect, PageProblem> {
    accepted(&app, visitor, &name, &form.shown).await?;
    Ok(Redirect::to("/hosts"))
}

/// Accepts a key that a person has compared.
pub(crate) async fn accepted(
    app: &App,
    visitor: Visitor,
    host: &str,
    shown: &str,
) -> Result<String, Problem> {
    let accepted = breakglass_recovery::accept_host_key(&app.desk, visitor.actor, host, Some(shown)).await;
    accepted.map_err(|error| {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        Problem::new(
            StatusCode::CONFLICT,
            format!("{error}{cause}."),
            "Look at the key again; its doors stay closed until it is accepted, everything else goes on.",
        )
    })
}

pub(crate) fn not_taken(error: breakglass_recovery::WordsError) -> Problem {
    let status = match error {
        breakglass_recovery::WordsError::NoTarget { .. } => StatusCode::NOT_FOUND,
        breakglass_recovery::WordsError::NotOpen { .. }
        | breakglass_recovery::WordsError::NotRunning { .. } => StatusCode::CONFLICT,
        breakglass_recovery::WordsError::Length { .. } => StatusCode::BAD_REQUEST,
    };
    Problem::new(status, format!("{error}."), "Nothing was kept; the page shows what is so now.")
}
