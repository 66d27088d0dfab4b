//! What a door means to SSH: where to, as whom, with which key, trusting which host key.
//!
//! The only file that knows the fleet's types. A route is worked out anew for every request; it is a few small strings.

use breakglass_fleet::{Fleet, HostKeyPolicy, split_address};
use std::net::IpAddr;

/// One place to try.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    /// An address or a name.
    pub(crate) host: String,
    /// The port.
    pub(crate) port: u16,
}

impl Place {
    /// Whether it is an address, so that no resolver is needed.
    pub(crate) fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// What tells one held connection from another: doors that agree in all of it share connections.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Way {
    /// The component at the far end, under whose name its host key is kept.
    pub(crate) component: String,
    /// Addresses first, in the file's order; names after them.
    pub(crate) places: Vec<Place>,
    /// The account.
    pub(crate) user: String,
    /// The name of the key at the keyholder.
    pub(crate) key: String,
}

/// A door, as SSH sees it.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    /// The way.
    pub(crate) way: Way,
    /// How the host key is judged.
    pub(crate) policy: HostKeyPolicy,
}

impl Route {
    /// The route of a door, or why there is none.
    pub(crate) fn of(fleet: &Fleet, door: &str) -> Result<Self, String> {
        let door = fleet.door(door).ok_or_else(|| {
            format!("fleet.toml declares no door `{door}`; `breakglass check` lists the doors")
        })?;
        let component = fleet.component(&door.to).ok_or_else(|| {
            format!("door `{}` leads to `{}`, which fleet.toml does not declare", door.name, door.to)
        })?;
        let mut places: Vec<Place> = component
            .addresses
            .iter()
            .map(|address| {
                let (host, port) = split_address(address, door.port);
                Place { host, port }
            })
            .collect();
        if places.is_empty() {
            return Err(format!(
                "`{}` has no address in fleet.toml: add one to its `addresses`",
                component.name
            ));
        }
        places.sort_by_key(|place| place.ip().is_none());
        let way =
            Way { component: component.name.clone(), places, user: door.user.clone(), key: door.key.clone() };
        Ok(Self { way, policy: component.host_key.clone() })
    }
}
