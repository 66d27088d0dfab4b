//! What is told, family by family.

use super::family::{Family, Labels};
use super::own;
use super::tally::{Counts, Reader};
use crate::app::App;
use breakglass_journal::Keeping;
use breakglass_protocol::Timestamp;
use breakglass_recovery::TargetView;
use breakglass_triage::Health;
use std::collections::BTreeSet;
use std::time::Duration;

const HEALTHS: [(Health, &str); 4] = [
    (Health::Good, "good"),
    (Health::Unknown, "unknown"),
    (Health::Degraded, "degraded"),
    (Health::Down, "down"),
];

fn truth(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}

fn seconds(at: Timestamp) -> f64 {
    at.unix_millis() as f64 / 1000.0
}

fn named(name: &'static str, value: &str) -> Labels {
    vec![(name, value.to_owned())]
}

/// Everything, as it stands now.
pub(super) fn families(app: &App) -> Vec<Family> {
    let targets = app.desk.board.targets();
    let mut all = vec![
        Family::gauge("breakglass_build_info", "Always 1; the version is in the label")
            .with([(named("version", &app.version), 1.0)]),
    ];
    all.extend(about_targets(&targets));
    all.extend(about_incidents(app, &targets));
    all.extend(about_doors(app, &targets));
    all.extend(about_proofs(app));
    all.extend(about_the_journal(app));
    all.extend(about_visitors(app));
    all.extend(about_dependencies(app));
    all.extend(app.disk.families());
    all.extend(own::process(seconds(app.started)));
    all
}

fn about_targets(targets: &[TargetView]) -> Vec<Family> {
    let by_health = HEALTHS.map(|(health, word)| {
        let count = targets.iter().filter(|target| target.health == health).count();
        (named("health", word), count as f64)
    });
    let each = targets.iter().flat_map(|target| {
        HEALTHS.map(|(health, word)| {
            let labels = vec![("target", target.name.clone()), ("health", word.to_owned())];
            (labels, truth(target.health == health))
        })
    });
    let seen =
        targets.iter().filter_map(|target| Some((named("target", &target.name), seconds(target.seen_at?))));
    let maintained = targets.iter().map(|target| (named("target", &target.name), truth(target.maintenance)));
    let running = targets.iter().filter(|target| target.running.is_some()).count();
    vec![
        Family::gauge("breakglass_targets", "Targets and their hypervisors, by health").with(by_health),
        Family::gauge("breakglass_target_health", "1 at the health that a target is in, 0 at the others")
            .with(each),
        Family::gauge("breakglass_target_seen_timestamp_seconds", "When a target was last looked at")
            .with(seen),
        Family::gauge("breakglass_target_in_maintenance", "Whether a target is in a maintenance window")
            .with(maintained),
        Family::gauge("breakglass_verbs_running", "Targets on which a verb is running").is(running as f64),
    ]
}

fn about_incidents(app: &App, targets: &[TargetView]) -> Vec<Family> {
    // A hypervisor and its guests may share one.
    let open: BTreeSet<_> = targets.iter().filter_map(|target| target.incident).collect();
    let turns = open.iter().filter(|incident| app.desk.turns.running(**incident).is_some()).count();
    vec![
        Family::gauge("breakglass_incidents_open", "Incidents of targets that are open")
            .is(open.len() as f64),
        Family::gauge("breakglass_turns_running", "Turns of agents that are running").is(turns as f64),
        Family::gauge("breakglass_approvals_waiting", "Calls of agents that wait for a person").is(app
            .desk
            .turns
            .asked()
            .len()
            as f64),
        counted(
            "breakglass_turns_ended",
            "Turns of agents that ended, by outcome",
            ["outcome"],
            &app.tally.turns,
        ),
        counted(
            "breakglass_verbs_finished",
            "Verbs that ended, by verb and outcome, since the server started",
            ["verb", "outcome"],
            &app.tally.verbs,
        ),
        counted(
            "breakglass_commands_finished",
            "Commands and looks that ended, by outcome, since the server started",
            ["outcome"],
            &app.tally.commands,
        ),
    ]
}

