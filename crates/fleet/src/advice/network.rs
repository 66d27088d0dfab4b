//! Sources, hops and addresses: what the network makes of them.

use super::{Advice, listed, say};
use crate::{Component, Door, DoorKind, Fleet, HostKeyPolicy, split_address};
use std::collections::BTreeMap;
use std::net::IpAddr;

pub(super) fn advise(fleet: &Fleet, advice: &mut Vec<Advice>) {
    for component in &fleet.components {
        names_among_addresses(component, advice);
    }
    shared_sources(fleet, advice);
    for door in &fleet.doors {
        undeclared_hops(fleet, door, advice);
        open_sources(door, advice);
        trust_on_first_use(fleet, door, advice);
    }
}

fn hosts(component: &Component) -> impl Iterator<Item = String> {
    component.addresses.iter().map(|address| split_address(address, 0).0)
}

fn addresses(component: &Component) -> impl Iterator<Item = IpAddr> {
    hosts(component).filter_map(|host| host.parse().ok())
}

fn names_among_addresses(component: &Component, advice: &mut Vec<Advice>) {
    let about = format!("component \"{}\"", component.name);
    let is_name: Vec<bool> = hosts(component).map(|host| host.parse::<IpAddr>().is_err()).collect();
    if !is_name.is_empty() && is_name.iter().all(|name| *name) {
        say(
            advice,
            about,
            "it is reached by name only: without DNS no door to it opens. Put an address before the name",
        );
    } else if is_name.first() == Some(&true) {
        say(
            advice,
            about,
            "a name stands before an address: without DNS every try waits for it first. Put names last",
        );
    }
}

/// Behind an address that is translated, every machine of a network looks the same to the far end.
fn shared_sources(fleet: &Fleet, advice: &mut Vec<Advice>) {
    let mut users: BTreeMap<&str, Vec<&Door>> = BTreeMap::new();
    for door in &fleet.doors {
        for source in &door.sources {
            users.entry(source).or_default().push(door);
        }
    }
    for (source, doors) in users {
        let about = format!("source {source}");
        let names = listed(doors.iter().map(|door| door.name.as_str()));
        if source.contains('/') {
            say(advice, about, format!("every machine of that network passes for a caller of {names}"));
            continue;
        }
        let mut callers: Vec<&str> = doors.iter().filter_map(|door| door.served_from.as_deref()).collect();
        callers.sort_unstable();
        callers.dedup();
        let owners = owners(fleet, source);
        let translated = callers.iter().any(|caller| !owners.contains(caller));
        if callers.len() > 1 {
            let text = format!("{} share it, so it does not tell them apart at {names}", listed(callers));
            say(advice, about, text);
        } else if translated {
            let text = format!(
                "it is no address of {}: whatever else is translated to it passes for a caller of {names} too",
                listed(callers)
            );
            say(advice, about, text);
        }
    }
}

fn owners<'a>(fleet: &'a Fleet, source: &str) -> Vec<&'a str> {
    let has_it = |component: &&Component| hosts(component).any(|host| host == source);
    fleet.components.iter().filter(has_it).map(|component| component.name.as_str()).collect()
}

/// A hop that the addresses imply and nobody declared.
fn undeclared_hops(fleet: &Fleet, door: &Door, advice: &mut Vec<Advice>) {
    let about = format!("door \"{}\"", door.name);
    let declared =
        |name: &str| door.via.iter().any(|via| via == name) || door.served_from.as_deref() == Some(name);
    for source in &door.sources {
        for owner in owners(fleet, source).into_iter().filter(|owner| !declared(owner) && *owner != door.to) {
            let text = format!(
                "its callers come from {source}, which is \"{owner}\": a hop that must be up. Add it to via"
            );
            say(advice, about.clone(), text);
        }
    }
    let from = door.served_from.as_deref().and_then(|name| fleet.component(name));
    let Some((from, to)) = from.zip(fleet.component(&door.to)) else { return };
    let (here, there): (Vec<IpAddr>, Vec<IpAddr>) = (addresses(from).collect(), addresses(to).collect());
    let apart = !here.is_empty()
        && !there.is_empty()
        && !here.iter().any(|a| there.iter().any(|b| same_network(*a, *b)));
    if apart && door.via.is_empty() {
        let text = format!(
            "\"{}\" and \"{}\" are in different networks, and via names nothing between them",
            from.name, to.name
        );
        say(advice, about, text);
    }
}

/// Whether two addresses are probably on one link: the same /24, or the same /64.
fn same_network(one: IpAddr, other: IpAddr) -> bool {
    match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => {
            one.octets().starts_with(other.octets().get(..3).unwrap_or_default())
        }
        (IpAddr::V6(one), IpAddr::V6(other)) => {
            one.octets().starts_with(other.octets().get(..8).unwrap_or_default())
        }
        _ => false,
    }
}

fn open_sources(door: &Door, advice: &mut Vec<Advice>) {
    // A cold door is for a person who may be anywhere.
    if door.sources.is_empty() && door.kind != DoorKind::Cold {
        let text = "it has no sources: whoever has its key may use it from anywhere";
        say(advice, format!("door \"{}\"", door.name), text);
    }
}

fn trust_on_first_use(fleet: &Fleet, door: &Door, advice: &mut Vec<Advice>) {
    let Some(to) = fleet.component(&door.to) else { return };
    let faces_internet = door.kind == DoorKind::Cold || addresses(to).any(is_public);
    if faces_internet && to.host_key == HostKeyPolicy::TofuAlarm {
        let text = format!(
            "it is reached over the internet, and \"{}\" is trusted on first use: pin its fingerprint with host_key",
            to.name
        );
        say(advice, format!("door \"{}\"", door.name), text);
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            let shared = first == 100 && (64..128).contains(&second);
            !(v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_documentation()
                || v4.is_unspecified()
                || shared)
        }
        IpAddr::V6(v6) => {
            let documentation = v6.segments().starts_with(&[0x2001, 0xdb8]);
            !(v6.is_loopback()
                || v6.is_unique_local()
                || v6.is_unicast_link_local()
                || v6.is_unspecified()
                || documentation)
        }
    }
}
