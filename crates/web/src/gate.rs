//! Every request passes here before any handler sees it: who is it, may they, did they mean it, how large is it.
//!
//! The gate finds the route in the one table by the path that matched. What is not in the table (another router that
//! was merged in, an address that does not exist, a method that is not taken) is treated as the strictest kind: a
//! visitor who is known, and proof of intent for everything but a look.

use crate::app::App;
use crate::headers;
use crate::identity::{Visitor, Way};
use crate::problem::Problem;
use crate::routes::{self, Kind, Who};
use crate::server::Peer;
use axum::body::{Body, Bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use breakglass_fleet::Role;
use futures_util::StreamExt;
use http_body_util::{BodyExt, Limited};
use std::net::Ipv4Addr;
use std::time::Duration;
use subtle::ConstantTimeEq;

/// No form and no API request is larger, a note of 16 KiB in percent-encoding included.
pub(crate) const LARGEST_BODY: usize = 64 * 1024;
/// Longer than the longest look through a door; what was pressed goes on without its asker anyway.
const LONGEST_ANSWER: Duration = Duration::from_secs(90);
/// How long a stream goes on at most after its reader's log-in has ended.
const ASK_AGAIN: Duration = Duration::from_secs(10);
/// Where a script of ours puts what a form has in its field `csrf`.
const CSRF_HEADER: &str = "x-csrf-token";

/// The middleware.
pub(crate) async fn gate(State(app): State<App>, request: Request, next: Next) -> Response {
    let for_programs = routes::is_for_programs(request.uri().path());
    let over_tls = request.extensions().get::<Peer>().is_some_and(|peer| peer.tls);
    let mut answer = match pass(&app, request, next).await {
        Ok(response) => response,
        Err(Stop::Problem(problem)) if for_programs => problem.into_json(),
        Err(Stop::Problem(problem)) => problem.into_page(),
        Err(Stop::LogIn(next)) => Redirect::to(&format!("/login?next={next}")).into_response(),
    };
    app.tally.answered(answer.status().as_u16());
    headers::harden(answer.headers_mut());
    let insist = app.certificate.as_ref().filter(|_| over_tls).and_then(|of| of.hsts(app.desk.now()));
    if let Some(insist) = insist {
        answer.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(insist));
    }
    answer
}

enum Stop {
    Problem(Problem),
    /// A browser without identity that wanted a page: it is shown the way in, and back to where it wanted to go.
    LogIn(String),
}

async fn pass(app: &App, mut request: Request, next: Next) -> Result<Response, Stop> {
    let nowhere = Peer::new((Ipv4Addr::UNSPECIFIED, 0).into(), false);
    let mut peer = request.extensions().get::<Peer>().copied().unwrap_or(nowhere);
    peer.client = app.identity.client(request.headers(), peer);
    request.extensions_mut().insert(peer);
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .and_then(|path| routes::find(request.method(), path.as_str()));
    let looks = matches!(*request.method(), Method::GET | Method::HEAD);
    let unlisted = if looks { Role::View } else { Role::Admin };
    let (who, role, kind) =
        route.map_or((Who::Known, unlisted, Kind::Page), |route| (route.who, route.role, route.kind));

    let visitor = app.identity.visitor(request.headers(), peer, app.desk.now()).await;
    match (who, &visitor) {
        (Who::Public, _) => {}
        (Who::Agent, Some(visitor)) if visitor.way != Way::Agent => return Err(Stop::Problem(agents_only())),
        (Who::Known | Who::Person | Who::Scraper, Some(visitor)) if visitor.way == Way::Agent => {
            return Err(Stop::Problem(agents_tools_only()));
        }
        (Who::Known | Who::Person, Some(visitor)) if visitor.way == Way::Metrics => {
            return Err(Stop::Problem(metrics_only()));
        }
        (Who::Agent | Who::Known | Who::Scraper, Some(_)) => {}
        (Who::Person, Some(visitor)) if visitor.is_ambient() => {}
        (Who::Person, Some(_)) => return Err(Stop::Problem(persons_only())),
        (_, None) => return Err(stranger(app, &request, kind)),
    }
    if let Some(lack) =
        visitor.as_ref().filter(|_| who != Who::Public).and_then(|visitor| visitor.lacks(role))
    {
        return Err(Stop::Problem(needs_role(&lack)));
    }
    if !looks {
        same_site(request.headers()).map_err(Stop::Problem)?;
        let (parts, body) = request.into_parts();
        let bytes =
            tokio::time::timeout(app.body_timeout, whole(body)).await.map_err(|_| Stop::Problem(slow()))?;
        let bytes = bytes.map_err(Stop::Problem)?;
        if let Some(visitor) = visitor.as_ref().filter(|visitor| who != Who::Public && visitor.is_ambient()) {
            intended(visitor, &parts.headers, &bytes).map_err(Stop::Problem)?;
        }
        request = Request::from_parts(parts, Body::from(bytes));
    }
    let known = visitor.as_ref().filter(|_| kind == Kind::Stream).map(|visitor| Still {
        app: app.clone(),
        headers: app.identity.kept_of(request.headers()),
        peer,
        name: visitor.name().into(),
        role,
    });
    if let Some(visitor) = visitor {
        request.extensions_mut().insert(visitor);
    }
    if kind == Kind::Stream {
        let answer = next.run(request).await;
        return Ok(match known {
            Some(known) => answer.map(|body| known.while_known(body)),
            None => answer,
        });
    }
    tokio::time::timeout(LONGEST_ANSWER, next.run(request)).await.map_err(|_| Stop::Problem(no_answer()))
}

