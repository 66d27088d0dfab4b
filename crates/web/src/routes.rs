//! The one table of routes. The router is built from it, the gate reads from it who may, and a test walks it with every
//! kind of identity. Nothing answers that does not stand here.

use crate::app::App;
use crate::{agent, api, assets, forms, shows, turns};
use axum::Router;
use axum::http::Method;
use axum::routing::{MethodRouter, get, post};

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Anybody: the log-in page, what it is made of, and whether the server is up.
    Public,
    /// Whoever is known, but for an outside agent.
    Known,
    /// An outside agent, by a token of its own. Other tokens may do more than its tools, so they have no place here.
    Agent,
    /// A person, never a program with a token.
    Person,
}

/// What a route answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A page: a browser without identity is shown the way in.
    Page,
    /// A piece of a page, JSON or a file: without identity it is refused.
    Data,
    /// A stream that does not end by itself.
    Stream,
}

/// One route. Everything but `GET` needs proof of intent from whom a browser identifies by itself; that is no column,
/// since it has no exception.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// `GET` or `POST`.
    pub method: &'static Method,
    /// As axum writes it.
    pub path: &'static str,
    /// Who may.
    pub who: Who,
    /// What it answers with.
    pub kind: Kind,
    handler: fn() -> MethodRouter<App>,
}

const GET: &Method = &Method::GET;
const POST: &Method = &Method::POST;

macro_rules! routes {
    ($($method:ident $path:literal $who:ident $kind:ident => $make:ident($handler:path),)+) => {
        &[$(Route { method: $method, path: $path, who: Who::$who, kind: Kind::$kind, handler: || $make($handler) }),+]
    };
}

/// All routes.
pub const ROUTES: &[Route] = routes! {
    GET "/healthz" Public Data => get(shows::health),
    GET "/assets/{name}" Public Data => get(assets::serve),
    GET "/login" Public Page => get(forms::login_page),
    POST "/login" Public Page => post(forms::log_in),
    POST "/logout" Known Page => post(forms::log_out),

    GET "/" Known Page => get(shows::board),
    GET "/parts" Known Data => get(shows::board_parts),
    GET "/live" Known Stream => get(shows::board_live),
    GET "/hosts" Known Page => get(shows::hosts),
    GET "/hosts/{name}" Known Page => get(shows::host),
    POST "/hosts/{name}/look" Known Page => post(forms::look),
    POST "/hosts/{name}/accept-key" Person Page => post(forms::accept_key),

    GET "/targets/{name}" Known Page => get(shows::target),
    GET "/targets/{name}/parts" Known Data => get(shows::target_parts),
    GET "/targets/{name}/live" Known Stream => get(shows::target_live),
    POST "/targets/{name}/power" Known Page => post(forms::target_power),
    POST "/targets/{name}/triage" Known Page => post(forms::target_triage),
    POST "/targets/{name}/run" Known Page => post(forms::target_run),
    POST "/targets/{name}/turn" Known Page => post(turns::ask_target),
    POST "/targets/{name}/open" Known Page => post(forms::open),

    GET "/incidents" Known Page => get(shows::list),
    GET "/incidents/{id}" Known Page => get(shows::one),
    GET "/incidents/{id}/parts" Known Data => get(shows::one_parts),
    GET "/incidents/{id}/live" Known Stream => get(shows::one_live),
    GET "/incidents/{id}/export/{format}" Known Data => get(shows::export),
    POST "/incidents/{id}/power" Known Page => post(forms::incident_power),
    POST "/incidents/{id}/triage" Known Page => post(forms::incident_triage),
    POST "/incidents/{id}/run" Known Page => post(forms::incident_run),
    POST "/incidents/{id}/turn" Known Page => post(turns::ask),
    POST "/incidents/{id}/turn/stop" Known Page => post(turns::stop),
    POST "/incidents/{id}/calls/{call}/approve" Person Page => post(turns::approve),
    POST "/incidents/{id}/calls/{call}/refuse" Person Page => post(turns::refuse),
    POST "/incidents/{id}/note" Known Page => post(forms::note),
    POST "/incidents/{id}/close" Known Page => post(forms::close),
    GET "/artifacts/{sha256}" Known Data => get(shows::artifact),

    GET "/api/v1/targets" Known Data => get(api::targets),
    GET "/api/v1/targets/{name}" Known Data => get(api::target),
    POST "/api/v1/targets/{name}/triage" Known Data => post(api::triage),
    POST "/api/v1/targets/{name}/verbs/{verb}" Known Data => post(api::press),
    POST "/api/v1/targets/{name}/commands" Known Data => post(api::command),
    GET "/api/v1/incidents" Known Data => get(api::incidents),
    POST "/api/v1/incidents" Known Data => post(api::open),
    GET "/api/v1/incidents/{id}" Known Data => get(api::incident),
    GET "/api/v1/incidents/{id}/events" Known Stream => get(api::events),
    POST "/api/v1/incidents/{id}/notes" Known Data => post(api::note),
    POST "/api/v1/incidents/{id}/turns" Known Data => post(turns::api_start),
    POST "/api/v1/incidents/{id}/turns/stop" Known Data => post(turns::api_stop),
    POST "/api/v1/incidents/{id}/calls/{call}/approve" Person Data => post(turns::api_approve),
    POST "/api/v1/incidents/{id}/calls/{call}/refuse" Person Data => post(turns::api_refuse),
    POST "/api/v1/incidents/{id}/close" Known Data => post(api::close),
    GET "/api/v1/incidents/{id}/export/{format}" Known Data => get(api::export),
    GET "/api/v1/events" Known Stream => get(api::all_events),
    GET "/api/v1/dependencies" Known Data => get(api::dependencies),
    GET "/api/v1/journal/head" Known Data => get(api::journal_head),
    GET "/api/v1/hosts" Known Data => get(api::hosts),
    POST "/api/v1/hosts/{name}/looks" Known Data => post(api::look),
    POST "/api/v1/hosts/{name}/accept-key" Person Data => post(api::accept_key),

    GET "/api/v1/agent/tools" Agent Data => get(agent::tools),
    POST "/api/v1/agent/calls" Agent Stream => post(agent::call),
};

/// The route that a request matched. `HEAD` is `GET` without the body.
pub(crate) fn find(method: &Method, path: &str) -> Option<&'static Route> {
    let method = if *method == Method::HEAD { GET } else { method };
    ROUTES.iter().find(|route| *route.method == *method && route.path == path)
}

/// The router of the table.
pub(crate) fn router() -> Router<App> {
    ROUTES.iter().fold(Router::new(), |router, route| router.route(route.path, (route.handler)()))
}
