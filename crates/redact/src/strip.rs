//! Takes out of a byte stream what a terminal would obey instead of show, before anything is matched: CSI, OSC, DCS and
//! the other string sequences, their eight-bit forms, lone escapes, invisible and direction-changing characters, and
//! control bytes but line feed and tab. A backspace takes the character before it away, as overstriking looks.
//!
//! What comes out is valid UTF-8 (`?` stands for what was not), so that stripping it again changes nothing. A line feed
//! ends every sequence: an unfinished one cannot swallow the lines after it.

/// Where in a sequence the stream stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Ground,
    /// After ESC.
    Escape,
    /// After ESC and an intermediate byte: one final byte is left.
    Intermediate,
    /// In a control sequence, until its final byte.
    Control,
    /// In a string sequence, until BEL or ST.
    Text,
    /// In a string sequence after ESC, which may begin its ST.
    TextEscape,
}

/// Strips a stream byte by byte; knows no chunks.
#[derive(Debug, Default)]
pub(crate) struct Stripper {
    state: State,
    /// The bytes of an unfinished character, and how many belong to it in all.
    pending: [u8; 4],
    have: usize,
    want: usize,
}

impl Stripper {
    /// Appends what is left of `bytes`. Never appends more bytes than it was given since the last whole character.
    /// Backspaces take nothing away before `floor`.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], floor: usize, out: &mut Vec<u8>) {
        while let Some(first) = bytes.first() {
            if self.is_idle() {
                let plain = plain(bytes);
                if plain > 0 {
                    out.extend_from_slice(bytes.get(..plain).unwrap_or_default());
                    bytes = bytes.get(plain..).unwrap_or_default();
                    continue;
                }
            }
            self.byte(*first, floor, out);
            bytes = bytes.get(1..).unwrap_or_default();
        }
    }

    /// Whether what comes next is shown as it is for as long as it is plain.
    pub(crate) fn is_idle(&self) -> bool {
        self.state == State::Ground && self.have == 0
    }

    /// The line ends here, and with it whatever sequence or character was open.
    pub(crate) fn end_line(&mut self, out: &mut Vec<u8>) {
        self.broken(out);
        self.state = State::Ground;
    }

    /// An unfinished character is not one.
    fn broken(&mut self, out: &mut Vec<u8>) {
        if self.have > 0 {
            out.push(b'?');
            self.have = 0;
        }
    }

    fn byte(&mut self, byte: u8, floor: usize, out: &mut Vec<u8>) {
        self.state = match (self.state, byte) {
            (State::Ground, _) => return self.ground(byte, floor, out),
            (State::Text, 0x07 | 0x9c) | (State::TextEscape, b'\\') => State::Ground,
            (State::Text | State::TextEscape, 0x1b) => State::TextEscape,
            (State::Text, _) => State::Text,
            (State::Control, 0x20..=0x3f) => State::Control,
            (State::Intermediate, 0x20..=0x2f) => State::Intermediate,
            (State::Control, 0x40..=0x7e) | (State::Intermediate, 0x30..=0x7e) => State::Ground,
            (State::Escape | State::TextEscape, _) => return self.escape(byte, floor, out),
            (State::Control | State::Intermediate, _) => {
                self.state = State::Ground;
                return self.ground(byte, floor, out);
            }
        };
    }

    /// After ESC: only what is certainly a sequence is taken away with it, so that a stray ESC cannot eat a letter of a
    /// key and so hide the key.
    fn escape(&mut self, byte: u8, floor: usize, out: &mut Vec<u8>) {
        self.state = match byte {
            b'[' => State::Control,
            b']' | b'P' | b'X' | b'^' | b'_' => State::Text,
            0x20..=0x2f => State::Intermediate,
            0x1b => State::Escape,
            b'7' | b'8' | b'=' | b'>' | b'\\' => State::Ground,
            _ => {
                self.state = State::Ground;
                return self.ground(byte, floor, out);
            }
        };
    }

    fn ground(&mut self, byte: u8, floor: usize, out: &mut Vec<u8>) {
        if self.have > 0 {
            if byte & 0xc0 == 0x80 {
                return self.continuation(byte, out);
            }
            self.broken(out);
        }
        match byte {
            0x1b => self.state = State::Escape,
            0x08 => drop_last(floor, out),
            b'\t' | 0x20..=0x7e => out.push(byte),
            0x00..=0x1f | 0x7f => {}
            0x90 | 0x98 | 0x9d | 0x9e | 0x9f => self.state = State::Text,
            0x9b => self.state = State::Control,
            0x80..=0x9f => {}
            0xc2..=0xdf => self.open(byte, 2),
            0xe0..=0xef => self.open(byte, 3),
            0xf0..=0xf4 => self.open(byte, 4),
            _ => out.push(b'?'),
        }
    }

    fn open(&mut self, byte: u8, want: usize) {
        self.pending = [byte, 0, 0, 0];
        self.have = 1;
        self.want = want;
    }

    fn continuation(&mut self, byte: u8, out: &mut Vec<u8>) {
        if let Some(place) = self.pending.get_mut(self.have) {
            *place = byte;
        }
        self.have = self.have.saturating_add(1);
        if self.have < self.want {
            return;
        }
        let whole = self.pending.get(..self.want).unwrap_or_default();
        self.have = 0;
        let Some(character) = std::str::from_utf8(whole).ok().and_then(|text| text.chars().next()) else {
            out.push(b'?');
            return;
        };
        match character {
            '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => self.state = State::Text,
            '\u{9b}' => self.state = State::Control,
            '\u{80}'..='\u{9f}' => {}
            // Invisible, or turning the direction of what follows.
            '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}' => {}
            '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e0fff}' => {}
            _ => out.extend_from_slice(whole),
        }
    }
}

