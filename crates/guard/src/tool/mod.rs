//! Asks a hypervisor's own tools and reads its files, each in a child that may hang: a cluster file system without an
//! answer, a daemon that is stuck, a tool that waits for a lock cost their deadline and nothing more.
//!
//! It decides nothing of what is asked: words come from the policy and from constants, and no shell ever sees them.

pub(crate) mod wire;

use crate::capture::children::{End, Ended, Job, Late, Nursery};
use crate::sys::{self, Standard};
use crate::{power, report};
use breakglass_protocol::exit;
use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// What a child says where there is nothing to run or to read.
const ABSENT: u8 = 127;
/// The longest answer, and the largest file.
const LARGEST: usize = 1 << 20;
/// From a child's deadline until it must have been given up.
const GIVING_UP: Duration = Duration::from_millis(500);

/// What a child does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Does {
    /// Reads one file.
    Read,
    /// Becomes a tool that dies with the guard: it must not act when nobody waits for it any more.
    Tied,
    /// Becomes a tool that goes on without the guard.
    Free,
}

impl Does {
    const ALL: [(Self, &'static str); 3] = [(Self::Read, "read"), (Self::Tied, "tied"), (Self::Free, "free")];

    fn word(self) -> &'static str {
        Self::ALL.into_iter().find(|(does, _)| *does == self).map_or("", |(_, word)| word)
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    /// It succeeded, with this output.
    Yes(String),
    /// It failed, with this.
    No(String),
    /// There is no such tool or file.
    Absent,
    /// It gave no answer in time; what it had said until then.
    Late(String),
}

impl Said {
    /// What it said, or why it said nothing useful.
    pub(crate) fn text(&self) -> Result<&str, String> {
        match self {
            Self::Yes(text) => Ok(text),
            Self::No(text) => Err(format!("failed: {}", one_line(text))),
            Self::Absent => Err("is not there".to_owned()),
            Self::Late(text) if text.trim().is_empty() => Err("gave no answer in time".to_owned()),
            Self::Late(text) => Err(format!("did not end in time; it said: {}", one_line(text))),
        }
    }
}

/// The end of what a tool said, on one line and without what could steer a terminal.
pub(crate) fn one_line(text: &str) -> String {
    let text = text.trim();
    let from = text.floor_char_boundary(text.len().saturating_sub(300));
    let end = text.get(from..).unwrap_or_default();
    let line = end.lines().map(str::trim).collect::<Vec<_>>().join("; ");
    line.chars().filter(|c| !c.is_control()).collect()
}

/// One question under way.
#[derive(Debug)]
pub(crate) struct Asking {
    nursery: Nursery,
}

impl Asking {
    /// Asks.
    pub(crate) fn begin(does: Does, words: &[String], deadline: Instant) -> Self {
        let mut nursery = Nursery::default();
        nursery.start(job(0, does, words, deadline));
        Self { nursery }
    }

    /// The answer, if it comes before `until`.
    pub(crate) fn wait(&mut self, until: Instant) -> Option<Said> {
        self.nursery.next(until).map(said)
    }

    /// Gives it up; what it had said until then.
    pub(crate) fn abandon(mut self) -> String {
        self.nursery.hurry();
        match self.wait(Instant::now() + GIVING_UP) {
            Some(Said::Yes(text) | Said::No(text) | Said::Late(text)) => text,
            Some(Said::Absent) | None => String::new(),
        }
    }
}

/// Asks one question and waits for its end.
pub(crate) fn ask(does: Does, words: &[String], deadline: Instant) -> Said {
    let mut asking = Asking::begin(does, words, deadline);
    asking.wait(deadline + GIVING_UP).unwrap_or_else(|| Said::Late(String::new()))
}

/// Asks several at once.
pub(crate) fn ask_all<const N: usize>(asks: [(Does, Vec<String>); N], deadline: Instant) -> [Said; N] {
    let mut answers = ask_each(&asks, deadline).into_iter();
    [(); N].map(|()| answers.next().unwrap_or(Said::Absent))
}

fn ask_each(asks: &[(Does, Vec<String>)], deadline: Instant) -> Vec<Said> {
    let mut nursery = Nursery::default();
    for (number, (does, words)) in asks.iter().enumerate() {
        nursery.start(job(number, *does, words, deadline));
    }
    let mut answers = vec![Said::Late(String::new()); asks.len()];
    while let Some(ended) = nursery.next(deadline + GIVING_UP) {
        if let Some(answer) = ended.name.parse().ok().and_then(|at: usize| answers.get_mut(at)) {
            *answer = said(ended);
        }
    }
    answers
}

fn job(number: usize, does: Does, words: &[String], deadline: Instant) -> Job {
    let mut arguments: Vec<OsString> = vec!["tool".into(), does.word().into()];
    arguments.extend(words.iter().map(OsString::from));
    let late = if does == Does::Free { Late::Leave } else { Late::Kill };
    let name = number.to_string();
    Job { name, arguments, input: Vec::new(), fed_later: false, deadline, late, output_limit: LARGEST }
}

fn said(ended: Ended) -> Said {
    let text = String::from_utf8_lossy(&ended.output).into_owned();
    match ended.end {
        End::Exited(Some(0)) => Said::Yes(text),
        End::Exited(Some(code)) if code == i32::from(ABSENT) => Said::Absent,
        End::Exited(Some(_)) => Said::No(text),
        End::Exited(None) => Said::No(format!("{text}\na signal ended it")),
        End::TooMuch => Said::No("it said too much".to_owned()),
        End::NotStarted(why) => Said::No(why),
        End::Late(_) => Said::Late(text),
    }
}

/// The hidden subcommand: becomes the tool, or reads the file. `words` is what follows `tool`.
pub(crate) fn run(words: &[OsString]) -> u8 {
    let does = words.first().and_then(|word| Does::ALL.into_iter().find(|(_, name)| word == name));
    let rest: Vec<String> = words.iter().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    let (Some((does, _)), Some(first)) = (does, rest.first()) else { return exit::INTERNAL };
    if does != Does::Free {
        let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
    }
    let error = if does == Does::Read {
        match read(first.as_ref()) {
            Ok(()) => return exit::DONE,
            Err(error) => error,
        }
    } else {
        // What a tool starts is a VM: the kernel shall not spare it more than others.
        power::spare_from_oom(0);
        // One pipe for both: what went wrong stands on the other one.
        let _ = sys::replace_standard(std::io::stdout().as_fd(), Standard::Error);
        power::become_program(&rest)
    };
    if error.kind() == std::io::ErrorKind::NotFound {
        return ABSENT;
    }
    report::say(&error.to_string());
    exit::INTERNAL
}

fn read(path: &OsStr) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(LARGEST as u64).read_to_end(&mut bytes)?;
    std::io::stdout().lock().write_all(&bytes)
}
