//! `breakglass serve`: the page, the API and the watch.
//!
//! Nothing is waited for before it answers: doors are warmed, the past is resumed and the watch begins while it listens.

use crate::edge::now;
use crate::engines;
use crate::fleet_file::FleetFile;
use crate::here::{self, DISK, HOST_KEYS, in_time};
use anyhow::Context as _;
use breakglass_doors::{Doors, HostKeys, Limits};
use breakglass_fleet::Fleet;
use breakglass_incident::{Actor, EventBody};
use breakglass_journal::{Journal, Limits as Bounds};
use breakglass_notify::{Pace, notify};
use breakglass_recovery::{Desk, canary, catch_up, resume, take_in_spools, watch};
use breakglass_web::{Extra, Listening, WebConfig, serve_on};
use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch as flag;
use tracing_subscriber::EnvFilter;

/// How long the journal may take to write its last events.
const LAST_EVENTS: Duration = Duration::from_secs(3);
/// The stack of a worker; the largest futures here are far below it.
const STACK: usize = 1 << 20;

/// Serve the page and watch the fleet
#[derive(Debug, clap::Args)]
pub(crate) struct Serve {
    /// Listen here instead of where the fleet file says; may be given several times
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Vec<SocketAddr>,
}

impl Serve {
    pub(crate) fn run(self, file: &FleetFile) -> anyhow::Result<u8> {
        log_to_stderr();
        let mut fleet = file.load()?;
        if !self.listen.is_empty() {
            // Elsewhere than the fleet file says: without TLS, and so that a second server is in nobody's way.
            fleet.web.listen = self.listen;
            fleet.web.tls = None;
        }
        let runtime = runtime()?;
        let ended = runtime.block_on(serve_with(fleet, Extra::default(), ""));
        // What hangs with its disk is not waited for: the ports have to be free for the next server.
        runtime.shutdown_background();
        ended
    }
}

/// The server's runtime: few threads, small stacks; what blocks goes to threads that end when they are idle.
pub(crate) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(16)
        .thread_stack_size(STACK)
        .thread_keep_alive(Duration::from_secs(2))
        .enable_all()
        .build()
        .context("the runtime does not start")
}

/// Serves until it is told to end; everything that a caller adds to the pages comes in as `extra`.
///
/// `greeting` is printed once the address answers.
pub(crate) async fn serve_with(fleet: Fleet, extra: Extra, greeting: &str) -> anyhow::Result<u8> {
    let fleet = Arc::new(fleet);
    let config = WebConfig::from_fleet(&fleet);
    let listening = Listening::open(&config, now()).await?;
    let desk = {
        let fleet = Arc::clone(&fleet);
        tokio::task::spawn_blocking(move || desk(&fleet)).await.context("the start was interrupted")??
    };
    desk.turns.set_engines(engines::engines(&fleet));
    for line in listening.told() {
        println!("{line}");
    }
    for address in listening.addresses.iter().chain(&listening.secure_addresses) {
        tracing::info!(%address, fleet = fleet.name, "listening");
    }
    print!("{greeting}");
    let (end, ended) = flag::channel(false);
    let ending = move || {
        let mut ended = ended.clone();
        async move {
            let _ = ended.wait_for(|ended| *ended).await;
        }
    };
    let notifying = tokio::spawn(notify(desk.clone(), Pace::default(), ending()));
    let past_and_watch = {
        let (desk, proving, ending) = (desk.clone(), ending(), ending());
        tokio::spawn(async move {
            let resumed = resume(&desk, env!("CARGO_PKG_VERSION")).await;
            tracing::info!(
                unclean = resumed.unclean,
                presses = resumed.presses,
                commands = resumed.commands,
                turns = resumed.turns,
                "resumed"
            );
            desk.doors.warm_all();
            if !desk.journal.is_open() && desk.journal.ended_in_order().is_none() {
                let desk = desk.clone();
                tokio::spawn(async move { catch_up(&desk).await });
            }
            let proving = tokio::spawn(canary(desk.clone(), proving));
            watch(desk, ending).await;
            let _ = proving.await;
        })
    };
    let taking_in = tokio::spawn(take_in_spools(desk.clone(), ending()));
    let serving = {
        let desk = desk.clone();
        tokio::spawn(serve_on(listening, desk, config, extra, ending()))
    };
    told_to_end().await?;
    tracing::info!("ending");
    end.send_replace(true);
    let _ = serving.await;
    let _ = past_and_watch.await;
    let _ = taking_in.await;
    let _ = notifying.await;
    let _ = desk.journal.append(None, Actor::Server, EventBody::ServerStopped {}).await;
    desk.journal.close(LAST_EVENTS).await;
    Ok(0)
}

/// The desk of the server. A disk that is full, read-only or hung stops nobody from pressing a button: it shows in red.
/// Blocks, a few seconds at most.
fn desk(fleet: &Arc<Fleet>) -> anyhow::Result<Desk> {
    // Two servers on one state would each believe that they alone follow a verb: that alone is an error here.
    let journal = Journal::begin(&fleet.state, now, Bounds::default())?;
    let host_keys = host_keys(&fleet.state)?;
    let keyholder = here::keyholder(&here::keys(fleet, |_| true))?;
    let doors = Doors::new(Arc::clone(fleet), keyholder, host_keys, Limits::default());
    Ok(Desk::new(Arc::clone(fleet), doors, journal, now))
}

/// The trusted host keys. A state directory that is none has no file in it that could be overlooked: then keys are known
/// until the end of this run. A file that is there and cannot be read is another matter: a person has to look.
fn host_keys(state: &Path) -> anyhow::Result<HostKeys> {
    let path = state.to_owned();
    let nowhere = in_time(DISK, move || std::fs::metadata(path).is_ok_and(|meta| !meta.is_dir()));
    let state = if nowhere == Some(true) { PathBuf::from("/proc/no-state") } else { state.to_owned() };
    Ok(HostKeys::open_within(&state.join(HOST_KEYS), DISK)?)
}

/// Waits for one of the two signals that mean "end in order".
async fn told_to_end() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("signals cannot be heard")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("signals cannot be heard")?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// Lines for a person at a terminal, JSON for everything else. `BREAKGLASS_LOG` sets the level.
pub(crate) fn log_to_stderr() {
    let filter = EnvFilter::try_from_env("BREAKGLASS_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A logger that is there already, as in a test, stays.
    let _ = if std::io::stderr().is_terminal() { builder.try_init() } else { builder.json().try_init() };
}
