//! The walls without the grammar, in builds with debug assertions only: any program with any arguments, so that a test
//! sees what the walls alone keep it from. What is shipped has none of this.

use super::{bpf, calls, inside};
use crate::diag::client::{Client, Output, Speech, ToClient};
use crate::diag::decide;
use crate::diag::grammar::{Command, Role};
use crate::diag::native::read;
use crate::diag::plan::{Errors, Needs, Operand, Parsed, Privilege, Program};
use crate::diag::policy::DiagPolicy;
use crate::diag::run::{self, End, Wiring};
use crate::diag::tables;
use breakglass_redact::Shape;
use std::ffi::OsString;
use std::time::Instant;

/// `[--needs unix,netlink,network] [--privilege NAME] [--deny PATTERN] [--without-landlock] NAME PROGRAM ARGUMENT…`, or
/// `--as COMMAND PROGRAM ARGUMENT…` behind the very walls that this command of the tables gets, or `--as READER look PLACE…`,
/// or `--nowhere PROGRAM ARGUMENT…` before any walls; `--tables` prints which commands there are.
pub(crate) fn behind_walls(words: Vec<OsString>) -> u8 {
    let mut words = words.into_iter().map(|word| word.to_string_lossy().into_owned()).peekable();
    let (mut needs, mut policy, mut stands_for) = (Needs::default(), DiagPolicy::default(), None);
    while let Some(option) = words.next_if(|word| word.starts_with("--")) {
        match option.as_str() {
            "--tables" => return list(),
            "--nowhere" => {
                return inside::attack(&words.collect::<Vec<_>>(), &mut |line| {
                    let _ = crate::report::say(line);
                });
            }
            "--without-landlock" => {
                policy.without_landlock = true;
                continue;
            }
            _ => {}
        }
        let value = words.next().unwrap_or_default();
        match option.as_str() {
            "--as" => stands_for = tables::find(&value, false),
            "--needs" => {
                let has = |name: &str| value.split(',').any(|it| it == name);
                needs.unix_sockets = has("unix");
                needs.netlink = has("netlink");
                needs.network = has("network");
            }
            "--privilege" => {
                needs.privilege = match value.as_str() {
                    "net-admin" => Some(Privilege::NetAdmin),
                    "disks" => Some(Privilege::Disks),
                    _ => Some(Privilege::Hypervisor),
                }
            }
            "--deadline" => {
                policy.limits.deadline = std::time::Duration::from_secs(value.parse().unwrap_or(30))
            }
            _ => policy.denied.push(value),
        }
    }
    let client = Client::new(Speech::Plain, Instant::now() + policy.limits.deadline, policy.limits.output);
    let (mut answer, mut complaints) =
        (ToClient::boxed(&client, Output::Answer), ToClient::boxed(&client, Output::Errors));
    let mut wiring =
        Wiring { errors: Errors::Shown, answer: &mut *answer, complaints: &mut *complaints, client: &client };
    let end = if let Some((command, name)) = stands_for {
        in_the_place_of(command, name, &words.collect::<Vec<_>>(), &policy, &mut wiring)
    } else {
        let name = words.next().unwrap_or_default();
        let places = words.next().into_iter().map(Into::into).collect();
        let arguments = words.collect();
        let program = Program { name, places, arguments, environment: Vec::new(), needs, shape: Shape::Text };
        run::program(&program, &policy, &mut wiring)
    };
    match end {
        End::Exited(code) => code,
        other => {
            client.say(&format!("{other:?}"));
            70
        }
    }
}

/// What the door (or its broker) would start for this command, but another program, or other words.
fn in_the_place_of(
    command: &'static Command,
    name: &'static str,
    words: &[String],
    policy: &DiagPolicy,
    wiring: &mut Wiring<'_>,
) -> End {
    let arguments = words.get(1..).unwrap_or_default().to_vec();
    let attack = |sink: &mut dyn crate::diag::native::sink::Sink| {
        inside::attack(words, &mut |line| {
            let _ = sink.push(line.as_bytes());
            let _ = sink.push(b"\n");
        })
    };
    if command.needs.privilege == Some(Privilege::ContainerEngine) {
        return run::conversation(policy, wiring, &|sink, _| attack(sink));
    }
    if command.role == Role::Program {
        let mut program = decide::program(command, name, arguments, command.shape);
        program.places = words.iter().take(1).map(Into::into).collect();
        return run::program(&program, policy, wiring);
    }
    if words.first().is_none_or(|word| word != "look") {
        return run::native(policy, wiring, &|sink, _| attack(sink));
    }
    let operands = arguments.into_iter().map(|text| Operand { text, glob: false }).collect();
    let parsed = Parsed { command: name, options: Vec::new(), operands };
    run::native(policy, wiring, &|sink, complain| read(&parsed, policy, sink, complain))
}

/// One line a name: the name, who carries it out, what it is left, and by which privilege of the broker's.
fn list() -> u8 {
    for command in tables::ALL.iter().flat_map(|commands| commands.iter()) {
        let needs = command.needs;
        for name in command.names.split(' ') {
            let left = [("unix", needs.unix_sockets), ("netlink", needs.netlink), ("network", needs.network)];
            let left: Vec<&str> = left.iter().filter(|(_, has)| *has).map(|(name, _)| *name).collect();
            let privilege = needs.privilege.map(|it| format!("{it:?}")).unwrap_or_default();
            crate::report::say(&format!("{name}\t{:?}\t{}\t{privilege}", command.role, left.join(",")));
        }
    }
    0
}

/// From here on the kernel has no Landlock, as far as this process can tell.
pub(crate) fn without_landlock() {
    let mut filter = bpf::Filter::new(calls::ARCHITECTURE.0, None);
    filter.call(libc::SYS_landlock_create_ruleset, bpf::Verdict::Fail(libc::ENOSYS));
    let entered =
        rustix::thread::set_no_new_privs(true).is_ok() && crate::sys::seccomp_enter(&filter.finish()).is_ok();
    crate::report::warn(if entered { "Landlock is hidden" } else { "Landlock could not be hidden" });
}
