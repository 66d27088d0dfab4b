//! What a browser gets to see: one function for each page, and for each part of a page that is fetched again.

use crate::answers::Healthz;
use crate::app::App;
use crate::identity::Visitor;
use crate::live::{self, Shows};
use crate::pages::confirm::Context;
use crate::pages::layout::{self, Live, Page, Place};
use crate::pages::proof::Proofs;
use crate::pages::{fleet, foot, host, hosts, incident, incidents};
use crate::problem::{PageProblem, Problem};
use crate::routes::is_for_programs;
use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use breakglass_incident::{IncidentId, Seq, View};
use breakglass_recovery::{TargetView, changed_host_keys, looks_at};
use maud::{Markup, html};
use schemars::JsonSchema;
use serde::Deserialize;

/// Where a stream starts, where no `Last-Event-ID` says so.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct After {
    /// The number of the last event that the client has.
    after: Option<u64>,
}

impl After {
    pub(crate) fn or_last_seen(&self, headers: &HeaderMap) -> Option<Seq> {
        live::after(headers, self.after)
    }
}

/// `GET /`
pub(crate) async fn board(State(app): State<App>, Extension(visitor): Extension<Visitor>) -> Markup {
    let (targets, around) = (app.desk.board.targets(), app.around());
    let page = Page {
        title: &fleet::title(&targets),
        banner: html! {},
        main: board_main(&app, &targets),
        foot: html! {},
        live: Some(Live { stream: "/live".to_owned(), parts: "/parts".to_owned() }),
        refresh: targets.iter().any(|target| target.running.is_some()),
        dock: false,
    };
    layout::page(&app.frame(&around, &visitor, Place::Fleet), &page)
}

fn board_main(app: &App, targets: &[TargetView]) -> Markup {
    let desk = &app.desk;
    fleet::main(proofs(app), targets, &desk.turns.asked(), &app.dependencies())
}

/// What is remembered of doors that were tried.
fn proofs(app: &App) -> Proofs<'_> {
    Proofs { fleet: &app.desk.fleet, board: &app.desk.board, now: app.desk.now() }
}

/// `GET /parts`
pub(crate) async fn board_parts(State(app): State<App>) -> Markup {
    let targets = app.desk.board.targets();
    html! {
        title { (fleet::title(&targets)) }
        (board_main(&app, &targets))
    }
}

/// `GET /live`
pub(crate) async fn board_live(State(app): State<App>) -> Response {
    live::page(&app, Shows::Fleet, None, None)
}

/// `GET /targets/{name}`: its open incident, or the target alone.
pub(crate) async fn target(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(name): Path<String>,
) -> Result<Response, PageProblem> {
    let target = app.target(&name)?;
    if let Some(open) = target.incident {
        return Ok(Redirect::to(&format!("/incidents/{open}")).into_response());
    }
    let seen = app.desk.journal.newest();
    Ok(subject(&app, &visitor, &target, None, seen).into_response())
}

/// `GET /targets/{name}/parts`
pub(crate) async fn target_parts(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(name): Path<String>,
) -> Result<Markup, PageProblem> {
    let target = app.target(&name)?;
    let seen = app.desk.journal.newest();
    Ok(subject_parts(&app, &visitor, &target, None, seen))
}

