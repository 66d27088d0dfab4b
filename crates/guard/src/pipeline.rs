//! The security argument, top to bottom: read policy, parse the request, decide, record, act, report.
//!
//! What a client controls is one byte string. It is compared whole with a finite list (`decide`), and what is then
//! carried out is built from the policy and the verb, never from those bytes. They survive only escaped, in the record.

use crate::arguments::{self, Door, Invocation};
use crate::decide::{Allowed, Decision, decide};
use crate::policy::Policy;
use crate::power;
use crate::record::{self, Durable, Entry, Kept, Record, Word};
use crate::report::{Ending, Report};
use crate::{capture, clock, diag, facts, report, sys, tool};
use breakglass_protocol::{JSON_PREFIX, Outcome, Refusal, Rule, exit};
use std::ffi::OsStr;
use std::fs::File;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// All that is taken from the surroundings, before they are shut out.
pub(crate) struct Surroundings {
    /// `SSH_ORIGINAL_COMMAND`, byte for byte; `None` where the client asked for a shell.
    pub(crate) request: Option<Vec<u8>>,
    /// The client's address as sshd tells it, where that is an address.
    pub(crate) source: String,
    /// The account that the guard runs as, from the kernel and not from the environment.
    pub(crate) user: String,
}

/// Runs the guard; the result is its exit code.
pub(crate) fn run() -> u8 {
    // Read first: root's own commands may name a file by the directory that they were given in.
    let invocation = arguments::parse(std::env::args_os().skip(1).collect());
    let surroundings = shut_out();
    carry_out(invocation, &surroundings)
}

fn carry_out(invocation: Result<Invocation, String>, surroundings: &Surroundings) -> u8 {
    match invocation {
        Ok(Invocation::Power(door)) => power_door(&door, surroundings),
        Ok(Invocation::Repair(door)) => crate::repair::repair_door(&door, surroundings),
        Ok(Invocation::Diag(door)) => diag::diag_door(&door, surroundings),
        Ok(Invocation::Broker { config }) => diag::serve_broker(&config),
        Ok(Invocation::Explain { config, request }) => diag::explain(&config, &request),
        Ok(Invocation::Operate(operate)) => power::operate(&operate, &surroundings.user),
        Ok(Invocation::Launch(launch)) => power::launch(&launch),
        Ok(Invocation::Tool(rest)) => tool::run(&rest),
        Ok(Invocation::Capture(rest)) => capture::run(&rest),
        Ok(Invocation::Facts(rest)) => facts::run(&rest),
        Ok(Invocation::SyncProbe(rest)) => facts::run_sync_probe(&rest),
        Ok(Invocation::RecordVerify { file, head }) => record::verify(&file, head),
        Ok(Invocation::RecordHead { file }) => record::head(&file),
        Ok(Invocation::Install(order)) => crate::install::run(&order),
        Ok(Invocation::Check { config, user, json }) => crate::check::run(&config, user.as_deref(), json),
        Ok(Invocation::Usage) => {
            report::say(arguments::USAGE);
            exit::DONE
        }
        #[cfg(debug_assertions)]
        Ok(Invocation::BehindWalls(rest)) => crate::diag::walls::bare::behind_walls(rest),
        #[cfg(debug_assertions)]
        Ok(Invocation::WithoutLandlock(rest)) => {
            crate::diag::walls::bare::without_landlock();
            carry_out(arguments::parse(rest), surroundings)
        }
        Err(mistake) => {
            report::warn(&format!("{mistake}; see `breakglass-guard help`"));
            exit::BAD_CONFIGURATION
        }
    }
}

/// Takes the three facts that matter, then forgets the environment, and everything that was inherited stays closed
/// to children. Standard input stays as it is: only our own hidden children read it.
fn shut_out() -> Surroundings {
    let address = |name: &str| {
        let value = std::env::var_os(name)?.into_string().ok()?;
        value.split(' ').next()?.parse::<IpAddr>().ok()
    };
    let source = address("SSH_CONNECTION").or_else(|| address("SSH_CLIENT"));
    let surroundings = Surroundings {
        request: std::env::var_os("SSH_ORIGINAL_COMMAND").map(OsStringExt::into_vec),
        source: source.map_or_else(|| "unknown".to_owned(), |address| address.to_string()),
        user: account(),
    };
    sys::clear_environment();
    sys::close_on_exec_above_standard();
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let _ = std::env::set_current_dir("/");
    surroundings
}

