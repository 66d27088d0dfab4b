//! Part `hypervisor`: what the hypervisor's own tools tell of the VM, and the history that it keeps, asked side by side.
//!
//! Each answer is written as it comes; a tool that hangs is cut off with what it had said.

use super::{Order, PartEnd, Sheet};
use crate::console::plain_text;
use crate::tool::{Asking, Does, Said};
use std::time::{Duration, Instant};

/// Kept back for writing, so that being late is told by us and not by being killed.
const TELLING: Duration = Duration::from_millis(300);

pub(super) fn run(order: &Order, sheet: &mut Sheet) -> PartEnd {
    let deadline = Instant::now() + order.time.saturating_sub(TELLING);
    let asks = &order.plan.asks;
    let mut under_way: Vec<Asking> =
        asks.iter().map(|words| Asking::begin(Does::Tied, words, deadline)).collect();
    let mut late = false;
    for (words, asking) in asks.iter().zip(&mut under_way) {
        let said = asking.wait(deadline + TELLING / 2).unwrap_or_else(|| Said::Late(String::new()));
        late |= matches!(said, Said::Late(_));
        let text = said.text().map_or_else(|why| format!("[{why}]"), |text| plain_text(text.as_bytes()));
        sheet.section(&words.join(" "), &text);
    }
    if late { PartEnd::TimedOut } else { PartEnd::Captured }
}
