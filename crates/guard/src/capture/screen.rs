//! Part `screen`: the image that QEMU wrote when its monitor was asked.
//!
//! The guest drew it and a guest that broke out may have forged the whole file, so it is hostile: taken only as a
//! regular file of ours, of a screen's size, that begins like a PNG. It is never decoded here.

use super::{Order, Part, PartEnd, Sheet};
use rustix::fs::{FileType, Mode, OFlags};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The eight bytes that every PNG begins with.
const MAGIC: &[u8] = b"\x89PNG\r\n\x1a\n";

pub(super) fn run(order: &Order, sheet: &mut Sheet) -> PartEnd {
    if order.plan.qmp_socket.is_none() {
        sheet.line("no monitor socket is configured");
        return PartEnd::NotHere;
    }
    let image = read_image(&order.screen_file);
    // In memory, so it can't hang; should it stay, the next host boot takes it away.
    let _ = std::fs::remove_file(&order.screen_file);
    match image {
        Ok(bytes) => {
            sheet.bytes(&bytes);
            PartEnd::Captured
        }
        Err(error) => {
            sheet.line(format_args!(
                "QEMU gave no image of the screen ({error}); the part qmp says what it answered"
            ));
            PartEnd::Failed
        }
    }
}

fn read_image(path: &Path) -> io::Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::empty())?;
    if FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode) != FileType::RegularFile {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "not a regular file"));
    }
    let limit = Part::Screen.output_limit() as u64;
    let mut bytes = Vec::new();
    File::from(file).take(limit).read_to_end(&mut bytes)?;
    if !bytes.starts_with(MAGIC) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "not a PNG"));
    }
    if bytes.len() as u64 >= limit {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "larger than any screen"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_only_what_can_be_a_screen() {
        let dir = tempfile::tempdir().unwrap();
        let png = dir.path().join("png");
        std::fs::write(&png, [MAGIC, b"IHDR"].concat()).unwrap();
        assert_eq!(read_image(&png).unwrap(), [MAGIC, b"IHDR"].concat());

        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&png, &link).unwrap();
        let huge = dir.path().join("huge");
        std::fs::write(&huge, MAGIC).unwrap();
        File::options().write(true).open(&huge).unwrap().set_len(1 << 40).unwrap();
        let script = dir.path().join("script");
        std::fs::write(&script, "<script>").unwrap();
        let fifo = dir.path().join("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        for path in [&link, &huge, &script, &fifo, &dir.path().to_path_buf(), &dir.path().join("none")] {
            assert!(read_image(path).is_err(), "{}", path.display());
        }
    }
}
