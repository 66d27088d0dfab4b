//! One incident told from its first event to its last, and what is made of it.

use crate::{
    Actor, ArtifactRef, CommandId, Event, EventBody, ForensicsPart, IncidentId, PressId, RowKind, Seq,
    TargetState, View, duration, markdown, material_since, row,
};
use breakglass_protocol::{OperationId, Outcome, PartOutcome, Phase, Refusal, Rule, Timestamp, Verb};
use breakglass_triage::{Action, Finding, Health, Triage, Wedge};

/// An incident under construction: each event comes ten seconds after the one before.
struct Story(Vec<Event>);

impl Story {
    fn begin() -> Self {
        let mut story = Self(Vec::new());
        story.add(
            Actor::Watch,
            EventBody::IncidentOpened { target: "devvm".into(), reason: "no answer on 192.0.2.20".into() },
        );
        story
    }

    fn add(&mut self, actor: Actor, body: EventBody) -> Seq {
        let seq = self.0.len() as u64 + 1;
        let at = Timestamp::from_unix_millis(1_795_316_920_000).plus_millis(seq * 10_000);
        self.0.push(Event { seq: Seq(seq), incident: Some(IncidentId(41)), at, actor, body });
        Seq(seq)
    }

    fn observed(&mut self, health: Health, before: Health, words: &str) -> Seq {
        let state = TargetState { health, sentence: words.into(), wedge: None };
        self.add(Actor::Watch, EventBody::Observed { target: "devvm".into(), state, before: Some(before) })
    }

    fn press(&mut self, who: &Actor, verb: Verb) -> PressId {
        let body = EventBody::VerbPressed {
            target: "devvm".into(),
            verb,
            seen: None,
            shown: "running writes=0 lock=none".into(),
            door: "devvm-power".into(),
        };
        PressId(self.add(who.clone(), body).0)
    }

    fn accept(&mut self, press: PressId, verb: Verb, operation: &str, joined: bool) -> Seq {
        let operation = OperationId(operation.into());
        let body = EventBody::VerbAccepted { press, target: "devvm".into(), verb, operation, joined };
        self.add(guard(), body)
    }

    fn step(&mut self, operation: &str, phase: Phase, words: &str) -> Seq {
        let seen_at = Timestamp::from_unix_millis(1_795_316_920_000 + self.0.len() as i64);
        let operation = OperationId(operation.into());
        self.add(
            guard(),
            EventBody::VerbProgress { target: "devvm".into(), operation, seen_at, phase, note: words.into() },
        )
    }

    fn finish(
        &mut self,
        press: Option<PressId>,
        verb: Verb,
        operation: Option<&str>,
        outcome: Outcome,
        words: &str,
    ) -> Seq {
        let body = EventBody::VerbFinished {
            press,
            target: "devvm".into(),
            verb,
            operation: operation.map(|id| OperationId(id.into())),
            outcome,
            message: words.into(),
            refusal: None,
            status: None,
        };
        self.add(guard(), body)
    }

    fn view(&self) -> View {
        View::fold(&self.0)
    }
}

fn guard() -> Actor {
    Actor::Guard("devvm-power".into())
}

fn mara() -> Actor {
    Actor::Human("mara".into())
}

fn iris() -> Actor {
    Actor::Human("iris".into())
}

fn stall(action: Action) -> EventBody {
    EventBody::Triaged {
        target: "devvm".into(),
        triage: Box::new(Triage {
            at: Timestamp::default(),
            millis: 2100,
            health: Health::Down,
            wedge: Some(Wedge::BlockStall),
            summary: "Disk requests never complete".into(),
            findings: vec![Finding {
                label: "Guest writes".into(),
                seen: "0 in two samples".into(),
                health: Health::Down,
            }],
            changed: Vec::new(),
            action,
            because: "A fresh process opens the disk anew".into(),
            wrong_if: "a backup still runs".into(),
            remarks: vec![(Verb::Reset, "keeps the process: will not help".into())],
        }),
    }
}

