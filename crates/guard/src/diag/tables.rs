//! Every command of the read-only door. What is not in these tables does not exist.

pub(crate) mod containers;
pub(crate) mod files;
pub(crate) mod filters;
pub(crate) mod hardware;
pub(crate) mod host;
pub(crate) mod hypervisor;
pub(crate) mod kubernetes;
pub(crate) mod network;
pub(crate) mod packages;
pub(crate) mod processes;
pub(crate) mod storage;
pub(crate) mod systemd;

use super::grammar::{Command, Role, word_of};

pub(crate) const ALL: &[&[Command]] = &[
    systemd::COMMANDS,
    processes::COMMANDS,
    network::COMMANDS,
    storage::COMMANDS,
    hardware::COMMANDS,
    containers::COMMANDS,
    kubernetes::COMMANDS,
    hypervisor::COMMANDS,
    packages::COMMANDS,
    host::COMMANDS,
    files::COMMANDS,
    filters::COMMANDS,
];

/// The command of this name, at the beginning of a pipeline or behind a `|`.
pub(crate) fn find(name: &str, filter: bool) -> Option<(&'static Command, &'static str)> {
    ALL.iter()
        .flat_map(|commands| commands.iter())
        .filter(|it| (it.role == Role::Filter) == filter)
        .find_map(|command| word_of(command.names, name).map(|name| (command, name)))
}

/// Whether this is the name of a set.
pub(crate) fn is_set(name: &str) -> bool {
    ALL.iter().flat_map(|commands| commands.iter()).any(|command| command.set == name)
}
