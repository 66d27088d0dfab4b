//! The walls without the grammar, in builds with debug assertions only: any program with any arguments, so that a test
//! sees what the walls alone keep it from. What is shipped has none of this.

use super::{bpf, calls};
use crate::diag::client::{Client, Output, Speech, ToClient};
use crate::diag::plan::{Errors, Needs, Privilege, Program};
use crate::diag::policy::DiagPolicy;
use crate::diag::run::{self, End, Wiring};
use breakglass_redact::Shape;
use std::ffi::OsString;
use std::time::Instant;

/// `[--needs unix,netlink,network] [--privilege NAME] [--deny PATTERN] [--without-landlock] NAME PROGRAM ARGUMENT…`
pub(crate) fn behind_walls(words: Vec<OsString>) -> u8 {
    let mut words = words.into_iter().map(|word| word.to_string_lossy().into_owned()).peekable();
    let (mut needs, mut policy) = (Needs::default(), DiagPolicy::default());
    while let Some(option) = words.next_if(|word| word.starts_with("--")) {
        if option == "--without-landlock" {
            policy.without_landlock = true;
            continue;
        }
        let value = words.next().unwrap_or_default();
        match option.as_str() {
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
    let program = Program {
        name: words.next().unwrap_or_default(),
        places: words.next().into_iter().map(Into::into).collect(),
        arguments: words.collect(),
        environment: Vec::new(),
        needs,
        shape: Shape::Text,
    };
    let client = Client::new(Speech::Plain, Instant::now() + policy.limits.deadline, policy.limits.output);
    let (mut answer, mut complaints) =
        (ToClient::boxed(&client, Output::Answer), ToClient::boxed(&client, Output::Errors));
    let mut wiring =
        Wiring { errors: Errors::Shown, answer: &mut *answer, complaints: &mut *complaints, client: &client };
    match run::program(&program, &policy, &mut wiring) {
        End::Exited(code) => code,
        other => {
            client.say(&format!("{other:?}"));
            70
        }
    }
}

/// From here on the kernel has no Landlock, as far as this process can tell.
pub(crate) fn without_landlock() {
    let mut filter = bpf::Filter::new(calls::ARCHITECTURE.0, None);
    filter.call(libc::SYS_landlock_create_ruleset, bpf::Verdict::Fail(libc::ENOSYS));
    let entered =
        rustix::thread::set_no_new_privs(true).is_ok() && crate::sys::seccomp_enter(&filter.finish()).is_ok();
    crate::report::warn(if entered { "Landlock is hidden" } else { "Landlock could not be hidden" });
}
