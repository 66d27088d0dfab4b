//! Stories as the journal tells them, and what people are told of them.

use super::*;
use breakglass_incident::{CallId, IncidentId, SpoolActor, TargetState, TurnId};
use std::path::Path;

const FLEET: &str = r#"
[fleet]
name = "home"
[[component]]
name = "pve"
kind = "hypervisor"
[[component]]
name = "a"
kind = "vm"
needs = ["pve"]
[[component]]
name = "b"
kind = "vm"
needs = ["pve"]
[[component]]
name = "alone"
kind = "host"
[[watch.maintenance]]
targets = ["alone", "pve"]
days = ["sun"]
from = "02:00"
lasts = "1 h"
"#;

/// Sunday, 2026-11-22, noon: no window is open.
const NOON: i64 = 1_795_305_600 + 12 * 3600;
/// The same day, 02:30: one is.
const NIGHT: i64 = 1_795_305_600 + 2 * 3600 + 1800;

struct Story {
    selection: Selection,
    begin: i64,
    seq: u64,
    told: Vec<(i64, String)>,
}

impl Story {
    fn at(begin: i64) -> Self {
        let fleet = Arc::new(Fleet::parse(FLEET, Path::new("fleet.toml")).unwrap());
        let selection = Selection::new(fleet, Pace::default());
        Self { selection, begin, seq: 0, told: Vec::new() }
    }

    fn time(&self, second: i64) -> Timestamp {
        Timestamp::from_unix_millis((self.begin + second) * 1000)
    }

    fn tell(&mut self, second: i64, notice: &Notice) {
        let letter = notice.letter(&self.selection.fleet.clone());
        self.told.push((second, letter.title));
    }

    fn event(&mut self, second: i64, incident: Option<u64>, actor: Actor, body: EventBody) {
        self.seq += 1;
        let (seq, at) = (Seq(self.seq), self.time(second));
        let event = Event { seq, incident: incident.map(IncidentId), at, actor, body };
        if let Some(notice) = self.selection.take(&event) {
            self.tell(second, &notice);
        }
        assert_eq!(self.selection.take(&event), None, "an event that comes twice is told once");
    }

    fn opened(&mut self, second: i64, incident: u64, target: &str) {
        let body =
            EventBody::IncidentOpened { target: target.to_owned(), reason: format!("{target}: silent") };
        self.event(second, Some(incident), Actor::Watch, body);
        self.observed(second, Some(incident), target, Health::Down);
    }

    fn observed(&mut self, second: i64, incident: Option<u64>, target: &str, health: Health) {
        let state = TargetState { health, sentence: "seen".to_owned(), wedge: None };
        let body = EventBody::Observed { target: target.to_owned(), state, before: None };
        self.event(second, incident, Actor::Watch, body);
    }

    fn pressed(&mut self, second: i64, verb: Verb, actor: Actor) {
        let (target, shown, door) = ("alone".to_owned(), String::new(), "door".to_owned());
        self.event(second, Some(1), actor, EventBody::VerbPressed { target, verb, seen: None, shown, door });
    }

    fn finished(&mut self, second: i64, verb: Verb) {
        let body = EventBody::VerbFinished {
            press: None,
            target: "alone".to_owned(),
            verb,
            operation: None,
            outcome: Outcome::Done,
            message: String::new(),
            refusal: None,
            status: None,
        };
        self.event(second, Some(1), Actor::Server, body);
    }

    fn verified(&mut self, second: i64, target: &str, proven: bool) {
        let trial = breakglass_incident::Trial {
            what: "a write is refused".into(),
            held: proven,
            seen: "it ran".into(),
        };
        let door = breakglass_incident::Proof {
            door: format!("{target}-diag"),
            kind: "diag".to_owned(),
            proven,
            trials: vec![trial],
            next: "Mend it".to_owned(),
        };
        let body = EventBody::Verified { target: target.to_owned(), doors: vec![door], millis: 3 };
        self.event(second, None, Actor::Server, body);
    }

    /// Looks every second until then.
    fn until(&mut self, from: i64, to: i64) {
        for second in from..=to {
            for notice in self.selection.due(self.time(second)) {
                self.tell(second, &notice);
            }
        }
    }

