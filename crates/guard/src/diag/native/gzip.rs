//! Unpacks gzip as it is read: its headers and checks here, the compression itself by `miniz_oxide`.

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_HAS_MORE_INPUT;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};
use std::fs::File;
use std::io::{self, Read};

/// No file gives more than this: 10 MB of zeros become 10 GB.
const MOST: u64 = 1 << 30;
/// Twice the farthest that a stream refers back to, as a ring.
const RING: usize = 64 * 1024;

/// Reads the text of a gzip file. What is wrong with it stands in `wrong` after the last read.
pub(crate) struct Gunzip {
    file: File,
    input: Vec<u8>,
    at: usize,
    inflate: Box<DecompressorOxide>,
    ring: Vec<u8>,
    /// Unpacked and not yet handed out.
    ready: std::ops::Range<usize>,
    body: bool,
    members: u32,
    check: u32,
    size: u32,
    total: u64,
    pub(crate) wrong: Option<&'static str>,
}

impl Gunzip {
    pub(crate) fn new(file: File) -> Self {
        Self {
            file,
            input: Vec::new(),
            at: 0,
            inflate: Box::new(DecompressorOxide::new()),
            ring: vec![0; RING],
            ready: 0..0,
            body: false,
            members: 0,
            check: !0,
            size: 0,
            total: 0,
            wrong: None,
        }
    }

    /// Fills the input if it is used up; whether there is any.
    fn more(&mut self) -> io::Result<bool> {
        if self.at >= self.input.len() {
            self.input.resize(32 * 1024, 0);
            let count = self.file.read(&mut self.input)?;
            self.input.truncate(count);
            self.at = 0;
        }
        Ok(!self.input.is_empty())
    }

    fn byte(&mut self) -> io::Result<Option<u8>> {
        if !self.more()? {
            return Ok(None);
        }
        self.at += 1;
        Ok(self.input.get(self.at - 1).copied())
    }

    fn bytes(&mut self, count: usize) -> io::Result<Option<Vec<u8>>> {
        (0..count)
            .map(|_| self.byte().transpose())
            .map_while(|byte| byte)
            .collect::<io::Result<Vec<u8>>>()
            .map(|bytes| (bytes.len() == count).then_some(bytes))
    }

    /// Takes the header of the next member; false at the end, or where none is.
    fn header(&mut self) -> io::Result<bool> {
        let Some(first) = self.byte()? else {
            if self.members == 0 {
                self.wrong = Some("unexpected end of file");
            }
            return Ok(false);
        };
        let rest = self.bytes(9)?;
        let Some([0x8b, 8, flags, ..]) = rest.as_deref().filter(|_| first == 0x1f) else {
            // Behind a member, what is no member is padding.
            if self.members == 0 {
                self.wrong = Some("not in gzip format");
            }
            return Ok(false);
        };
        let flags = *flags;
        if flags & 4 != 0 {
            let length = self
                .bytes(2)?
                .map_or(0, |bytes| bytes.iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte)));
            self.bytes(length)?;
        }
        for text in [8, 16] {
            while flags & text != 0 && self.byte()?.is_some_and(|byte| byte != 0) {}
        }
        if flags & 2 != 0 {
            self.bytes(2)?;
        }
        self.members += 1;
        self.inflate.init();
        (self.check, self.size, self.ready) = (!0, 0, 0..0);
        Ok(true)
    }

    fn trailer(&mut self) -> io::Result<()> {
        let number =
            |bytes: Option<&[u8]>| bytes.and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes);
        self.wrong = match self.bytes(8)? {
            None => Some("unexpected end of file"),
            Some(trailer) if number(trailer.get(..4)) != Some(!self.check) => {
                Some("invalid compressed data--crc error")
            }
            Some(trailer) if number(trailer.get(4..)) != Some(self.size) => {
                Some("invalid compressed data--length error")
            }
            Some(_) => None,
        };
        Ok(())
    }

    /// Unpacks a piece.
    fn unpack(&mut self) -> io::Result<()> {
        let more = self.more()?;
        let flags = if more { TINFL_FLAG_HAS_MORE_INPUT } else { 0 };
        let from = self.ready.end % RING;
        let input = self.input.get(self.at..).unwrap_or_default();
        let (status, taken, given) = decompress(&mut self.inflate, input, &mut self.ring, from, flags);
        self.at += taken;
        self.ready = from..from + given;
        for byte in self.ring.get(self.ready.clone()).unwrap_or_default() {
            self.check = crc(self.check ^ u32::from(*byte)) ^ (self.check >> 8);
        }
        self.size = self.size.wrapping_add(u32::try_from(given).unwrap_or(0));
        self.total += given as u64;
        match status {
            TINFLStatus::Done => {
                self.body = false;
                self.trailer()?;
            }
            TINFLStatus::HasMoreOutput => {}
            TINFLStatus::NeedsMoreInput if more => {}
            TINFLStatus::NeedsMoreInput | TINFLStatus::FailedCannotMakeProgress => {
                self.wrong = Some("unexpected end of file");
            }
            _ => self.wrong = Some("invalid compressed data--format violated"),
        }
        if self.total > MOST {
            self.wrong = Some("more than 1 GiB when unpacked; the rest is left out");
        }
        Ok(())
    }
}

/// One byte's step of the check sum.
fn crc(byte: u32) -> u32 {
    (0..8).fold(byte & 0xff, |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 })
}

impl Read for Gunzip {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.ready.is_empty() {
                let ready = self.ring.get(self.ready.clone()).unwrap_or_default();
                let count = ready.len().min(out.len());
                if let (Some(to), Some(from)) = (out.get_mut(..count), ready.get(..count)) {
                    to.copy_from_slice(from);
                }
                self.ready.start += count;
                return Ok(count);
            }
            if self.wrong.is_some() || (!self.body && !self.header()?) {
                return Ok(0);
            }
            self.body = true;
            self.unpack()?;
        }
    }
}
