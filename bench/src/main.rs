//! `cargo xtask bench`: every figure beside its comparison, taken in one run, printed as one table.
//!
//! Absolute times on a shared machine move by a third from one run to the next. So each row alternates between ours
//! and what it is compared with, states the ratio of the medians, and shows the spread. Nothing here fails a build.

mod agent;
mod events;
mod guard;
mod looks;
mod measure;
#[path = "../../crates/agents/tests/agents/scripted_model.rs"]
#[expect(
    dead_code,
    clippy::unwrap_used,
    reason = "it is the tests', where a fault stops loudly; its misbehaviour is theirs too"
)]
mod scripted_model;
mod server;
mod soak;
mod ssh;
mod table;

use anyhow::Result;
use table::Table;

fn main() -> Result<()> {
    let mut table = Table::default();
    let only: Vec<String> = std::env::args().skip(1).collect();
    let wanted = |name: &str| only.is_empty() || only.iter().any(|word| word == name);
    if wanted("guard") {
        guard::rows(&mut table)?;
    }
    if wanted("ssh") {
        ssh::rows(&mut table)?;
    }
    if wanted("server") {
        server::rows(&mut table)?;
    }
    if wanted("events") {
        events::rows(&mut table)?;
    }
    if wanted("agent") {
        agent::rows(&mut table)?;
    }
    if only.iter().any(|word| word == "soak") {
        soak::rows(&mut table)?;
    }
    table.print();
    Ok(())
}