    fn told(self) -> Vec<(i64, String)> {
        self.told
    }
}

fn told(list: &[(i64, &str)]) -> Vec<(i64, String)> {
    list.iter().map(|(second, title)| (*second, (*title).to_owned())).collect()
}

#[test]
fn an_outage_is_two_notices() {
    let mut story = Story::at(NOON);
    story.opened(0, 1, "alone");
    story.until(1, 60);
    story.observed(60, Some(1), "alone", Health::Good);
    let body = EventBody::IncidentClosed {
        target: "alone".to_owned(),
        reason: "well".to_owned(),
        away_millis: Some(60_000),
    };
    story.event(60, Some(1), Actor::Watch, body);
    story.until(61, 600);
    assert_eq!(story.told(), told(&[(5, "alone stopped answering"), (60, "alone answers again")]));
}

#[test]
fn what_went_down_together_on_one_host_is_one_notice() {
    let mut story = Story::at(NOON);
    story.opened(0, 1, "a");
    story.opened(3, 2, "b");
    story.opened(4, 3, "alone");
    story.until(4, 60);
    let titles = [(5, "2 targets on pve stopped answering"), (9, "alone stopped answering")];
    assert_eq!(story.told(), told(&titles));
}

#[test]
fn a_dead_hypervisor_is_one_notice_and_its_guests_are_told_only_if_they_do_not_come_back() {
    let mut story = Story::at(NOON);
    // A host that is shut down takes its guests down before itself.
    story.opened(0, 1, "a");
    story.opened(1, 2, "b");
    story.opened(4, 3, "pve");
    story.until(4, 600);
    story.observed(600, Some(3), "pve", Health::Good);
    story.until(601, 640);
    story.observed(640, Some(1), "a", Health::Good);
    story.until(641, 900);
    let titles = [(9, "pve stopped answering"), (600, "pve answers again"), (780, "b stopped answering")];
    assert_eq!(story.told(), told(&titles));
}

#[test]
fn maintenance_wakes_nobody_and_what_is_down_at_its_end_is_told_then() {
    let mut story = Story::at(NIGHT);
    story.opened(0, 1, "alone");
    // A guest of a host that is worked on.
    story.opened(0, 2, "a");
    story.opened(1, 3, "b");
    story.until(1, 1700);
    story.observed(1700, Some(2), "a", Health::Good);
    // The window ends half an hour after this story began.
    story.until(1701, 2000);
    assert_eq!(story.told(), told(&[(1800, "alone stopped answering"), (1800, "b stopped answering")]));
    let mut story = Story::at(NIGHT);
    // Without an incident it is no alarm, whatever the hour.
    story.observed(0, None, "alone", Health::Down);
    story.until(1, 4000);
    assert_eq!(story.told(), []);
}

#[test]
fn presses_are_told_and_looks_are_not() {
    let mut story = Story::at(NOON);
    let mara = || Actor::Human("mara".to_owned());
    story.pressed(0, Verb::Status, mara());
    story.pressed(0, Verb::Forensics, mara());
    story.pressed(1, Verb::Stop, mara());
    story.finished(2, Verb::Stop);
    story.observed(3, Some(1), "alone", Health::Down);
    story.until(3, 60);
    story.pressed(60, Verb::Start, mara());
    story.finished(61, Verb::Start);
    story.observed(70, Some(1), "alone", Health::Good);
    let titles =
        [(1, "stop alone was pressed"), (60, "start alone was pressed"), (70, "alone answers again")];
    assert_eq!(story.told(), told(&titles));
}

#[test]
fn a_start_that_does_not_bring_it_back_is_told() {
    let mut story = Story::at(NOON);
    story.pressed(0, Verb::Cycle, Actor::Human("mara".to_owned()));
    story.finished(2, Verb::Cycle);
    story.observed(180, Some(1), "alone", Health::Down);
    story.until(180, 200);
    assert_eq!(story.told(), told(&[(0, "cycle alone was pressed"), (185, "alone stopped answering")]));
}

