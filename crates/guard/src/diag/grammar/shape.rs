//! How a program's output is redacted, where an option decides.

use super::Draft;
use crate::diag::policy::DiagPolicy;
use breakglass_protocol::Refusal;
use breakglass_redact::Shape;

/// `journalctl -o json` and others.
///
/// # Errors
/// None.
pub(crate) fn journal(draft: &mut Draft, _: &DiagPolicy) -> Result<(), Refusal> {
    if draft.value("--output").is_some_and(|format| format.starts_with("json")) {
        draft.shape = Shape::JsonLines;
    }
    Ok(())
}
