//! What an agent may do: pure decisions over the fleet's words, what was spent already, and the time.
//!
//! Nothing here acts or reads a clock. The server asks [`decide`] before each call that may change something, holds the
//! ledger, and writes down what comes out; an agent never sees, keeps or touches any of it.

use crate::{CallId, CallOutcome, Event, EventBody, IncidentId, Spend, TurnEvent};
use breakglass_fleet::{Autonomy, Budget};
use breakglass_protocol::{Timestamp, Verb};
use std::collections::BTreeMap;

const HOUR_MILLIS: u64 = 3_600_000;

/// What is decided on a call.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Decision {
    /// It is carried out.
    Act,
    /// A person is asked on this very call.
    Ask,
    /// It is not carried out.
    Deny(Denial),
}

/// Why a call is not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// The rule, such as `budget-cycles`.
    pub rule: &'static str,
    /// Why, in a sentence fragment.
    pub reason: String,
    /// What to do instead, in a sentence.
    pub instead: String,
}

impl Denial {
    /// A denial.
    #[must_use]
    pub fn new(rule: &'static str, reason: impl Into<String>, instead: impl Into<String>) -> Self {
        Self { rule, reason: reason.into(), instead: instead.into() }
    }
}

/// What the fleet says of a door, for a turn that was started so: what no person started may ask at most.
#[must_use]
pub fn effective(configured: Autonomy, by_machine: bool) -> Autonomy {
    if by_machine { configured.min(Autonomy::Ask) } else { configured }
}

/// One call that was, or may have been, carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spent {
    /// When it was made.
    pub at: Timestamp,
    /// In which incident.
    pub incident: IncidentId,
    /// On what.
    pub target: String,
    /// What it took.
    pub spend: Spend,
}

/// What agents have spent. Folding the same event twice changes nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    spent: BTreeMap<CallId, Spent>,
}

impl Ledger {
    /// Takes in an event of the journal. A call counts from the moment that it was written down until it is known to have been
    /// refused: what a crash left open counts.
    pub fn apply(&mut self, event: &Event) {
        let (Some(incident), EventBody::Turn(body)) = (event.incident, &event.body) else { return };
        match body {
            TurnEvent::ToolCalled { target: Some(target), spends: Some(spend), .. } => {
                let spent = Spent { at: event.at, incident, target: target.clone(), spend: *spend };
                self.take(CallId(event.seq.0), spent);
            }
            TurnEvent::ToolAnswered { call, outcome: CallOutcome::Refused, .. } => self.give_back(*call),
            _ => {}
        }
    }

    /// A call is about to be carried out.
    pub fn take(&mut self, call: CallId, spent: Spent) {
        self.spent.insert(call, spent);
    }

    /// It was not carried out after all.
    pub fn give_back(&mut self, call: CallId) {
        self.spent.remove(&call);
    }

    /// A clock that was set back leaves calls in the future, which would count until it comes round: they count as of now.
    pub fn settle(&mut self, now: Timestamp) {
        self.spent.values_mut().filter(|spent| spent.at > now).for_each(|spent| spent.at = now);
    }

    /// Forgets what counts for nothing any more: calls of other incidents that are older than an hour.
    pub fn forget(&mut self, open: &[IncidentId], now: Timestamp) {
        self.spent
            .retain(|_, spent| now.millis_since(spent.at) < HOUR_MILLIS || open.contains(&spent.incident));
    }

    fn count(&self, counts: impl Fn(&Spent) -> bool) -> u32 {
        u32::try_from(self.spent.values().filter(|spent| counts(spent)).count()).unwrap_or(u32::MAX)
    }

    /// Commands, verbs and cycles that were spent in this incident.
    #[must_use]
    pub fn in_incident(&self, incident: IncidentId) -> (u32, u32, u32) {
        let here = |spent: &Spent| spent.incident == incident;
        (
            self.count(|spent| here(spent) && spent.spend == Spend::Command),
            self.count(|spent| here(spent) && matches!(spent.spend, Spend::Verb(_))),
            self.count(|spent| here(spent) && spent.spend == Spend::Verb(Verb::Cycle)),
        )
    }
}

/// A call that may change something.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    /// In which incident.
    pub incident: IncidentId,
    /// On what.
    pub target: &'a str,
    /// What it would take.
    pub spend: Spend,
    /// What the door allows, for this turn.
    pub autonomy: Autonomy,
    /// Whether a person has allowed this very call.
    pub approved: bool,
}

/// Decides. The budget comes before the question: nobody is asked for what could not be done anyway.
pub fn decide(wish: Wish<'_>, budget: &Budget, ledger: &Ledger, now: Timestamp) -> Decision {
    if wish.autonomy == Autonomy::Observe {
        return Decision::Deny(Denial::new(
            "observe-only",
            format!("the fleet file lets agents only look at {} through this door", wish.target),
            "Say what you would do and why; a person has the same button on the page.",
        ));
    }
    if let Some(denial) = over(wish, budget, ledger, now) {
        return Decision::Deny(denial);
    }
    if wish.autonomy == Autonomy::Ask && !wish.approved { Decision::Ask } else { Decision::Act }
}

fn over(wish: Wish<'_>, budget: &Budget, ledger: &Ledger, now: Timestamp) -> Option<Denial> {
    let (commands, verbs, cycles) = ledger.in_incident(wish.incident);
    let lately = |spent: &Spent| now.millis_since(spent.at) < HOUR_MILLIS;
    let spent = |rule, used: u32, most: u32, what: &str| {
        (used >= most).then(|| {
            Denial::new(
                rule,
                format!("the budget of {most} {what} is spent"),
                "Report what you found and what you would do next; a person can go on by hand.",
            )
        })
    };
    match wish.spend {
        Spend::Command => spent("budget-commands", commands, budget.commands, "commands in one incident")
            .or_else(|| {
                let hour = ledger.count(|spent| lately(spent) && spent.spend == Spend::Command);
                spent("budget-commands-per-hour", hour, budget.commands_per_hour, "commands in one hour")
            }),
        Spend::Verb(verb) => {
            let hour = ledger.count(|spent| lately(spent) && matches!(spent.spend, Spend::Verb(_)));
            let third = (verb == Verb::Cycle)
                .then(|| spent("budget-cycles", cycles, budget.cycles, "cycles in one incident"))
                .flatten();
            third
                .or_else(|| spent("budget-verbs", verbs, budget.verbs, "verbs in one incident"))
                .or_else(|| spent("budget-verbs-per-hour", hour, budget.verbs_per_hour, "verbs in one hour"))
                .or_else(|| cooling(wish.target, budget, ledger, now))
        }
    }
}

fn cooling(target: &str, budget: &Budget, ledger: &Ledger, now: Timestamp) -> Option<Denial> {
    let newest = ledger
        .spent
        .values()
        .filter(|spent| spent.target == target && matches!(spent.spend, Spend::Verb(_)))
        .map(|spent| spent.at)
        .max()?;
    let pause = u64::try_from(budget.cool_down.as_millis()).unwrap_or(u64::MAX);
    let left = pause.saturating_sub(now.millis_since(newest));
    (left > 0).then(|| {
        Denial::new(
            "cool-down",
            format!("the last verb on {target} is too recent"),
            format!("Look with triage what it did; the next verb is possible in {} s.", left.div_ceil(1000)),
        )
    })
}