/// A block stall, found, understood, cycled away.
fn whole() -> Story {
    let mut story = Story::begin();
    story.observed(Health::Down, Health::Good, "SSH answers and the guest writes nothing");
    story.add(Actor::Server, stall(Action::Press(Verb::Cycle)));
    story.add(mara(), EventBody::Note { text: "I was restoring a backup".into() });
    let command = story.add(
        mara(),
        EventBody::CommandStarted {
            target: "devvm".into(),
            door: "devvm-repair".into(),
            command: "cat /proc/pressure/io".into(),
        },
    );
    story.add(
        Actor::Server,
        EventBody::CommandFinished {
            command: CommandId(command.0),
            target: "devvm".into(),
            exit: Some(0),
            message: "exit 0".into(),
            millis: 240,
            output: "some avg10=99.41\nfull avg10=99.38".into(),
            rest: None,
        },
    );
    let press = story.press(&mara(), Verb::Cycle);
    story.accept(press, Verb::Cycle, "op1", false);
    let artifact = ArtifactRef {
        sha256: "ab".repeat(32),
        name: "screen.png".into(),
        media: "image/png".into(),
        bytes: 1_400_000,
    };
    let part =
        |part: &str, outcome, artifact| ForensicsPart { part: part.into(), outcome, millis: 800, artifact };
    story.add(
        guard(),
        EventBody::ForensicsCaptured {
            target: "devvm".into(),
            operation: Some(OperationId("op1".into())),
            parts: vec![
                part("screen", PartOutcome::Captured, Some(artifact)),
                part("threads", PartOutcome::TimedOut, None),
            ],
        },
    );
    story.step("op1", Phase::ProcessGone, "process 41873 is gone");
    story.step("op1", Phase::ProcessStarted, "VM 102 runs as process 52207");
    story.finish(Some(press), Verb::Cycle, Some("op1"), Outcome::Done, "VM 102 runs as process 52207");
    story.observed(Health::Good, Health::Down, "SSH logs in");
    let reason = "the watch saw it well for ten minutes".into();
    story.add(
        Actor::Watch,
        EventBody::IncidentClosed { target: "devvm".into(), reason, away_millis: Some(297_000) },
    );
    story
}

#[test]
fn the_view_tells_where_an_incident_stands() {
    let story = whole();
    let view = story.view();
    assert_eq!((view.id, view.target.as_str()), (Some(IncidentId(41)), "devvm"));
    assert!(!view.is_open() && view.running.is_none());
    assert_eq!(view.away_millis, Some(297_000));
    assert_eq!(view.triage.as_ref().and_then(|triage| triage.wedge), Some(Wedge::BlockStall));
    let cycle = view.last_finished().unwrap();
    assert_eq!((cycle.verb, cycle.outcome, cycle.by.clone()), (Verb::Cycle, Outcome::Done, Some(mara())));
    assert_eq!(
        cycle.steps.iter().map(|step| step.phase).collect::<Vec<_>>(),
        [Phase::ProcessGone, Phase::ProcessStarted]
    );
    assert_eq!(cycle.since, Some(story.0[6].at), "from the press, not from the acceptance");
    assert_eq!(view.commands[0].end.as_ref().unwrap().exit, Some(0));
    assert_eq!(view.rows.len(), story.0.len());
    assert_eq!((view.unwell_since, view.well_again), (Some(story.0[1].at), Some(story.0[12].at)));
}

#[test]
fn applying_one_by_one_or_twice_is_the_same_as_folding() {
    let story = whole();
    let mut view = View::default();
    for (n, event) in story.0.iter().enumerate() {
        view.apply(event);
        view.apply(event);
        assert_eq!(view, View::fold(&story.0[..=n]), "after event {}", n + 1);
    }
}

#[test]
fn two_presses_of_the_same_verb_are_one_operation() {
    let mut story = Story::begin();
    let first = story.press(&mara(), Verb::Cycle);
    let second = story.press(&iris(), Verb::Cycle);
    story.accept(first, Verb::Cycle, "op1", false);
    story.accept(second, Verb::Cycle, "op1", true);
    let running = story.view().running.unwrap();
    assert_eq!(
        (running.by, running.joined, running.operation),
        (mara(), vec![iris()], Some(OperationId("op1".into())))
    );
    story.finish(Some(first), Verb::Cycle, Some("op1"), Outcome::Done, "it runs");
    story.finish(Some(second), Verb::Cycle, Some("op1"), Outcome::Done, "it runs");
    let view = story.view();
    assert!(view.running.is_none());
    assert_eq!(view.finished.len(), 1, "one operation, told once");
}

#[test]
fn a_press_that_is_told_to_wait_leaves_the_running_verb_alone() {
    let mut story = Story::begin();
    let cycle = story.press(&mara(), Verb::Cycle);
    story.accept(cycle, Verb::Cycle, "op1", false);
    let stop = story.press(&iris(), Verb::Stop);
    story.finish(Some(stop), Verb::Stop, None, Outcome::Busy, "mara cycles it since 03:13:04");
    let view = story.view();
    assert_eq!(view.running.as_ref().unwrap().verb, Verb::Cycle);
    let busy = view.last_finished().unwrap();
    assert_eq!((busy.verb, busy.by.clone()), (Verb::Stop, Some(iris())));
}

