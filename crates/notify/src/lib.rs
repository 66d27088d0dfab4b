//! Tells people elsewhere what happened: a target stopped answering or answers again, a verb was pressed, an agent asks, a door was not
//! proven, the journal does not keep what happens. By webhook, ntfy and e-mail.
//!
//! # What is promised
//!
//! - **A notice has no authority.** It says what happened and leads to the page, where one logs in as always.
//! - **Nothing waits for it.** Receivers are spoken to on a thread with a runtime of its own, each try under a deadline; lines are
//!   bounded. What is not delivered is said on the page and in the journal.
//! - **Nothing is lost or told twice in silence.** Who was told is an event. What a server that crashed had not told, the next one
//!   tells; where it cannot know (it crashed between the telling and the event) it tells again with the same key.
//! - **It wakes nobody for nothing.** Maintenance windows hold back; what is over within seconds is not told; a flapping target is told as
//!   that; what went down together is one notice, and whatever runs on a dead hypervisor is part of that.
//!
//! # What it does not do
//!
//! It decides nothing about a target (`recovery` watches), carries no content that a guest or an agent wrote beyond the watch's own
//! sentence, and answers nobody: nothing comes in here.
#![forbid(unsafe_code)]

mod canaries;
mod http;
mod mail;
mod notice;
mod ntfy;
mod office;
mod outbox;
mod pace;
mod postman;
mod secret;
mod selection;
mod standing;
mod trial;
mod trouble;
mod webhook;

pub use office::notify;
pub use pace::Pace;
pub use trial::trial;
