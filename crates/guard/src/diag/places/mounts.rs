//! Every path by which the host's mounts reach one file: a bind mount shows a denied tree under a harmless name, and the
//! descriptor's own path is that name.

use std::fs::File;
use std::io::Read;

/// No mount table is longer; where one is, nothing can be told from it.
const LONGEST: u64 = 8 * 1024 * 1024;
/// Names of one file at most.
const MOST_NAMES: usize = 64;

/// One line of the table.
struct Mount<'table> {
    id: u64,
    device: &'table [u8],
    /// What of the file system is shown here.
    root: Vec<u8>,
    /// Where.
    point: Vec<u8>,
    kind: &'table [u8],
    options: &'table [u8],
}

/// The path, and all others that the file has by the mounts of the same file system and by the layers of an overlay;
/// nothing where the mount is no longer attached, or the table does not explain the path.
///
/// The caller holds a descriptor of the file, and so its mount: the number cannot be another mount's by now.
pub(super) fn names_of(path: &[u8], mount: u64) -> Option<Vec<Vec<u8>>> {
    let mut table = Vec::new();
    File::open("/proc/self/mountinfo").ok()?.take(LONGEST).read_to_end(&mut table).ok()?;
    if table.len() as u64 == LONGEST { None } else { names_in(&table, path, mount) }
}

pub(super) fn names_in(table: &[u8], path: &[u8], mount: u64) -> Option<Vec<Vec<u8>>> {
    let mounts: Vec<Mount<'_>> = table.split(|byte| *byte == b'\n').filter_map(line).collect();
    let own = mounts.iter().find(|it| it.id == mount)?;
    if own.root.ends_with(b"//deleted") {
        return None;
    }
    let inner = append(&own.root, below(path, &own.point)?);
    let mut names = vec![path.to_vec()];
    let mut add = |name: Vec<u8>| {
        if !names.contains(&name) {
            names.push(name);
        }
    };
    let mut whole = false;
    for other in mounts.iter().filter(|other| other.device == own.device) {
        whole |= other.root == b"/";
        if let Some(rest) = below(&inner, &other.root) {
            add(append(&other.point, rest));
        }
    }
    if !whole {
        // Nobody here sees the whole of that file system, so its own paths are the best name there is.
        add(inner.clone());
    }
    // The root of a container is an overlay too, of layers that lie outside of what it can see.
    if own.kind == b"overlay" && own.point != b"/" {
        for option in own.options.split(|byte| *byte == b',') {
            let layers = [&b"lowerdir="[..], b"upperdir=", b"lowerdir+=", b"datadir+="];
            let Some(value) = layers.iter().find_map(|key| option.strip_prefix(*key)) else { continue };
            for layer in value.split(|byte| *byte == b':').filter(|layer| layer.first() == Some(&b'/')) {
                add(append(&unescape(layer), &inner));
            }
        }
    }
    (names.len() <= MOST_NAMES).then_some(names)
}

/// `27 1 254:0 /root /point rw,relatime shared:1 - ext4 /dev/vda rw` (proc(5)).
fn line(text: &[u8]) -> Option<Mount<'_>> {
    let mut fields = text.split(|byte| *byte == b' ');
    let id = std::str::from_utf8(fields.next()?).ok()?.parse().ok()?;
    let (device, root, point) = (fields.nth(1)?, fields.next()?, fields.next()?);
    fields.find(|field| *field == b"-")?;
    let kind = fields.next()?;
    let options = fields.nth(1).unwrap_or_default();
    Some(Mount { id, device, root: unescape(root), point: unescape(point), kind, options })
}

/// What of `path` is left below `directory`: empty, or beginning with a slash.
fn below<'path>(path: &'path [u8], directory: &[u8]) -> Option<&'path [u8]> {
    let rest = path.strip_prefix(directory.strip_suffix(b"/").unwrap_or(directory))?;
    (rest.is_empty() || rest.first() == Some(&b'/')).then_some(rest)
}

fn append(directory: &[u8], rest: &[u8]) -> Vec<u8> {
    let mut path = directory.strip_suffix(b"/").unwrap_or(directory).to_vec();
    path.extend_from_slice(rest);
    if path.is_empty() {
        path.push(b'/');
    }
    path
}

/// The table writes blank, tab, line break and backslash as three octal digits.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if let (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..]) = (byte, after) {
            plain.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
            rest = after;
        } else {
            plain.push(*byte);
        }
    }
    plain
}