#[test]
fn a_stronger_verb_takes_over_and_both_ends_are_told() {
    let mut story = Story::begin();
    let stop = story.press(&iris(), Verb::Stop);
    story.accept(stop, Verb::Stop, "op1", false);
    story.step("op1", Phase::GuestAsked, "asked the guest");
    let cycle = story.press(&mara(), Verb::Cycle);
    story.accept(cycle, Verb::Cycle, "op2", false);
    let running = story.view().running.unwrap();
    assert_eq!((running.verb, running.by), (Verb::Cycle, mara()));
    story.finish(Some(stop), Verb::Stop, Some("op1"), Outcome::Superseded, "cycle took over");
    assert_eq!(story.view().running.unwrap().verb, Verb::Cycle);
    story.finish(Some(cycle), Verb::Cycle, Some("op2"), Outcome::Done, "it runs");
    let view = story.view();
    assert!(view.running.is_none());
    let ends: Vec<_> = view.finished.iter().map(|end| (end.verb, end.by.clone(), end.steps.len())).collect();
    assert_eq!(ends, [(Verb::Stop, Some(iris()), 1), (Verb::Cycle, Some(mara()), 0)]);
}

#[test]
fn a_lost_line_is_not_an_end_and_the_verb_is_found_again() {
    let mut story = Story::begin();
    let press = story.press(&mara(), Verb::Cycle);
    let lost =
        EventBody::LineLost { target: "devvm".into(), operation: None, reason: "connection reset".into() };
    story.add(Actor::Server, lost);
    assert_eq!(story.view().running.unwrap().line_lost.as_deref(), Some("connection reset"));
    story.accept(press, Verb::Cycle, "op1", true);
    let running = story.view().running.unwrap();
    assert_eq!(
        (running.line_lost, running.joined),
        (None, vec![]),
        "joining one's own operation is no second person"
    );
    story.finish(None, Verb::Cycle, Some("op1"), Outcome::Done, "it runs");
    let view = story.view();
    assert!(view.running.is_none());
    assert_eq!(view.last_finished().unwrap().by, Some(mara()));
}

#[test]
fn a_refused_press_and_verbs_that_only_look_leave_nothing_running() {
    let mut story = Story::begin();
    let press = story.press(&mara(), Verb::Start);
    assert!(story.view().running.is_some());
    story.finish(Some(press), Verb::Start, None, Outcome::Refused, "it runs already");
    story.press(&mara(), Verb::Forensics);
    let view = story.view();
    assert!(view.running.is_none());
    assert_eq!(view.finished.len(), 1);
}

#[test]
fn what_matters_to_a_stale_press_is_told_and_nothing_else() {
    let story = whole();
    let material =
        |seen: u64| material_since(&story.0, Seq(seen)).iter().map(|e| e.body.kind()).collect::<Vec<_>>();
    let all = [
        "observed",
        "triaged",
        "verb-pressed",
        "verb-accepted",
        "verb-finished",
        "observed",
        "incident-closed",
    ];
    assert_eq!(material(0), all);
    assert_eq!(material(3), all[2..], "notes, commands, forensics and steps do not count");
    assert_eq!(material(8), all[4..]);
    assert!(material(story.0.len() as u64).is_empty());

    let mut same = Story::begin();
    same.add(Actor::Server, stall(Action::Look));
    same.add(Actor::Server, stall(Action::Look));
    same.observed(Health::Down, Health::Down, "still nothing");
    same.press(&mara(), Verb::Status);
    assert!(material_since(&same.0, Seq(2)).is_empty(), "the same wedge and the same health are no news");
}

