//! The doors of a fleet, to those who use them: ask one, ask many, keep them warm, look how they do.

use crate::ask::{Ask, Captured, Chunk};
use crate::dial::{Dialer, Failure};
use crate::end::{End, Stage};
use crate::fresh::Fresh;
use crate::host_keys::{AcceptError, HostKeyState, HostKeys};
use crate::keyholder::Keyholder;
use crate::limits::Limits;
use crate::pool::{DoorState, Pool};
use crate::route::Route;
use crate::run::{self, Times};
use breakglass_fleet::Fleet;
use futures_util::StreamExt;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// How many chunks of output wait for a reader before the far end has to.
const CHUNKS_WAITING: usize = 16;
/// Longer commands never start: Linux gives one argument 128 KiB, and the login shell gets ours as one.
const COMMAND_LIMIT: usize = 120 * 1024;
/// How often a command is given another channel because the connection broke just before it was sent.
const RESENDS_OF_NOTHING: usize = 2;

/// All doors of a fleet. Cheap to clone; all clones share the connections.
#[derive(Clone)]
pub struct Doors {
    fleet: Arc<Fleet>,
    pool: Arc<Pool>,
}

impl std::fmt::Debug for Doors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Doors").field("fleet", &self.fleet.name).finish_non_exhaustive()
    }
}

impl Doors {
    /// The doors that a fleet declares. Nothing is connected yet.
    #[must_use]
    pub fn new(fleet: Arc<Fleet>, keyholder: Keyholder, host_keys: HostKeys, limits: Limits) -> Self {
        Self { fleet, pool: Arc::new(Pool::new(Dialer { keyholder, host_keys, limits })) }
    }

    /// Sends one command through a door, at most once, and streams what it writes. The end comes back at the deadline
    /// at the latest, however slowly `chunks` is read; when nobody reads any more, the command goes on and its end is
    /// still reported. A caller that drops the future before the command was sent has sent nothing; after that, the
    /// command is followed to its end or its deadline all the same.
    pub async fn run(&self, ask: Ask<'_>, chunks: mpsc::Sender<Chunk>) -> End {
        let times = Times::new(ask.deadline);
        let route = match Route::of(&self.fleet, ask.door) {
            Ok(route) => route,
            Err(reason) => return End::Refused { reason },
        };
        let mut command = ask.command;
        if command.len() > COMMAND_LIMIT || command.contains('\0') {
            let reason = format!(
                "the command holds a zero byte or more than {COMMAND_LIMIT} bytes: no shell takes that"
            );
            return End::Refused { reason };
        }
        let (progress, seen) = watch::channel(Stage::Connect);
        for _ in 0..=RESENDS_OF_NOTHING {
            let opened =
                match tokio::time::timeout_at(times.deadline, self.pool.open(&route, &progress)).await {
                    Ok(Ok(opened)) => opened,
                    Ok(Err(failure)) => return failure.into(),
                    Err(_) => return Failure::TimedOut(*seen.borrow()).into(),
                };
            // A task of its own, so that a caller who goes away does not leave a command unwatched.
            match tokio::spawn(run::run(opened, command, times, chunks.clone())).await {
                Ok(Ok(end)) => return end,
                Ok(Err(unsent)) => command = unsent,
                Err(_) => {
                    return End::LineLost { reason: "the task that followed the command broke".to_owned() };
                }
            }
        }
        End::Unreachable { reason: "the connection broke each time before the command was sent".to_owned() }
    }

    /// Like [`Self::run`], but keeps the output up to `stdout_limit` bytes of each stream and drops the rest.
    pub async fn capture(&self, ask: Ask<'_>) -> (End, Captured) {
        let limit = ask.stdout_limit;
        let (chunks, mut taken) = mpsc::channel(CHUNKS_WAITING);
        let keep = async {
            let mut captured = Captured::default();
            while let Some(chunk) = taken.recv().await {
                captured.take(&chunk, limit);
            }
            captured
        };
        tokio::join!(self.run(ask, chunks), keep)
    }

    /// Asks many doors, `concurrency` at a time, and sends each result with its door's name as it comes. Ends when all
    /// have answered, or when nobody takes the results any more.
    pub async fn fan_out(
        &self,
        asks: Vec<Ask<'_>>,
        concurrency: usize,
        results: mpsc::Sender<(String, End, Captured)>,
    ) {
        let mut answers = futures_util::stream::iter(asks)
            .map(|ask| async {
                let door = ask.door.to_owned();
                let (end, captured) = self.capture(ask).await;
                (door, end, captured)
            })
            .buffer_unordered(concurrency.max(1));
        while let Some(answer) = answers.next().await {
            if results.send(answer).await.is_err() {
                return;
            }
        }
    }