#[test]
fn of_what_a_spool_tells_late_only_presses_are_worth_telling() {
    let mut story = Story::at(NOON);
    let late =
        |by: Actor, taken_in| Actor::Spool(SpoolActor { by: Box::new(by), line: "1:x".to_owned(), taken_in });
    let taken_in = story.time(900);
    story.pressed(0, Verb::Cycle, late(Actor::Cli("mara@laptop".to_owned()), taken_in));
    let body = EventBody::IncidentOpened { target: "alone".to_owned(), reason: "x".to_owned() };
    story.event(0, Some(1), late(Actor::Server, taken_in), body);
    let state = TargetState { health: Health::Down, sentence: "x".to_owned(), wedge: None };
    let body = EventBody::Observed { target: "alone".to_owned(), state, before: None };
    story.event(0, Some(1), late(Actor::Server, taken_in), body);
    story.until(1, 60);
    assert_eq!(story.told(), told(&[(0, "cycle alone was pressed")]));
}

#[test]
fn a_question_of_an_agent_is_told_without_its_words() {
    let mut story = Story::at(NOON);
    let body = EventBody::Turn(TurnEvent::ApprovalAsked {
        call: CallId(4),
        turn: TurnId(2),
        shown: "rm -rf / --password=hunter2".to_owned(),
        digest: "d".to_owned(),
        expires: story.time(300),
    });
    let event =
        Event { seq: Seq(9), incident: Some(IncidentId(7)), at: story.time(0), actor: Actor::Server, body };
    let notice = story.selection.take(&event).unwrap();
    let letter = notice.letter(&story.selection.fleet.clone());
    assert_eq!(letter.title, "An agent asks for a decision in incident 7");
    assert!(letter.link.ends_with("/incidents/7#ask"), "{}", letter.link);
    assert!(!serde_json::to_string(&letter).unwrap().contains("hunter2"));
}

#[test]
fn a_failed_canary_is_told_once_and_its_recovery_once() {
    let mut story = Story::at(NOON);
    story.verified(0, "alone", true);
    story.verified(1, "alone", false);
    story.until(1, 900);
    story.verified(900, "alone", false);
    story.until(901, 1800);
    story.verified(1800, "alone", true);
    story.verified(3600, "alone", true);
    story.until(1801, 1900);
    let titles = [(6, "A way into alone does not hold"), (1800, "All ways into alone are proven again")];
    assert_eq!(story.told(), told(&titles));
}

#[test]
fn canaries_that_fail_together_are_one_notice_and_a_window_holds_them_back() {
    let mut story = Story::at(NOON);
    story.verified(0, "a", false);
    story.verified(3, "b", false);
    story.until(3, 60);
    assert_eq!(story.told(), told(&[(5, "Ways into 2 targets do not hold")]));
    let mut story = Story::at(NIGHT);
    story.verified(0, "alone", false);
    story.until(1, 1790);
    story.until(1791, 1900);
    assert_eq!(story.told(), told(&[(1800, "A way into alone does not hold")]));
}

#[test]
fn doors_that_fail_say_nothing_of_their_target_and_the_other_way_round() {
    let mut story = Story::at(NOON);
    story.verified(0, "alone", false);
    story.until(1, 10);
    story.observed(20, None, "alone", Health::Good);
    story.until(20, 30);
    story.opened(30, 1, "alone");
    story.until(30, 40);
    story.verified(50, "alone", true);
    story.until(50, 60);
    let titles = [
        (5, "A way into alone does not hold"),
        (35, "alone stopped answering"),
        (50, "All ways into alone are proven again"),
    ];
    assert_eq!(story.told(), told(&titles));
}

#[test]
fn what_a_command_line_proved_without_the_server_is_no_news() {
    let mut story = Story::at(NOON);
    let (by, taken_in) = (Box::new(Actor::Cli("root@here".to_owned())), story.time(9));
    let actor = Actor::Spool(SpoolActor { by, line: "1:x".to_owned(), taken_in });
    let door = breakglass_incident::Proof {
        door: "d".to_owned(),
        kind: "diag".to_owned(),
        proven: false,
        trials: Vec::new(),
        next: String::new(),
    };
    let body = EventBody::Verified { target: "alone".to_owned(), doors: vec![door], millis: 1 };
    story.event(9, None, actor, body);
    story.until(10, 60);
    assert_eq!(story.told(), []);
}