/// `GET /targets/{name}/live`
pub(crate) async fn target_live(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<Response, PageProblem> {
    let name = app.target(&name)?.name;
    Ok(live::page(&app, Shows::Target { name, incident: None }, None, None))
}

/// `GET /incidents`
pub(crate) async fn list(State(app): State<App>, Extension(visitor): Extension<Visitor>) -> Markup {
    let all = app.desk.journal.incidents().await;
    let lines: Vec<incidents::Line> = all
        .into_iter()
        .map(|summary| incidents::Line {
            id: summary.id,
            target: summary.target,
            reason: summary.reason,
            opened: summary.opened,
            closed: summary.closed.map(|(at, _)| at),
        })
        .collect();
    let main = incidents::main(&lines, app.desk.now());
    quiet_page(&app, &visitor, Place::Incidents, "Incidents · breakglass", main)
}

/// Rows of a timeline that a page has at first.
const ROWS: usize = 150;
/// Rows that a page has at most; the export has them all.
const MOST_ROWS: usize = 20_000;

/// How many rows of the timeline are asked for.
#[derive(Debug, Deserialize)]
pub(crate) struct Rows {
    rows: Option<usize>,
}

/// `GET /incidents/{id}`
pub(crate) async fn one(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<u64>,
    Query(rows): Query<Rows>,
) -> Result<Markup, PageProblem> {
    let events = app.events(IncidentId(id)).await?;
    let view = View::fold(&events);
    let target = app.target(&view.target)?;
    let seen = view.last;
    let told = incident::Told { events: &events, rows: rows.rows.unwrap_or(ROWS).clamp(1, MOST_ROWS) };
    Ok(subject(&app, &visitor, &target, Some((&view, told)), seen))
}

/// `GET /incidents/{id}/parts`
pub(crate) async fn one_parts(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<u64>,
) -> Result<Markup, PageProblem> {
    let view = View::fold(&app.events(IncidentId(id)).await?);
    let target = app.target(&view.target)?;
    Ok(subject_parts(&app, &visitor, &target, Some(&view), view.last))
}

/// `GET /incidents/{id}/live`
pub(crate) async fn one_live(
    State(app): State<App>,
    Path(id): Path<u64>,
    Query(after): Query<After>,
    headers: HeaderMap,
) -> Result<Response, PageProblem> {
    let incident = IncidentId(id);
    let view = View::fold(&app.events(incident).await?);
    let shows = Shows::Target { name: view.target.clone(), incident: Some(incident) };
    Ok(live::page(&app, shows, after.or_last_seen(&headers), Some(view)))
}

/// `GET /hosts`
pub(crate) async fn hosts(State(app): State<App>, Extension(visitor): Extension<Visitor>) -> Markup {
    let main = hosts::main(&app.desk.fleet, &changed_host_keys(&app.desk), &visitor);
    quiet_page(&app, &visitor, Place::Hosts, "Hosts · breakglass", main)
}

/// Answers that a host's page shows at most.
const ANSWERS: usize = 10;

/// `GET /hosts/{name}`
pub(crate) async fn host(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(name): Path<String>,
) -> Result<Markup, PageProblem> {
    let (Some(host), Some(door)) = (app.desk.fleet.component(&name), app.desk.fleet.diag_door(&name)) else {
        return Err(Problem::no_diag_door(&name).into());
    };
    let looks = looks_at(&app.desk, &name, ANSWERS).await;
    let main =
        host::main(&host::Shown { host, door, visitor: &visitor, looks: &looks, proofs: proofs(&app) });
    Ok(quiet_page(&app, &visitor, Place::Hosts, &format!("{name} · breakglass"), main))
}

/// `GET /incidents/{id}/export/{format}`
pub(crate) async fn export(
    State(app): State<App>,
    Path((id, format)): Path<(u64, String)>,
) -> Result<Response, PageProblem> {
    Ok(exported(&app, IncidentId(id), &format).await?)
}

/// A timeline to keep elsewhere.
pub(crate) async fn exported(app: &App, id: IncidentId, format: &str) -> Result<Response, Problem> {
    let events = app.events(id).await?;
    let (media, ending, text) = match format {
        "markdown" => ("text/markdown; charset=utf-8", "md", breakglass_incident::markdown(&events)),
        "json" => ("application/json", "json", serde_json::to_string_pretty(&events).unwrap_or_default()),
        _ => {
            return Err(Problem::new(
                StatusCode::NOT_FOUND,
                "There is no export of that form.",
                "There are two: markdown and json.",
            ));
        }
    };
    let name = format!("attachment; filename=\"incident-{id}.{ending}\"");
    Ok(([(header::CONTENT_TYPE, media.to_owned()), (header::CONTENT_DISPOSITION, name)], text)
        .into_response())
}

/// `GET /artifacts/{sha256}`: bytes that a guest may have forged. Only what begins as a PNG is called one; everything
/// else is downloaded or shown as plain text, and nothing in it runs.
pub(crate) async fn artifact(
    State(app): State<App>,
    Path(sha256): Path<String>,
) -> Result<Response, PageProblem> {
    let named =
        sha256.len() == 64 && sha256.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if !named {
        return Err(Problem::not_found().into());
    }
    let bytes = app.desk.journal.artifact(&sha256).await.map_err(|error| {
        Problem::new(StatusCode::NOT_FOUND, format!("{error}."), "The timeline still says what was captured.")
    })?;
    let png = bytes.starts_with(b"\x89PNG\r\n\x1a\n");
    let (media, disposition) = match (png, std::str::from_utf8(&bytes)) {
        (true, _) => ("image/png", "inline".to_owned()),
        (false, Ok(_)) => ("text/plain; charset=utf-8", "inline".to_owned()),
        (false, Err(_)) => ("application/octet-stream", format!("attachment; filename=\"{sha256}.bin\"")),
    };
    let mut response = bytes.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    headers
        .insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(crate::headers::ARTIFACT_POLICY));
    // Named by its content: it can't change. Kept by this browser only.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=31536000, immutable"));
    if let Ok(value) = HeaderValue::from_str(&disposition) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

/// What is at no address.
pub(crate) async fn nothing(uri: axum::http::Uri) -> Response {
    let problem = Problem::not_found();
    if is_for_programs(uri.path()) { problem.into_json() } else { problem.into_page() }
}

/// What is at this address, but not by this method.
pub(crate) async fn not_so(uri: axum::http::Uri) -> Response {
    let problem = Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "This address does not take that method. Nothing was done.",
        "Pages are read with GET, and changed by their forms.",
    );
    if is_for_programs(uri.path()) { problem.into_json() } else { problem.into_page() }
}