fn counted<const N: usize>(
    name: &'static str,
    help: &'static str,
    labels: [&'static str; N],
    counts: &Counts<N>,
) -> Family {
    let series = counts.read().into_iter().map(|(words, count)| {
        let labels = labels.into_iter().zip(words).map(|(label, word)| (label, word.to_owned())).collect();
        (labels, count as f64)
    });
    Family::counter(name, help).with(series)
}

/// What is held through a door.
struct Held {
    warm: bool,
    connections: usize,
    round_trip: Option<Duration>,
    key_changed: bool,
}

fn about_doors(app: &App, targets: &[TargetView]) -> Vec<Family> {
    let changed = breakglass_recovery::changed_host_keys(&app.desk);
    let doors: Vec<(Labels, Held)> = app
        .desk
        .fleet
        .doors
        .iter()
        .map(|door| {
            let state = app.desk.doors.state(&door.name);
            let held = Held {
                warm: state.warm,
                connections: state.connections,
                round_trip: state.round_trip,
                key_changed: changed.iter().any(|key| key.host == door.to),
            };
            (vec![("door", door.name.clone()), ("kind", door.kind.as_str().to_owned())], held)
        })
        .collect();
    let each = |of: fn(&Held) -> Option<f64>| {
        doors.iter().filter_map(move |(labels, held)| Some((labels.clone(), of(held)?)))
    };
    let shown = targets.iter().flat_map(|target| &target.doors);
    let mut opens: Vec<(Labels, f64)> = shown
        .filter(|door| door.health != Health::Unknown)
        .map(|door| {
            let labels = vec![("door", door.name.clone()), ("kind", door.kind.to_owned())];
            (labels, truth(door.health == Health::Good))
        })
        .collect();
    // One door to a hypervisor may stand with several targets.
    opens.sort_by(|one, other| one.0.cmp(&other.0));
    opens.dedup_by(|one, other| one.0 == other.0);
    vec![
        Family::gauge("breakglass_door_opens", "Whether a door opened when the watch last tried it")
            .with(opens),
        Family::gauge("breakglass_door_warm", "Whether a connection is held through a door that answers")
            .with(each(|held| Some(truth(held.warm)))),
        Family::gauge(
            "breakglass_door_connections",
            "Connections that are held through a door, silent ones included",
        )
        .with(each(|held| Some(held.connections as f64))),
        Family::gauge(
            "breakglass_door_round_trip_seconds",
            "How long the last sign of life through a door took to come",
        )
        .with(each(|held| held.round_trip.map(|took| took.as_secs_f64()))),
        Family::gauge(
            "breakglass_door_host_key_changed",
            "Whether the host behind a door shows another key than the trusted one, which closes the door",
        )
        .with(each(|held| Some(truth(held.key_changed)))),
    ]
}

/// Doors that were never tried are in neither family.
fn about_proofs(app: &App) -> Vec<Family> {
    let (now, every) = (app.desk.now(), app.desk.fleet.verify.every);
    let tried: Vec<_> = app
        .desk
        .fleet
        .doors
        .iter()
        .filter_map(|door| {
            let labels = vec![("door", door.name.clone()), ("kind", door.kind.as_str().to_owned())];
            Some((labels, app.desk.board.proof(&door.name)?))
        })
        .collect();
    let holds = tried.iter().map(|(labels, proof)| (labels.clone(), truth(proof.holds(now, every))));
    let at = tried.iter().filter_map(|(labels, proof)| Some((labels.clone(), seconds(proof.proven_at?))));
    vec![
        Family::gauge(
            "breakglass_door_proven",
            "Whether the canary proved a door when it last tried, no longer ago than two periods",
        )
        .with(holds),
        Family::gauge("breakglass_door_proven_timestamp_seconds", "When a door was last proven").with(at),
    ]
}

fn about_the_journal(app: &App) -> Vec<Family> {
    let journal = &app.desk.journal;
    let (keeps, not_kept, since) = match journal.keeping() {
        Keeping::Ok => (true, 0, None),
        Keeping::NotKeeping { since, missing, .. } => (false, missing, Some(seconds(since))),
    };
    vec![
        Family::gauge("breakglass_journal_keeps", "Whether the journal's disk takes what happens")
            .is(truth(keeps)),
        Family::gauge(
            "breakglass_journal_events_not_kept",
            "Events that the disk did not take since it stopped to",
        )
        .is(not_kept as f64),
        Family::gauge(
            "breakglass_journal_not_keeping_since_timestamp_seconds",
            "Since when it does not, where it does not",
        )
        .may_be(since),
        Family::gauge(
            "breakglass_journal_set_aside",
            "Whether a damaged journal was set aside and the chain began anew",
        )
        .is(truth(journal.set_aside().is_some())),
        Family::gauge("breakglass_journal_sequence", "The newest event's number, durable or not")
            .is(journal.newest().0 as f64),
        Family::gauge("breakglass_journal_durable_sequence", "The newest durable event's number")
            .is(journal.head().seq as f64),
    ]
}

fn about_visitors(app: &App) -> Vec<Family> {
    let readers = [(Reader::Page, "page"), (Reader::Program, "program")];
    let streams = readers.map(|(reader, word)| (named("reader", word), app.tally.streams(reader) as f64));
    let lanes = app.identity.lanes(std::time::Instant::now());
    let lanes = [("all", lanes.all), ("closed", lanes.closed)];
    let lanes = lanes.map(|(word, count)| (named("which", word), count as f64));
    vec![
        Family::gauge(
            "breakglass_streams_attached",
            "Streams of live events that are attached, by who reads them",
        )
        .with(streams),
        counted(
            "breakglass_logins",
            "Attempts to log in with a password, by outcome; throttled and crowded ones were not looked at",
            ["outcome"],
            &app.tally.logins,
        ),
        Family::gauge(
            "breakglass_login_lanes",
            "Lanes in which failed log-ins are remembered, and how many of them are closed",
        )
        .with(lanes),
        counted("breakglass_http_requests", "Answers by class of status", ["status"], &app.tally.requests),
    ]
}

fn about_dependencies(app: &App) -> Vec<Family> {
    let up = app.dependencies().into_iter().filter(|dependency| dependency.health != Health::Unknown);
    let up = up
        .map(|dependency| (named("dependency", &dependency.name), truth(dependency.health == Health::Good)));
    let ends = app.certificate.as_ref().map(|certificate| seconds(certificate.facts().ends));
    vec![
        Family::gauge("breakglass_dependency_up", "Whether what the page depends on is well").with(up),
        Family::gauge("breakglass_certificate_ends_timestamp_seconds", "When the server's certificate ends")
            .may_be(ends),
    ]
}
