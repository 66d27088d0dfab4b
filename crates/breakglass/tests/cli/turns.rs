//! A turn through the built server whose process is killed: what was acknowledged is in the journal, each call that changes
//! something came to the guard as often as the journal says and never twice, the turn is marked, and the next one knows.

use crate::person::Person;
use crate::scripted_model::{Act, ScriptedModel};
use crate::serve::{Serving, healthy, serve, wait_until};
use crate::site::Site;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Longer than anything here takes beside a build.
const SOON: Duration = Duration::from_secs(60);
/// More than the longest of these turns tells before it waits for its cycled target to be well.
const EVENTS: usize = 30;
const BUDGET: &str = "[agent.budget]\ncommands = 1000\ncommands_per_hour = 1000\nverbs = 1000\nverbs_per_hour = 1000\ncycles = 1000\ncool_down = \"0 s\"";

/// What is asked in a round; the model finds in it what to do.
fn question(round: usize) -> String {
    format!("ask of round {round}.")
}

/// A command that leaves its name with the guard.
fn mark(name: &str, round: usize) -> String {
    format!("echo mark-{name}-{round}.")
}

/// In even rounds two commands and a report; in odd ones a command and a cycle. It goes on from what it is shown.
fn model(request: &[u8]) -> Act {
    let text = String::from_utf8_lossy(request);
    let Some(asked) = text.rfind("ask of round ") else { return Act::Status(400, "", "nothing was asked") };
    let (_, since) = text.split_at(asked);
    let round: usize =
        since.strip_prefix("ask of round ").and_then(|rest| rest.split_once('.')?.0.parse().ok()).unwrap();
    let command = |name| json!({ "command": mark(name, round) }).to_string();
    let cycle = json!({ "verb": "cycle" }).to_string();
    let done = |name: &str| since.contains(&format!("mark-{name}-{round}."));
    match (round % 2, done("a"), done("b")) {
        (_, false, _) => Act::Say("I look first.", vec![("repair", command("a"))]),
        (0, true, false) => Act::Say("I go on.", vec![("repair", command("b"))]),
        (0, true, true) => Act::Say("That is all.", vec![]),
        _ => Act::Say("It is stalled, so I cycle it.", vec![("power", cycle)]),
    }
}

struct Stand {
    site: Site,
    model: ScriptedModel,
}

impl Stand {
    fn new() -> Self {
        let model = ScriptedModel::playing(model);
        let site = Site::for_turns(&(Site::api(&model.url()) + BUDGET));
        // It stays unwell whatever is done, so that its incident stays open.
        site.set("wedge", "stall");
        site.set("pace", "0.1");
        Self { site, model }
    }

    fn serve(&self) -> Serving {
        let serving = serve(&self.site);
        wait_until("an answer", SOON, || healthy(self.site.web));
        serving
    }

    /// The journal as it lies on the disk: the server may be dead.
    fn journal(&self) -> Vec<Value> {
        let told = self.site.call(&["journal", "tail", "-n", "100000", "--json"]);
        told.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn lines(&self, file: &str) -> Vec<String> {
        self.site.read(file).lines().map(str::to_owned).collect()
    }
}

fn kind<'a>(events: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    events.iter().filter(move |event| event["body"]["kind"] == kind)
}

/// The ends of a turn: its own, or the mark of a restart.
fn ends(events: &[Value], turn: u64) -> Vec<&str> {
    let of = |event: &&Value| event["body"]["turn"] == turn;
    let ends = kind(events, "turn-ended").chain(kind(events, "turn-interrupted"));
    ends.filter(of).filter_map(|event| event["body"]["kind"].as_str()).collect()
}

/// Commands and verbs whose end is not told. Presses that joined one operation share its end.
fn open_ends(events: &[Value]) -> Vec<&Value> {
    let ends = |kind_of_end, name: &'static str, of: &Value| {
        kind(events, kind_of_end).filter(|end| !of.is_null() && end["body"][name] == *of).count()
    };
    let commands = kind(events, "command-started").filter(|event| {
        let ends = ends("command-finished", "command", &event["seq"]);
        assert!(ends <= 1, "ended twice: {event}");
        ends == 0
    });
    let verbs = kind(events, "verb-pressed").filter(|event| {
        let own = ends("verb-finished", "press", &event["seq"]);
        assert!(own <= 1, "ended twice: {event}");
        let accepted =
            kind(events, "verb-accepted").find(|accepted| accepted["body"]["press"] == event["seq"]);
        own == 0
            && accepted.is_none_or(|accepted| {
                ends("verb-finished", "operation", &accepted["body"]["operation"]) == 0
            })
    });
    commands.chain(verbs).collect()
}

#[test]
fn a_server_that_is_killed_in_the_middle_of_a_turn_loses_nothing_and_runs_nothing_twice() {
    killed(4);
}

#[test]
#[ignore = "fifty restarts take minutes: runs in `cargo xtask test --full`"]
fn a_server_that_is_killed_at_fifty_moments_of_a_turn_loses_nothing_and_runs_nothing_twice() {
    killed(50);
}

