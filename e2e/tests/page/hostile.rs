//! Output that attacks its reader: by markup, control characters, direction of writing, length.

use crate::reader;
use breakglass_e2e::browser::Look;
use breakglass_e2e::stage::Stage;

const LOOK: &str = r"({
  title: document.title,
  scripts: document.scripts.length,
  images: document.images.length,
  forms: [...document.forms].filter((form) => new URL(form.action).origin !== location.origin).length,
  links: [...document.links].filter((link) => link.origin !== location.origin).length,
  handlers: document.querySelectorAll('[onerror], [onload], [onclick], [style], style').length,
  reds: document.querySelectorAll('#rows .fire').length,
  marks: (document.body.textContent.match(/[\u202a-\u202e\u2066-\u2069\u200e\u200f\u200b\u2028\u2029\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g) || []).length,
  longest: Math.max(...[...document.querySelectorAll('#rows *')].filter((each) => !each.children.length).map((each) => each.textContent.length)),
  height: document.documentElement.scrollHeight,
  shown: ['שלום', '👩‍👩‍👧‍👦', '<script>document.title', 'more, in the export'].filter((text) => !document.getElementById('rows').textContent.includes(text)),
})";

#[test]
fn hostile_output_is_shown_and_does_nothing() {
    let stage = Stage::raise(0).unwrap();
    let id = stage.hostile().unwrap();
    let mut tab = reader(&stage, Look::NARROW);
    tab.go(&stage.url(&format!("/incidents/{id}"))).unwrap();
    let told = tab.eval(LOOK).unwrap();
    assert!(!told["title"].as_str().unwrap().contains("owned"), "{told:#}");
    for what in ["images", "forms", "links", "handlers", "reds", "marks"] {
        assert_eq!(told[what], 0, "{what}: {told:#}");
    }
    assert_eq!(told["scripts"], 1, "{told:#}");
    assert!(told["longest"].as_u64().unwrap() < 70_000, "{told:#}");
    // A flood is one screen to scroll past, not a thousand.
    assert!(told["height"].as_u64().unwrap() < 60_000, "{told:#}");
    assert_eq!(told["shown"], serde_json::json!([]), "what it says can be read");
    // The list of incidents shows its reason, and comes live to nobody's harm.
    tab.go(&stage.url("/incidents")).unwrap();
    assert_eq!(tab.eval("document.images.length").unwrap(), 0);
    assert!(!tab.eval("document.body.innerText").unwrap().as_str().unwrap().contains('\u{202e}'));
}

#[test]
fn hostile_output_that_comes_while_one_looks_does_nothing_either() {
    let stage = Stage::raise(0).unwrap();
    let id = stage.hostile().unwrap();
    let mut tab = reader(&stage, Look::NARROW);
    tab.go(&stage.url(&format!("/incidents/{id}"))).unwrap();
    let before = tab.eval("document.querySelectorAll('#rows > li').length").unwrap().as_u64().unwrap();
    stage.attack(id).unwrap();
    tab.until(&format!("document.querySelectorAll('#rows > li').length >= {}", before + 20)).unwrap();
    let told = tab.eval(LOOK).unwrap();
    for what in ["images", "forms", "links", "handlers", "reds", "marks"] {
        assert_eq!(told[what], 0, "{what}: {told:#}");
    }
    assert!(tab.eval("document.documentElement.scrollWidth <= 320").unwrap() == true);
}