fn power_door(door: &Door, surroundings: &Surroundings) -> u8 {
    ignore_input();
    let request = surroundings.request.as_deref();
    let report = Report::new(request.is_some_and(|bytes| bytes.starts_with(JSON_PREFIX.as_bytes())));

    // 1. The policy: a root-owned file, or nothing at all is allowed.
    let policy = match Policy::for_power(&door.config) {
        Ok(policy) => policy,
        Err(reason) => return without_policy(reason, door, surroundings, &report),
    };
    let mut record = Record::new(&policy.record_dir, &policy.state_dir, &surroundings.user);

    // 2. and 3. Parse and decide, by a pure function of the policy and the bytes.
    let allowed = match decide(&policy, request) {
        Decision::Allow(allowed) => allowed,
        Decision::Deny(refusal) => {
            let entry = entry(door, surroundings, Word::Deny, Some(refusal.rule), Some(Outcome::Refused));
            keep(&mut record, &entry, Durable::No);
            return report.end(Ending::refused(refusal), None);
        }
    };

    // 4. Record what is about to happen.
    let durable = if allowed.verb.is_mutating() { Durable::Yes } else { Durable::No };
    keep(&mut record, &entry(door, surroundings, Word::Allow, None, None), durable);

    // 5. Act.
    let Allowed { verb, machine, json } = allowed;
    let caller = power::Caller {
        door,
        source: &surroundings.source,
        state_dir: &policy.state_dir,
        report: &report,
        json,
    };
    let acted = power::act(verb, machine, &caller);

    // 6. Report, and record how it ended. An operation that this caller started is recorded by its runner, which
    //    outlives this process.
    let power::Acted { ending, said, operation, runner_records } = acted;
    let (outcome, denied) = (ending.outcome, ending.refusal.as_ref().map(|refusal| refusal.rule));
    let code = report.end(ending, said.as_deref());
    if !runner_records {
        let word = if denied.is_some() { Word::Deny } else { Word::Allow };
        let entry = Entry { operation, ..entry(door, surroundings, word, denied, Some(outcome)) };
        keep(&mut record, &entry, Durable::No);
    }
    code
}

/// Every request is refused while the policy cannot be believed. Where its record is kept is not known then either,
/// so the refusal goes to syslog.
pub(crate) fn without_policy(
    reason: String,
    door: &Door,
    surroundings: &Surroundings,
    report: &Report,
) -> u8 {
    let hint = "every request is refused until root mends it at the host".to_owned();
    let refusal = Refusal { rule: Rule::Configuration, reason, hint };
    let code = report.end(Ending::unconfigured(refusal), None);
    record::only_syslog(&entry(
        door,
        surroundings,
        Word::Deny,
        Some(Rule::Configuration),
        Some(Outcome::Refused),
    ));
    code
}

/// One line of the record, but for what only a power door knows.
pub(crate) fn entry(
    door: &Door,
    from: &Surroundings,
    decision: Word,
    rule: Option<Rule>,
    outcome: Option<Outcome>,
) -> Entry {
    Entry {
        time: clock::now(),
        user: from.user.clone(),
        key: door.label.clone(),
        source: from.source.clone(),
        request: record::redact_request(from.request.as_deref()),
        decision,
        rule,
        operation: None,
        outcome,
        exit: None,
    }
}

/// A record that cannot be kept stops nothing, and never in silence.
pub(crate) fn keep(record: &mut Record, entry: &Entry, durable: Durable) {
    if let Kept::Elsewhere(why) | Kept::Lost(why) = record.keep(entry, durable) {
        report::warn(&format!("record not kept: {why}"));
    }
}

/// Whatever the client sends on its input is nobody's.
pub(crate) fn ignore_input() {
    if let Ok(null) = File::open("/dev/null") {
        let _ = sys::replace_standard(null.as_fd(), sys::Standard::Input);
    }
}

/// The name of the account, from `/etc/passwd`: a static program has no name service, and `USER` is the client's
/// where `AcceptEnv` lets it be.
fn account() -> String {
    let uid = rustix::process::getuid().as_raw();
    if uid == 0 {
        return "root".to_owned();
    }
    let fallback = format!("uid{uid}");
    let Ok(passwd) = std::fs::read("/etc/passwd") else {
        return fallback;
    };
    let name = passwd.split(|byte| *byte == b'\n').find_map(|line| {
        let mut fields = line.split(|byte| *byte == b':');
        let name = OsStr::from_bytes(fields.next()?).to_str()?;
        let sound =
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        (sound && fields.nth(1)? == uid.to_string().as_bytes()).then(|| name.to_owned())
    });
    name.unwrap_or(fallback)
}
