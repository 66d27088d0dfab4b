//! A notice: what is told, of which events, and the words for it. The same notice has the same key at every try, in this run of
//! the server and in the next, so that a receiver can tell a second copy from a second notice.
//!
//! It leads to the page and opens nothing: no token, no address that acts, no word of what a guest printed or an agent asked for.

use breakglass_fleet::{Fleet, Occasion};
use breakglass_incident::{IncidentId, Seq};
use breakglass_protocol::{Timestamp, Verb};
use serde::Serialize;

/// More of a sentence is not sent.
const LONGEST_TEXT: usize = 600;
/// So many targets are named in one notice; of the others, how many.
const NAMED: usize = 12;

/// What is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Targets stopped answering.
    Down,
    /// A target goes down and comes back again and again; so often in half an hour.
    Flapping(usize),
    /// A target answers again.
    Back,
    /// A verb was pressed.
    Pressed(Verb),
    /// An agent asks a person; the question stands until then.
    Asked(Timestamp),
    /// The doors of targets were tried, and not all were proven.
    CanaryFailed,
    /// The doors of a target fail and hold again and again; so often in half an hour.
    CanaryFlapping(usize),
    /// All doors of a target are proven again.
    CanaryProven,
    /// The journal keeps nothing.
    NotKeeping,
    /// It keeps events again.
    KeepingAgain,
    /// Nothing happened: somebody wants to see a notice arrive.
    Trial,
}

impl Kind {
    /// The word in the body of a webhook and in the key.
    pub(crate) const fn word(&self) -> &'static str {
        match self {
            Self::Down => "target-down",
            Self::Flapping(_) => "target-flapping",
            Self::Back => "target-back",
            Self::Pressed(_) => "verb-pressed",
            Self::Asked(_) => "approval-asked",
            Self::CanaryFailed => "canary-failed",
            Self::CanaryFlapping(_) => "canary-flapping",
            Self::CanaryProven => "canary-proven",
            Self::NotKeeping => "journal-not-keeping",
            Self::KeepingAgain => "journal-keeping-again",
            Self::Trial => "trial",
        }
    }

    /// Under which word a receiver asks for it; `None`: whatever it asks for.
    pub(crate) const fn occasion(&self) -> Option<Occasion> {
        match self {
            Self::Down | Self::Flapping(_) => Some(Occasion::TargetDown),
            Self::Back => Some(Occasion::TargetBack),
            Self::Pressed(_) => Some(Occasion::VerbPressed),
            Self::Asked(_) => Some(Occasion::ApprovalAsked),
            Self::CanaryFailed | Self::CanaryFlapping(_) | Self::CanaryProven => Some(Occasion::CanaryFailed),
            Self::NotKeeping | Self::KeepingAgain => Some(Occasion::Journal),
            Self::Trial => None,
        }
    }

    /// Whether somebody should be woken.
    const fn urgency(&self) -> Urgency {
        match self {
            Self::Down | Self::Flapping(_) | Self::Asked(_) | Self::NotKeeping => Urgency::Wakes,
            // Nothing is broken but the way back in, which is for the day after tomorrow.
            Self::CanaryFailed | Self::CanaryFlapping(_) | Self::CanaryProven => Urgency::Waits,
            Self::Back | Self::Pressed(_) | Self::KeepingAgain | Self::Trial => Urgency::Waits,
        }
    }
}

/// Whether a notice wakes somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Urgency {
    /// It does.
    Wakes,
    /// It can be read in the morning.
    Waits,
}

/// One event that a notice tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    /// The event; 0 where there is none.
    pub(crate) seq: Seq,
    /// Its incident.
    pub(crate) incident: Option<IncidentId>,
    /// Whom it is about, where it is about one.
    pub(crate) target: Option<String>,
    /// When it happened.
    pub(crate) at: Timestamp,
    /// When this server knew of it.
    pub(crate) known: Timestamp,
    /// What it says.
    pub(crate) sentence: String,
}

/// What is told, of which events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) kind: Kind,
    /// At least one.
    pub(crate) members: Vec<Member>,
}

