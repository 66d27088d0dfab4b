//! What the end-to-end tests share: the built server as a child process, a browser, and a plain HTTP client.
//!
//! Nothing here knows the inside of any crate but the lab's: the tests see what a user sees.

pub mod browser;
pub mod cdp;
pub mod http;
pub mod night;
pub mod person;
pub mod public;
pub mod scriptless;
pub mod server;
pub mod stage;
pub mod tab;
