//! The timeline as Markdown: the draft of a post-mortem, to be finished by a person.
//!
//! Whatever stood in a command's output or a note is hostile here: it may try to end a code block, start a heading or a link, or
//! hide text from a reader. Text is escaped, output goes into a fence longer than any run of backticks in it, and control
//! characters are made visible.

use crate::words::{Row, RowKind, duration, part_words, sentence, size};
use crate::{Command, Event, Forensics, View};
use breakglass_protocol::{Outcome, Timestamp};
use breakglass_triage::Action;
use std::fmt::Write as _;

/// The post-mortem draft of one incident, from all its events.
#[must_use]
pub fn markdown(events: &[Event]) -> String {
    let view = View::fold(events);
    let mut page = String::new();
    let number = view.id.map_or_else(|| "?".to_owned(), |id| id.to_string());
    heading(&mut page, 1, &format!("Incident {number}: {}", view.target));
    line(
        &mut page,
        "Draft from the journal. All times are UTC. What is under \"Observed\" was measured; the rest was said or asked for.",
    );
    summary(&mut page, &view);
    timeline(&mut page, &view);
    commands(&mut page, &view.commands);
    forensics(&mut page, &view.forensics);
    questions(&mut page, &view);
    page
}

fn summary(page: &mut String, view: &View) {
    heading(page, 2, "Summary");
    let mut fact = |label: &str, text: &str| {
        let _infallible = writeln!(page, "- **{label}:** {}", escape(text));
    };
    fact("Target", &view.target);
    fact(
        "Opened",
        &format!("{} by {}. {}", moment(view.opened), who(view.opened_by.as_ref()), sentence(&view.reason)),
    );
    match view.closed {
        Some(_) => {
            fact(
                "Closed",
                &format!("{}. {}", moment(view.closed), sentence(view.close_reason.as_deref().unwrap_or(""))),
            );
        }
        None => fact("Closed", "not yet"),
    }
    fact("Away", &away(view));
    let named = view.triage.as_ref().map(|triage| {
        let wedge = triage.wedge.map_or("no wedge named", |wedge| wedge.title());
        format!("{wedge}. {}", sentence(&triage.summary))
    });
    fact("Wedge", named.as_deref().unwrap_or("no triage was made"));
    if view.finished.is_empty() {
        fact("Action", "no verb was carried out");
    }
    for end in &view.finished {
        let took = end
            .since
            .map_or_else(String::new, |since| format!(" in {}", duration(end.at.millis_since(since))));
        let by = who(end.by.as_ref());
        fact(
            "Action",
            &format!("{} by {by}: {}{took}. {}", end.verb, outcome(end.outcome), sentence(&end.message)),
        );
    }
    let state = view.state.as_ref().map(|(at, state)| format!("{} (seen {at})", sentence(&state.sentence)));
    fact("State at the end", state.as_deref().unwrap_or("never observed"));
}

fn timeline(page: &mut String, view: &View) {
    heading(page, 2, "Timeline");
    let mut day = String::new();
    for row in &view.rows {
        let date: String = row.at.to_string().chars().take(10).collect();
        if date != day {
            heading(page, 3, &date);
            day = date;
        }
        timeline_row(page, row);
    }
}

fn timeline_row(page: &mut String, row: &Row) {
    let label = if row.label.is_empty() { String::new() } else { format!(", {}", escape(&row.label)) };
    let observed = if row.kind == RowKind::Observed { "Observed: " } else { "" };
    let text: Vec<String> = row.sentences.iter().map(|sentence| escape(sentence)).collect();
    let actor = escape(&row.actor.to_string());
    let _infallible =
        writeln!(page, "- {} **{actor}**{label}: {observed}{}", row.at.time_of_day(), text.join(" "));
    if !row.detail.is_empty() {
        // Output stands whole under "Commands"; here its beginning is enough to follow the story.
        let head: Vec<&str> = row.detail.iter().take(20).map(String::as_str).collect();
        let more = row.detail.len().saturating_sub(head.len());
        let mut text = head.join("\n");
        if more > 0 {
            let _infallible = write!(text, "\n[{more} more lines]");
        }
        fenced(page, &text, "  ");
    }
    for artifact in &row.artifacts {
        let _infallible = writeln!(
            page,
            "  - {} ({}), sha256 `{}`",
            escape(&artifact.name),
            size(artifact.bytes),
            hex(&artifact.sha256)
        );
    }
}

fn commands(page: &mut String, commands: &[Command]) {
    if commands.is_empty() {
        return;
    }
    heading(page, 2, "Commands");
    for command in commands {
        heading(
            page,
            3,
            &format!("Command {} by {} through {}, {}", command.id, command.by, command.door, command.since),
        );
        fenced(page, &command.command, "");
        match &command.end {
            Some(end) => {
                line(page, &format!("Ended: {} It took {}.", sentence(&end.message), duration(end.millis)));
                if end.output.is_empty() {
                    line(page, "It wrote nothing.");
                } else {
                    fenced(page, &end.output, "");
                }
                if let Some(rest) = &end.rest {
                    let _infallible =
                        writeln!(page, "All of it: {}, sha256 `{}`\n", size(rest.bytes), hex(&rest.sha256));
                }
            }
            None => line(page, "Its end was not recorded."),
        }
    }
}