/// `GET /healthz`: that the server answers, and whether the journal keeps; nothing of the fleet.
pub(crate) async fn health(State(app): State<App>) -> Response {
    let (since, missing) = match app.desk.journal.keeping() {
        breakglass_journal::Keeping::Ok => (None, None),
        // Why is told behind the log-in: it names paths.
        breakglass_journal::Keeping::NotKeeping { since, missing, .. } => (Some(since), Some(missing)),
    };
    axum::Json(Healthz {
        ok: true,
        journal_keeps: since.is_none(),
        not_keeping_since: since,
        events_not_kept: missing,
        version: app.version.clone(),
    })
    .into_response()
}

pub(crate) fn quiet_page(app: &App, visitor: &Visitor, place: Place, title: &str, main: Markup) -> Markup {
    let around = app.around();
    let page =
        Page { title, banner: html! {}, main, foot: html! {}, live: None, refresh: false, dock: false };
    layout::page(&app.frame(&around, visitor, place), &page)
}

/// The page of a target, with or without an incident.
fn subject(
    app: &App,
    visitor: &Visitor,
    target: &TargetView,
    incident: Option<(&View, incident::Told<'_>)>,
    seen: Seq,
) -> Markup {
    let (view, told) = incident.unzip();
    let told = told.unwrap_or(incident::Told { events: &[], rows: ROWS });
    let context = context(app, visitor, target, view, seen);
    let (banner, head, act) = incident::parts(&app.desk.fleet, &context, view);
    let running = view.is_some_and(|view| view.running.is_some() || view.turns.running().is_some());
    let engines: Vec<String> =
        app.desk.turns.engines().list.iter().map(|engine| engine.name().to_owned()).collect();
    let open = view.is_some_and(View::is_open);
    let around = app.around();
    let base = match context.incident {
        Some(id) => format!("/incidents/{id}"),
        None => format!("/targets/{}", target.name),
    };
    let page = Page {
        title: &incident::title(&context, view),
        banner,
        main: incident::main(&context, (head, act), &told, open, &engines),
        foot: html! {
            (proofs(app).fold(&target.name))
            (foot::fold(&app.desk.fleet, &target.name, &app.dependencies()))
        },
        live: Some(Live { stream: format!("{base}/live?after={seen}"), parts: format!("{base}/parts") }),
        refresh: running,
        dock: view.is_none_or(|view| view.running.is_none()),
    };
    let place = if view.is_some() { Place::Incidents } else { Place::Fleet };
    layout::page(&app.frame(&around, visitor, place), &page)
}

fn subject_parts(
    app: &App,
    visitor: &Visitor,
    target: &TargetView,
    view: Option<&View>,
    seen: Seq,
) -> Markup {
    let context = context(app, visitor, target, view, seen);
    let (banner, head, act) = incident::parts(&app.desk.fleet, &context, view);
    html! {
        title { (incident::title(&context, view)) }
        section #banner aria-label="Now" data-part { (banner) }
        (head)
        (act)
    }
}

pub(crate) fn context<'a>(
    app: &'a App,
    visitor: &'a Visitor,
    target: &'a TargetView,
    view: Option<&View>,
    seen: Seq,
) -> Context<'a> {
    Context {
        visitor,
        target,
        incident: view.and_then(|view| view.id),
        seen,
        now: app.desk.now(),
        stoppable: &app.desk.stoppable,
    }
}
