//! What a browser can find out about the pages alone: whether they shut anybody out, by sight, by hand or by a bad line, and
//! whether hostile output can do anything in them. The server is real, the night behind it is staged.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a failed test should stop loudly"
)]

mod everybody;
mod hostile;
mod keys;
mod long;
mod slow;
mod story;

use breakglass_e2e::browser::Look;
use breakglass_e2e::stage::Stage;
use breakglass_e2e::tab::Tab;

/// A browser whose reader has logged in.
fn reader(stage: &Stage, look: Look) -> Tab {
    let mut tab = Tab::open(look).unwrap();
    tab.cookies(&stage.url("/"), &stage.cookies().unwrap()).unwrap();
    tab
}
