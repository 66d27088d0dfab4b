//! One SSH connection that is held: its session, what its host was told to prove, and how it feels.
//!
//! A connection never ends because it is silent. It is marked silent, so that others are tried before it, and it ends
//! when the network says so.

use crate::handler::{Handler, Learnt};
use crate::limits::Limits;
use crate::lock::lock;
use russh::client::{Handle, Msg};
use russh::{ChannelOpenFailure, ChannelReadHalf, ChannelWriteHalf, Disconnect};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Why a connection gave no channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoChannel {
    /// The server gives no more of them at a time; one that ends makes room.
    Full,
    /// The server would not, though no other was open.
    Refused(String),
    /// The connection is gone.
    Gone(String),
}

/// A connection that is logged in.
pub(crate) struct Connection {
    handle: Handle<Handler>,
    /// The address at its other end.
    pub(crate) address: SocketAddr,
    learnt: Learnt,
    silent: AtomicBool,
    round_trip: Mutex<Option<Duration>>,
    in_use: AtomicUsize,
    running: AtomicUsize,
    let_go: AtomicBool,
    capacity: AtomicUsize,
}

impl Connection {
    /// Takes over a session that is logged in, and looks after it from now on.
    pub(crate) fn new(
        handle: Handle<Handler>,
        address: SocketAddr,
        learnt: Learnt,
        limits: &Limits,
    ) -> Arc<Self> {
        let ping = limits.ping;
        let connection = Arc::new(Self {
            handle,
            address,
            learnt,
            silent: AtomicBool::new(false),
            round_trip: Mutex::new(None),
            in_use: AtomicUsize::new(0),
            running: AtomicUsize::new(0),
            let_go: AtomicBool::new(false),
            capacity: AtomicUsize::new(limits.channels_per_connection),
        });
        let watched = Arc::downgrade(&connection);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(ping).await;
                let Some(connection) = watched.upgrade() else { return };
                if connection.is_closed() {
                    return;
                }
                connection.ping(ping).await;
            }
        });
        connection
    }

    /// Asks for a sign of life; no answer within `patience` marks the connection silent, a late one clears that.
    async fn ping(&self, patience: Duration) {
        let started = Instant::now();
        let answer = self.handle.send_ping();
        tokio::pin!(answer);
        if tokio::time::timeout(patience, &mut answer).await.is_err() {
            self.note_silence();
            let _ = answer.await;
        }
        if !self.is_closed() {
            self.note_answer(started.elapsed());
        }
    }

    /// Waits for the far end to answer a question that means nothing; for ever, where it does not.
    pub(crate) async fn sign_of_life(&self) {
        let answered = self.handle.send_ping().await;
        if answered.is_err() || self.is_closed() {
            std::future::pending::<()>().await;
        }
    }

    /// Asks for a channel. The answer may take for ever; whoever stops waiting for it leaves nothing behind, for a
    /// channel that comes too late is closed again.
    pub(crate) fn open(self: &Arc<Self>) -> oneshot::Receiver<Result<Opened, NoChannel>> {
        let (give, take) = oneshot::channel();
        let mut slot = Slot::of(self);
        let connection = Arc::clone(self);
        tokio::spawn(async move {
            let started = Instant::now();
            let outcome = match connection.handle.channel_open_session().await {
                Ok(channel) => {
                    connection.note_answer(started.elapsed());
                    slot.run();
                    let (reader, writer) = channel.split();
                    Ok(Opened { reader, writer, slot })
                }
                Err(russh::Error::ChannelOpenFailure(reason)) => Err(connection.refused(&reason)),
                Err(_) => Err(NoChannel::Gone(connection.learnt.broke())),
            };
            if let Err(Ok(opened)) = give.send(outcome) {
                opened.close().await;
            }
        });
        take
    }

    /// Asks to be let through to an address as the far end sees it; what is given is closed at once.
    pub(crate) async fn forward(&self, (host, port): (&str, u32)) -> Result<(), russh::Error> {
        let channel = self.handle.channel_open_direct_tcpip(host, port, "127.0.0.1", 0).await?;
        channel.close().await
    }

    /// The server refuses another channel. Where others are open or asked for, that means that it is full, and it is
    /// remembered at how many.
    fn refused(&self, reason: &ChannelOpenFailure) -> NoChannel {
        self.note_sign_of_life();
        match self.in_use().saturating_sub(1) {
            0 => NoChannel::Refused(in_words(reason)),
            others => {
                self.capacity.fetch_min(others, Ordering::Relaxed);
                NoChannel::Full
            }
        }
    }

    /// Whether it takes another channel, as far as is known.
    pub(crate) fn has_room(&self) -> bool {
        self.in_use() < self.capacity.load(Ordering::Relaxed)
    }

    /// Whether the session has ended.
    pub(crate) fn is_closed(&self) -> bool {
        self.handle.is_closed()
    }

    /// Whether it owes an answer.
    pub(crate) fn is_silent(&self) -> bool {
        self.silent.load(Ordering::Relaxed)
    }

    /// It answered, however late.
    pub(crate) fn note_sign_of_life(&self) {
        self.silent.store(false, Ordering::Relaxed);
    }

    /// It did not answer in time.
    pub(crate) fn note_silence(&self) {
        if !self.silent.swap(true, Ordering::Relaxed) {
            tracing::debug!(address = %self.address, "held connection is silent");
        }
    }

    fn note_answer(&self, after: Duration) {
        self.note_sign_of_life();
        *lock(&self.round_trip) = Some(after);
    }

    /// How long the last answer took.
    pub(crate) fn round_trip(&self) -> Option<Duration> {
        *lock(&self.round_trip)
    }

    /// How many channels are open or asked for.
    pub(crate) fn in_use(&self) -> usize {
        self.in_use.load(Ordering::Relaxed)
    }

    /// How many channels were given out and are still open.
    pub(crate) fn running(&self) -> usize {
        self.running.load(Ordering::Relaxed)
    }

    /// Says goodbye, unless a command still runs on it; then it ends with the last of them.
    pub(crate) fn hang_up(self: Arc<Self>) {
        // First the wish, then the look: whichever of this and the last command's end comes second says goodbye.
        self.let_go.store(true, Ordering::SeqCst);
        if self.running.load(Ordering::SeqCst) == 0 {
            self.say_goodbye();
        }
    }

    fn say_goodbye(self: Arc<Self>) {
        // Without a runtime everything that held the connection is gone, and it with them.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let _ = self.handle.disconnect(Disconnect::ByApplication, "", "").await;
            });
        }
    }

    /// What ended it.
    pub(crate) fn broke(&self) -> String {
        self.learnt.broke()
    }
}

