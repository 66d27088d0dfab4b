//! The server as a process: how soon it answers, how much it holds, how it answers under load.

use crate::measure::{Samples, in_turn, resident_mib};
use crate::table::Table;
use anyhow::{Context as _, Result};
use breakglass_e2e::server::Server;
use serde_json::json;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

/// A fleet whose one host does not exist: the server is measured, not the watch of a busy fleet.
pub(crate) fn quiet_fleet(state: &Path) -> String {
    format!(
        "[fleet]\nname = \"bench\"\nstate_dir = {state:?}\n\n[[component]]\nname = \"pve\"\nkind = \"hypervisor\"\n\
         addresses = [\"127.0.0.1:9\"]\n\n[[component]]\nname = \"devvm\"\nkind = \"vm\"\naddresses = [\"127.0.0.1:9\"]\n\
         needs = [\"pve\"]\n\n[[secret]]\nname = \"key\"\n\n[[door]]\nname = \"devvm-power\"\nkind = \"power\"\nto = \"pve\"\n\
         controls = \"devvm\"\nbackend = \"qmp\"\nvm = 102\nuser = \"root\"\nkey = \"key\"\n\n[watch]\ninterval = \"60 s\"\n"
    )
}

/// All rows about the server as a whole.
pub(crate) fn rows(table: &mut Table) -> Result<()> {
    let folder = Folder::make()?;
    let state = folder.0.join("state");
    let mut starts = Samples::default();
    let mut server = Server::start(&folder.0, &state, &quiet_fleet(&state))?;
    for _ in 0..10 {
        server.kill();
        let begun = Instant::now();
        server.run()?;
        starts.push(begun.elapsed());
    }
    table.at_most(
        "server: start to first answer",
        starts.median().as_secs_f64() * 1000.0,
        "ms",
        &starts.words(),
        50.0,
    );
    let pid = server.pid().context("a running server")?;
    std::thread::sleep(Duration::from_secs(2));
    table.at_most("server: resident memory, idle", resident_mib(pid)?, "MiB", "VmRSS", 15.0);
    incidents(&server, 50, 200)?;
    table.at_most(
        "server: resident after 50 incidents x 200 events",
        resident_mib(pid)?,
        "MiB",
        "VmRSS",
        18.0,
    );
    health(table, server.address)
}

/// Opens incidents with so many notes each, and closes them.
fn incidents(server: &Server, count: usize, notes: usize) -> Result<()> {
    for _ in 0..count {
        let opened =
            server.send("/api/v1/incidents", &json!({ "target": "devvm", "reason": "bench" }))?.json()?;
        let id = opened
            .get("incident")
            .and_then(serde_json::Value::as_u64)
            .with_context(|| format!("no incident: {opened}"))?;
        add_notes(server, id, notes)?;
        server.send(&format!("/api/v1/incidents/{id}/close"), &json!({ "reason": "bench" }))?;
    }
    Ok(())
}

/// Adds notes from a few connections at a time.
pub(crate) fn add_notes(server: &Server, id: u64, notes: usize) -> Result<()> {
    const HANDS: usize = 8;
    std::thread::scope(|scope| {
        let hands: Vec<_> = (0..HANDS)
            .map(|hand| {
                scope.spawn(move || -> Result<()> {
                    for note in (hand..notes).step_by(HANDS) {
                        server.send(
                            &format!("/api/v1/incidents/{id}/notes"),
                            &json!({ "text": format!("note {note}: the quick brown fox") }),
                        )?;
                    }
                    Ok(())
                })
            })
            .collect();
        hands
            .into_iter()
            .try_for_each(|hand| hand.join().unwrap_or_else(|_| anyhow::bail!("a hand fell off")))
    })
}

/// Health requests on one held connection, beside a bare echo over the loopback.
fn health(table: &mut Table, address: SocketAddr) -> Result<()> {
    let echo = std::net::TcpListener::bind("127.0.0.1:0")?;
    let echo_at = echo.local_addr()?;
    std::thread::spawn(move || -> Result<()> {
        let (mut stream, _) = echo.accept()?;
        stream.set_nodelay(true)?;
        let mut bytes = [0; 4096];
        loop {
            let read = stream.read(&mut bytes)?;
            if read == 0 {
                return Ok(());
            }
            stream.write_all(bytes.get(..read).unwrap_or_default())?;
        }
    });
    let (mut ours, mut bare) = (TcpStream::connect(address)?, TcpStream::connect(echo_at)?);
    ours.set_nodelay(true)?;
    bare.set_nodelay(true)?;
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\n\r\n");
    let once = |stream: &mut TcpStream| -> Result<()> {
        stream.write_all(request.as_bytes())?;
        let mut bytes = [0; 4096];
        anyhow::ensure!(stream.read(&mut bytes)? > 0, "closed");
        Ok(())
    };
    let (mine, floor) = in_turn(2000, || once(&mut ours), || once(&mut bare))?;
    table.ratio(
        "server: a health request on a held connection",
        &mine.words(),
        &format!("bare echo: {}", floor.words()),
        mine.ratio(&floor),
        3.0,
    );
    Ok(())
}

/// A folder that is taken away at the end.
pub(crate) struct Folder(pub(crate) std::path::PathBuf);

impl Folder {
    pub(crate) fn make() -> Result<Self> {
        Self::named("server")
    }

    pub(crate) fn named(what: &str) -> Result<Self> {
        let path = std::env::temp_dir().join(format!("breakglass-bench-{}-{what}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
