//! Logging in and out: from the form to the cookies, and what the journal is told of it.

use crate::app::App;
use crate::identity::{Attempt, Attempted, Telling, Visitor, WINDOW};
use crate::metrics::LogIn;
use crate::pages::login;
use crate::server::Peer;
use axum::Extension;
use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use breakglass_incident::{Actor, EventBody};
use maud::Markup;
use serde::Deserialize;
use std::net::IpAddr;
use std::time::Instant;

/// `GET /login?next=…`
#[derive(Debug, Deserialize)]
pub(crate) struct Next {
    next: Option<String>,
}

/// The log-in form.
#[derive(Debug, Deserialize)]
pub(crate) struct Login {
    name: String,
    password: String,
    next: Option<String>,
}

/// An address of ours, or the board: a log-in must not send anybody elsewhere.
fn own_address(next: Option<&str>) -> &str {
    let own = |text: &&str| {
        text.starts_with('/')
            && !text.starts_with("//")
            && text.len() < 200
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-._~%?=&".contains(&b))
    };
    next.filter(own).unwrap_or("/")
}

/// `GET /login`
pub(crate) async fn login_page(
    State(app): State<App>,
    Query(next): Query<Next>,
    visitor: Option<Extension<Visitor>>,
) -> Response {
    let next = own_address(next.next.as_deref());
    if visitor.is_some() {
        return Redirect::to(next).into_response();
    }
    page(&app, next, "", None).into_response()
}

/// `POST /login`
pub(crate) async fn log_in(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    Form(form): Form<Login>,
) -> Response {
    let next = own_address(form.next.as_deref());
    let attempt =
        Attempt { name: &form.name, password: &form.password, peer, headers: &headers, now: app.desk.now() };
    let attempted = app.identity.attempt(attempt).await;
    app.tally.log_in(match attempted {
        Attempted::In { .. } => LogIn::In,
        Attempted::Wrong => LogIn::Wrong,
        Attempted::Wait { .. } => LogIn::Throttled,
        Attempted::Crowded => LogIn::Crowded,
        Attempted::NoPasswords => LogIn::NoPasswords,
    });
    let (status, sentence) = match attempted {
        Attempted::In { cookies } => {
            let body = EventBody::LoggedIn { way: "password".to_owned(), from: peer.client.to_string() };
            // Waits for the disk at most as long as the journal's own deadline, and lets them in either way.
            let _ = app.desk.journal.append(None, Actor::Human(form.name), body).await;
            let mut response = Redirect::to(next).into_response();
            for cookie in cookies {
                if let Ok(value) = HeaderValue::from_str(&cookie) {
                    response.headers_mut().append(header::SET_COOKIE, value);
                }
            }
            return response;
        }
        Attempted::Wrong => {
            tell(&app, &form.name, peer.client).await;
            (StatusCode::UNAUTHORIZED, "The name or the password is wrong.".to_owned())
        }
        Attempted::Wait { seconds } => {
            let sentence = format!(
                "Too many wrong passwords came from where you are, and yours was not looked at: try again in {seconds} s. It \
                 is never more than a minute, and a browser that you have logged in with before waits for nobody else."
            );
            let page = failed(&app, next, &form.name, sentence);
            let wait = [(header::RETRY_AFTER, seconds.to_string())];
            return (StatusCode::TOO_MANY_REQUESTS, wait, page).into_response();
        }
        Attempted::Crowded => {
            let sentence = "Too many are logging in at this moment, and your password was not looked at: try again in a few \
                            seconds. A browser that you have logged in with before does not wait.";
            let page = failed(&app, next, &form.name, sentence.to_owned());
            let wait = [(header::RETRY_AFTER, "3")];
            return (StatusCode::SERVICE_UNAVAILABLE, wait, page).into_response();
        }
        Attempted::NoPasswords => {
            (StatusCode::UNAUTHORIZED, "No password file is configured, so no password is right.".to_owned())
        }
    };
    (status, failed(&app, next, &form.name, sentence)).into_response()
}

/// Tells the journal of a refusal, or counts it where they come in a flood.
async fn tell(app: &App, name: &str, from: IpAddr) {
    let telling = app.identity.refusals().one_more(from, Instant::now());
    if telling == Telling::Each {
        let name = name.escape_debug().take(64).collect();
        let body =
            EventBody::LoginRefused { name, reason: "wrong".to_owned(), from: from.to_string(), times: 1 };
        let _ = app.desk.journal.append(None, Actor::Server, body).await;
    } else if telling == Telling::FirstCounted {
        let app = app.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = tokio::time::sleep(WINDOW) => {}
                () = app.stop.cancelled() => {}
            }
            let Some((times, from)) = app.identity.refusals().summary() else { return };
            let reason = "wrong, many in a minute".to_owned();
            let body = EventBody::LoginRefused { name: String::new(), reason, from, times };
            let _ = app.desk.journal.append(None, Actor::Server, body).await;
        });
    }
}

fn failed(app: &App, next: &str, name: &str, sentence: String) -> Markup {
    page(app, next, name, Some(&login::Refused { sentence }))
}

fn page(app: &App, next: &str, name: &str, refused: Option<&login::Refused>) -> Markup {
    let offers = login::Offers {
        passwords: app.identity.has_passwords(),
        proxy: app.identity.has_proxy(),
        ways: &app.ways.sentences(),
    };
    login::page(&offers, next, name, refused)
}

/// `POST /logout`
pub(crate) async fn log_out(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
) -> Response {
    app.identity.end_own(&headers, peer, app.desk.now()).await;
    let gone = app.identity.sessions().take_back(peer.tls);
    let mut response = Redirect::to("/login").into_response();
    if let Ok(value) = HeaderValue::from_str(&gone) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}
