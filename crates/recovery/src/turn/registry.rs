//! What the server holds of all turns: the engines, which turn runs where, which call waits for a person, what was spent.
//!
//! It is the truth on budgets while the server runs; the journal is, from which it is folded, when it comes up again.

use super::approve::Answered;
use super::engine::Engines;
use super::visits::Visits;
use breakglass_incident::policy::Ledger;
use breakglass_incident::{Actor, CallId, IncidentId, TurnId};
use breakglass_protocol::Timestamp;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// All turns of this server. Cheap to clone; all clones are one.
#[derive(Clone, Default)]
pub struct Turns {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    engines: RwLock<Engines>,
    running: Mutex<HashMap<IncidentId, Running>>,
    waiting: Mutex<HashMap<CallId, Waiting>>,
    ledger: Mutex<Ledger>,
    visits: Visits,
}

struct Running {
    turn: TurnId,
    by: Actor,
    stop: CancellationToken,
    halt: Halt,
}

/// Somebody's word that a turn is to end, and whose. Other ends of a turn (its time is over, its engine fails) do not say it:
/// then what has begun is left to end by itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct Halt {
    said: CancellationToken,
    by: Arc<OnceLock<Actor>>,
}

impl Halt {
    fn say(&self, by: Actor) {
        let _ = self.by.set(by);
        self.said.cancel();
    }

    /// Whose word it was, if it was said.
    pub(crate) fn by(&self) -> Option<Actor> {
        self.by.get().cloned()
    }

    /// Waits for it.
    pub(crate) async fn said(&self) -> Actor {
        self.said.cancelled().await;
        self.by().unwrap_or(Actor::Server)
    }
}

/// A call that waits for a person, as far as everybody may know of it: an answer needs its digest, which its page shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// In which incident.
    pub incident: IncidentId,
    /// Which call.
    pub call: CallId,
    /// The agent that asks.
    pub by: Actor,
    /// The target that would be changed.
    pub target: String,
    /// The call, to the letter.
    pub shown: String,
    /// Until when the question stands.
    pub until: Timestamp,
}

/// A call that waits for a person.
pub(crate) struct Waiting {
    pub(crate) asked: Asked,
    pub(crate) digest: String,
    /// Told what was decided.
    pub(crate) answer: oneshot::Sender<Answered>,
}

/// The right to run a turn in an incident; given back when dropped.
pub(crate) struct Slot {
    turns: Turns,
    incident: IncidentId,
    pub(crate) stop: CancellationToken,
    pub(crate) halt: Halt,
}

impl Slot {
    /// From now on it is this turn that runs.
    pub(crate) fn is(&self, turn: TurnId) {
        if let Some(running) = lock(&self.turns.shared.running).get_mut(&self.incident) {
            running.turn = turn;
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.stop.cancel();
        lock(&self.turns.shared.running).remove(&self.incident);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Turns {
    /// Gives the server its engines; until then every turn is answered that no agent is configured.
    pub fn set_engines(&self, engines: Engines) {
        *self.shared.engines.write().unwrap_or_else(PoisonError::into_inner) = engines;
    }

    /// The engines, in their order.
    #[must_use]
    pub fn engines(&self) -> Engines {
        self.shared.engines.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The turn that runs in this incident.
    #[must_use]
    pub fn running(&self, incident: IncidentId) -> Option<TurnId> {
        lock(&self.shared.running).get(&incident).map(|running| running.turn)
    }

    /// Takes the one place in an incident, or says who has it.
    pub(crate) fn enter(&self, incident: IncidentId, by: &Actor) -> Result<Slot, Actor> {
        let mut all = lock(&self.shared.running);
        if let Some(running) = all.get(&incident) {
            return Err(running.by.clone());
        }
        let (stop, halt) = (CancellationToken::new(), Halt::default());
        let running = Running { turn: TurnId(0), by: by.clone(), stop: stop.clone(), halt: halt.clone() };
        all.insert(incident, running);
        Ok(Slot { turns: self.clone(), incident, stop, halt })
    }

    /// Tells the turn of an incident to end; `None` where none runs.
    pub(crate) fn stop(&self, incident: IncidentId, by: Actor) -> Option<TurnId> {
        let all = lock(&self.shared.running);
        let running = all.get(&incident)?;
        running.halt.say(by);
        running.stop.cancel();
        Some(running.turn)
    }

    pub(crate) fn wait(&self, waiting: Waiting) {
        lock(&self.shared.waiting).insert(waiting.asked.call, waiting);
    }

    /// All calls that wait for a person right now, oldest first.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        let mut all: Vec<Asked> =
            lock(&self.shared.waiting).values().map(|waiting| waiting.asked.clone()).collect();
        all.sort_by_key(|asked| asked.call);
        all
    }

    pub(crate) fn visits(&self) -> &Visits {
        &self.shared.visits
    }

    /// Takes a waiting call, if it is the one that was shown. Whoever takes it decides on it: a person, or the clock.
    pub(crate) fn take_waiting(
        &self,
        call: CallId,
        is_it: impl FnOnce(&Waiting) -> bool,
    ) -> Result<Waiting, NotTaken> {
        let mut all = lock(&self.shared.waiting);
        let waiting = all.get(&call).ok_or(NotTaken::NotWaiting)?;
        if !is_it(waiting) {
            return Err(NotTaken::OtherCall);
        }
        all.remove(&call).ok_or(NotTaken::NotWaiting)
    }

    /// Takes back all questions of an incident that is being closed: a yes would come to nothing.
    pub(crate) fn withdraw(&self, incident: IncidentId) {
        let withdrawn: Vec<Waiting> = {
            let mut all = lock(&self.shared.waiting);
            all.extract_if(|_, waiting| waiting.asked.incident == incident)
                .map(|(_, waiting)| waiting)
                .collect()
        };
        for waiting in withdrawn {
            let _ = waiting.answer.send(Answered::Withdrawn);
        }
    }

    /// Commands, verbs and cycles that agents spent in this incident.
    #[must_use]
    pub fn spent(&self, incident: IncidentId) -> (u32, u32, u32) {
        self.ledger().in_incident(incident)
    }

    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.shared.ledger)
    }
}

/// Why a waiting call was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotTaken {
    NotWaiting,
    OtherCall,
}
