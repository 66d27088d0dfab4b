//! The one table of routes. The router is built from it, the gate reads from it who may, and a test walks it with every
//! kind of identity. Nothing answers that does not stand here.

use crate::app::App;
use crate::{agent, api, assets, forms, login, metrics, openapi, sessions, shows, turns};
use axum::Router;
use axum::http::Method;
use axum::routing::{MethodRouter, get, post};
use breakglass_fleet::Role;

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Anybody: the log-in page, what it is made of, and whether the server is up.
    Public,
    /// Whoever is known, but for an outside agent.
    Known,
    /// An outside agent, by a token of its own. Other tokens may do more than its tools, so they have no place here.
    Agent,
    /// Whoever is known, and what comes with a token for the metrics alone.
    Scraper,
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
    /// What they must be allowed to do; `view` is everybody who is known.
    pub role: Role,
    /// What it answers with.
    pub kind: Kind,
    handler: fn() -> MethodRouter<App>,
}

const GET: &Method = &Method::GET;
const POST: &Method = &Method::POST;

macro_rules! routes {
    ($($method:ident $path:literal $who:ident $role:ident $kind:ident => $make:ident($handler:path),)+) => {
        &[$(Route {
            method: $method, path: $path, who: Who::$who, role: Role::$role, kind: Kind::$kind,
            handler: || $make($handler),
        }),+]
    };
}

