//! `[diag]` in `guard.toml`: kept where it is, else added, and what was added can be taken out again.

use super::files::{self, said};
use super::places::{BROKER_SOCKET, CONFIG};
use super::steps::{Step, Steps};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Begins with the end of a line, whether the text before it had one: so taking the part out restores every byte.
const BEGIN: &str = "\n# begin: written by `breakglass-guard install diag`\n";
const END: &str = "# end: written by `breakglass-guard install diag`\n";

fn section(with_broker: bool) -> String {
    let broker = if with_broker { format!("broker = \"{BROKER_SOCKET}\"\n") } else { String::new() };
    format!(
        "# The read-only door; this header alone is complete. `deny = [\"/srv/private\"]` hides more, `[diag.sets]`\n\
         # switches commands off, `[diag.limits]` bounds a request: see docs/ of breakglass.\n[diag]\n{broker}"
    )
}

/// What stands there now: `None` where there is no file.
///
/// # Errors
/// A sentence.
pub(super) fn present() -> Result<Option<String>, String> {
    match fs::read_to_string(CONFIG) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(said(Path::new(CONFIG), error)),
    }
}

/// Writes the section where the file has none, or where the one that it has is ours and says something else now.
///
/// # Errors
/// A sentence; the file is as it was.
pub(super) fn write(steps: &mut Steps, has_diag: bool, with_broker: bool) -> Result<(), String> {
    let section = section(with_broker);
    match present()? {
        None => files::config(steps, CONFIG, section.as_bytes()),
        Some(text) if is_untouched(steps, &text) => files::config(steps, CONFIG, section.as_bytes()),
        Some(text) if !has_diag || text.contains(BEGIN) => {
            let kept = without_part(&text);
            let place = Path::new(CONFIG);
            let (mode, gid) = mode_and_group(place)?;
            // The account reads the file, so everybody may: it holds no secret.
            if mode & 0o044 != 0o044 {
                steps.note(Step::Mode(CONFIG.to_owned(), format!("{mode:o}")))?;
            }
            steps.note(Step::Part(CONFIG.to_owned()))?;
            let text = format!("{kept}{BEGIN}{section}{END}");
            files::replace(place, text.as_bytes(), mode | 0o044, (0, gid))
        }
        Some(_) => Ok(()),
    }
}

/// Whether the whole file is as install wrote it.
pub(super) fn is_untouched(steps: &Steps, text: &str) -> bool {
    steps.has_written(CONFIG, &breakglass_chain::digest(text.as_bytes()).to_string())
}

/// Takes the part between the marks out again.
///
/// # Errors
/// A sentence; the file is as it was.
pub(super) fn remove_part(path: &str) -> Result<(), String> {
    let place = Path::new(path);
    let Ok(text) = fs::read_to_string(place) else { return Ok(()) };
    let kept = without_part(&text);
    if kept == text {
        return Ok(());
    }
    let (mode, gid) = mode_and_group(place)?;
    files::replace(place, kept.as_bytes(), mode, (0, gid))
}

fn mode_and_group(path: &Path) -> Result<(u32, u32), String> {
    let metadata = fs::metadata(path).map_err(|error| said(path, error))?;
    Ok((metadata.mode() & 0o7777, metadata.gid()))
}

fn without_part(text: &str) -> String {
    let part = text.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    match part {
        Some((before, after)) => format!("{before}{after}"),
        None => text.to_owned(),
    }
}
