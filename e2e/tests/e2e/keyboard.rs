//! The main job without a mouse: Tab, Enter and Space from log-in to a machine that is back.

use breakglass_e2e::browser::Look;
use breakglass_e2e::night::{Night, brisk};
use breakglass_e2e::server::PERSON;
use breakglass_e2e::tab::Tab;
use breakglass_lab::Wedge;

/// Whether the page is whole and says this.
fn says(words: &str) -> String {
    format!("document.readyState === 'complete' && document.body.innerText.includes({words:?})")
}

#[test]
#[ignore = "boots the lab's VM; `cargo xtask test --full`"]
fn a_whole_recovery_by_keyboard_alone() {
    let night = Night::begin(&brisk()).unwrap();
    let mut tab = Tab::open(Look::DESK).unwrap();
    tab.go(&format!("http://{}/", night.server.address)).unwrap();
    tab.write(PERSON.0).unwrap();
    tab.tab_to("[name=password]").unwrap();
    tab.write(PERSON.1).unwrap();
    tab.key("Enter").unwrap();
    tab.until(&says("Log out")).unwrap();
    tab.until(&says("2 of 2 answer")).unwrap();
    let vm = night.vm().unwrap();
    vm.wedge(Wedge::BlockStall).unwrap();
    tab.until(&says("Open incident")).unwrap();
    tab.tab_to("section.card a.go").unwrap();
    tab.key("Enter").unwrap();
    tab.until("document.getElementById('wedge')?.textContent === 'Block-path stall' && !!document.querySelector('#dock')")
        .unwrap();
    tab.tab_to("#dock > summary").unwrap();
    tab.key("Enter").unwrap();
    tab.until("document.getElementById('dock').open").unwrap();
    tab.tab_to("#dock button.fire").unwrap();
    tab.key("Space").unwrap();
    tab.until("!document.querySelector('#dock[open]')").unwrap();
    tab.until(&says("This incident is over")).unwrap();
    assert_eq!(vm.starts().len(), 2, "one fresh QEMU for one press");
}
