//! Taking in what the command line wrote into its spools while no server took it: at the start, and as it comes.
//!
//! Every spool in `spool/` of the state directory is looked at again when it has changed; one from another machine may be copied
//! there under any name that ends with `.jsonl`. Whatever its disk does, nothing but this waits for it.

use crate::Desk;
use crate::record::keep;
use breakglass_incident::{Actor, EventBody};
use breakglass_journal::{SpoolIntake, set_spool_aside};
use std::collections::HashMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often the directory is looked at.
const LOOK: Duration = Duration::from_secs(2);

/// What tells one state of a file from another.
type Stamp = (u64, u64, i64, i64);

/// Takes in all spools, again and again, until `ending` is over.
pub async fn take_in_spools<F: Future<Output = ()>>(desk: Desk, ending: F) {
    let work = async {
        let mut intake = Intake::default();
        loop {
            intake.look(&desk).await;
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::select! {
        () = ending => {}
        () = work => {}
    }
}

#[derive(Debug, Default)]
struct Intake {
    done: HashMap<PathBuf, Stamp>,
    /// What was said of a spool last, so that it is not said every two seconds.
    said: HashMap<PathBuf, String>,
}

impl Intake {
    async fn look(&mut self, desk: &Desk) {
        let dir = desk.fleet.state.join("spool");
        let Ok(found) = tokio::task::spawn_blocking(move || spools(&dir)).await else { return };
        for (path, stamp) in found {
            if self.done.get(&path) != Some(&stamp) {
                self.take_in(desk, path, stamp).await;
            }
        }
    }

    async fn take_in(&mut self, desk: &Desk, path: PathBuf, stamp: Stamp) {
        match desk.journal.take_in(&path).await {
            Ok(taken) => {
                if taken.events > 0 {
                    tracing::info!(spool = %path.display(), events = taken.events, "taken in");
                }
                for (target, incident) in taken.open {
                    desk.board.update(&target, |view| {
                        view.incident.get_or_insert(incident);
                    });
                }
                self.said.remove(&path);
                self.done.insert(path, stamp);
            }
            Err(SpoolIntake::Damaged { line, why }) => {
                self.set_aside(desk, path, format!("line {line} {why}")).await
            }
            Err(SpoolIntake::NotNow { why }) => self.say(&path, &why),
            Err(SpoolIntake::Unreadable { source }) => self.say(&path, &source.to_string()),
        }
    }

    async fn set_aside(&mut self, desk: &Desk, path: PathBuf, why: String) {
        let (spool, now) = (path.clone(), desk.now());
        match tokio::task::spawn_blocking(move || set_spool_aside(&spool, now)).await {
            Ok(Ok(aside)) => {
                tracing::error!(spool = %aside.display(), why, "a spool was not taken in and set aside");
                let body = EventBody::SpoolSetAside { path: aside.display().to_string(), why };
                keep(desk, None, Actor::Server, body).await;
            }
            Ok(Err(error)) => self.say(&path, &format!("{why}, and it cannot be moved aside: {error}")),
            Err(error) => self.say(&path, &error.to_string()),
        }
    }

    fn say(&mut self, path: &Path, why: &str) {
        if self.said.get(path).is_none_or(|said| said != why) {
            tracing::warn!(spool = %path.display(), why, "a spool waits to be taken in");
            self.said.insert(path.to_owned(), why.to_owned());
        }
    }
}

fn spools(dir: &Path) -> Vec<(PathBuf, Stamp)> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let mut found: Vec<(PathBuf, Stamp)> = entries
        .flatten()
        .filter(|entry| entry.path().extension().is_some_and(|kind| kind == "jsonl"))
        .filter_map(|entry| {
            let meta = entry.metadata().ok()?;
            Some((entry.path(), (meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec())))
        })
        .collect();
    found.sort();
    found
}
