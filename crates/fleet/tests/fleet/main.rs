//! Fleet files as people write them: good ones, broken ones, unwise ones.
#![cfg(test)]

mod advice;
mod agent;
mod example;
mod notify;
mod problems;
mod whole;

use breakglass_fleet::{Fleet, Invalid};
use std::path::Path;

/// A small fleet in which everything is right; tests add to it or replace parts of it.
const GOOD: &str = r#"[fleet]
name = "home"
[[component]]
name = "pve"
kind = "hypervisor"
addresses = ["192.0.2.10"]
[[component]]
name = "devvm"
kind = "vm"
addresses = ["192.0.2.20"]
needs = ["pve"]
refusing_port = "192.0.2.20:9"
[[secret]]
name = "power-key"
file = "/etc/breakglass/power"
[[secret]]
name = "repair-key"
file = "/etc/breakglass/repair"
[[door]]
name = "devvm-power"
kind = "power"
to = "pve"
controls = "devvm"
backend = "qmp"
vm = 102
user = "root"
key = "power-key"
sources = ["192.0.2.2"]
[[door]]
name = "devvm-repair"
kind = "repair"
to = "devvm"
user = "breakglass"
key = "repair-key"
sources = ["192.0.2.2"]
[web]
password_file = "/etc/breakglass/users"
"#;

fn parse(text: &str) -> Result<Fleet, Invalid> {
    Fleet::parse(text, Path::new("fleet.toml"))
}

fn good(text: &str) -> Fleet {
    parse(text).unwrap_or_else(|invalid| panic!("{invalid}"))
}
