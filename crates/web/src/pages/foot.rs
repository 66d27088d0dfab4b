//! The foot of every page behind the log-in: what the page depends on, and what to do without it.

use super::words::{clean, lamp};
use breakglass_fleet::{Fleet, split_address};
use breakglass_recovery::Dependency;
use breakglass_triage::Health;
use maud::{Markup, html};

/// The dependencies as a list, worst first.
pub(crate) fn list(dependencies: &[Dependency]) -> Markup {
    let mut sorted: Vec<&Dependency> = dependencies.iter().collect();
    sorted.sort_by_key(|dependency| std::cmp::Reverse(dependency.health));
    html! {
        ul.points { @for dependency in sorted {
            li { span class=(lamp(dependency.health)) { (clean(&dependency.name)) } " "
                span.quiet { (clean(&dependency.sentence)) } }
        } }
    }
}

/// The commands that do without this page: through the CLI, and through nothing but `ssh`.
pub(crate) fn if_this_page_dies(fleet: &Fleet, target: Option<&str>) -> Markup {
    let targets: Vec<&str> = fleet.targets().map(|component| component.name.as_str()).collect();
    let chosen = target.or_else(|| targets.iter().copied().find(|name| fleet.power_door(name).is_some()));
    let Some(name) = chosen else {
        return html! { p { "The command line works without it: " code { "breakglass status" } } };
    };
    html! {
        h3 { "If this page dies" }
        @if fleet.power_door(name).is_some() {
            p { "From a laptop with the kit, or on the server:" }
            pre.out tabindex="0" { "breakglass power " (name) " cycle" }
            @if let Some(line) = ssh_line(fleet, name) {
                p { "With nothing but ssh and the key " code { (key_of(fleet, name)) } ", through the same guard:" }
                pre.out tabindex="0" { (line) }
            }
        } @else {
            pre.out tabindex="0" { "breakglass run " (name) " -- uptime" }
        }
    }
}

fn key_of<'a>(fleet: &'a Fleet, target: &str) -> &'a str {
    fleet.power_door(target).map_or("", |door| door.key.as_str())
}

/// `ssh -p 2202 root@192.0.2.10 cycle`, with the VM's name where the door has several.
fn ssh_line(fleet: &Fleet, target: &str) -> Option<String> {
    let door = fleet.power_door(target)?;
    let address = fleet.component(&door.to)?.addresses.first()?;
    let (host, port) = split_address(address, door.port);
    let port = match port {
        22 => String::new(),
        port => format!("-p {port} "),
    };
    let key = fleet.secret(&door.key).and_then(|secret| secret.file.as_ref());
    let key = key.map_or_else(String::new, |file| format!("-i {} ", file.display()));
    let vm = door.vm_name.as_ref().map_or_else(String::new, |name| format!(" {name}"));
    Some(format!("ssh {key}{port}{}@{host} cycle{vm}", door.user))
}

/// The fold at the foot of an incident's page.
pub(crate) fn fold(fleet: &Fleet, target: &str, dependencies: &[Dependency]) -> Markup {
    let worst = dependencies.iter().max_by_key(|dependency| dependency.health);
    html! {
        details.fold.panel #depends {
            summary {
                b { "This page depends on " (dependencies.len()) " things" } " "
                @match worst {
                    Some(worst) if worst.health != Health::Good => {
                        span class=(lamp(worst.health)) { (clean(&worst.name)) ": " (clean(&worst.sentence)) }
                    }
                    _ => { span.lamp.good { "all are up" } }
                }
            }
            div.in.stack { (list(dependencies)) (if_this_page_dies(fleet, Some(target))) }
        }
    }
}
