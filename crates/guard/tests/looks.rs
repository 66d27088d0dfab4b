//! The read-only door through its built binary, on a root file system of its own where every secret is really there and
//! readable for everybody: everyday looks, the whole corpus, looks that want to be endless, and a real sshd before it.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed test should stop loudly"
)]

mod stage;
mod looks {
    #[path = "../guard/cells.rs"]
    mod cells;
    mod corpus;
    mod everyday;
    mod resources;
    mod sessions;
    mod sshd;
    mod support;
    mod wire;
}
