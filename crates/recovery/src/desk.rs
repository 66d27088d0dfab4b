//! What every use case needs in its hands: the fleet, the doors, the journal, the board and a clock.
//!
//! It holds no logic. A use case takes the desk instead of four arguments; a test builds one on a temporary directory.

use crate::Stoppable;
use crate::turn::Turns;
use crate::{Board, Times};
use breakglass_doors::Doors;
use breakglass_fleet::Fleet;
use breakglass_journal::Journal;
use breakglass_protocol::Timestamp;
use std::sync::Arc;

/// Where the time comes from; a test hands in its own.
pub type Clock = fn() -> Timestamp;

/// The fleet, the doors to it, the journal of what is done, and what is known of each target now. Cheap to clone.
#[derive(Clone)]
pub struct Desk {
    /// What `fleet.toml` declares.
    pub fleet: Arc<Fleet>,
    /// The ways in.
    pub doors: Doors,
    /// The record of everything.
    pub journal: Journal,
    /// What is known of each target right now.
    pub board: Board,
    /// The agents, and the turns that run.
    pub turns: Turns,
    /// The commands that run and can be stopped.
    pub stoppable: Stoppable,
    /// The time.
    pub clock: Clock,
    /// How long is waited for what.
    pub times: Times,
}

impl Desk {
    /// A desk with an empty board.
    #[must_use]
    pub fn new(fleet: Arc<Fleet>, doors: Doors, journal: Journal, clock: Clock) -> Self {
        let board = Board::new(&fleet);
        let (turns, stoppable, times) = (Turns::default(), Stoppable::default(), Times::default());
        Self { fleet, doors, journal, board, turns, stoppable, clock, times }
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }
}