/// A notice as a receiver gets it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Letter {
    /// The key.
    pub(crate) id: String,
    /// What sort of notice.
    pub(crate) event: &'static str,
    /// Whether it should wake somebody.
    pub(crate) urgency: Urgency,
    /// When it happened.
    pub(crate) at: Timestamp,
    /// The fleet's name.
    pub(crate) fleet: String,
    /// Whom it is about.
    pub(crate) targets: Vec<String>,
    /// Where to read on, as a number.
    pub(crate) incident: Option<IncidentId>,
    /// In a line.
    pub(crate) title: String,
    /// In a sentence or two.
    pub(crate) text: String,
    /// Where to read on.
    pub(crate) link: String,
}

impl Notice {
    pub(crate) fn of_one(kind: Kind, member: Member) -> Self {
        Self { kind, members: vec![member] }
    }

    /// The notice without the members that `told` says were told already; `None` where none is left.
    pub(crate) fn without(&self, told: impl Fn(&Member) -> bool) -> Option<Self> {
        let members: Vec<Member> = self.members.iter().filter(|member| !told(member)).cloned().collect();
        (!members.is_empty()).then(|| Self { kind: self.kind.clone(), members })
    }

    /// The same for the same events, at every try and after a restart. Letters, digits and dashes.
    fn key(&self) -> String {
        let Some(first) = self.members.first() else { return String::new() };
        let at = first.at.unix_millis();
        let more = match self.members.len() {
            0 | 1 => String::new(),
            n => format!("-{n}"),
        };
        format!("bg-{}-{at}-{}{more}", first.seq, self.kind.word())
    }

    /// The words.
    pub(crate) fn letter(&self, fleet: &Fleet) -> Letter {
        let first = self.members.first();
        let targets: Vec<String> = self.members.iter().filter_map(|member| member.target.clone()).collect();
        let incident = first.and_then(|member| member.incident).filter(|_| self.members.len() == 1);
        let path = match (&incident, first.and_then(|member| member.target.as_ref())) {
            (Some(incident), _) => {
                let anchor = if matches!(self.kind, Kind::Asked(_)) { "#ask" } else { "" };
                format!("/incidents/{incident}{anchor}")
            }
            (None, Some(target)) if self.members.len() == 1 => format!("/targets/{target}"),
            _ => "/".to_owned(),
        };
        Letter {
            id: self.key(),
            event: self.kind.word(),
            urgency: self.kind.urgency(),
            at: first.map_or(Timestamp::from_unix_millis(0), |member| member.at),
            fleet: fleet.name.clone(),
            title: self.title(fleet),
            text: plain(&self.text()),
            link: format!("{}{path}", fleet.notify.page.as_deref().unwrap_or_default()),
            targets,
            incident,
        }
    }

    fn name(&self) -> &str {
        self.members.first().and_then(|member| member.target.as_deref()).unwrap_or("the fleet")
    }

    fn title(&self, fleet: &Fleet) -> String {
        let name = self.name();
        match (&self.kind, self.members.len()) {
            (Kind::Down, 0 | 1) => format!("{name} stopped answering"),
            (Kind::Down, n) => match fleet.hypervisor_of(name) {
                Some(host) => format!("{n} targets on {} stopped answering", host.name),
                None => format!("{n} targets stopped answering"),
            },
            (Kind::Flapping(times), _) => format!("{name} keeps going down: {times} times in half an hour"),
            (Kind::Back, _) => format!("{name} answers again"),
            (Kind::Pressed(verb), _) => format!("{verb} {name} was pressed"),
            (Kind::Asked(_), _) => match self.members.first().and_then(|member| member.incident) {
                Some(incident) => format!("An agent asks for a decision in incident {incident}"),
                None => "An agent asks for a decision".to_owned(),
            },
            (Kind::CanaryFailed, 0 | 1) => format!("A way into {name} does not hold"),
            (Kind::CanaryFailed, n) => format!("Ways into {n} targets do not hold"),
            (Kind::CanaryFlapping(times), _) => {
                format!("Ways into {name} fail again and again: {times} times in half an hour")
            }
            (Kind::CanaryProven, _) => format!("All ways into {name} are proven again"),
            (Kind::NotKeeping, _) => "The journal does not keep what happens".to_owned(),
            (Kind::KeepingAgain, _) => "The journal keeps what happens again".to_owned(),
            (Kind::Trial, _) => "A trial notice".to_owned(),
        }
    }

