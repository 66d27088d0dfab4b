//! What the watch learnt as normal for each target, kept over restarts in `normal.json` beside the journal.
//!
//! A convenience, no record: where it cannot be read or written the watch learns anew.

use crate::Desk;
use breakglass_journal::DiskThreads;
use breakglass_protocol::Timestamp;
use breakglass_triage::{Normal, NormalLearner};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

/// Its name in the state directory.
const FILE: &str = "normal.json";
/// A disk that takes longer than this is left alone.
const DISK_DEADLINE: Duration = Duration::from_secs(2);
/// It is written every minute: a disk that hangs for an hour keeps one thread for it, not sixty.
static WRITING: LazyLock<DiskThreads> = LazyLock::new(|| DiskThreads::new(1, DISK_DEADLINE));

/// What an earlier run learnt as normal for a target; all absent where nothing was.
#[must_use]
pub fn learnt(state: &Path, target: &str, now: Timestamp) -> Normal {
    read(state).remove(target).map(|learner| learner.normal(now)).unwrap_or_default()
}

/// What is normal for a target, as far as it has been learnt. A look that hangs does not hold this up: then what the
/// board shows has to do.
pub(crate) async fn normal(desk: &Desk, target: &str) -> Normal {
    let prober = desk.board.prober(target);
    match prober.try_lock() {
        Ok(prober) => prober.learner.normal(desk.now()),
        Err(_) => desk.board.target(target).map(|view| view.normal).unwrap_or_default(),
    }
}

/// Gives each target's prober what an earlier run learnt. The watch does it by itself; a command line that triages
/// without a server calls it first.
pub async fn recall_normals(desk: &Desk) {
    let state = desk.fleet.state.clone();
    let read = tokio::task::spawn_blocking(move || read(&state));
    let Ok(Ok(all)) = tokio::time::timeout(DISK_DEADLINE, read).await else { return };
    for (target, learner) in all {
        desk.board.prober(&target).lock().await.learner = learner;
    }
}

/// Writes down what was learnt.
pub(crate) async fn save(desk: &Desk) {
    let mut all = BTreeMap::new();
    for view in desk.board.targets() {
        let prober = desk.board.prober(&view.name);
        let learner = prober.lock().await.learner.clone();
        all.insert(view.name, learner);
    }
    let state = desk.fleet.state.clone();
    if let Some(Err(error)) = WRITING.run(move || write(&state, &all)).await {
        tracing::debug!(%error, "what the watch learnt could not be written down");
    }
}

fn read(state: &Path) -> BTreeMap<String, NormalLearner> {
    let text = std::fs::read(state.join(FILE)).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

fn write(state: &Path, all: &BTreeMap<String, NormalLearner>) -> std::io::Result<()> {
    let text = serde_json::to_vec(all).map_err(std::io::Error::other)?;
    let fresh = state.join(format!("{FILE}.new"));
    std::fs::write(&fresh, text)?;
    std::fs::rename(&fresh, state.join(FILE))
}
