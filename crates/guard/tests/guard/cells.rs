//! The cells of a corpus file: escapes for bytes, and repetition.

/// The bytes that a cell stands for.
pub(crate) fn decode(cell: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = cell.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next().unwrap() {
            b'\\' => b'\\',
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'0' => 0,
            b'x' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            other => panic!("\\{other} in {cell}"),
        });
    }
    bytes
}

/// `@REPEAT{text}{n}` stands for n copies, wherever it stands.
pub(crate) fn repeat(bytes: Vec<u8>) -> Vec<u8> {
    const MARK: &[u8] = b"@REPEAT{";
    let Some(start) = bytes.windows(MARK.len()).position(|window| window == MARK) else { return bytes };
    let (before, rest) = (&bytes[..start], &bytes[start + MARK.len()..]);
    let middle = rest.windows(2).position(|window| window == b"}{").unwrap();
    let end = middle + rest[middle..].iter().skip(2).position(|byte| *byte == b'}').unwrap() + 2;
    let times: usize = std::str::from_utf8(&rest[middle + 2..end]).unwrap().parse().unwrap();
    [before, &rest[..middle].repeat(times), &repeat(rest[end + 1..].to_vec())].concat()
}