/// How many bytes from the beginning on are plain: what a terminal shows as it is.
pub(crate) fn plain(bytes: &[u8]) -> usize {
    /// Every byte of eight.
    const EACH: u64 = u64::MAX / 255;
    let mut count = 0usize;
    while let Some(eight) = bytes.get(count..).and_then(|rest| rest.first_chunk::<8>()) {
        let eight = u64::from_le_bytes(*eight);
        // A high bit is set where a byte is below a blank, is DEL or is beyond ASCII. The lowest such bit is exact.
        let below = eight.wrapping_sub(EACH * 0x20) & !eight;
        let delete = (eight ^ (EACH * 0x7f)).wrapping_sub(EACH);
        let odd = (below | delete | eight) & (EACH * 0x80);
        if odd == 0 {
            count = count.wrapping_add(8);
            continue;
        }
        count = count.wrapping_add((odd.trailing_zeros() / 8) as usize);
        if bytes.get(count) != Some(&b'\t') {
            return count;
        }
        count = count.wrapping_add(1);
    }
    let tail = bytes.get(count..).unwrap_or_default();
    count.wrapping_add(tail.iter().take_while(|byte| matches!(**byte, 0x20..=0x7e | b'\t')).count())
}

/// Takes the last character away.
fn drop_last(floor: usize, out: &mut Vec<u8>) {
    while out.len() > floor {
        match out.pop() {
            Some(byte) if byte & 0xc0 == 0x80 => {}
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn plain_bytes_are_counted_as_one_by_one() {
        let one_by_one =
            |bytes: &[u8]| bytes.iter().take_while(|byte| matches!(**byte, 0x20..=0x7e | b'\t')).count();
        for odd in 0..=255u8 {
            for place in 0..20 {
                for next in [b'a', 0x1f, 0x7f, 0x80, 0xff, b'\t'] {
                    let mut bytes = [b'~'; 20];
                    bytes[place] = odd;
                    if let Some(after) = bytes.get_mut(place + 1) {
                        *after = next;
                    }
                    assert_eq!(plain(&bytes), one_by_one(&bytes), "{odd} at {place}, then {next}");
                }
            }
        }
    }
}
