//! The broker: root's half of a look that only answers to root. It runs once for each connection to a socket of root's
//! (systemd accepts it and hands it over as standard input), and trusts nothing that comes in: it looks at who is at the
//! other end, parses and decides again from the same table, keeps a record of its own, drops all capabilities but those
//! that the command's table names, and puts the program behind the same walls. A container engine is not run at all but
//! asked, by read requests of the broker's own (`engine`).
//!
//! What it sends is redacted already: an account that was taken over learns no more from it than through the door.

mod ask;
mod columns;
mod engine;
mod frames;
mod http;
mod units;

pub(super) use ask::{ask, missing};
pub(super) use frames::{Kind, header};

use super::client::{Client, Output, Speech, ToClient};
use super::decide::{Accepted, Decision, decide};
use super::door::redacted;
use super::plan::{Plan, Privilege, Program, Source};
use super::policy::DiagPolicy;
use super::run::{self, End, Wiring};
use crate::arguments::Door;
use crate::pipeline::{Surroundings, entry, ignore_input};
use crate::policy::Policy;
use crate::record::{Durable, Kept, Record, Word};
use crate::report;
use crate::sys::{self, SessionSignals, Standard};
use breakglass_protocol::{Outcome, Refusal, Rule, exit};
use breakglass_redact::Shape;
use rustix::net::sockopt::socket_peercred;
use rustix::net::{SocketAddrUnix, getsockname};
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a request may take to arrive: it is there before we are.
const ARRIVING: Duration = Duration::from_secs(2);
/// No request that the table allows is longer.
const LONGEST: usize = breakglass_protocol::words::LONGEST_REQUEST;

/// Answers the one request of the connection that is standard input.
pub(crate) fn serve(config: &Path) -> u8 {
    sys::session_signals(SessionSignals::Ignored);
    match heard() {
        Ok((uid, request)) => answer(config, uid, request),
        Err(why) => {
            report::warn(&format!("broker: {why}"));
            exit::REFUSED
        }
    }
}

/// Who is there, and what they ask. The connection then stands where the answer goes.
fn heard() -> Result<(u32, Vec<u8>), String> {
    let said = |what: &'static str| move |error: rustix::io::Errno| format!("{what}: {error}");
    let connection: OwnedFd =
        rustix::io::fcntl_dupfd_cloexec(std::io::stdin(), 3).map_err(said("no standard input"))?;
    let uid = peer(&connection)?;
    ignore_input();
    sys::replace_standard(connection.as_fd(), Standard::Output).map_err(|error| error.to_string())?;
    let mut stream = UnixStream::from(connection);
    let mut request = || {
        stream.set_read_timeout(Some(ARRIVING))?;
        let mut length = [0; 4];
        stream.read_exact(&mut length)?;
        let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
        // One byte more than is allowed is enough to be refused.
        let mut request = vec![0; length.min(LONGEST + 1)];
        stream.read_exact(&mut request).map(|()| request)
    };
    let request = request().map_err(|error: std::io::Error| format!("no request: {error}"))?;
    Ok((uid, request))
}