fn forensics(page: &mut String, captures: &[Forensics]) {
    if captures.is_empty() {
        return;
    }
    heading(page, 2, "Forensics");
    for capture in captures {
        let operation =
            capture.operation.as_ref().map_or_else(String::new, |id| format!(", before operation {id}"));
        line(page, &format!("Captured {}{operation}:", capture.at));
        for part in &capture.parts {
            let kept = part.artifact.as_ref().map_or_else(
                || "no bytes".to_owned(),
                |artifact| format!("{}, sha256 `{}`", size(artifact.bytes), hex(&artifact.sha256)),
            );
            let (name, outcome) = (escape(&part.part), part_words(part.outcome));
            let _infallible = writeln!(page, "- {name}: {outcome}, {}, {kept}", duration(part.millis));
        }
        page.push('\n');
    }
}

/// What the journal itself cannot answer. Each question comes from something that is absent.
fn questions(page: &mut String, view: &View) {
    heading(page, 2, "Open questions");
    let mut ask = |text: &str| {
        let _infallible = writeln!(page, "- [ ] {}", escape(text));
    };
    let wedge = view.triage.as_ref().and_then(|triage| triage.wedge);
    match wedge {
        Some(wedge) => ask(&format!(
            "What caused it ({})? The journal holds how it looked, not why it came.",
            wedge.title()
        )),
        None => ask("What was wrong? Triage named no wedge."),
    }
    if view.forensics.is_empty() {
        ask("Why was the target wedged? No forensics were captured.");
    }
    let advised = view.triage.as_ref().and_then(|triage| match &triage.action {
        Action::Press(verb) => Some(*verb),
        _ => None,
    });
    if let (Some(advised), Some(done)) =
        (advised, view.finished.iter().rfind(|end| end.outcome == Outcome::Done))
        && advised != done.verb
    {
        ask(&format!("Triage recommended {advised}, and {} was what worked: is a rule wrong?", done.verb));
    }
    for end in &view.finished {
        if !matches!(end.outcome, Outcome::Done | Outcome::Superseded) {
            ask(&format!("Why did {} end as it did ({})?", end.verb, outcome(end.outcome)));
        }
    }
    if view.running.is_some() {
        ask("A verb was still running when this was written: how did it end?");
    }
    if view.unwell_since.is_some() && view.well_again.is_none() {
        ask("Is the target really back? Nothing observed it to be well.");
    }
    if view.opened_by.as_ref().is_some_and(|by| *by != crate::Actor::Watch) {
        ask("Why did the watch not notice by itself?");
    }
    ask("What would have made this shorter?");
}

fn away(view: &View) -> String {
    match (view.away_millis, view.unwell_since, view.well_again) {
        (Some(millis), ..) => duration(millis),
        (None, Some(from), Some(until)) => {
            format!("{}, from what was observed", duration(until.millis_since(from)))
        }
        (None, Some(from), None) => format!("since {from}, not observed to be back"),
        (None, None, _) => "not observed".to_owned(),
    }
}

fn moment(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "at an unknown time".to_owned(), |at| at.to_string())
}

fn who(actor: Option<&crate::Actor>) -> String {
    actor.map_or_else(|| "nobody known here".to_owned(), ToString::to_string)
}

const fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Done => "done",
        Outcome::NotObserved => "carried out, result not observed",
        Outcome::Failed => "failed",
        Outcome::Refused => "refused",
        Outcome::Busy => "not started, another operation had the VM",
        Outcome::TimedOut => "time ran out before its end was seen",
        Outcome::Superseded => "gave way to a stronger verb",
    }
}

fn heading(page: &mut String, level: usize, text: &str) {
    let gap = if page.is_empty() || page.ends_with("\n\n") { "" } else { "\n" };
    let _infallible = write!(page, "{gap}{} {}\n\n", "#".repeat(level), escape(text));
}

fn line(page: &mut String, text: &str) {
    let _infallible = write!(page, "{}\n\n", escape(text));
}

/// A block of machine output, inside a fence that nothing in it can close.
fn fenced(page: &mut String, text: &str, indent: &str) {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    let _infallible = write!(page, "\n{indent}{fence}text\n");
    for line in text.lines() {
        let _infallible = writeln!(page, "{indent}{}", visible(line));
    }
    let _infallible = write!(page, "{indent}{fence}\n\n");
}

/// Only what a digest may hold, so that a forged event cannot break out of the code span.
fn hex(text: &str) -> String {
    text.chars().filter(char::is_ascii_hexdigit).take(64).collect()
}

/// One line of text in which nothing is Markdown or HTML.
fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in visible(text).chars() {
        match c {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '|' | '~' | '!' => {
                safe.push('\\');
                safe.push(c);
            }
            c => safe.push(c),
        }
    }
    safe
}

/// The text with line breaks as a sign, and control and direction characters as escapes: what is printed is what is there.
fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => shown.push_str(" / "),
            '\t' => shown.push_str("    "),
            '\r' => {}
            c if c.is_control() => {
                let _infallible = write!(shown, "{}", c.escape_unicode());
            }
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => {
                let _infallible = write!(shown, "{}", c.escape_unicode());
            }
            c => shown.push(c),
        }
    }
    shown
}