/// All routes.
pub const ROUTES: &[Route] = routes! {
    GET "/healthz" Public View Data => get(shows::health),
    GET "/metrics" Scraper View Data => get(metrics::scrape),
    GET "/assets/{name}" Public View Data => get(assets::serve),
    GET "/login" Public View Page => get(login::login_page),
    POST "/login" Public View Page => post(login::log_in),
    POST "/logout" Known View Page => post(login::log_out),
    GET "/sessions" Known View Page => get(sessions::page),
    POST "/sessions/{id}/end" Person View Page => post(sessions::end_own),
    POST "/admin/sessions/{id}/end" Known Admin Page => post(sessions::end_any),
    POST "/admin/people/{name}/end" Known Admin Page => post(sessions::end_person),

    GET "/" Known View Page => get(shows::board),
    GET "/parts" Known View Data => get(shows::board_parts),
    GET "/live" Known View Stream => get(shows::board_live),
    GET "/hosts" Known View Page => get(shows::hosts),
    GET "/hosts/{name}" Known View Page => get(shows::host),
    POST "/hosts/{name}/look" Known Operate Page => post(forms::look),
    POST "/hosts/{name}/accept-key" Person Admin Page => post(forms::accept_key),

    GET "/targets/{name}" Known View Page => get(shows::target),
    GET "/targets/{name}/parts" Known View Data => get(shows::target_parts),
    GET "/targets/{name}/live" Known View Stream => get(shows::target_live),
    POST "/targets/{name}/power" Known Operate Page => post(forms::target_power),
    POST "/targets/{name}/triage" Known Operate Page => post(forms::target_triage),
    POST "/targets/{name}/run" Known Operate Page => post(forms::target_run),
    POST "/targets/{name}/turn" Known Operate Page => post(turns::ask_target),
    POST "/targets/{name}/open" Known Operate Page => post(forms::open),

    GET "/incidents" Known View Page => get(shows::list),
    GET "/incidents/{id}" Known View Page => get(shows::one),
    GET "/incidents/{id}/parts" Known View Data => get(shows::one_parts),
    GET "/incidents/{id}/live" Known View Stream => get(shows::one_live),
    GET "/incidents/{id}/export/{format}" Known View Data => get(shows::export),
    POST "/incidents/{id}/power" Known Operate Page => post(forms::incident_power),
    POST "/incidents/{id}/triage" Known Operate Page => post(forms::incident_triage),
    POST "/incidents/{id}/run" Known Operate Page => post(forms::incident_run),
    POST "/incidents/{id}/commands/{command}/stop" Known Operate Page => post(forms::stop_command),
    POST "/incidents/{id}/turn" Known Operate Page => post(turns::ask),
    POST "/incidents/{id}/turn/stop" Known Operate Page => post(turns::stop),
    POST "/incidents/{id}/calls/{call}/approve" Person Operate Page => post(turns::approve),
    POST "/incidents/{id}/calls/{call}/refuse" Person Operate Page => post(turns::refuse),
    POST "/incidents/{id}/note" Known Operate Page => post(forms::note),
    POST "/incidents/{id}/close" Known Operate Page => post(forms::close),
    GET "/artifacts/{sha256}" Known View Data => get(shows::artifact),

    GET "/api/v1/openapi.json" Known View Data => get(openapi::serve),
    GET "/api/v1/targets" Known View Data => get(api::targets),
    GET "/api/v1/targets/{name}" Known View Data => get(api::target),
    POST "/api/v1/targets/{name}/triage" Known Operate Data => post(api::triage),
    POST "/api/v1/targets/{name}/verbs/{verb}" Known Operate Data => post(api::press),
    POST "/api/v1/targets/{name}/commands" Known Operate Data => post(api::command),
    GET "/api/v1/incidents" Known View Data => get(api::incidents),
    POST "/api/v1/incidents" Known Operate Data => post(api::open),
    GET "/api/v1/incidents/{id}" Known View Data => get(api::incident),
    GET "/api/v1/incidents/{id}/events" Known View Stream => get(api::events),
    POST "/api/v1/incidents/{id}/notes" Known Operate Data => post(api::note),
    POST "/api/v1/incidents/{id}/commands/{command}/stop" Known Operate Data => post(api::stop_command),
    POST "/api/v1/incidents/{id}/turns" Known Operate Data => post(turns::api_start),
    POST "/api/v1/incidents/{id}/turns/stop" Known Operate Data => post(turns::api_stop),
    POST "/api/v1/incidents/{id}/calls/{call}/approve" Person Operate Data => post(turns::api_approve),
    POST "/api/v1/incidents/{id}/calls/{call}/refuse" Person Operate Data => post(turns::api_refuse),
    POST "/api/v1/incidents/{id}/close" Known Operate Data => post(api::close),
    GET "/api/v1/incidents/{id}/export/{format}" Known View Data => get(api::export),
    GET "/api/v1/events" Known View Stream => get(api::all_events),
    GET "/api/v1/me" Known View Data => get(sessions::api_me),
    GET "/api/v1/sessions" Known Admin Data => get(sessions::api_list),
    POST "/api/v1/sessions/{id}/end" Known Admin Data => post(sessions::api_end),
    POST "/api/v1/people/{name}/end" Known Admin Data => post(sessions::api_end_person),
    GET "/api/v1/dependencies" Known View Data => get(api::dependencies),
    GET "/api/v1/journal/head" Known View Data => get(api::journal_head),
    GET "/api/v1/hosts" Known View Data => get(api::hosts),
    POST "/api/v1/hosts/{name}/looks" Known Operate Data => post(api::look),
    POST "/api/v1/hosts/{name}/accept-key" Person Admin Data => post(api::accept_key),

    GET "/api/v1/agent/tools" Agent View Data => get(agent::tools),
    POST "/api/v1/agent/calls" Agent View Stream => post(agent::call),
};

/// Whether what is at this address is read by programs: then a refusal is JSON too, and the document of the API tells of it.
pub(crate) fn is_for_programs(path: &str) -> bool {
    path.starts_with("/api/") || path == "/healthz" || path == "/metrics"
}

/// The route that a request matched. `HEAD` is `GET` without the body.
pub(crate) fn find(method: &Method, path: &str) -> Option<&'static Route> {
    let method = if *method == Method::HEAD { GET } else { method };
    ROUTES.iter().find(|route| *route.method == *method && route.path == path)
}

/// The router of the table.
pub(crate) fn router() -> Router<App> {
    ROUTES.iter().fold(Router::new(), |router, route| router.route(route.path, (route.handler)()))
}
