//! The read-only door, top to bottom: read the policy, parse and decide, see what may still forbid it, record, act,
//! report, record how it ended.
//!
//! What a client controls is one byte string. What is carried out is a [`Plan`] that was rebuilt from the tables, never
//! those bytes; they survive only redacted and escaped, in the record. What comes out goes through redaction, through the
//! filters of the guard's own, and through redaction again.

use super::broker;
use super::client::{Client, Output, Speech, ToClient};
use super::decide::{self, Accepted, Decision, decide};
use super::limits;
use super::native::sink::{Redact, Sink};
use super::native::{filter, read};
use super::plan::{Plan, Program, Source};
use super::policy::DiagPolicy;
use super::run::{self, End, Gone, Why, Wiring};
use super::walls;
use crate::arguments::Door;
use crate::clock;
use crate::pipeline::{Surroundings, entry, ignore_input, without_policy};
use crate::policy::Policy;
use crate::record::{Durable, Kept, Record, Word};
use crate::report::{self, Ending, Report};
use crate::sys::{self, SessionSignals};
use breakglass_protocol::{EndedBy, JSON_PREFIX, Line, Outcome, Refusal, Rule, exit};
use breakglass_redact::Shape;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::rc::Rc;
use std::time::Instant;

/// Not here: as a shell says it of a command that it does not find.
const NOT_HERE: u8 = 127;

/// Carries out one look, or refuses it; the result is the guard's exit code.
pub(crate) fn diag_door(door: &Door, surroundings: &Surroundings) -> u8 {
    ignore_input();
    // The end of the session is seen where the answer goes; a signal would leave a program without its guard.
    sys::session_signals(SessionSignals::Ignored);
    let request = surroundings.request.as_deref();
    let report = Report::new(request.is_some_and(|bytes| bytes.starts_with(JSON_PREFIX.as_bytes())));

    // 1. The policy: a root-owned file, or nothing at all is allowed.
    let (policy, diag) = match Policy::for_diag(&door.config) {
        Ok(both) => both,
        Err(reason) => return without_policy(reason, door, surroundings, &report),
    };
    let mut record = Record::new(&policy.record_dir, &policy.state_dir, &surroundings.user);
    let line = |word, rule, outcome| entry(door, surroundings, word, rule, outcome);
    let refuse = |record: &mut Record, ending: fn(Refusal) -> Ending, refusal: Refusal| {
        let entry = line(Word::Deny, Some(refusal.rule), Some(Outcome::Refused));
        if let Kept::Elsewhere(why) | Kept::Lost(why) = record.keep(&entry, Durable::No) {
            report::warn(&format!("record not kept: {why}"));
        }
        report.end(ending(refusal), None)
    };

    // 2. and 3. Parse and decide, by a pure function of the policy and the bytes.
    let Accepted { plan, json } = match decide(&diag, request) {
        Decision::Allow(accepted) => accepted,
        Decision::Deny(refusal) => return refuse(&mut record, Ending::refused, refusal),
    };

    // 4. What may forbid it now, though the grammar allows it: the key's limits, privilege that nobody lends, and a kernel
    //    without walls.
    let place = match limits::take(&policy.state_dir, &surroundings.user, &door.label, &diag.limits) {
        Ok(place) => place,
        Err(refusal) => return refuse(&mut record, Ending::busy, refusal),
    };
    if let Some(refusal) = broker::missing(&plan, &diag) {
        return refuse(&mut record, Ending::refused, refusal);
    }
    if let Err(reason) = walls::strength(&diag) {
        let hint = "root may say `without_landlock = true` in [diag]".to_owned();
        return refuse(&mut record, Ending::refused, Refusal { rule: Rule::Walls, reason, hint });
    }

    // 5. Record what is about to happen. A look is never worth going unrecorded.
    match record.keep(&line(Word::Allow, None, None), Durable::No) {
        Kept::Yes => {}
        Kept::Elsewhere(why) => report::warn(&format!("record not kept: {why}")),
        Kept::Lost(reason) => {
            let hint = "root has to mend the record's directory first".to_owned();
            let refusal = Refusal { rule: Rule::Record, reason, hint };
            return report.end(Ending::refused(refusal), None);
        }
    }

    // 6. Act.
    let speech = if json { Speech::Json } else { Speech::Plain };
    let client = Client::new(speech, Instant::now() + diag.limits.deadline, diag.limits.output);
    let acted = act(&plan, &diag, &client, request.unwrap_or_default(), place.unbounded.as_deref());

    // 7. Report, and record how it ended.
    let (word, rule) = match &acted.refusal {
        Some(refusal) => (Word::Deny, Some(refusal.rule)),
        None => (Word::Allow, None),
    };
    let entry = line(word, rule, Some(acted.outcome));
    let code = acted.report(&client);
    if let Kept::Elsewhere(why) | Kept::Lost(why) = record.keep(&entry, Durable::No) {
        report::warn(&format!("record not kept: {why}"));
    }
    code
}

/// Says what would be decided about a request, word by word; nothing is carried out, opened or recorded.
pub(crate) fn explain(config: &Path, request: &OsStr) -> u8 {
    match Policy::for_diag(config) {
        Ok((_, diag)) => {
            report::say(decide::explain::explain(&diag, request.as_bytes()).trim_end());
            exit::DONE
        }
        Err(reason) => {
            report::warn(&reason);
            exit::BAD_CONFIGURATION
        }
    }
}

/// How a look ended.
struct Acted {
    by: EndedBy,
    code: u8,
    outcome: Outcome,
    /// For a person, where there is something to say.
    message: Option<String>,
    refusal: Option<Refusal>,
}

impl Acted {
    fn command(code: u8) -> Self {
        Self { by: EndedBy::Command, code, outcome: Outcome::Done, message: None, refusal: None }
    }

