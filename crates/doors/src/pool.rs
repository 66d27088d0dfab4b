//! Which connection a command goes over: the held one, or one that is dialled beside it when the held one is silent.
//!
//! All racing ends here, before anything is sent: the pool gives out exactly one channel, and whoever gets it sends one
//! command on it once. Connections that lose a race are kept, up to a count, for a late one is better than none.

use crate::connection::{Connection, NoChannel, Opened};
use crate::dial::{Dialer, Failure};
use crate::end::{End, Stage};
use crate::host_keys::HostKeyState;
use crate::lock::lock;
use crate::route::{Route, Way};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::Instant;

/// How a door does, as far as this process knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoorState {
    /// Whether a connection is held that answered when it was last asked.
    pub warm: bool,
    /// How many connections are held, silent ones included.
    pub connections: usize,
    /// How long the last sign of life took to come.
    pub round_trip: Option<Duration>,
    /// How the last attempt to connect failed, in a sentence; `None` after one that worked.
    pub last_error: Option<String>,
    /// The host key of the component at the far end.
    pub host_key: HostKeyState,
}

/// An attempt that began this recently is waited for instead of beginning another.
const JOIN_WITHIN: Duration = Duration::from_millis(1500);
/// How often one request tries again when a connection breaks, or is full, before its command was sent.
const ATTEMPTS: usize = 4;
/// How long to wait for a place when every connection is full.
const FULL_PAUSE: Duration = Duration::from_millis(25);

/// All held connections.
pub(crate) struct Pool {
    pub(crate) dialer: Dialer,
    ways: Mutex<HashMap<Way, Held>>,
}

#[derive(Default)]
struct Held {
    connections: Vec<Arc<Connection>>,
    dialling: Vec<Dialling>,
    last_error: Option<String>,
}

/// An attempt to connect that goes on whether or not anybody waits for it.
#[derive(Clone)]
struct Dialling {
    began: Instant,
    stage: watch::Receiver<Stage>,
    outcome: watch::Receiver<Option<Result<Arc<Connection>, Failure>>>,
}

impl Dialling {
    fn goes_on(&self) -> bool {
        self.outcome.has_changed().is_ok() && self.outcome.borrow().is_none()
    }

    /// Waits for its end, passing its stages on.
    async fn end(mut self, progress: &watch::Sender<Stage>) -> Result<Arc<Connection>, Failure> {
        loop {
            progress.send_replace(*self.stage.borrow_and_update());
            if let Some(outcome) = self.outcome.borrow_and_update().clone() {
                return outcome;
            }
            tokio::select! {
                changed = self.outcome.changed() => if changed.is_err() {
                    return Err(Failure::Unreachable("the attempt to connect was given up".to_owned()));
                },
                Ok(()) = self.stage.changed() => {}
            }
        }
    }
}

/// What came of looking for a channel on what is there.
enum Found {
    Channel(Box<Opened>),
    Full,
}

impl Pool {
    /// An empty pool.
    pub(crate) fn new(dialer: Dialer) -> Self {
        Self { dialer, ways: Mutex::new(HashMap::new()) }
    }

    /// Gives a channel for one command. The caller bounds the time, and learns from `progress` how far it had come.
    pub(crate) async fn open(
        self: &Arc<Self>,
        route: &Route,
        progress: &watch::Sender<Stage>,
    ) -> Result<Opened, Failure> {
        let mut last = Failure::Unreachable("no attempt was made".to_owned());
        let mut attempts = 0;
        while attempts < ATTEMPTS {
            match self.race(route, progress).await {
                Ok(Found::Channel(opened)) => return Ok(*opened),
                Ok(Found::Full) => tokio::time::sleep(FULL_PAUSE).await,
                Err((failure, false)) => return Err(failure),
                Err((failure, true)) => {
                    last = failure;
                    attempts += 1;
                }
            }
        }
        Err(last)
    }

