//! Small words that every page needs: durations, states, and text from elsewhere made harmless to read.

use breakglass_protocol::{RunState, Status, Timestamp, Verb};
use breakglass_recovery::turn::is_unseen;
use breakglass_triage::Health;
use maud::{Markup, html};

/// `4 min 12 s`, `38 s`, `2 h 5 min`, `3 d 4 h`.
pub(crate) fn duration(millis: u64) -> String {
    let seconds = millis / 1000;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// `0.4 s`, `38 s`: for what took less than a minute, to a tenth.
pub(crate) fn took(millis: u64) -> String {
    if millis < 60_000 { format!("{}.{} s", millis / 1000, millis % 1000 / 100) } else { duration(millis) }
}

/// `1.3 MB`.
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0..1000 => format!("{bytes} B"),
        1000..1_000_000 => format!("{}.{} KB", bytes / 1000, bytes % 1000 / 100),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
    }
}

/// How long ago, counted on by the script.
pub(crate) fn ticking(since: Timestamp, now: Timestamp) -> Markup {
    let millis = now.millis_since(since);
    html! { span data-tick=(millis / 1000) { (duration(millis)) } }
}

/// A moment: the time of day, with its date where that is another day than `now`'s.
pub(crate) fn moment(at: Timestamp, now: Timestamp) -> Markup {
    let whole = at.to_string();
    let date = whole.get(..10).unwrap_or_default();
    let same_day = now.to_string().starts_with(date);
    html! { time datetime=(whole) { @if !same_day { (date) " " } (at.time_of_day()) } }
}

/// The class of a lamp.
pub(crate) const fn lamp(health: Health) -> &'static str {
    match health {
        Health::Good => "lamp good",
        Health::Unknown => "lamp unknown",
        Health::Degraded => "lamp work",
        Health::Down => "lamp down",
    }
}

/// How a target does, in two words.
pub(crate) const fn answering(health: Health) -> &'static str {
    match health {
        Health::Good => "Answering",
        Health::Unknown => "Not seen yet",
        Health::Degraded => "In trouble",
        Health::Down => "Not serving",
    }
}

/// A verb as it stands on a button.
pub(crate) const fn verb_title(verb: Verb) -> &'static str {
    match verb {
        Verb::Status => "Status",
        Verb::Forensics => "Forensics",
        Verb::Reset => "Reset",
        Verb::Stop => "Stop",
        Verb::Start => "Start",
        Verb::Cycle => "Cycle",
    }
}

/// A verb that is going on.
pub(crate) const fn verb_going_on(verb: Verb) -> &'static str {
    match verb {
        Verb::Status => "Looking at",
        Verb::Forensics => "Capturing forensics of",
        Verb::Reset => "Resetting",
        Verb::Stop => "Stopping",
        Verb::Start => "Starting",
        Verb::Cycle => "Cycling",
    }
}

/// The state of a VM in the hypervisor's word.
pub(crate) fn run_state(state: &RunState) -> (&'static str, String) {
    let (lamp, word) = match state {
        RunState::Running => ("lamp good", "running"),
        RunState::Stopped => ("lamp down", "off"),
        RunState::Paused => ("lamp down", "paused"),
        RunState::IoError => ("lamp down", "disk error"),
        RunState::InternalError => ("lamp down", "internal error"),
        RunState::GuestPanicked => ("lamp down", "panicked"),
        RunState::Prelaunch => ("lamp work", "not let go"),
        RunState::Unresponsive => ("lamp down", "silent"),
        RunState::Other(other) => return ("lamp work", clean(other)),
        RunState::Unknown => ("lamp unknown", "not seen"),
    };
    (lamp, word.to_owned())
}

/// Completed guest writes a second, from the two samples of one status.
pub(crate) fn writes_per_second(status: &Status) -> Option<f64> {
    let (first, last) = (status.samples.first()?, status.samples.last()?);
    let millis = last.at.millis_since(first.at);
    if millis == 0 {
        return None;
    }
    let total =
        |sample: &breakglass_protocol::BlockSample| sample.disks.iter().map(|disk| disk.writes).sum::<u64>();
    let writes = u32::try_from(total(last).saturating_sub(total(first))).unwrap_or(u32::MAX);
    let millis = u32::try_from(millis).unwrap_or(u32::MAX);
    Some(f64::from(writes) * 1000.0 / f64::from(millis))
}

/// What a presser was shown, as it is kept in the journal with the press.
pub(crate) fn shown(status: Option<&Status>) -> String {
    let Some(status) = status else { return "not seen".to_owned() };
    let (_, state) = run_state(&status.state);
    let writes = writes_per_second(status).map_or_else(|| "?".to_owned(), |rate| format!("{rate:.0}"));
    let lock = status.lock.as_ref().map_or_else(|| "none".to_owned(), |lock| clean(&lock.kind));
    format!("{state} writes={writes} lock={lock}")
}

