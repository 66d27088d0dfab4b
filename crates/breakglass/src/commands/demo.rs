//! `breakglass demo`: a throwaway VM, the server, and a page on which the VM can be wedged. For trying, never for a fleet.
//!
//! What the lab is told to do here reaches neither the watch nor triage: they find out for themselves.

use super::serve::{log_to_stderr, runtime, serve_with};
use crate::edge::{USAGE, coded};
use anyhow::Context as _;
use argon2::Argon2;
use argon2::password_hash::PasswordHasher as _;
use axum::extract::{Extension, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::get;
use axum::{Form, Router};
use breakglass_fleet::Fleet;
use breakglass_lab::{GUARD_VARIABLE, Image, LAB_DIR_VARIABLE, Lab, Options, panel};
use breakglass_web::{Extra, ExtraLink, Visitor, csrf_field, extra_page};
use maud::{Markup, html};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

const NAME: &str = "demo";

/// Boot a throwaway VM, serve the page, and let it be wedged there; for trying only
#[derive(Debug, clap::Args)]
#[command(hide = true)]
pub(crate) struct Demo {
    /// The static guard, as `cargo xtask guard` builds it
    #[arg(long, env = GUARD_VARIABLE, value_name = "FILE")]
    guard: PathBuf,
    /// The directory of the lab's packages and images
    #[arg(long, env = LAB_DIR_VARIABLE, value_name = "DIR")]
    lab_dir: PathBuf,
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
}

impl Demo {
    pub(crate) fn run(self) -> anyhow::Result<u8> {
        log_to_stderr();
        eprintln!("breakglass: raising the lab and booting a VM, some ten seconds");
        let image = Image::ensure(&self.lab_dir, false)?;
        let lab = Arc::new(Lab::raise(&image, &self.guard, &Options::default())?);
        lab.vm()?.renew()?;
        let mut fleet = Fleet::load(&lab.fleet_file())?;
        let password = password();
        let passwords = lab.directory().join("passwords");
        std::fs::write(&passwords, line(&password)?)
            .context("the log-in of the demo could not be written")?;
        fleet.web.listen = vec![self.listen];
        fleet.web.password_file = Some(passwords);
        fleet.web.secure_cookies = false;
        let page = self.listen;
        let greeting = format!(
            "The page: http://{page}   log in as `{NAME}` with `{password}`   end with Ctrl-C\n\
             DEMO: http://{page}/demo wedges the VM.\n"
        );
        let link = Some(ExtraLink { label: "DEMO: wedge it".to_owned(), href: "/demo".to_owned() });
        let router = Router::new().route("/demo", get(show).post(wedge)).with_state(Arc::clone(&lab));
        let ended = runtime()?.block_on(serve_with(fleet, Extra { router, link }, &greeting));
        // The lab ends with its last holder: here, after the server.
        drop(lab);
        ended
    }
}

fn password() -> String {
    let bytes: [u8; 6] = rand::random();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn line(password: &str) -> anyhow::Result<String> {
    let hash = Argon2::default()
        .hash_password(password.as_bytes())
        .map_err(|error| coded(USAGE, format!("no password could be made: {error}")))?;
    Ok(format!("{NAME}:{hash}\n"))
}

async fn show(State(lab): State<Arc<Lab>>, Extension(visitor): Extension<Visitor>) -> Markup {
    page(&lab, &visitor, None)
}

#[derive(serde::Deserialize)]
struct Chosen {
    vm: String,
    choice: String,
}

async fn wedge(
    State(lab): State<Arc<Lab>>,
    Extension(visitor): Extension<Visitor>,
    Form(chosen): Form<Chosen>,
) -> Response {
    match panel::apply(Arc::clone(&lab), chosen.vm, chosen.choice).await {
        // Back to the fleet, where it is to be noticed.
        Ok(()) => Redirect::to("/").into_response(),
        Err(error) => page(&lab, &visitor, Some(&format!("{error:#}"))).into_response(),
    }
}

fn page(lab: &Lab, visitor: &Visitor, fault: Option<&str>) -> Markup {
    let body = html! {
        h1 { "DEMO" }
        p { "This page belongs to the demo and to no fleet. What you do to the VM here is told to nobody: the watch has to notice it." }
        @if let Some(fault) = fault { p role="alert" { (fault) } }
        @for vm in lab.vms() {
            h2 { (vm.name()) }
            @for choice in panel::choices() {
                form method="post" action="/demo" {
                    (csrf_field(visitor))
                    input type="hidden" name="vm" value=(vm.name());
                    input type="hidden" name="choice" value=(choice.slug);
                    p {
                        button type="submit" class=(if choice.harms { "danger" } else { "" }) { (choice.slug) }
                        " " (choice.sentence)
                    }
                }
            }
        }
    };
    extra_page(visitor, "DEMO", &body)
}
