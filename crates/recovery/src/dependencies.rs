//! What the page depends on right now, and whether each of those is up.
//!
//! Read from what the watch and the doors saw last; nothing is asked here, so that a page never waits for it.

use crate::Desk;
use crate::board::Surroundings;
use breakglass_doors::{HostKeyState, Keeping as HostKeysKeeping};
use breakglass_fleet::{Door, DoorKind};
use breakglass_journal::{DiskThreads, Keeping};
use breakglass_triage::Health;
use serde::Serialize;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

/// A keyholder that takes longer than this to answer is as good as gone.
const KEYHOLDER_DEADLINE: Duration = Duration::from_secs(2);
/// A disk that takes longer than this to tell of a file hangs.
const DISK_DEADLINE: Duration = Duration::from_secs(2);
/// This is done again and again: a disk that hangs keeps one thread for it and not each time another.
static LOOKING: LazyLock<DiskThreads> = LazyLock::new(|| DiskThreads::new(1, DISK_DEADLINE));

/// One thing that the page needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Dependency {
    /// What it is, such as `journal` or `door devvm-power`.
    pub name: String,
    /// Whether it is up.
    pub health: Health,
    /// In a sentence, with the next step where it is not.
    pub sentence: String,
}

impl Dependency {
    fn new(name: impl Into<String>, health: Health, sentence: impl Into<String>) -> Self {
        Self { name: name.into(), health, sentence: sentence.into() }
    }
}

/// Reads what is known; asks nobody, so that a page never waits for it.
#[must_use]
pub fn dependencies(desk: &Desk) -> Vec<Dependency> {
    let mut all = vec![journal(desk), keyholder(desk)];
    all.extend(host_keys(desk));
    let power = desk.fleet.doors.iter().filter(|door| door.kind == DoorKind::Power);
    all.extend(power.map(|door| power_door(desk, door)));
    all.push(names(desk));
    all.extend(password_file(desk));
    all.extend(desk.board.beside());
    all
}

/// Looks at what [`dependencies`] tells of the server itself. A disk that hangs hangs this, and no page.
pub(crate) async fn refresh(desk: &Desk) {
    let up = tokio::time::timeout(KEYHOLDER_DEADLINE, desk.doors.keyholder_up()).await.unwrap_or(false);
    let path = desk.fleet.web.password_file.clone();
    let look = |path: PathBuf| std::fs::metadata(path).map(|_| ()).map_err(|error| error.to_string());
    let password_file = match path {
        Some(path) => {
            let seen = LOOKING.run(move || look(path)).await;
            Some(seen.unwrap_or_else(|| Err("its disk does not answer".to_owned())))
        }
        None => None,
    };
    if desk.journal.keeping() != Keeping::Ok {
        // A disk that answers again shows by being read.
        let _seen = desk.journal.tail(1).await;
    }
    desk.board.set_surroundings(Surroundings { keyholder_up: Some(up), password_file });
}

fn journal(desk: &Desk) -> Dependency {
    match (desk.journal.keeping(), desk.journal.set_aside()) {
        (Keeping::Ok, Some(aside)) => Dependency::new(
            "journal",
            Health::Degraded,
            format!("every event is durable on this server's disk, in a chain that began anew: {aside}"),
        ),
        (Keeping::Ok, None) => {
            Dependency::new("journal", Health::Good, "every event is durable on this server's disk")
        }
        (Keeping::NotKeeping { since, why, missing }, _) => Dependency::new(
            "journal",
            Health::Down,
            format!(
                "nothing has been kept since {since} ({missing} events so far): {why}. Buttons and triage go on working; \
                 mend the disk, and what is still in memory is written then"
            ),
        ),
    }
}

/// Only where something is wrong with them.
fn host_keys(desk: &Desk) -> Option<Dependency> {
    match desk.doors.host_keys().keeping() {
        HostKeysKeeping::Kept => None,
        HostKeysKeeping::MemoryOnly { why, components } => {
            let whose =
                if components.is_empty() { String::new() } else { format!(" ({})", components.join(", ")) };
            let sentence = format!("not on this server's disk{whose}: {why}");
            Some(Dependency::new("host keys", Health::Degraded, sentence))
        }
    }
}

fn keyholder(desk: &Desk) -> Dependency {
    match desk.board.surroundings().keyholder_up {
        Some(true) => Dependency::new("keyholder", Health::Good, "holds the keys and answers"),
        Some(false) => Dependency::new(
            "keyholder",
            Health::Down,
            "does not answer: held connections go on working, new ones cannot log in. Restart the server",
        ),
        None => Dependency::new("keyholder", Health::Unknown, "not asked yet"),
    }
}

fn power_door(desk: &Desk, door: &Door) -> Dependency {
    let name = format!("door {}", door.name);
    let state = desk.doors.state(&door.name);
    if let HostKeyState::Changed { shown, .. } = &state.host_key {
        let sentence = format!(
            "closed: {} shows another host key ({shown}) than the trusted one. Compare it on its console, then accept it \
             here if it is right",
            door.to
        );
        return Dependency::new(name, Health::Down, sentence);
    }
    let seen = door.controls.as_deref().and_then(|target| desk.board.target(target));
    let seen = seen.and_then(|view| view.doors.into_iter().find(|view| view.name == door.name));
    match seen {
        Some(view) if view.health == Health::Down => Dependency::new(name, Health::Down, view.sentence),
        Some(view) if view.health == Health::Good || state.warm => Dependency::new(
            name,
            Health::Good,
            match view.round_trip_millis {
                Some(millis) => format!("opens to {}, {millis} ms", door.to),
                None => format!("opens to {}", door.to),
            },
        ),
        _ => Dependency::new(
            name,
            Health::Unknown,
            state.last_error.unwrap_or_else(|| "not tried yet".to_owned()),
        ),
    }
}

/// In an incident the first thing that works is an address; a name is one more thing that has to work.
fn names(desk: &Desk) -> Dependency {
    let used = desk.fleet.components.iter().filter(|component| {
        let reached = desk.fleet.doors.iter().any(|door| door.to == component.name);
        reached
            && !component.addresses.is_empty()
            && component.addresses.iter().all(|address| is_name(address))
    });
    let used: Vec<&str> = used.map(|component| component.name.as_str()).collect();
    if used.is_empty() {
        Dependency::new("names", Health::Good, "every door opens by address; DNS is not needed")
    } else {
        let sentence = format!(
            "{} can be reached by name only: without DNS its doors stay shut. Declare an address",
            used.join(", ")
        );
        Dependency::new("names", Health::Degraded, sentence)
    }
}

fn is_name(address: &str) -> bool {
    let (host, _) = breakglass_fleet::split_address(address, 22);
    host.parse::<IpAddr>().is_err()
}

fn password_file(desk: &Desk) -> Option<Dependency> {
    let path = desk.fleet.web.password_file.as_ref()?;
    Some(match desk.board.surroundings().password_file {
        Some(Ok(())) => Dependency::new(
            "password file",
            Health::Good,
            "is there: people can log in without any other service",
        ),
        Some(Err(why)) => Dependency::new(
            "password file",
            Health::Degraded,
            format!(
                "{}: {why}. Nobody can log in by password; make a line with `breakglass password`",
                path.display()
            ),
        ),
        None => Dependency::new("password file", Health::Unknown, "not looked at yet"),
    })
}