fn killed(rounds: usize) {
    let stand = Stand::new();
    let mut serving = stand.serve();
    let person = stand.site.person();
    let incident = person.incident("devvm").unwrap();
    let (mut interrupted, mut newest) = (0, 0);
    for round in 0..rounds {
        // At a random event of the turn, and a random while after it: the moments between two events count as much.
        let (after, pause) = (rand::random::<u32>() as usize % EVENTS, rand::random::<u64>() % 60);
        let moment = format!("round {round}, {pause} ms after event {after}");
        let heard = person.listen(incident, newest).unwrap();
        let turn = person.ask(incident, &question(round)).unwrap();
        let begun = Instant::now();
        let of_turn = |event: &Value| event["seq"].as_u64() >= Some(turn);
        while heard.so_far().iter().filter(|event| of_turn(event)).count() <= after
            && begun.elapsed() < Duration::from_secs(8)
        {
            std::thread::sleep(Duration::from_millis(3));
        }
        std::thread::sleep(Duration::from_millis(pause));
        drop(serving);

        let asked_before = stand.model.requests().len();
        let heard = heard.so_far();
        let left = stand.journal();
        for event in &heard {
            assert!(left.contains(event), "{moment}: lost {event}");
        }
        let started = kind(&left, "turn-started").filter(|event| event["seq"] == turn).count();
        assert_eq!(started, 1, "{moment}: the turn was acknowledged");

        serving = stand.serve();
        wait_until("the turn's end or mark", SOON, || !ends(&stand.journal(), turn).is_empty());
        let now = stand.journal();
        let ends = ends(&now, turn);
        assert_eq!(ends.len(), 1, "{moment}: {ends:?}");
        interrupted += usize::from(ends == ["turn-interrupted"]);
        // By itself it asks nobody and sends nothing: whoever goes on is a person.
        assert_eq!(stand.model.requests().len(), asked_before, "{moment}");
        newest = now.last().unwrap()["seq"].as_u64().unwrap();
        stand.holds(&now, &moment);
    }
    // Turns of two commands may end before the moment comes; those that cycle wait.
    assert!(interrupted * 2 >= rounds, "{interrupted} of {rounds} turns were interrupted");
    stand.goes_on(&person, incident, rounds);
    drop(serving);
}

impl Stand {
    /// The guard's side against the journal's: nothing unannounced, nothing twice.
    fn holds(&self, events: &[Value], moment: &str) {
        let announced: Vec<&str> =
            kind(events, "command-started").filter_map(|event| event["body"]["command"].as_str()).collect();
        let ran: Vec<String> =
            self.lines("inside-calls").into_iter().filter(|line| line.contains("mark-")).collect();
        for line in &ran {
            let times = ran.iter().filter(|other| *other == line).count();
            assert_eq!(times, 1, "{moment}: `{line}` ran {times} times");
            let told = announced.iter().filter(|other| **other == line.as_str()).count();
            assert_eq!(told, 1, "{moment}: `{line}` stands {told} times in the journal");
        }
        let answered = kind(events, "tool-answered").filter(|event| event["body"]["outcome"] == "done");
        for call in answered.map(|event| &event["body"]["call"]) {
            let call = kind(events, "tool-called").find(|event| event["seq"] == *call).unwrap();
            let shown = call["body"]["shown"].as_str().unwrap();
            if call["body"]["tool"] == "repair" {
                assert!(ran.iter().any(|line| line == shown), "{moment}: told as done and not run: {shown}");
            }
        }
        let cycles = self.lines("calls").iter().filter(|line| *line == "--json cycle").count();
        let pressed = kind(events, "verb-pressed").count();
        assert!(
            cycles <= pressed,
            "{moment}: {cycles} cycles came to the guard, {pressed} are in the journal"
        );
        let each: Vec<_> = kind(events, "tool-called")
            .filter(|event| event["body"]["tool"] == "power")
            .map(|event| &event["body"]["turn"])
            .collect();
        assert!(each.iter().all(|turn| each.iter().filter(|other| other == &turn).count() == 1), "{moment}");
        assert!(pressed <= each.len(), "{moment}: {pressed} presses of {} calls", each.len());
        assert_eq!(self.site.call(&["journal", "verify"]).code, 0, "{moment}");
    }

    /// The next turn knows what was cut off, and runs to its end; afterwards nothing is left open.
    fn goes_on(&self, person: &Person, incident: u64, rounds: usize) {
        // An even round, which ends by itself.
        let last = rounds + rounds % 2;
        let first_request = self.model.requests().len();
        let turn = person.ask(incident, &question(last)).unwrap();
        wait_until("the last turn's end", SOON, || !ends(&self.journal(), turn).is_empty());
        assert_eq!(ends(&self.journal(), turn), ["turn-ended"]);
        let request = self.model.requests().get(first_request).unwrap().1.clone();
        let told = String::from_utf8_lossy(&request).into_owned();
        assert!(told.contains(&question(rounds - 1)), "the last question is told again: {told}");
        let journal = self.journal();
        let before = kind(&journal, "turn-started").filter_map(|event| event["seq"].as_u64());
        let before = before.filter(|seq| *seq < turn).max().unwrap();
        let cut_off = ends(&journal, before) == ["turn-interrupted"];
        assert_eq!(told.contains("cut off by a restart"), cut_off, "{told}");
        for name in ["a", "b"] {
            let ran = self.lines("inside-calls").iter().filter(|line| **line == mark(name, last)).count();
            assert_eq!(ran, 1, "the turn after all those restarts does its work");
        }
        let begun = Instant::now();
        loop {
            let journal = self.journal();
            let open = open_ends(&journal);
            if open.is_empty() {
                break;
            }
            assert!(begun.elapsed() < SOON, "never told to their end: {open:#?}");
            std::thread::sleep(Duration::from_millis(100));
        }
        self.holds(&self.journal(), "at the end");
    }
}
