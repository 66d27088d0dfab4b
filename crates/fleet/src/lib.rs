//! `fleet.toml`, parsed into a validated model, with errors that point into the file.
//!
//! The file is read strictly: a key that nobody knows, a value of the wrong type, a name that is declared nowhere and
//! a key with two forced commands are errors, and all of them are reported at once. Reading the file itself is the
//! only I/O in this crate (`load`); it resolves no name, opens no key and talks to no host.
#![forbid(unsafe_code)]

mod advice;
mod agent;
mod example;
mod forced;
mod invalid;
mod load;
mod model;
mod nearest;
mod notify;
mod parse;
mod reader;
mod references;
mod sections;
mod values;
mod web;

pub use advice::{Advice, check};
pub use agent::{AgentKind, AgentSection, Api, Autonomy, Budget, Claude, Dialect, Outside};
pub use example::example;
pub use invalid::{Invalid, Problem};
pub use load::LoadError;
pub use model::{
    Backend, Component, ComponentKind, Door, DoorKind, Fleet, HostKeyPolicy, Maintenance, Scenario, Secret,
    Verify, Watch, Weekday,
};
pub use notify::{Address, Mail, MailTls, Notify, Ntfy, Occasion, Receiver, Way, Webhook};
pub use values::split_address;
pub use web::{CertificateFiles, Role, Roles, Tls, TrustedHeader, Web};
