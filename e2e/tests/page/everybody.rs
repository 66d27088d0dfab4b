//! Every page, in every size and both colours: axe-core has nothing to say, and nothing has to be scrolled sideways.

use crate::reader;
use breakglass_e2e::browser::Look;
use breakglass_e2e::stage::Stage;
use breakglass_e2e::tab::Tab;
use std::path::PathBuf;

const LOOKS: [Look; 3] = [Look::NARROW, Look::PHONE, Look::DESK];

/// axe-core, where `cargo xtask test` has fetched it.
fn axe() -> Option<String> {
    let path = std::env::var_os("BREAKGLASS_AXE").map(PathBuf::from)?;
    Some(std::fs::read_to_string(path).unwrap())
}

const RUN: &str = r"axe.run(document, { resultTypes: ['violations'],
    runOnly: { type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] } })
  .then((found) => found.violations.map((each) => `${each.id}: ${each.nodes.map((node) => node.html.slice(0, 160)
    + ' // ' + (node.any[0] || node.all[0] || node.none[0] || {}).message).slice(0, 4).join('\n    ')}`))";

/// What there is against a page as it stands, in each size and both colours.
fn findings(tab: &mut Tab, name: &str, axe: bool) -> Vec<String> {
    let mut all = Vec::new();
    for look in LOOKS.into_iter().flat_map(|look| [look, look.dark()]) {
        tab.look(look).unwrap();
        let place = format!("{name}, {} px, {}", look.size.0, if look.dark { "dark" } else { "light" });
        let width = tab.eval("document.documentElement.scrollWidth").unwrap().as_u64().unwrap();
        if width > u64::from(look.size.0) {
            all.push(format!("{place}: {width} px wide"));
        }
        if axe {
            let found = tab.eval(RUN).unwrap();
            all.extend(
                found.as_array().unwrap().iter().map(|each| format!("{place}: {}", each.as_str().unwrap())),
            );
        }
    }
    all
}

#[test]
fn no_page_shuts_anybody_out_in_any_size_or_colour() {
    let axe = axe();
    if axe.is_none() {
        eprintln!("axe-core is not here (`cargo xtask test` fetches it): only widths are looked at");
    }
    let stage = Stage::raise(0).unwrap();
    let mut tab = Tab::open(Look::DESK).unwrap();
    let mut all = Vec::new();
    let mut pages = vec![("login", "/login".to_owned())];
    pages.extend(stage.pages());
    pages.push(("incident-hostile", format!("/incidents/{}", stage.hostile().unwrap())));
    for (name, path) in pages {
        tab.go(&stage.url(&path)).unwrap();
        if let Some(axe) = &axe {
            tab.eval(&format!("{axe};true")).unwrap();
        }
        all.extend(findings(&mut tab, name, axe.is_some()));
        if name == "login" {
            tab.cookies(&stage.url("/"), &stage.cookies().unwrap()).unwrap();
        }
        if name.starts_with("incident-") {
            // What is folded away is part of the page too; of the confirm steps one is open at a time.
            tab.lay_out().unwrap();
            tab.eval("for (const fold of document.querySelectorAll('details')) fold.open = true").unwrap();
            tab.eval("new Promise((done) => setTimeout(done, 200))").unwrap();
            all.extend(findings(&mut tab, &format!("{name}, unfolded"), axe.is_some()));
        }
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
}

#[test]
fn a_page_that_does_shut_people_out_is_found() {
    let Some(axe) = axe() else { return };
    let stage = Stage::raise(0).unwrap();
    let mut tab = reader(&stage, Look::NARROW);
    tab.go(&stage.url("/")).unwrap();
    tab.eval(&format!("{axe};true")).unwrap();
    let wrong = "const wrong = document.createElement('p'); wrong.innerHTML = '<button></button><input>'; \
                 wrong.style.width = '900px'; wrong.style.height = '9px'; document.querySelector('main').append(wrong)";
    tab.eval(wrong).unwrap();
    let found = findings(&mut tab, "broken", true).join("\n");
    for word in ["button-name", "label", "px wide"] {
        assert!(found.contains(word), "{word} not in {found}");
    }
}

#[test]
fn a_phone_can_put_it_on_its_home_screen() {
    let stage = Stage::raise(0).unwrap();
    let mut tab = reader(&stage, Look::PHONE);
    tab.go(&stage.url("/")).unwrap();
    let manifest = tab.ask("Page.getAppManifest", &serde_json::json!({})).unwrap();
    assert_eq!(manifest["errors"], serde_json::json!([]), "{manifest}");
    assert!(manifest["data"].as_str().unwrap().contains("\"start_url\":\"/\""), "{manifest}");
    let errors = tab.ask("Page.getInstallabilityErrors", &serde_json::json!({})).unwrap();
    let errors = errors["installabilityErrors"].as_array().unwrap().clone();
    // A window without a profile of its own, as a test has it, is told so; nothing may be said against the page.
    let ours: Vec<_> = errors.iter().filter(|error| error["errorId"] != "in-incognito").collect();
    assert!(ours.is_empty(), "{ours:?}");
    assert_eq!(tab.eval("navigator.serviceWorker.getRegistrations().then((all) => all.length)").unwrap(), 0);
}
