//! The repair door's harness: real shells, real floods, a write that cannot be killed, a reader that is gone.

use crate::support::{Answer, GUARD, alive, answer, kill, state, until};
use breakglass_protocol::{EndedBy, Line, Outcome, parse_line};
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

struct Repair {
    scratch: tempfile::TempDir,
}

impl Repair {
    fn new(section: &str) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let repair = Self { scratch };
        let at = |name: &str| repair.path(name).display().to_string();
        let text =
            format!("state_dir = {:?}\n[record]\ndir = {:?}\n[repair]\n{section}\n", at("state"), at("log"));
        fs::create_dir(repair.path("log")).unwrap();
        fs::write(repair.path("guard.toml"), text).unwrap();
        repair
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    fn guard(&self, request: Option<&str>) -> Command {
        let mut command = Command::new(GUARD);
        command.args(["repair", "--label", "phone", "--config"]).arg(self.path("guard.toml")).env_clear();
        command.env("SSH_CONNECTION", "192.0.2.2 50000 192.0.2.10 22").env("SECRET", "of-the-client");
        request.map(|request| command.env("SSH_ORIGINAL_COMMAND", request));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// The same where the usual places of record and state are nobody's: without a file of its own the guard goes there.
    fn on_a_stage(&self, request: &str) -> Command {
        let mut command = Command::new("/usr/bin/unshare");
        let build = "mount -t tmpfs none /run; mount -t tmpfs none /var/log; exec \"$@\"";
        command.args(["--mount", "/bin/sh", "-c", build, "sh", GUARD, "repair", "--config"]);
        command.arg(self.path("guard.toml")).env_clear().env("SSH_ORIGINAL_COMMAND", request);
        command.env("PATH", "/usr/bin:/bin").stdin(Stdio::null());
        command
    }

    fn ask(&self, request: &str) -> Answer {
        answer(&mut self.guard(Some(request)))
    }

    fn record(&self) -> Vec<serde_json::Value> {
        let text = fs::read_to_string(self.path("log/guard.jsonl")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn lines(answer: &Answer) -> (Vec<Line>, EndedBy, u8, Outcome, String) {
    let all: Vec<Line> = answer.stdout.lines().map(|line| parse_line(line).unwrap()).collect();
    let Some(Line::Finished { by, exit, outcome, message, .. }) = all.last().cloned() else {
        panic!("no last line: {} {}", answer.stdout, answer.stderr);
    };
    assert_eq!(i32::from(exit), answer.code);
    (all, by, exit, outcome, message)
}

/// What the command wrote, both outputs, in the order of its lines.
fn output(all: &[Line], of: &str) -> String {
    let text = |line: &Line| match line {
        Line::Output { stream, text } if stream == of => Some(text.clone()),
        _ => None,
    };
    all.iter().filter_map(text).collect()
}

#[test]
fn a_command_runs_as_over_plain_ssh_and_the_record_has_it() {
    let repair = Repair::new("");
    let answer = repair.ask("echo out; echo err >&2; read nothing; echo \"<$SECRET>$HOME\"; exit 77");
    assert_eq!((answer.code, answer.stdout.as_str()), (77, "out\n<>/root\n"), "{}", answer.stderr);
    assert_eq!(answer.stderr, "err\n");
    let record = repair.record();
    assert_eq!(record.len(), 2, "{record:?}");
    assert!(record[0].get("outcome").is_none() && record[0]["key"] == "phone");
    assert_eq!((&record[1]["outcome"], &record[1]["exit"]), (&"done".into(), &77.into()));
    assert_eq!(record[0]["operation"], record[1]["operation"]);
    assert_eq!(record[1]["source"], "192.0.2.2");
    // A password on a command line is no part of it.
    repair.ask("true --password=Sup3rSecretWord99");
    assert!(!fs::read_to_string(repair.path("log/guard.jsonl")).unwrap().contains("Sup3rSecretWord99"));
}

#[test]
fn a_program_reads_lines_and_whose_end_it_was() {
    let repair = Repair::new("");
    let answer = repair.ask("--json printf 'a\\303'; sleep 0.05; printf '\\244b\\377'; echo e >&2; exit 75");
    let (all, by, exit, outcome, message) = lines(&answer);
    assert_eq!((by, exit, outcome), (EndedBy::Command, 75, Outcome::Done), "{message}");
    assert_eq!((output(&all, "stdout").as_str(), output(&all, "stderr").as_str()), ("aäb\u{fffd}", "e\n"));
    assert!(matches!(all[0], Line::Started { operation: Some(_), .. }));
}

#[test]
fn no_terminal_is_offered_and_the_refusal_says_what_to_do() {
    let repair = Repair::new("");
    let answer = answer(&mut repair.guard(None));
    assert_eq!(answer.code, 77);
    assert!(
        answer.stderr.contains("refused (no-request)") && answer.stderr.contains("ssh HOST"),
        "{}",
        answer.stderr
    );
    assert_eq!(repair.record()[0]["decision"], "deny");
}

#[test]
fn a_configuration_that_cannot_be_believed_costs_its_settings_and_not_the_way_in() {
    let repair = Repair::new("deadline_secs = 5");
    let answer = answer(&mut repair.on_a_stage("echo in"));
    assert_eq!((answer.code, answer.stdout.as_str()), (0, "in\n"), "{}", answer.stderr);
    assert!(answer.stderr.contains("unknown key `deadline_secs`"), "{}", answer.stderr);
    fs::remove_file(repair.path("guard.toml")).unwrap();
    assert_eq!(crate::support::answer(&mut repair.on_a_stage("echo in")).stdout, "in\n");
}

#[test]
fn it_runs_ahead_of_everything_else() {
    let repair = Repair::new("");
    let answer = repair.ask("nice; cat /proc/self/oom_score_adj; cat /proc/self/cgroup");
    // A container may keep one right or the other from its root; then it is done without.
    let may = |line: &str| {
        Command::new("/bin/sh").args(["-c", line]).stderr(Stdio::null()).status().unwrap().success()
    };
    let nice = if may("exec renice -n -10 $$ >/dev/null") { "-10" } else { "0" };
    let spared = if may("echo -800 > /proc/self/oom_score_adj") { "-800" } else { "0" };
    assert!(answer.stdout.starts_with(&format!("{nice}\n{spared}\n")), "{}", answer.stdout);
    assert_eq!(answer.code, 0);
}

#[test]
fn at_its_deadline_the_command_and_all_it_started_are_seen_to_end() {
    let repair = Repair::new("");
    let tag = format!("{:08}", std::process::id());
    // One that ignores being asked, one in a session of its own, one that was left behind by its parent.
    let request = format!(
        "--json --deadline 1 trap '' TERM; setsid sleep 1{tag} & (sleep 2{tag} &); echo begun; while :; do sleep 3{tag}; done"
    );
    let answer = repair.ask(&request);
    let (all, by, exit, outcome, message) = lines(&answer);
    assert_eq!((by, exit, outcome), (EndedBy::Guard, 75, Outcome::TimedOut), "{message}");
    assert!(message.contains("out of time after 1 s") && message.contains("that was seen"), "{message}");
    assert_eq!(output(&all, "stdout"), "begun\n");
    for at in 1..=3 {
        assert!(crate::support::processes_with(&format!("{at}{tag}")).is_empty(), "{at}");
    }
    assert_eq!(repair.record()[1]["outcome"], "timed-out");
    // One that tidies up when asked has the time to.
    let answer = repair.ask("--deadline 1 trap 'echo tidied; exit 3' TERM; while :; do sleep 0.1; done");
    assert_eq!((answer.code, answer.stdout.as_str()), (75, "tidied\n"));
}

/// Begins a request and reads its operation id.
fn begin(repair: &Repair, request: &str) -> (Child, BufReader<std::process::ChildStdout>, String) {
    let mut child = repair.guard(Some(request)).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    let Ok(Line::Started { operation: Some(id), .. }) = parse_line(line.trim()) else {
        panic!("it did not begin: {line}");
    };
    (child, out, id.0)
}

#[test]
fn another_request_stops_it_and_both_say_so() {
    let repair = Repair::new("");
    let (mut child, mut out, id) = begin(&repair, "--json echo on; sleep 1000");
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    let stop = repair.ask(&format!("--stop {id}"));
    assert_eq!(stop.code, 0, "{}{}", stop.stdout, stop.stderr);
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(75));
    assert!(rest.contains("told to stop") && rest.contains("that was seen"), "{rest}");
    // What has ended, what was reused and what is no guard are left alone.
    for (id, why) in [
        (id, "does not run any more"),
        (format!("{}-1", std::process::id()), "does not run any more"),
        ("1-0".to_owned(), "no process id"),
    ] {
        let stop = repair.ask(&format!("--stop {id}"));
        assert!(stop.code == 75 && stop.stderr.contains(why), "{id}: {}", stop.stderr);
    }
    let own = std::process::id();
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let ticks = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(19).unwrap().to_owned();
    let stop = repair.ask(&format!("--stop {own}-{ticks}"));
    assert!(stop.stderr.contains("no guard"), "{}", stop.stderr);
}

#[test]
fn a_reader_that_is_gone_ends_nothing() {
    let repair = Repair::new("");
    let done = repair.path("done");
    let request = format!("--json echo a; sleep 0.5; yes | head -c 300000; echo end > {}", done.display());
    let (mut child, out, _) = begin(&repair, &request);
    drop(out);
    drop(child.stderr.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(fs::read_to_string(done).unwrap(), "end\n");
    assert_eq!(repair.record()[1]["exit"], 0);
}

#[test]
fn a_flood_is_whole_a_reader_that_never_reads_holds_nothing_and_what_is_left_behind_goes_on() {
    let repair = Repair::new("");
    let answer = repair
        .ask("head -c 5000000 /dev/zero | tr '\\0' x; echo; head -c 3000000 /dev/zero | tr '\\0' y >&2");
    assert_eq!((answer.stdout.len(), answer.stderr.len()), (5_000_001, 3_000_000));
    // Nobody reads: the deadline is kept all the same.
    let begun = Instant::now();
    let mut child = repair.guard(Some("--deadline 1 yes")).spawn().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(75));
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    // A service that was started by hand holds the output, and does not hold the answer.
    let tag = format!("7{:07}", std::process::id());
    let begun = Instant::now();
    let answer = repair.ask(&format!("--json sleep {tag} & echo started"));
    let (all, by, _, _, message) = lines(&answer);
    assert!(begun.elapsed() < Duration::from_secs(8) && by == EndedBy::Command);
    assert_eq!(output(&all, "stdout"), "started\n");
    assert!(message.contains("1 processes that it started go on"), "{message}");
    let left = crate::support::processes_with(&tag);
    assert_eq!(left.len(), 1);
    kill(left[0], "KILL");
}

#[test]
fn what_is_left_behind_and_writes_on_holds_nothing() {
    let repair = Repair::new("");
    let tag = format!("6{:07}", std::process::id());
    let begun = Instant::now();
    let answer = repair.ask(&format!(
        "--json sh -c 'while :; do echo tick; sleep 0.05; done' {tag} & head -c 100000 /dev/zero | tr '\\0' x; exit 3"
    ));
    let (all, by, exit, _, message) = lines(&answer);
    crate::support::processes_with(&tag).iter().for_each(|pid| kill(*pid, "KILL"));
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    assert_eq!((by, exit), (EndedBy::Command, 3), "{message}");
    assert!(message.contains("was written after that is not passed on"), "{message}");
    assert_eq!(output(&all, "stdout").matches('x').count(), 100_000);
    // The command has ended, nobody reads what it wrote: its deadline ends that.
    let begun = Instant::now();
    let mut child = repair.guard(Some("--deadline 2 head -c 120000 /dev/zero | tr '\\0' x")).spawn().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    assert_eq!(repair.record().last().unwrap()["exit"], 0);
}

#[test]
fn a_stop_that_comes_while_the_shell_is_being_started_is_heard() {
    let repair = Repair::new("");
    for _ in 0..20 {
        let (mut child, mut out, id) = begin(&repair, "--json sleep 1000");
        let pid = id.split('-').next().unwrap();
        assert!(Command::new("kill").args(["-TERM", pid]).status().unwrap().success());
        let mut rest = String::new();
        out.read_to_string(&mut rest).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(75), "{rest}");
        assert!(rest.contains("told to stop") && rest.contains("that was seen"), "{rest}");
    }
}

#[test]
fn what_cannot_be_killed_is_said_not_to_have_ended() {
    let repair = Repair::new("");
    let (image, at) = (repair.path("disk.img"), repair.path("disk"));
    fs::File::create(&image).unwrap().set_len(8 << 20).unwrap();
    fs::create_dir(&at).unwrap();
    let made = Command::new("/sbin/mkfs.ext4").args(["-q", "-F"]).arg(&image).status();
    if !made.is_ok_and(|status| status.success())
        || !crate::record::mount(&["-o", "loop", image.to_str().unwrap()], &at)
    {
        println!("skipped: only root may mount a disk to freeze");
        return;
    }
    let _mounted = crate::record::Mounted(at.clone());
    assert!(Command::new("/sbin/fsfreeze").arg("-f").arg(&at).status().unwrap().success());
    let begun = Instant::now();
    let answer =
        repair.ask(&format!("--json --deadline 1 exec dd if=/dev/zero of={}/f count=1", at.display()));
    let took = begun.elapsed();
    let stuck = crate::support::processes_with(&format!("of={}/f", at.display()));
    let states: Vec<_> = stuck.iter().map(|pid| state(*pid)).collect();
    assert!(Command::new("/sbin/fsfreeze").arg("-u").arg(&at).status().unwrap().success());
    let (_, by, _, outcome, message) = lines(&answer);
    assert_eq!((by, outcome), (EndedBy::Guard, Outcome::TimedOut), "{message}");
    assert!(message.contains("NOT seen to end") && message.contains("in state D"), "{message} {states:?}");
    assert!(took < Duration::from_secs(9), "{took:?}");
    until("the write has ended", || stuck.iter().all(|pid| !alive(*pid)));
}