    fn text(&self) -> String {
        let said = self.members.first().map(|member| member.sentence.as_str()).unwrap_or_default();
        match (&self.kind, self.members.len()) {
            (Kind::Down | Kind::CanaryFailed, 2..) => {
                let names: Vec<&str> =
                    self.members.iter().filter_map(|member| member.target.as_deref()).collect();
                let more = names.len().saturating_sub(NAMED);
                let named = names.into_iter().take(NAMED).collect::<Vec<_>>().join(", ");
                if more > 0 { format!("{named} and {more} more.") } else { format!("{named}.") }
            }
            (Kind::Flapping(_), _) => format!(
                "{said}. From now on you are told only when it stays down for five minutes, or when it has been well for a \
                 quarter of an hour."
            ),
            (Kind::CanaryFlapping(_), _) => format!(
                "{said}. From now on you are told only when it lasts for five minutes, or when all held for a quarter of an hour."
            ),
            (Kind::Asked(until), _) => {
                format!(
                    "The question stands until {} UTC. Read it and decide on the page.",
                    until.time_of_day()
                )
            }
            (Kind::Pressed(verb), _) => format!("{said} pressed {verb} on {}.", self.name()),
            _ => said.to_owned(),
        }
    }
}

/// One line of visible text: what comes from a host is anybody's text.
fn plain(text: &str) -> String {
    let turns =
        |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let text: String = text.chars().map(|c| if c.is_control() || turns(c) { ' ' } else { c }).collect();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut line: String = text.chars().take(LONGEST_TEXT).collect();
    if line.len() < text.len() {
        line.push('…');
    } else if !line.is_empty() && !line.ends_with(['.', '!', '?', '…']) {
        line.push('.');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fleet() -> Fleet {
        let text = "[fleet]\nname = \"home\"\n[[component]]\nname = \"pve\"\nkind = \"hypervisor\"\n\
             [[component]]\nname = \"devvm\"\nkind = \"vm\"\nneeds = [\"pve\"]\n[notify]\npage = \"https://bg.example.org/x/\"\n";
        Fleet::parse(text, std::path::Path::new("fleet.toml")).unwrap()
    }

    fn member(seq: u64, target: &str) -> Member {
        let at = Timestamp::from_unix_millis(1_795_305_600_000);
        Member {
            seq: Seq(seq),
            incident: Some(IncidentId(41)),
            target: Some(target.to_owned()),
            at,
            known: at,
            sentence: "no answer".to_owned(),
        }
    }

    #[test]
    fn a_letter_leads_to_the_page_and_has_one_key() {
        let notice = Notice::of_one(Kind::Down, member(7, "devvm"));
        let letter = notice.letter(&fleet());
        assert_eq!(letter.id, "bg-7-1795305600000-target-down");
        assert_eq!(letter.link, "https://bg.example.org/x/incidents/41");
        assert_eq!((letter.title.as_str(), letter.text.as_str()), ("devvm stopped answering", "no answer."));
        assert_eq!(letter, notice.letter(&fleet()));
        let several = Notice { kind: Kind::Down, members: vec![member(7, "devvm"), member(8, "other")] };
        let letter = several.letter(&fleet());
        assert_eq!(letter.id, "bg-7-1795305600000-target-down-2");
        assert_eq!(letter.title, "2 targets on pve stopped answering");
        assert_eq!(
            (letter.text.as_str(), letter.link.as_str()),
            ("devvm, other.", "https://bg.example.org/x/")
        );
    }

    #[test]
    fn a_hostile_sentence_becomes_one_short_line() {
        let mut hostile = member(7, "devvm");
        hostile.sentence = format!("a\r\nSubject: x\u{202e}\u{1b}[31m {}", "é".repeat(2_000));
        let text = Notice::of_one(Kind::Down, hostile).letter(&fleet()).text;
        assert!(text.starts_with("a Subject: x [31m é"), "{text}");
        assert!(text.chars().count() <= LONGEST_TEXT + 1 && text.ends_with('…'));
    }
}
