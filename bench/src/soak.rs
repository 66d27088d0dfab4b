//! What the server holds after it has been used for a while: clients that come and go, notes, incidents, pages, bad log-ins.
//!
//! It takes half an hour, so it runs only where it is named: `cargo xtask bench soak`. A leak shows as growth from the second
//! third of the time to the last one: by then every cache is full and the allocator has what it needs.

use crate::events::{attach, drained};
use crate::measure::resident_mib;
use crate::server::{Folder, quiet_fleet};
use crate::table::Table;
use anyhow::{Context as _, Result};
use breakglass_e2e::http::request;
use breakglass_e2e::server::Server;
use serde_json::json;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How long, unless `BREAKGLASS_SOAK_MINUTES` says otherwise.
const MINUTES: u64 = 30;
/// Clients that are attached at a time.
const CLIENTS: usize = 100;
/// The beat: everything below is done once in each.
const BEAT: Duration = Duration::from_millis(250);
/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Beats for which an incident stays open.
const INCIDENT: usize = 240;
/// Beats between two looks at the memory.
const LOOK: usize = 40;

/// The row about the soak.
pub(crate) fn rows(table: &mut Table) -> Result<()> {
    let minutes = std::env::var("BREAKGLASS_SOAK_MINUTES").ok().and_then(|text| text.parse().ok());
    let lasts = Duration::from_secs(60 * minutes.unwrap_or(MINUTES));
    let folder = Folder::make()?;
    let state = folder.0.join("state");
    let server = Server::start(&folder.0, &state, &quiet_fleet(&state))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let held = runtime.block_on(use_it(&server, lasts))?;
    let third = held.len() / 3;
    let median = |part: &[f64]| {
        let mut part = part.to_vec();
        part.sort_unstable_by(f64::total_cmp);
        part.get(part.len() / 2).copied().unwrap_or_default()
    };
    let (middle, last) = (held.get(third..2 * third), held.get(2 * third..));
    let (middle, last) = (median(middle.unwrap_or_default()), median(last.unwrap_or_default()));
    let most = held.iter().copied().fold(0.0, f64::max);
    let beside = format!(
        "VmRSS over {} min: {:.1} MiB in the second third, {last:.1} in the last, {most:.1} at most",
        lasts.as_secs() / 60,
        middle
    );
    table.at_most("server: growth under half an hour's use", last - middle, "MiB", &beside, 0.5);
    Ok(())
}

/// Uses the server; what it held, look by look, in MiB.
async fn use_it(server: &Server, lasts: Duration) -> Result<Vec<f64>> {
    let pid = server.pid().context("a running server")?;
    let until = Instant::now() + lasts;
    let mut clients = VecDeque::new();
    let (mut held, mut incident) = (Vec::new(), None);
    let mut beat = tokio::time::interval(BEAT);
    for round in 0_usize.. {
        beat.tick().await;
        if Instant::now() >= until {
            break;
        }
        let id = match incident {
            Some(id) if !round.is_multiple_of(INCIDENT) => id,
            before => {
                if let Some(before) = before {
                    server
                        .send(&format!("/api/v1/incidents/{before}/close"), &json!({ "reason": "soak" }))?;
                }
                let opened =
                    server.send("/api/v1/incidents", &json!({ "target": "devvm", "reason": "soak" }))?;
                opened.json()?.get("incident").and_then(serde_json::Value::as_u64).context("no incident")?
            }
        };
        incident = Some(id);
        for _ in 0..3 {
            server.send(
                &format!("/api/v1/incidents/{id}/notes"),
                &json!({ "text": format!("beat {round}") }),
            )?;
        }
        // A client comes, from the incident's beginning on, and the one that has been there longest goes.
        let client = attach(server.address, &server.token, id, "0").await?;
        clients.push_back(tokio::spawn(drained(client)));
        if clients.len() > CLIENTS
            && let Some(gone) = clients.pop_front()
        {
            gone.abort();
        }
        for path in ["/", &format!("/incidents/{id}"), "/targets/devvm"] {
            server.read(path)?;
        }
        if round.is_multiple_of(4) {
            let form = ("application/x-www-form-urlencoded", "name=mara&password=wrong");
            let answer = request(server.address, "POST", "/login", &[], Some(form), PATIENCE)?;
            anyhow::ensure!(matches!(answer.status, 401 | 429), "a wrong password: {}", answer.status);
        }
        if round.is_multiple_of(LOOK) {
            held.push(resident_mib(pid)?);
        }
    }
    Ok(held)
}