/// Whoever opened a stream, to ask again whether they may have it: a session that is ended, or a token that is taken away, must
/// not go on reading for as long as its connection lasts.
struct Still {
    app: App,
    /// Few and small: there may be ten thousand of these.
    headers: Box<[(HeaderName, HeaderValue)]>,
    peer: Peer,
    name: Box<str>,
    role: Role,
}

impl Still {
    async fn are_they_still(&self) -> bool {
        let headers: HeaderMap = self.headers.iter().cloned().collect();
        let visitor = self.app.identity.visitor(&headers, self.peer, self.app.desk.now()).await;
        visitor.is_some_and(|visitor| visitor.name() == &*self.name && visitor.lacks(self.role).is_none())
    }

    fn while_known(self, body: Body) -> Body {
        let gone = Box::pin(async move {
            loop {
                tokio::time::sleep(ASK_AGAIN).await;
                // In a box, which is there for as long as the asking takes and not in between.
                if !Box::pin(self.are_they_still()).await {
                    return;
                }
            }
        });
        Body::from_stream(body.into_data_stream().take_until(gone))
    }
}

fn stranger(app: &App, request: &Request, kind: Kind) -> Stop {
    let wants_page = kind == Kind::Page && matches!(*request.method(), Method::GET | Method::HEAD);
    if wants_page && !routes::is_for_programs(request.uri().path()) {
        return Stop::LogIn(percent_encoded(request.uri().path()));
    }
    let bearer = request.headers().contains_key(header::AUTHORIZATION);
    let (error, now) = if bearer {
        (
            "This token is none of the server's, so nothing was done.",
            "Make one with `breakglass token NAME` on the server, and put its line into the token file.",
        )
    } else {
        (
            "Nobody is logged in here, so nothing was done.",
            "Log in at /login, or send a bearer token. The session may have ended: log in and press again.",
        )
    };
    Stop::Problem(Problem::new(StatusCode::UNAUTHORIZED, error, now).with_ways(app.ways.sentences()))
}

/// Whether the browser says that one of our own pages sent this. Only browsers send these headers, and always honestly;
/// who leaves them out is no browser, and has to bring its proof of intent in another way.
fn same_site(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let fine = match text("sec-fetch-site") {
        Some("same-origin" | "none") => true,
        Some(_) => false,
        None => match (text("origin"), text("host")) {
            (None, _) => true,
            (Some(origin), Some(host)) => {
                origin.split_once("://").is_some_and(|(_, at)| at.eq_ignore_ascii_case(host))
            }
            (Some(_), None) => false,
        },
    };
    if fine { Ok(()) } else { Err(not_meant("The request came from a page of another site.")) }
}

/// Whether the proof of intent is there: the token of this very session, in the header or in the form.
fn intended(visitor: &Visitor, headers: &HeaderMap, body: &Bytes) -> Result<(), Problem> {
    let shown = match headers.get(CSRF_HEADER) {
        Some(value) => value.as_bytes().to_vec(),
        None => form_field(body, b"csrf").unwrap_or_default(),
    };
    if !visitor.csrf.is_empty() && bool::from(shown.ct_eq(visitor.csrf.as_bytes())) {
        return Ok(());
    }
    Err(not_meant("The form belongs to another log-in than this one."))
}

/// One field of a form, its percent-encoding left as it is: our tokens have no character that needs any.
fn form_field(body: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    body.split(|b| *b == b'&').find_map(|pair| Some(pair.strip_prefix(name)?.strip_prefix(b"=")?.to_vec()))
}

async fn whole(body: Body) -> Result<Bytes, Problem> {
    match Limited::new(body, LARGEST_BODY).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(_) => Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!(
                "The request is larger than {} KiB, or the line broke: nothing was done.",
                LARGEST_BODY / 1024
            ),
            "Send less: the head of a log rather than the whole of it.",
        )),
    }
}

fn percent_encoded(path: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/-._~".contains(&b);
    path.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

fn not_meant(why: &str) -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        format!("{why} Nothing was done."),
        "Open the page again and press there; log in again if it asks.",
    )
}

fn persons_only() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "Only a person may do this, never a program with a token. Nothing was done.",
        "Log in to the page with your name, or use the command line on the server.",
    )
}

fn agents_only() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "This is for outside agents, and you did not come with the token of one. Nothing was done.",
        "Make one with `breakglass token NAME --agent`: it opens the agent's tools and nothing else, so that an agent which \
         reads it can do no more with it.",
    )
}

fn agents_tools_only() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "The token of an outside agent opens its tools and nothing else. Nothing was done.",
        "Use the tools that `breakglass mcp` offers; a person does the rest on the page.",
    )
}

fn metrics_only() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "This token opens /metrics and nothing else. Nothing was done.",
        "A token made without `--metrics` opens what its role may.",
    )
}

fn needs_role(lack: &str) -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        format!("{lack} Nothing was done."),
        "Roles stand in [[web.role]] of fleet.toml. Ask somebody who may, or use the command line on the server: whoever \
         has the keys needs no role.",
    )
}

fn slow() -> Problem {
    Problem::new(
        StatusCode::REQUEST_TIMEOUT,
        "The request did not arrive whole in time: nothing was done.",
        "Send it again; on a bad line the command line needs less.",
    )
}

fn no_answer() -> Problem {
    Problem::new(
        StatusCode::GATEWAY_TIMEOUT,
        "No answer came in time. What was started goes on, and its end will stand in the incident.",
        "Look at the incident before you press again.",
    )
}

/// The media type that a request prefers, for the one route that has two.
pub(crate) fn wants_json(headers: &HeaderMap) -> bool {
    headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|accept| accept.contains("application/json") && !accept.contains("text/event-stream"))
}