/// A channel for one command, and its place among those of its connection.
pub(crate) struct Opened {
    /// What comes from it.
    pub(crate) reader: ChannelReadHalf,
    /// What goes to it.
    pub(crate) writer: ChannelWriteHalf<Msg>,
    /// Its place.
    pub(crate) slot: Slot,
}

impl Opened {
    /// Closes the channel and gives its place back.
    pub(crate) async fn close(self) {
        let _ = self.writer.close().await;
    }
}

/// One channel's place; given back when dropped.
pub(crate) struct Slot {
    connection: Arc<Connection>,
    running: bool,
}

impl Slot {
    fn of(connection: &Arc<Connection>) -> Self {
        connection.in_use.fetch_add(1, Ordering::Relaxed);
        Self { connection: Arc::clone(connection), running: false }
    }

    fn run(&mut self) {
        self.connection.running.fetch_add(1, Ordering::SeqCst);
        self.running = true;
    }

    /// The connection.
    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.connection.in_use.fetch_sub(1, Ordering::Relaxed);
        if self.running {
            let before = self.connection.running.fetch_sub(1, Ordering::SeqCst);
            if before == 1 && self.connection.let_go.load(Ordering::SeqCst) {
                Arc::clone(&self.connection).say_goodbye();
            }
        }
    }
}

fn in_words(reason: &ChannelOpenFailure) -> String {
    match reason {
        ChannelOpenFailure::Other { code, .. } => format!("the SSH server gives no session (code {code})"),
        _ => "the SSH server gives no session (MaxSessions in its sshd_config, or no resources)".to_owned(),
    }
}