/// A sentence that came as a fragment: a capital at the start, a full stop at the end, cleaned.
pub(crate) fn sentence(text: &str) -> String {
    let text = clean(text.trim());
    let mut rest = text.chars();
    let Some(first) = rest.next() else { return String::new() };
    let stop = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{}{}{stop}", first.to_uppercase(), rest.as_str())
}

/// Text that a machine or a person wrote, without what would act on a reader rather than be read: terminal escapes go,
/// other control characters, marks that turn the direction of writing and what is there without being seen become visible.
pub(crate) fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\u{1b}' => skip_escape(&mut rest),
            '\n' | '\t' => out.push(c),
            '\r' if rest.peek() == Some(&'\n') => {}
            c if shapes(c) => out.push(c),
            c if is_unseen(c) => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// What takes no room and is still part of how a word or an emoji is written: joiners and variation selectors. In a text it is
/// left; in a command it is not.
const fn shapes(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}')
}

/// What was or will be run, to the letter: nothing is taken out, since what a terminal would swallow a shell carries out. What
/// nobody sees becomes visible.
pub(crate) fn exact(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\u{1b}' => '\u{241b}',
            '\r' => '\u{240d}',
            c if is_unseen(c) => '\u{fffd}',
            c => c,
        })
        .collect()
}

/// More of one text than this is no reading matter: the browser would have to lay it out all the same.
const READABLE: usize = 64 * 1024;
/// A text of more bytes or lines than this stands in a box that scrolls by itself.
const SHORT: usize = 4 * 1024;
const SHORT_LINES: usize = 40;

/// [`clean`], and cut where it is very long; it says so, and where the rest is.
pub(crate) fn readable(text: &str) -> String {
    if text.len() <= READABLE {
        return clean(text);
    }
    let start = text.get(..text.floor_char_boundary(READABLE)).unwrap_or_default();
    let left = size(u64::try_from(text.len() - start.len()).unwrap_or(u64::MAX));
    format!("{}\n… cut here: {left} more, in the export of this incident", clean(start))
}

/// The same in a box of its own where it is so long that it would push everything else out of sight.
pub(crate) fn boxed(text: &str) -> Markup {
    let text = readable(text);
    let long = text.len() > SHORT || text.lines().nth(SHORT_LINES).is_some();
    html! {
        @if long { span.long tabindex="0" { (text) } } @else { (text) }
    }
}

/// Skips what follows an ESC: a control sequence up to its final byte, an operating-system command up to its end, or
/// one character.
fn skip_escape(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match rest.next() {
        Some('[') => while rest.next().is_some_and(|c| !('@'..='~').contains(&c)) {},
        Some(']') => while rest.next().is_some_and(|c| c != '\u{7}' && c != '\u{1b}') {},
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_on_a_reader_is_taken_out_or_shown() {
        for (text, seen) in [
            ("a\u{1b}[31mred\u{1b}[0m", "ared"),
            ("\u{1b}]0;title\u{7}x", "x"),
            ("a\r\nb\tc", "a\nb\tc"),
            ("pass\u{202e}drow", "pass\u{fffd}drow"),
            ("nul\0 bell\u{7}", "nul\u{fffd} bell\u{fffd}"),
            ("a\u{200b}b\u{2028}c\u{ad}d\u{e0041}", "a\u{fffd}b\u{fffd}c\u{fffd}d\u{fffd}"),
            ("<script>", "<script>"),
        ] {
            assert_eq!(clean(text), seen);
        }
    }

    #[test]
    fn an_emoji_of_several_and_a_word_with_a_joiner_stay_whole() {
        for text in ["👩\u{200d}👩\u{200d}👧", "🏳\u{fe0f}\u{200d}🌈", "می\u{200c}خواهم"] {
            assert_eq!(clean(text), text);
            assert_ne!(exact(text), text);
        }
    }

    #[test]
    fn of_what_is_run_nothing_is_hidden() {
        let hidden = "df -h \u{1b}]0; rm -rf /srv \u{7}\r\n";
        assert_eq!(clean(hidden), "df -h \n", "as a terminal would show it");
        assert_eq!(exact(hidden), "df -h \u{241b}]0; rm -rf /srv \u{fffd}\u{240d}\n");
    }

    #[test]
    fn very_long_text_is_cut_and_says_so() {
        let text = readable(&"ü".repeat(60_000));
        assert!(
            text.len() < READABLE + 100 && text.ends_with("54.4 KB more, in the export of this incident"),
            "{}",
            text.len()
        );
        assert_eq!(readable("short"), "short");
    }

    #[test]
    fn durations_name_their_units() {
        for (millis, text) in
            [(900, "0 s"), (252_000, "4 min 12 s"), (7_500_000, "2 h 5 min"), (273_600_000, "3 d 4 h")]
        {
            assert_eq!(duration(millis), text);
        }
        assert_eq!(took(2_849), "2.8 s");
        assert_eq!(size(1_340_000), "1.3 MB");
    }
}
