//! Looking at sessions and ending them, as a page and as JSON.

use crate::answers::{Me, SessionLine, Sessions, SessionsEnded};
use crate::app::App;
use crate::extract::At;
use crate::identity::{Ending, Owner, SessionEntry, Visitor};
use crate::pages::layout::Place;
use crate::pages::sessions as shown;
use crate::problem::{ApiProblem, PageProblem, Problem};
use crate::server::Peer;
use crate::shows::quiet_page;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Extension, Json};
use breakglass_fleet::Role;
use breakglass_incident::EventBody;
use maud::Markup;

/// `GET /sessions`
pub(crate) async fn page(State(app): State<App>, Extension(visitor): Extension<Visitor>) -> Markup {
    let admin = visitor.role == Role::Admin;
    let owner = if admin { Owner::Anybody } else { Owner::One(visitor.name()) };
    let sessions = app.identity.list_sessions(owner, app.desk.now()).await;
    let tokens = if admin { app.identity.token_names().await } else { Vec::new() };
    let main = shown::main(&shown::Shown {
        visitor: &visitor,
        sessions: &sessions,
        tokens: &tokens,
        roles: &app.desk.fleet.web.roles,
        fault: app.identity.session_fault().as_deref(),
        now: app.desk.now(),
    });
    quiet_page(&app, &visitor, Place::Elsewhere, "Sessions · breakglass", main)
}

/// `POST /sessions/{id}/end`: one of one's own.
pub(crate) async fn end_own(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Extension(peer): Extension<Peer>,
    Path(id): Path<String>,
) -> Result<Response, PageProblem> {
    end(&app, &visitor, &id, Owner::One(visitor.name())).await?;
    if visitor.session.as_ref() != Some(&id) {
        return Ok(Redirect::to("/sessions").into_response());
    }
    let mut response = Redirect::to("/login").into_response();
    if let Ok(value) = HeaderValue::from_str(&app.identity.sessions().take_back(peer.tls)) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    Ok(response)
}

/// `POST /admin/sessions/{id}/end`
pub(crate) async fn end_any(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
) -> Result<Redirect, PageProblem> {
    end(&app, &visitor, &id, Owner::Anybody).await?;
    Ok(Redirect::to("/sessions"))
}

/// `POST /admin/people/{name}/end`
pub(crate) async fn end_person(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(name): Path<String>,
) -> Result<Redirect, PageProblem> {
    end_all(&app, &visitor, &name).await?;
    Ok(Redirect::to("/sessions"))
}

/// Ends one session, and tells the journal whose.
async fn end(app: &App, visitor: &Visitor, id: &str, owner: Owner<'_>) -> Result<SessionsEnded, Problem> {
    let ending = app.identity.end(id, owner, app.desk.now()).await;
    told(app, visitor, ending, Some(id)).await
}

async fn end_all(app: &App, visitor: &Visitor, name: &str) -> Result<SessionsEnded, Problem> {
    let ending = app.identity.end_all_of(name, app.desk.now()).await;
    told(app, visitor, ending, None).await
}

async fn told(
    app: &App,
    visitor: &Visitor,
    ending: Ending,
    id: Option<&str>,
) -> Result<SessionsEnded, Problem> {
    let (name, not_kept) = match ending {
        Ending::Ended { name } => (name, None),
        Ending::NotKept { name, why } => (name, Some(why)),
        Ending::NoSuch => {
            return Err(Problem::new(
                StatusCode::NOT_FOUND,
                "There is no such session: it is over already, or is somebody else's. Nothing was done.",
                "The list of sessions shows those that count now.",
            ));
        }
    };
    let body = EventBody::SessionsEnded { name: name.clone(), session: id.map(str::to_owned) };
    let _ = app.desk.journal.append(None, visitor.actor.clone(), body).await;
    Ok(match not_kept {
        None => SessionsEnded { ended: name, kept: true, why: None, what_now: None },
        Some(why) => SessionsEnded {
            ended: name,
            kept: false,
            why: Some(why),
            what_now: Some(
                "it is ended; if the server starts again before the disk is mended it comes back, unless the person's \
                 password line changes",
            ),
        },
    })
}

/// `GET /api/v1/me`: who the server takes one for, and what one may do.
pub(crate) async fn api_me(Extension(visitor): Extension<Visitor>) -> Response {
    let name = visitor.name().to_owned();
    Json(Me { name, way: visitor.way.as_str(), role: visitor.role.as_str() }).into_response()
}

/// `GET /api/v1/sessions`
pub(crate) async fn api_list(State(app): State<App>) -> Response {
    let one = |entry: SessionEntry| SessionLine {
        id: entry.id,
        name: entry.name,
        began: entry.began,
        expires: entry.expires,
        seen: entry.seen,
        from: entry.from,
        browser: entry.browser,
    };
    let all = app.identity.list_sessions(Owner::Anybody, app.desk.now()).await;
    Json(Sessions { sessions: all.into_iter().map(one).collect() }).into_response()
}

/// `POST /api/v1/sessions/{id}/end`
pub(crate) async fn api_end(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    At(id): At<String>,
) -> Result<Response, ApiProblem> {
    Ok(Json(end(&app, &visitor, &id, Owner::Anybody).await?).into_response())
}

/// `POST /api/v1/people/{name}/end`
pub(crate) async fn api_end_person(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    At(name): At<String>,
) -> Result<Response, ApiProblem> {
    Ok(Json(end_all(&app, &visitor, &name).await?).into_response())
}