#[test]
fn every_event_has_plain_words() {
    let words = |body: EventBody| {
        let event = Event { seq: Seq(1), incident: None, at: Timestamp::default(), actor: mara(), body };
        row(&event).map(|row| (row.kind, row.sentences.join(" "))).unwrap()
    };
    let story = whole();
    for event in &story.0 {
        let row = row(event).unwrap();
        for sentence in &row.sentences {
            assert!(!sentence.is_empty() && !sentence.contains(".."), "{}: {sentence:?}", event.body.kind());
        }
    }
    assert_eq!(
        words(story.0[6].body.clone()),
        (RowKind::Did, "Cycle devvm. Seen before: running writes=0 lock=none.".into())
    );
    assert_eq!(words(story.0[1].body.clone()).1, "devvm is down. SSH answers and the guest writes nothing.");
    assert_eq!(words(story.0[8].body.clone()).1, "Captured 1 of 2 parts, 1.3 MiB. 1 did not answer in time.");
    let refusal =
        Refusal { rule: Rule::UnsafeState, reason: "it migrates".into(), hint: "wait for the end".into() };
    let refused = EventBody::VerbFinished {
        press: None,
        target: "devvm".into(),
        verb: Verb::Cycle,
        operation: None,
        outcome: Outcome::Refused,
        message: String::new(),
        refusal: Some(refusal),
        status: None,
    };
    assert_eq!(
        words(refused).1,
        "Cycle of devvm was refused; nothing was started. Refused (unsafe-state): it migrates. wait for the end."
    );
    let none = EventBody::LoggedIn { way: "password".into(), from: "192.0.2.9".into() };
    assert!(
        row(&Event { seq: Seq(1), incident: None, at: Timestamp::default(), actor: mara(), body: none })
            .is_none()
    );
}

#[test]
fn durations_read_like_speech() {
    for (millis, words) in [
        (0, "0.0 s"),
        (240, "0.2 s"),
        (9_999, "9.9 s"),
        (21_400, "21 s"),
        (297_000, "4 min 57 s"),
        (7_500_000, "2 h 05 min"),
    ] {
        assert_eq!(duration(millis), words);
    }
}

#[test]
fn the_export_tells_the_story() {
    let page = markdown(&whole().0);
    for part in [
        "# Incident 41: devvm\n",
        "- **Away:** 4 min 57 s",
        "- **Wedge:** Block-path stall. Disk requests never complete.",
        "- **Action:** cycle by mara: done in",
        "## Timeline",
        "**mara**, power: Cycle devvm.",
        "**guard of devvm-power**, power: Observed: process 41873 is gone.",
        "## Commands",
        "cat /proc/pressure/io",
        "full avg10=99.38",
        "## Forensics",
        "- threads: did not answer in time, 0.8 s, no bytes",
        "## Open questions",
    ] {
        assert!(page.contains(part), "{part:?} is not in:\n{page}");
    }
    assert!(!page.contains("Nothing observed it to be well"));
    let empty = markdown(&[]);
    assert!(empty.contains("no triage was made"));
}

#[test]
fn hostile_text_stays_text_in_the_export() {
    let mut story = Story::begin();
    let hostile = "```\n# owned\n<script>alert(1)</script> [click](http://evil) ![x](y) ````` \u{1b}[31m \u{202e}txet\n- [x] done";
    story.add(mara(), EventBody::Note { text: hostile.into() });
    let id = story.add(
        mara(),
        EventBody::CommandStarted { target: "devvm".into(), door: "d`oor".into(), command: hostile.into() },
    );
    let rest = ArtifactRef { sha256: "`x` [a](b)".into(), name: hostile.into(), media: "x".into(), bytes: 1 };
    story.add(
        Actor::Server,
        EventBody::CommandFinished {
            command: CommandId(id.0),
            target: "devvm".into(),
            exit: None,
            message: hostile.into(),
            millis: 1,
            output: hostile.into(),
            rest: Some(rest),
        },
    );
    let page = markdown(&story.0);
    let mut fence: Option<usize> = None;
    for line in page.lines() {
        let ticks = line.trim_start().bytes().take_while(|byte| *byte == b'`').count();
        match fence {
            Some(open) if ticks >= open && line.trim_start().len() == ticks => fence = None,
            Some(_) => {}
            None if ticks >= 3 => fence = Some(ticks),
            None => {
                assert!(!line.starts_with("# owned") && !line.contains("<script>"), "{line}");
                let mut bare = line.replace("\\\\", "");
                for c in ["[", "]", "`", "!", "#"] {
                    bare = bare.replace(&format!("\\{c}"), "");
                }
                for wrong in ["[", "`d", "![", "<"] {
                    assert!(!bare.contains(wrong) || line.starts_with("- [ ] "), "{wrong} in {line}");
                }
            }
        }
    }
    assert_eq!(fence, None, "every fence that was opened is closed");
    assert!(!page.contains('\u{1b}') && !page.contains('\u{202e}'), "what is printed is what is there");
    assert_eq!(
        page.lines().filter(|line| line.starts_with("# ")).count(),
        1 + page.lines().filter(|line| *line == "# owned").count()
    );
}
