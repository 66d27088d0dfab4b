//! What was redacted once has nothing left to redact. The first byte chooses the shape of the text.
#![no_main]

use breakglass_redact::{Shape, Stream};
use libfuzzer_sys::fuzz_target;

const SHAPES: [Shape; 7] = [
    Shape::Text,
    Shape::Arguments,
    Shape::JsonLines,
    Shape::Properties,
    Shape::ContainerJson,
    Shape::KubernetesJson,
    Shape::KubernetesYaml,
];

fn redact(shape: Shape, bytes: &[u8]) -> Option<Vec<u8>> {
    let (mut stream, mut out) = (Stream::new(shape), Vec::new());
    stream.push(bytes, &mut out);
    stream.finish(&mut out).ok().map(|()| out)
}

fuzz_target!(|input: &[u8]| {
    let Some((first, text)) = input.split_first() else { return };
    let shape = SHAPES[usize::from(*first) % SHAPES.len()];
    let Some(once) = redact(shape, text) else { return };
    let twice = redact(shape, &once).expect("what came out reads");
    assert_eq!(once.escape_ascii().to_string(), twice.escape_ascii().to_string(), "{shape:?}");
});