    /// Sees to it that the door is warm: connects where nothing is held, dials another where what is held is silent,
    /// and opens and closes a channel. Gives up after [`Limits::dial`].
    ///
    /// # Errors
    /// The end that a request would have had.
    pub async fn try_warm(&self, door: &str) -> Result<(), End> {
        let route = Route::of(&self.fleet, door).map_err(|reason| End::Refused { reason })?;
        self.pool.warm_within(&route).await.map_err(End::from)
    }

    /// Like [`Self::try_warm`], for those who look at [`Self::state`] afterwards.
    pub async fn warm(&self, door: &str) {
        let _ = self.try_warm(door).await;
    }

    /// Connects and logs in anew, whatever is held already, within that time. What is held is left as it is, and so is what is
    /// known of the door; only a host key that is not the trusted one closes it, as it does at every contact.
    ///
    /// # Errors
    /// The end that a request would have had.
    pub async fn fresh(&self, door: &str, deadline: Duration) -> Result<Fresh, End> {
        let route = Route::of(&self.fleet, door).map_err(|reason| End::Refused { reason })?;
        let (progress, seen) = watch::channel(Stage::Connect);
        match tokio::time::timeout(deadline, self.pool.dialer.dial(&route, &progress)).await {
            Ok(dialled) => dialled.map(Fresh::new).map_err(End::from),
            Err(_) => Err(Failure::TimedOut(*seen.borrow()).into()),
        }
    }

    /// Keeps all doors warm in the background, as long as any clone of these doors exists. What fails is tried again
    /// after pauses that grow.
    pub fn warm_all(&self) {
        let routes = self.fleet.doors.iter().filter_map(|door| Route::of(&self.fleet, &door.name).ok());
        let mut seen = HashSet::new();
        for route in routes.filter(|route| seen.insert(route.way.clone())) {
            let pool = Arc::downgrade(&self.pool);
            tokio::spawn(async move {
                let mut pause = Duration::ZERO;
                loop {
                    tokio::time::sleep(pause).await;
                    let Some(pool) = pool.upgrade() else { return };
                    let limits = pool.dialer.limits;
                    let outcome =
                        if pool.state(&route.way).warm { Ok(()) } else { pool.warm_within(&route).await };
                    pause = match outcome {
                        Ok(()) => limits.warm_pause,
                        Err(Failure::Refused(_) | Failure::HostKey { .. }) => limits.warm_pause_refused,
                        Err(_) => (pause * 2).clamp(limits.warm_pause, limits.warm_pause_max),
                    };
                }
            });
        }
    }

    /// How a door does, as far as is known without asking it. An unknown door is cold and says so.
    #[must_use]
    pub fn state(&self, door: &str) -> DoorState {
        match Route::of(&self.fleet, door) {
            Ok(route) => self.pool.state(&route.way),
            Err(reason) => DoorState {
                warm: false,
                connections: 0,
                round_trip: None,
                last_error: Some(reason),
                host_key: HostKeyState::Unknown,
            },
        }
    }

    /// Lets go of the connections that are held for a door, so that the next request dials afresh. Commands that run
    /// on them are left alone.
    pub fn hang_up(&self, door: &str) {
        if let Ok(route) = Route::of(&self.fleet, door) {
            self.pool.hang_up(&route.way);
        }
    }

    /// Accepts the key that a component showed last, as a person's decision. Returns its fingerprint.
    ///
    /// # Errors
    /// [`AcceptError`].
    pub fn accept_host_key(&self, component: &str) -> Result<String, AcceptError> {
        self.host_keys().accept(component)
    }

    /// The host keys.
    #[must_use]
    pub fn host_keys(&self) -> &HostKeys {
        &self.pool.dialer.host_keys
    }

    /// The keyholder.
    #[must_use]
    pub fn keyholder(&self) -> &Keyholder {
        &self.pool.dialer.keyholder
    }

    /// Whether the keyholder answers.
    pub async fn keyholder_up(&self) -> bool {
        self.keyholder().is_up().await
    }
}
