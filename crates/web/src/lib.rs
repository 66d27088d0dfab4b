//! The pages, the JSON API, live events and identity.
//!
//! Everything that changes something calls one function of `recovery`; nothing here decides, locks, retries or
//! remembers. This crate names neither the lab nor what prepares hosts: a caller that has panels of its own (the demo)
//! hands in a router, and that router stands behind the same gate.
#![forbid(unsafe_code)]

mod agent;
mod answers;
mod api;
mod app;
mod assets;
mod config;
mod extract;
mod forms;
mod gate;
mod headers;
mod icon;
mod identity;
mod live;
mod login;
mod metrics;
mod openapi;
mod pages;
mod problem;
mod routes;
mod server;
mod sessions;
mod shows;
mod tls;
mod turns;
mod ways;

pub use config::WebConfig;
pub use identity::{
    SessionEntry, SessionsError, Visitor, Way, end_session, end_sessions_of, sessions as kept_sessions,
};
pub use openapi::document as openapi_document;
pub use pages::layout::{ExtraLink, csrf_field, extra_page};
pub use routes::{Kind, ROUTES, Route, Who};
pub use server::{Listening, ServeError};
pub use tls::fingerprint;

use app::{App, Shared};
use axum::{Router, middleware};
use breakglass_recovery::Desk;
use identity::Identity;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use ways::Ways;

/// What a caller adds to the pages.
#[derive(Default)]
pub struct Extra {
    /// Routes of its own. They get a [`Visitor`] as an extension, and every form of theirs carries [`csrf_field`]. It
    /// must bring no fallback, and no path that the table has.
    pub router: Router,
    /// A link to them in the bar.
    pub link: Option<ExtraLink>,
}

/// Listens where the configuration says, and answers until `shutdown` ends.
///
/// # Errors
/// [`ServeError`], before anything was answered.
pub async fn serve(
    desk: Desk,
    config: WebConfig,
    extra: Extra,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), ServeError> {
    let listening = Listening::open(&config, desk.now()).await?;
    serve_on(listening, desk, config, extra, shutdown).await;
    Ok(())
}

/// The same on sockets that are open already, so that the caller can print their ports first.
pub async fn serve_on(
    listening: Listening,
    desk: Desk,
    config: WebConfig,
    extra: Extra,
    shutdown: impl Future<Output = ()> + Send,
) {
    let stop = CancellationToken::new();
    let identity = Identity::new(&config, desk.now()).await;
    for fault in identity.faults().await {
        tracing::warn!(fault, "identity");
    }
    let app = App(Arc::new(Shared {
        ways: Ways::of(&identity, &listening),
        certificate: listening.certificate.clone(),
        started: desk.now(),
        tally: Arc::default(),
        disk: metrics::Disk::default(),
        desk,
        identity,
        link: extra.link,
        version: config.version.clone(),
        body_timeout: config.body_timeout,
        stop: stop.clone(),
    }));
    tokio::spawn(follow(app.clone(), config.state_dir.clone(), stop.clone()));
    let router = routes::router()
        .method_not_allowed_fallback(shows::not_so)
        .fallback(shows::nothing)
        .with_state(app.clone())
        .merge(extra.router)
        .layer(middleware::from_fn_with_state(app, gate::gate));
    let running = listening.run(router, &config, stop.clone());
    tokio::pin!(running);
    tokio::select! {
        () = running.as_mut() => {}
        () = shutdown => {
            stop.cancel();
            running.await;
        }
    }
}

/// What goes on beside the requests: hearing which sessions were ended elsewhere, following the certificate's files, and
/// counting for the metrics.
async fn follow(app: App, state_dir: PathBuf, stop: CancellationToken) {
    let certificate = async {
        if let Some(certificate) = app.certificate.clone() {
            certificate.follow(stop.clone()).await;
        }
    };
    let disk = app.disk.follow(state_dir, stop.clone());
    let counting = metrics::follow(&app, stop.clone());
    tokio::join!(certificate, app.identity.follow(|| app.desk.now(), stop.clone()), disk, counting);
}
