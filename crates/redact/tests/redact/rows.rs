//! Rows of the corpus: `id, expect, kind, line, secret`, tab-separated, with escaped cells.

/// One row, its cells decoded.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) hide: bool,
    pub(crate) hard: bool,
    pub(crate) line: Vec<u8>,
    pub(crate) secrets: Vec<Vec<u8>>,
}

/// Both files: the sample that the project was given, and what was thought of beyond it. `BREAKGLASS_CORPUS` names a directory
/// with another sample.
pub(crate) fn all() -> Vec<Row> {
    let other = std::env::var("BREAKGLASS_CORPUS").ok();
    let other = other.and_then(|it| std::fs::read_to_string(format!("{it}/secrets-redaction.tsv")).ok());
    let mut rows = read(other.as_deref().unwrap_or(include_str!("../data/secrets-redaction.tsv")));
    rows.extend(read(include_str!("../data/more.tsv")));
    rows
}

pub(crate) fn read(text: &str) -> Vec<Row> {
    text.lines()
        .skip(1)
        .filter(|line| !line.is_empty())
        .map(|line| {
            let mut cells = line.split('\t');
            let mut cell = || cells.next().unwrap_or_default();
            let (id, expect, kind, line, secret) = (cell(), cell(), cell(), cell(), cell());
            assert!(matches!(expect, "hide" | "keep"), "{id}: expects {expect:?}");
            let secrets: Vec<Vec<u8>> = decode(secret)
                .split(|byte| *byte == 0x1e)
                .filter(|part| !part.is_empty())
                .map(<[u8]>::to_vec)
                .collect();
            assert_eq!(
                expect == "hide",
                !secrets.is_empty(),
                "{id}: a hidden row names its secret, a kept one has none"
            );
            Row {
                id: id.to_owned(),
                hide: expect == "hide",
                hard: kind.starts_with("hard:"),
                line: decode(line),
                secrets,
            }
        })
        .collect()
}

/// A cell as its bytes: escapes first, then repetitions.
fn decode(cell: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut left = cell.bytes();
    while let Some(byte) = left.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        match left.next() {
            Some(b'n') => bytes.push(b'\n'),
            Some(b'r') => bytes.push(b'\r'),
            Some(b't') => bytes.push(b'\t'),
            Some(b'0') => bytes.push(0),
            Some(b'\\') => bytes.push(b'\\'),
            Some(b'x') => {
                let digits: String = left.by_ref().take(2).map(char::from).collect();
                bytes.push(u8::from_str_radix(&digits, 16).expect("two digits after \\x"));
            }
            other => panic!("no such escape: {other:?} in {cell}"),
        }
    }
    repeat(&bytes)
}

fn repeat(bytes: &[u8]) -> Vec<u8> {
    let head = b"@REPEAT{";
    let Some(start) = bytes.windows(head.len()).position(|window| window == head) else {
        return bytes.to_vec();
    };
    let tail = &bytes[start + head.len()..];
    let middle = tail.windows(2).position(|window| window == b"}{").expect("two braces");
    let close =
        middle + tail[middle..].iter().skip(2).position(|byte| *byte == b'}').expect("a last brace") + 2;
    let count: usize =
        std::str::from_utf8(&tail[middle + 2..close]).expect("digits").parse().expect("a number");
    let mut out = bytes[..start].to_vec();
    out.extend(tail[..middle].repeat(count));
    out.extend(repeat(&tail[close + 1..]));
    out
}

pub(crate) fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}
