//! When a door was last proven: a quiet line where that is recent, a red one where it failed or is too long ago.

use super::words::{clean, lamp, moment, ticking};
use breakglass_fleet::{Door, DoorKind, Fleet};
use breakglass_protocol::Timestamp;
use breakglass_recovery::{Board, ProofView};
use breakglass_triage::Health;
use maud::{Markup, html};

/// What is remembered of doors, at a moment.
#[derive(Clone, Copy)]
pub(crate) struct Proofs<'a> {
    pub(crate) fleet: &'a Fleet,
    pub(crate) board: &'a Board,
    pub(crate) now: Timestamp,
}

impl Proofs<'_> {
    fn of(self, door: &str) -> Option<(ProofView, bool)> {
        let proof = self.board.proof(door)?;
        let holds = proof.holds(self.now, self.fleet.verify.every);
        Some((proof, holds))
    }

    /// In a few words, for a cell.
    pub(crate) fn small(self, door: &str) -> Markup {
        html! {
            @match self.of(door) {
                None => {}
                Some((proof, true)) => small { "proven " (ago(proof.proven_at, self.now)) },
                Some((proof, false)) if proof.failure.is_some() => small.lamp.down { "not proven" },
                Some((proof, false)) => small.lamp.down { "proven " (ago(proof.proven_at, self.now)) },
            }
        }
    }

    /// The doors that do not hold, wherever they lead: on the board, where a door without a column is seen too.
    pub(crate) fn failing(self) -> Markup {
        let failing: Vec<&Door> = self
            .fleet
            .doors
            .iter()
            .filter(|door| self.of(&door.name).is_some_and(|(_, holds)| !holds))
            .collect();
        html! {
            @if !failing.is_empty() {
                section.card aria-label="Ways in that are not proven" {
                    p.lit.work { span.lamp.work { (failing.len()) @if failing.len() == 1 { " way in is" } @else { " ways in are" }
                        " not proven" } }
                    div.in.stack { (self.lines(failing.iter().map(|door| door.name.as_str()))) }
                }
            }
        }
    }

    /// All doors of one target: closed while they hold, open where one does not.
    pub(crate) fn fold(self, target: &str) -> Markup {
        let doors = self.fleet.doors.iter().filter(|door| door.kind != DoorKind::Cold);
        let of_it = doors.filter(|door| door.controls.as_deref().unwrap_or(&door.to) == target);
        let names: Vec<&str> = of_it.map(|door| door.name.as_str()).collect();
        let failed = names.iter().filter(|door| self.of(door).is_some_and(|(_, holds)| !holds)).count();
        let tried = names.iter().filter(|door| self.of(door).is_some()).count();
        html! {
            @if !names.is_empty() {
                details.fold.panel #proofs open[failed > 0] {
                    summary {
                        b { "Ways in, as the canary found them" } " "
                        @if failed > 0 { span.lamp.down { (failed) " of " (names.len()) " not proven" } }
                        @else if tried == 0 { span.lamp.unknown { "not tried yet" } }
                        @else { span.lamp.good { (tried) " of " (names.len()) " proven" } }
                    }
                    div.in.stack { (self.lines(names.into_iter())) }
                }
            }
        }
    }

    /// With what failed and what to do, for a page about one target or host.
    pub(crate) fn lines<'d>(self, doors: impl Iterator<Item = &'d str>) -> Markup {
        html! {
            @for door in doors {
                @match self.of(door) {
                    None => p.small.quiet { (door) " was not tried by the canary yet" },
                    Some((proof, true)) => p.small.quiet { (door) " was proven " (ago(proof.proven_at, self.now)) },
                    Some((proof, false)) => {
                        p.small {
                            span class=(lamp(Health::Down)) { (door) " is not proven" }
                            @if let Some(failure) = &proof.failure { ": " (clean(failure)) }
                            " (tried at " (moment(proof.tried_at, self.now)) ", proven " (ago(proof.proven_at, self.now)) ")"
                        }
                    }
                }
            }
        }
    }
}

fn ago(at: Option<Timestamp>, now: Timestamp) -> Markup {
    html! { @match at { Some(at) => { (ticking(at, now)) " ago" }, None => "never, as far as is remembered" } }
}
