//! The append-only, hash-chained record of everything, with a live tail and artifacts.
//!
//! # What is promised
//!
//! - **Kept means durable.** [`Kept::Durable`] is answered after the transaction was synced. What waits at the same moment shares one
//!   sync.
//! - **A journal that fails blocks nobody.** An append waits at most [`Limits::append_deadline`]; once the disk is known not to answer,
//!   it does not wait at all until a write has succeeded again. The event goes to the live tail in either case, marked as not kept,
//!   and stays in a bounded queue in memory that is written when the disk is back. [`Journal::keeping`] says it meanwhile, and a `gap`
//!   event says it for ever.
//! - **Numbers.** An event gets its `seq` when it is accepted into the queue, under the lock that orders the queue, so a number is
//!   final at once (a press and a command are named by it) and the order of numbers, of the queue, of the commits and of the
//!   live frames is one and the same. A frame carries its number as *id* only once the event is durable: a client's `Last-Event-ID`
//!   never names something that a crash can take back. Events that did not fit into the queue leave a hole in the numbers, and the
//!   first event after a hole is always a `gap` that says how large it is; any other hole is damage. After a crash the numbers
//!   of events that were never durable are given again, to others.
//! - **Nothing is lost in silence.** A subscriber that falls behind the in-memory ring is served from the database until it has
//!   caught up.
//! - **Erasing** takes an event's body and leaves its digest, so the chain still holds. The erasure is an event itself, and a body that is
//!   absent without one is damage.
//!
//! # What it does not do
//!
//! It folds no views (`incident` does), speaks to nobody but the disk, and reads no clock but the one it is given. One process
//! writes: a second one is refused by a lock. The database is an ordinary SQLite file and can be read beside the running server.
#![forbid(unsafe_code)]

mod answers;
mod archive;
mod artifacts;
mod aside;
mod disk_threads;
mod encode;
mod frame;
mod head_file;
mod intake;
mod journal;
mod limits;
mod lock;
mod open_error;
mod opening;
mod queue;
mod readers;
mod reading;
mod ring;
mod shared;
mod shared_dir;
mod spool;
mod store;
mod tail;
mod verify;
mod writer;

pub use answers::{EraseError, Keeping, Kept, Wanted};
pub use archive::{Archive, ArchiveError, IncidentSummary};
pub use artifacts::ArtifactError;
pub use aside::set_aside_before;
pub use breakglass_chain::Tip as Head;
pub use disk_threads::DiskThreads;
pub use frame::Frame;
pub use intake::{SpoolIntake, TakenIn, set_spool_aside};
pub use journal::Journal;
pub use limits::Limits;
pub use open_error::OpenError;
pub use shared_dir::SharedDir;
pub use spool::{Spool, SpoolError};
pub use tail::Tail;
pub use verify::{Broken, Damage, Verified, verify};
