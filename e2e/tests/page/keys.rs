//! No mouse: Tab, Enter and Space alone, and the focus is where it was when something comes in.

use crate::reader;
use breakglass_e2e::browser::Look;
use breakglass_e2e::stage::{PERSON, Stage};
use breakglass_e2e::tab::Tab;
use breakglass_incident::{Actor, EventBody, TargetState};
use breakglass_triage::Health;

#[test]
fn from_log_in_to_the_red_button_by_keys_alone() {
    let stage = Stage::raise(0).unwrap();
    for look in [Look::PHONE, Look::DESK] {
        let mut tab = Tab::open(look).unwrap();
        tab.go(&stage.url("/")).unwrap();
        // The first field has the focus already.
        tab.write(PERSON.0).unwrap();
        tab.tab_to("[name=password]").unwrap();
        tab.write(PERSON.1).unwrap();
        tab.key("Enter").unwrap();
        tab.until("document.body.innerText.includes('Log out') && document.readyState === 'complete'")
            .unwrap();
        // The first stop leads past the bar.
        tab.tab_to("a.skip").unwrap();
        tab.key("Enter").unwrap();
        tab.tab_to(&format!("a.go[href='/incidents/{}']", stage.stalled)).unwrap();
        tab.key("Enter").unwrap();
        tab.until("!!document.getElementById('dock') && document.readyState === 'complete'").unwrap();
        tab.tab_to("a.skip").unwrap();
        tab.key("Enter").unwrap();
        tab.tab_to("#dock > summary").unwrap();
        tab.key("Space").unwrap();
        tab.until("document.getElementById('dock').open").unwrap();
        // Escape leaves the step and stays where one was.
        tab.key("Escape").unwrap();
        tab.until(
            "!document.getElementById('dock').open && document.activeElement.matches('#dock > summary')",
        )
        .unwrap();
        tab.key("Enter").unwrap();
        tab.until("document.getElementById('dock').open").unwrap();
        tab.tab_to("#dock button.fire").unwrap();
        tab.key("Space").unwrap();
        // Nobody answers at the door of this stage: what it says then is an honest end too.
        tab.until("!document.querySelector('#dock[open]') && document.readyState === 'complete'").unwrap();
    }
}

#[test]
fn the_focus_stays_when_something_comes_in() {
    let stage = Stage::raise(0).unwrap();
    let mut tab = reader(&stage, Look::DESK);
    tab.go(&stage.url(&format!("/incidents/{}", stage.stalled))).unwrap();
    for place in
        ["#row-reset > summary", "#dock > summary", "form[action$='/triage'] button", "pre.out.exact"]
    {
        tab.eval(&format!(
            "document.querySelector({place:?}).focus(); document.getElementById('act').old = true; \
                           document.activeElement.matches({place:?})"
        ))
        .unwrap();
        let state = TargetState { health: Health::Down, sentence: "still nothing".to_owned(), wedge: None };
        let body = EventBody::Observed { target: "devvm".to_owned(), state, before: Some(Health::Down) };
        stage.tell(stage.stalled, Actor::Watch, body).unwrap();
        tab.until("!document.getElementById('act').old").unwrap();
        let there = tab.eval(&format!("document.activeElement.matches({place:?})")).unwrap();
        assert_eq!(
            there,
            true,
            "{place}: {}",
            tab.eval("document.activeElement.outerHTML.slice(0, 200)").unwrap()
        );
    }
}
