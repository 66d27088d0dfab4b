//! `breakglass-guard capture whole`: a whole capture by itself, plan on stdin, lines of the protocol on stdout, a
//! summary last. For tests and measurements; the verbs call [`crate::forensics::capture`].

use crate::forensics::{Plan, base64, capture};
use breakglass_protocol::{Line, exit, render_line};
use std::io::Read;

/// The word after `capture`.
pub(super) const NAME: &str = "whole";

pub(super) fn run() -> u8 {
    let mut json = Vec::new();
    if std::io::stdin().lock().take(super::ORDER_LIMIT).read_to_end(&mut json).is_err() {
        return exit::INTERNAL;
    }
    let Ok(plan) = serde_json::from_slice::<Plan>(&json) else { return exit::INTERNAL };
    let mut sheet = super::Sheet::new();
    let summary = capture(&plan, &mut |captured| {
        sheet.line(render_line(&Line::Forensics {
            operation: plan.operation.clone(),
            part: captured.part,
            outcome: captured.outcome,
            millis: captured.millis,
            media: captured.media,
            base64: base64(&captured.bytes),
        }));
    });
    sheet.line(serde_json::to_string(&summary).unwrap_or_default());
    exit::DONE
}
