//! The watch's cheap look, by the same rules.

use crate::build::{flow, learnt, now, probe, status};
use breakglass_protocol::{RunState, Status, SyncProbe};
use breakglass_triage::{Health, Normal, Reach, Wedge, quick};

fn look(
    reach: Reach,
    sync: Option<Vec<SyncProbe>>,
    change: impl FnOnce(&mut Status),
    normal: Normal,
) -> (Health, Option<Wedge>) {
    let mut status = status();
    change(&mut status);
    let said = quick(now(), &reach, sync.as_deref(), Some(&status), &normal);
    assert!(!said.sentence.is_empty());
    (said.health, said.wedge)
}

#[test]
fn a_quick_look_sees_what_it_can() {
    let banner = || Reach::Banner(20);
    let fine = || Some(vec![probe(Some(9), None, None)]);
    let stuck = Some(vec![probe(None, Some(1_200), None)]);
    let quiet = Normal { quiet_millis: Some(600_000), ..learnt() };
    let flat = |status: &mut Status| flow(status, 0, 1);
    let none = |_: &mut Status| {};
    assert_eq!(look(banner(), fine(), none, learnt()), (Health::Good, None));
    assert_eq!(look(banner(), None, none, Normal::default()), (Health::Good, None));
    assert_eq!(look(banner(), fine(), flat, quiet.clone()), (Health::Good, None));
    assert_eq!(look(banner(), stuck, flat, Normal::default()), (Health::Down, Some(Wedge::BlockStall)));
    assert_eq!(look(banner(), None, flat, quiet), (Health::Down, Some(Wedge::BlockStall)));
    assert_eq!(
        look(Reach::NoBanner, None, |s| s.state = RunState::Paused, learnt()),
        (Health::Down, Some(Wedge::Paused))
    );
    assert_eq!(look(Reach::NoBanner, None, none, learnt()), (Health::Down, None));
    assert_eq!(
        look(Reach::NoBanner, None, |s| s.process_age_seconds = Some(2), Normal::default()),
        (Health::Unknown, None)
    );
    assert_eq!(quick(now(), &Reach::Silent, None, None, &learnt()).health, Health::Down);
}