    fn guard(code: u8, outcome: Outcome, message: String) -> Self {
        Self { by: EndedBy::Guard, code, outcome, message: Some(message), refusal: None }
    }

    fn refused(refusal: Refusal) -> Self {
        let message = Some(refusal.to_string());
        let (code, outcome) = (exit::REFUSED, Outcome::Refused);
        Self { by: EndedBy::Guard, code, outcome, message, refusal: Some(refusal) }
    }

    fn report(self, client: &Client) -> u8 {
        match (&self.refusal, &self.message) {
            (Some(refusal), _) => report::warn_line(&refusal.to_string()),
            (None, Some(message)) => report::warn(message),
            (None, None) => {}
        }
        let Self { by, code, outcome, message, refusal } = self;
        let message = message.unwrap_or_else(|| format!("the command ended with {code}"));
        client.line(&Line::Finished {
            at: clock::now(),
            by,
            exit: code,
            outcome,
            message,
            refusal,
            status: None,
        });
        code
    }
}

fn act(
    plan: &Plan,
    diag: &DiagPolicy,
    client: &Rc<Client>,
    request: &[u8],
    unbounded: Option<&str>,
) -> Acted {
    let (name, shape) = match &plan.source {
        Source::Program(program) => (program.name.as_str(), program.shape),
        Source::Native(parsed) => (parsed.command, Shape::Text),
    };
    client.line(&Line::Started {
        at: clock::now(),
        verb: None,
        vm: None,
        command: Some(name.to_owned()),
        operation: None,
        joined: false,
    });
    for note in unbounded.into_iter().chain(plan.notes.iter().map(String::as_str)) {
        client.say(note);
    }
    let mut answer = match chain(plan, diag, client, shape) {
        Ok(answer) => answer,
        Err(refusal) => return Acted::refused(refusal),
    };
    let mut complaints = redacted(diag, Shape::Text, ToClient::boxed(client, Output::Errors));
    let mut wiring =
        Wiring { errors: plan.errors, answer: &mut *answer, complaints: &mut *complaints, client };
    let end = match &plan.source {
        Source::Program(program) if program.needs.privilege.is_some() && diag.broker.is_some() => {
            let socket = diag.broker.as_deref().unwrap_or(Path::new("/"));
            broker::ask(socket, request, &mut wiring)
        }
        Source::Program(program) => run::program(program, diag, &mut wiring),
        Source::Native(parsed) => {
            run::native(diag, &mut wiring, &|out, complain| read(parsed, diag, out, complain))
        }
    };
    complaints.end();
    let filtered = answer.end();
    ended(end, filtered, plan, name, diag)
}

/// Source, redaction, filters, redaction, client; built from its end.
fn chain(
    plan: &Plan,
    diag: &DiagPolicy,
    client: &Rc<Client>,
    shape: Shape,
) -> Result<Box<dyn Sink>, Refusal> {
    let mut chain = ToClient::boxed(client, Output::Answer);
    if !plan.filters.is_empty() {
        chain = redacted(diag, Shape::Text, chain);
    }
    for parsed in plan.filters.iter().rev() {
        chain = filter(parsed, chain)?;
    }
    // A reader redacts what it reads before it does anything with it.
    match plan.source {
        Source::Native(_) if !plan.filters.is_empty() => Ok(chain),
        _ => Ok(redacted(diag, shape, chain)),
    }
}

pub(super) fn redacted(diag: &DiagPolicy, shape: Shape, next: Box<dyn Sink>) -> Box<dyn Sink> {
    if diag.redaction_off { next } else { Redact::boxed(shape, next) }
}

fn ended(end: End, filtered: Option<u8>, plan: &Plan, name: &str, diag: &DiagPolicy) -> Acted {
    let gone = |gone: Gone| match gone {
        Gone::Seen => "it was ended, and that was seen".to_owned(),
        Gone::NotSeen(what) => format!("it was NOT seen to end: {what}"),
    };
    match end {
        // As a shell has it: of a pipeline the last one's.
        End::Exited(code) => Acted::command(filtered.unwrap_or(code)),
        End::Enough => Acted::command(filtered.unwrap_or(0)),
        End::Refused(refusal) => Acted::refused(refusal),
        End::NotHere => {
            let message = format!("`{name}` is not on this host");
            Acted::guard(NOT_HERE, Outcome::Failed, with_places(message, plan))
        }
        End::NotStarted(why) => {
            Acted::guard(exit::INTERNAL, Outcome::Failed, format!("`{name}` was not started: {why}"))
        }
        End::Ended(Why::Deadline, seen) => {
            let seconds = diag.limits.deadline.as_secs();
            let message = format!("`{name}` was not done after {seconds} s; {}", gone(seen));
            Acted::guard(exit::BUSY_OR_TIMEOUT, Outcome::TimedOut, message)
        }
        End::Ended(Why::TooMuch, seen) => {
            let bytes = diag.limits.output;
            let message =
                format!("the output was cut after {bytes} bytes: ask for less of it; {}", gone(seen));
            Acted::guard(exit::BUSY_OR_TIMEOUT, Outcome::NotObserved, message)
        }
        End::Ended(Why::NobodyReads, seen) => {
            let message = format!("nobody reads the answer any more; {}", gone(seen));
            Acted::guard(exit::BUSY_OR_TIMEOUT, Outcome::NotObserved, message)
        }
    }
}

fn with_places(message: String, plan: &Plan) -> String {
    let Source::Program(Program { places, .. }) = &plan.source else { return message };
    let places: Vec<String> = places.iter().map(|place| place.display().to_string()).collect();
    format!("{message}: looked for {}", places.join(", "))
}