    /// One race between the held connection and, where that is silent, missing or refuses, a new one. The flag of a
    /// failure says whether another race may end better.
    async fn race(
        self: &Arc<Self>,
        route: &Route,
        progress: &watch::Sender<Stage>,
    ) -> Result<Found, (Failure, bool)> {
        let limits = &self.dialer.limits;
        let held = self.best(&route.way);
        if held.as_ref().is_some_and(|held| !held.has_room()) && self.is_full(&route.way) {
            return Ok(Found::Full);
        }
        let held = held.filter(|held| held.has_room());
        let mut opening = FuturesUnordered::new();
        let mut dial_at = Instant::now();
        if let Some(held) = &held {
            progress.send_replace(Stage::Open);
            opening.push(waited_for(held.open(), false));
            if !held.is_silent() {
                dial_at += limits.silent_after;
            }
        }
        let dial_now = Notify::new();
        let dialled = async {
            tokio::select! {
                () = tokio::time::sleep_until(dial_at) => held.iter().for_each(|held| held.note_silence()),
                () = dial_now.notified() => {}
            }
            self.dial(route).end(progress).await
        };
        tokio::pin!(dialled);
        let mut dialling = true;
        // Once nothing new can come, a silent connection gets this much longer to answer after all.
        let mut patience = None;
        loop {
            tokio::select! {
                Some((fresh, outcome)) = opening.next() => match outcome {
                    Ok(opened) => {
                        // The wait for it may have run out in the same moment, and have called it silent after its answer.
                        if !fresh {
                            held.iter().for_each(|held| held.note_sign_of_life());
                        }
                        return Ok(Found::Channel(Box::new(opened)));
                    }
                    Err(NoChannel::Refused(why)) if fresh => return Err((Failure::Refused(why), false)),
                    Err(NoChannel::Full) if fresh => return Ok(Found::Full),
                    Err(NoChannel::Gone(why)) if !dialling => return Err((Failure::Unreachable(why), true)),
                    Err(_) => dial_now.notify_one(),
                },
                outcome = &mut dialled, if dialling => {
                    dialling = false;
                    match outcome {
                        Ok(connection) if connection.has_room() => {
                            progress.send_replace(Stage::Open);
                            opening.push(waited_for(connection.open(), true));
                        }
                        Ok(_) if opening.is_empty() => return Ok(Found::Full),
                        Ok(_) => {}
                        Err(failure) if opening.is_empty() => return Err((failure, false)),
                        Err(failure) => patience = Some((Instant::now() + limits.silent_after, failure)),
                    }
                }
                failure = given_up(patience.clone()) => return Err((failure, false)),
            }
        }
    }

    /// The connection to try first: one that answers before one that is silent, then the one with the most room, then
    /// the newest.
    fn best(&self, way: &Way) -> Option<Arc<Connection>> {
        let mut ways = lock(&self.ways);
        let held = ways.get_mut(way)?;
        held.connections.retain(|connection| !connection.is_closed());
        let newest_first = held.connections.iter().rev();
        newest_first.min_by_key(|connection| (connection.is_silent(), connection.in_use())).cloned()
    }

    /// Whether as many connections are held and busy as may be.
    fn is_full(&self, way: &Way) -> bool {
        let limits = &self.dialer.limits;
        let ways = lock(&self.ways);
        ways.get(way).is_some_and(|held| {
            held.connections.len() >= limits.connections_per_way
                && held.connections.iter().all(|connection| !connection.has_room())
        })
    }

