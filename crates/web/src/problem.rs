//! An answer that is not the one hoped for: what happened, what to do now, what still works. The API gets it as JSON,
//! a browser as a page.

use crate::answers::Failure;
use crate::pages::{layout, ways};
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use breakglass_recovery::{RunError, WordsError};
use maud::html;

/// What went wrong, in words for the one who asked.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) error: String,
    pub(crate) what_now: String,
    /// The other ways in, where this one failed.
    pub(crate) ways: Vec<String>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, error: impl Into<String>, what_now: impl Into<String>) -> Self {
        Self { status, error: error.into(), what_now: what_now.into(), ways: Vec::new() }
    }

    /// With the other ways in.
    pub(crate) fn with_ways(self, ways: Vec<String>) -> Self {
        Self { ways, ..self }
    }

    pub(crate) fn no_target(name: &str) -> Self {
        let shown = name.escape_debug();
        Self::new(
            StatusCode::NOT_FOUND,
            format!("The fleet has no target “{shown}”."),
            "The fleet page lists all targets; one is declared by a power or repair door in fleet.toml.",
        )
    }

    pub(crate) fn no_incident(number: impl std::fmt::Display) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            format!("There is no incident {number}."),
            "The list of incidents shows all that are kept.",
        )
    }

    pub(crate) fn no_diag_door(host: &str) -> Self {
        Self::not_looked(&RunError::NoDiagDoor { host: host.to_owned() })
    }

    /// A look that was not sent.
    pub(crate) fn not_looked(error: &RunError) -> Self {
        let status = match error {
            RunError::NoDiagDoor { .. } | RunError::NoIncident { .. } => StatusCode::NOT_FOUND,
            _ => StatusCode::BAD_REQUEST,
        };
        Self::new(
            status,
            format!("{error}. Nothing was sent."),
            "The page of the hosts lists those that have one.",
        )
    }

    /// A command that was not stopped.
    pub(crate) fn not_stopped(error: &WordsError) -> Self {
        Self::new(
            StatusCode::CONFLICT,
            format!("{error}. Nothing was sent."),
            "The incident shows how it ended; one that nothing can stop ends at its deadline there.",
        )
    }

    pub(crate) fn not_found() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "There is nothing at this address.",
            "The fleet page leads to everything.",
        )
    }

    pub(crate) fn into_page(self) -> Response {
        let body = html! {
            div.stack {
                h1 { (self.error) }
                p { (self.what_now) }
                @if !self.ways.is_empty() { (ways::list(&self.ways)) }
                p.row { a.tap href="/" { "To the fleet" } a.tap href="/incidents" { "To the incidents" } }
                p.quiet.small { "Nothing that runs was stopped by this. The command line works without this page: "
                    code { "breakglass status" } }
            }
        };
        (self.status, layout::bare(&self.error, &body)).into_response()
    }

    pub(crate) fn into_json(self) -> Response {
        let body = Failure { error: self.error, what_now: self.what_now, other_ways: self.ways };
        (self.status, Json(body)).into_response()
    }
}

/// A problem that is shown as a page.
#[derive(Debug)]
pub(crate) struct PageProblem(pub(crate) Problem);

impl From<Problem> for PageProblem {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl IntoResponse for PageProblem {
    fn into_response(self) -> Response {
        self.0.into_page()
    }
}

/// A problem that is answered as JSON.
#[derive(Debug)]
pub(crate) struct ApiProblem(pub(crate) Problem);

impl From<Problem> for ApiProblem {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl IntoResponse for ApiProblem {
    fn into_response(self) -> Response {
        self.0.into_json()
    }
}
