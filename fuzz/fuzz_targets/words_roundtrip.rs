//! A request either splits into words that render into a request of the same words, or is refused in a sentence.
#![no_main]

use breakglass_protocol::words::Request;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|raw: &[u8]| {
    match Request::parse(raw) {
        Ok(request) => {
            let rendered = request.render();
            assert_eq!(Request::parse(rendered.as_bytes()), Ok(request), "{rendered}");
        }
        Err(refusal) => assert!(refusal.to_string().chars().all(|c| !c.is_control())),
    }
});
