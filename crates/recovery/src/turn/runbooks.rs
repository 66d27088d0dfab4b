//! The runbooks of a fleet: Markdown files in one directory, which its owner wrote.

use super::answer::Came;
use crate::Desk;
use breakglass_incident::policy::Denial;
use breakglass_journal::DiskThreads;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

/// A disk that takes longer hangs.
const DISK: Duration = Duration::from_secs(3);
/// An agent may ask for runbooks as often as it likes, and no oftener than this does the disk of theirs keep a thread.
static READING: LazyLock<DiskThreads> = LazyLock::new(|| DiskThreads::new(2, DISK));
/// A runbook is read by people; longer than this it is none.
const LONGEST: u64 = 256 << 10;
/// So many are listed.
const MOST: usize = 200;

/// The names and first lines of all, for the system text and for a call without a name.
pub(crate) async fn list(desk: &Desk) -> Vec<(String, String)> {
    let Some(dir) = desk.fleet.agent.runbooks.clone() else { return Vec::new() };
    on_disk(move || names(&dir)).await.unwrap_or_default()
}

/// One of them, or the list.
pub(crate) async fn read(desk: &Desk, name: Option<&str>) -> Came {
    let all = list(desk).await;
    let listed = || all.iter().map(|(name, title)| format!("{name}: {title}")).collect::<Vec<_>>().join("\n");
    let Some(name) = name else {
        let text = if all.is_empty() { "This fleet has no runbooks.".to_owned() } else { listed() };
        return Came::done(text);
    };
    // Only what stands in the list can be named: a name is never made into a path by itself.
    let Some((name, _)) = all.iter().find(|(known, _)| known == name) else {
        let instead = if all.is_empty() {
            "This fleet has none.".to_owned()
        } else {
            format!("There are: {}.", listed())
        };
        return Came::refused(&Denial::new("no-runbook", "there is no runbook of that name", instead));
    };
    let Some(path) = desk.fleet.agent.runbooks.as_ref().map(|dir| dir.join(name)) else {
        return Came::failed("This fleet has no runbooks.");
    };
    match on_disk(move || text(&path)).await {
        Some(Some(text)) => Came::done(text),
        _ => Came::failed("The runbook could not be read; go on without it."),
    }
}

async fn on_disk<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    READING.run(work).await
}

fn names(dir: &Path) -> Vec<(String, String)> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let mut all: Vec<(String, String)> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok().filter(|name| name.ends_with(".md"))?;
            let first = text(&entry.path())?
                .lines()
                .next()
                .unwrap_or_default()
                .trim_start_matches('#')
                .trim()
                .to_owned();
            Some((name, first.chars().take(120).collect()))
        })
        .take(MOST)
        .collect();
    all.sort();
    all
}

/// A regular file's text; a pipe or a device would never end.
fn text(path: &PathBuf) -> Option<String> {
    if !std::fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path).ok()?.take(LONGEST).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
