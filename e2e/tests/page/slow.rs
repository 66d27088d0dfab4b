//! A phone on a bad line: 50 kB a second, and 400 ms until an answer begins.

use crate::reader;
use breakglass_e2e::browser::Look;
use breakglass_e2e::stage::Stage;
use serde_json::json;

const PAINT: &str = r"(() => {
  const [page] = performance.getEntriesByType('navigation');
  const paint = performance.getEntriesByName('first-contentful-paint')[0];
  const files = performance.getEntriesByType('resource');
  const size = (kind) => files.filter((file) => file.name.includes(kind)).reduce((sum, file) => sum + file.encodedBodySize, 0);
  return { paint: Math.round(paint ? paint.startTime : 0), page: page.encodedBodySize, style: size('.css'), script: size('.js') };
})()";

#[test]
fn on_a_bad_line_a_long_incident_is_there_soon() {
    let stage = Stage::raise(0).unwrap();
    let id = stage.long(2_000).unwrap();
    let mut told = Vec::new();
    for (name, id) in [("stalled", stage.stalled), ("2,000 events", id)] {
        // A browser each, so that nothing is kept from the one before.
        let mut tab = reader(&stage, Look::PHONE);
        let line = json!({ "offline": false, "latency": 400, "downloadThroughput": 50_000, "uploadThroughput": 50_000 });
        tab.ask("Network.emulateNetworkConditions", &line).unwrap();
        tab.go(&stage.url(&format!("/incidents/{id}"))).unwrap();
        tab.until("performance.getEntriesByName('first-contentful-paint').length === 1").unwrap();
        let seen = tab.eval(PAINT).unwrap();
        println!("{name}: {seen}");
        told.push(seen);
    }
    for seen in told {
        // Bytes are what the line is made of, and they are the same on every machine: 2 s less two times 400 ms carry
        // 60 kB, and what blocks the first paint is the style sheet and the page's beginning.
        let sizes = |what: &str| seen[what].as_u64().unwrap();
        assert!(sizes("style") > 0 && sizes("style") < 8_000, "{seen}");
        assert!(sizes("script") > 0 && sizes("script") < 8_000, "{seen}");
        assert!(sizes("page") < 120_000, "{seen}");
        // Twice the budget: others build while this runs.
        assert!(sizes("paint") > 400 && sizes("paint") < 4_000, "{seen}");
    }
}