/// The kernel's word for who is at the other end: root, or the account whose group root has given the socket to.
fn peer(connection: &OwnedFd) -> Result<u32, String> {
    let said = |error: rustix::io::Errno| format!("the connection is no socket of a path: {error}");
    let credentials = socket_peercred(connection).map_err(said)?;
    let (uid, gid) = (credentials.uid.as_raw(), credentials.gid.as_raw());
    let address = SocketAddrUnix::try_from(getsockname(connection).map_err(said)?).map_err(said)?;
    let path = address.path().ok_or("the socket has no path")?;
    let path = PathBuf::from(std::ffi::OsStr::from_bytes(path.to_bytes()));
    let socket = std::fs::symlink_metadata(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    if socket.uid() != 0 || socket.mode() & 0o002 != 0 {
        return Err(format!("{} is not root's alone: whoever is there is not believed", path.display()));
    }
    if uid == 0 || gid == socket.gid() {
        Ok(uid)
    } else {
        Err(format!("user {uid} of group {gid} is nobody that {} was made for", path.display()))
    }
}

fn answer(config: &Path, uid: u32, request: Vec<u8>) -> u8 {
    let door = Door { config: config.to_owned(), label: "broker".to_owned() };
    let from = Surroundings { request: Some(request), source: format!("uid {uid}"), user: "root".to_owned() };
    let refuse = |record: Option<&mut Record>, refusal: Refusal| {
        if let Some(record) = record {
            let entry = entry(&door, &from, Word::Deny, Some(refusal.rule), Some(Outcome::Refused));
            keep(record, &entry);
        }
        let client = Client::new(Speech::Frames, Instant::now() + ARRIVING, 0);
        client.frame(Kind::End, frames::render(&End::Refused(refusal)).as_bytes());
        exit::REFUSED
    };

    // 1. The policy, which root wrote.
    let (policy, diag) = match Policy::for_diag(config) {
        Ok(both) => both,
        Err(reason) => {
            let hint = "root has to mend it at the host".to_owned();
            return refuse(None, Refusal { rule: Rule::Configuration, reason, hint });
        }
    };
    let mut record = Record::new(&policy.record_dir, &policy.state_dir, &from.user);

    // 2. Decide again, from the same table.
    let plan = match decide(&diag, from.request.as_deref()) {
        Decision::Allow(Accepted { plan, .. }) => plan,
        Decision::Deny(refusal) => return refuse(Some(&mut record), refusal),
    };
    let Some((program, privilege)) = privileged(&plan) else {
        let reason = "this command needs no privilege".to_owned();
        let hint = "the door runs it itself".to_owned();
        return refuse(Some(&mut record), Refusal { rule: Rule::Operand, reason, hint });
    };

    // 3. Record, and go no further where nothing takes it.
    if let Kept::Lost(reason) = record.keep(&entry(&door, &from, Word::Allow, None, None), Durable::No) {
        let hint = "root has to mend the record's directory first".to_owned();
        return refuse(None, Refusal { rule: Rule::Record, reason, hint });
    }

    // 4. Act, and say how it ended.
    let client = Client::new(Speech::Frames, Instant::now() + diag.limits.deadline, diag.limits.output);
    let end = act(&plan, program, privilege, &diag, &client);
    client.frame(Kind::End, frames::render(&end).as_bytes());
    let outcome = if matches!(end, End::Exited(_) | End::Enough) { Outcome::Done } else { Outcome::Failed };
    keep(&mut record, &entry(&door, &from, Word::Allow, None, Some(outcome)));
    exit::DONE
}

fn keep(record: &mut Record, entry: &crate::record::Entry) {
    if let Kept::Elsewhere(why) | Kept::Lost(why) = record.keep(entry, Durable::No) {
        report::warn(&format!("broker: record not kept: {why}"));
    }
}

/// The program of a plan that needs privilege, and which.
pub(super) fn privileged(plan: &Plan) -> Option<(&Program, Privilege)> {
    match &plan.source {
        Source::Program(program) => program.needs.privilege.map(|privilege| (program, privilege)),
        Source::Native(_) => None,
    }
}

fn act(
    plan: &Plan,
    program: &Program,
    privilege: Privilege,
    diag: &DiagPolicy,
    client: &std::rc::Rc<Client>,
) -> End {
    let mut answer = redacted(diag, program.shape, ToClient::boxed(client, Output::Answer));
    let mut complaints = redacted(diag, Shape::Text, ToClient::boxed(client, Output::Errors));
    let mut wiring =
        Wiring { errors: plan.errors, answer: &mut *answer, complaints: &mut *complaints, client };
    let end = match privilege {
        Privilege::ContainerEngine => engine::look(program, diag, &mut wiring),
        Privilege::NetAdmin | Privilege::Disks | Privilege::Hypervisor => {
            run::program(program, diag, &mut wiring)
        }
    };
    complaints.end();
    // A document that could not be masked was not sent, and the code says so.
    answer.end().map_or(end, End::Exited)
}
