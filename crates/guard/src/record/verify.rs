//! `record verify` and `record head`: for a person, a script or the server that holds an exported head.

use breakglass_chain::{Tip, Verify};
use breakglass_protocol::exit;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// Checks the whole chain and prints what holds; against `expected`, a cut tail shows too. Returns the exit code:
/// 0 for a chain that holds, 1 for a broken one, 69 for a file that cannot be read.
pub(crate) fn verify(path: &Path, expected: Option<Tip>) -> u8 {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) => {
            crate::report::warn(&format!("{} cannot be read: {error}", path.display()));
            return exit::HYPERVISOR_UNAVAILABLE;
        }
    };
    match (Verify { expected, ..Verify::default() }).lines(BufReader::new(file)) {
        Ok(head) => {
            let (lines, gaps, missing) = (head.lines, head.gaps, head.missing);
            let cut = if expected.is_none() { "; a cut tail shows only against `--head`" } else { "" };
            crate::report::say(&format!(
                "holds: {lines} lines, {gaps} gaps, {missing} lines known to be lost; head {}{cut}",
                head.tip()
            ));
            exit::DONE
        }
        Err(broken) => {
            crate::report::warn(&format!("{}: BROKEN at {broken}", path.display()));
            1
        }
    }
}

/// Prints where the chain stands, as `SEQ:HASH`. Returns the exit code, as [`verify`].
pub(crate) fn head(path: &Path) -> u8 {
    match File::open(path).map(|file| Verify::default().lines(BufReader::new(file))) {
        Ok(Ok(head)) => {
            crate::report::say(&head.tip().to_string());
            exit::DONE
        }
        Ok(Err(broken)) => {
            crate::report::warn(&format!("{}: BROKEN at {broken}", path.display()));
            1
        }
        Err(error) => {
            crate::report::warn(&format!("{} cannot be read: {error}", path.display()));
            exit::HYPERVISOR_UNAVAILABLE
        }
    }
}