    /// Begins an attempt to connect, or joins one that began a moment ago.
    fn dial(self: &Arc<Self>, route: &Route) -> Dialling {
        let mut ways = lock(&self.ways);
        let held = ways.entry(route.way.clone()).or_default();
        held.dialling.retain(Dialling::goes_on);
        let enough = held.dialling.len() >= self.dialer.limits.connections_per_way;
        if let Some(last) = held.dialling.last()
            && (enough || last.began.elapsed() < JOIN_WITHIN)
        {
            return last.clone();
        }
        let (stage_in, stage) = watch::channel(Stage::Connect);
        let (outcome_in, outcome) = watch::channel(None);
        let dialling = Dialling { began: Instant::now(), stage, outcome };
        held.dialling.push(dialling.clone());
        let pool = Arc::clone(self);
        let route = route.clone();
        tokio::spawn(async move {
            let dialled =
                tokio::time::timeout(pool.dialer.limits.dial, pool.dialer.dial(&route, &stage_in)).await;
            let dialled = dialled.unwrap_or_else(|_| Err(Failure::TimedOut(*stage_in.borrow())));
            pool.note(&route.way, &dialled);
            // Whoever waits has it; nobody joins an attempt that is over.
            outcome_in.send_replace(Some(dialled));
        });
        dialling
    }

    fn note(&self, way: &Way, dialled: &Result<Arc<Connection>, Failure>) {
        let mut ways = lock(&self.ways);
        let held = ways.entry(way.clone()).or_default();
        match dialled {
            Ok(connection) => {
                held.last_error = None;
                held.connections.push(Arc::clone(connection));
                self.shed(held);
            }
            Err(failure) => {
                let end = End::from(failure.clone()).to_string();
                tracing::debug!(component = way.component, end, "no connection");
                held.last_error = Some(end);
            }
        }
    }

    /// Lets go of what is too much: the oldest silent connection that nobody uses, else the oldest that nobody uses.
    fn shed(&self, held: &mut Held) {
        held.connections.retain(|connection| !connection.is_closed());
        while held.connections.len() > self.dialer.limits.connections_per_way {
            let newest = held.connections.len() - 1;
            let unused = |c: &Arc<Connection>| c.running() == 0;
            let silent = held.connections.iter().position(|c| c.is_silent() && unused(c));
            let index = silent.or_else(|| held.connections.iter().position(unused));
            match index.filter(|index| *index != newest) {
                Some(index) => held.connections.remove(index).hang_up(),
                None => return,
            }
        }
    }

    /// Sees to it that a connection is held that answers, and measures it, within the time of one attempt to connect.
    pub(crate) async fn warm_within(self: &Arc<Self>, route: &Route) -> Result<(), Failure> {
        let (progress, seen) = watch::channel(Stage::Connect);
        match tokio::time::timeout(self.dialer.limits.dial, self.open(route, &progress)).await {
            Ok(opened) => {
                opened?.close().await;
                Ok(())
            }
            Err(_) => Err(Failure::TimedOut(*seen.borrow())),
        }
    }

    /// Lets go of all connections of a way; commands that run on them are left alone.
    pub(crate) fn hang_up(&self, way: &Way) {
        if let Some(held) = lock(&self.ways).get_mut(way) {
            for connection in held.connections.drain(..) {
                connection.hang_up();
            }
        }
    }

    /// What is known of a way.
    pub(crate) fn state(&self, way: &Way) -> DoorState {
        let host_key = self.dialer.host_keys.state(&way.component);
        let best = self.best(way);
        let ways = lock(&self.ways);
        let held = ways.get(way);
        DoorState {
            warm: best.as_ref().is_some_and(|connection| !connection.is_silent()),
            connections: held.map_or(0, |held| held.connections.len()),
            round_trip: best.and_then(|connection| connection.round_trip()),
            last_error: held.and_then(|held| held.last_error.clone()),
            host_key,
        }
    }
}

/// A channel that was asked for, and whether its connection was made for this request.
async fn waited_for(
    answer: oneshot::Receiver<Result<Opened, NoChannel>>,
    fresh: bool,
) -> (bool, Result<Opened, NoChannel>) {
    let gone = || NoChannel::Gone("the connection was given up".to_owned());
    (fresh, answer.await.unwrap_or_else(|_| Err(gone())))
}

/// Never ends without patience; with it, ends when it is used up.
async fn given_up(patience: Option<(Instant, Failure)>) -> Failure {
    match patience {
        Some((until, failure)) => {
            tokio::time::sleep_until(until).await;
            failure
        }
        None => std::future::pending().await,
    }
}
