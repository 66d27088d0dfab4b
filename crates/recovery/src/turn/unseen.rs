//! Characters that act on whoever reads a text instead of being read. What a person allows must hold none of them: what they
//! see and what is run would be two things.

/// Whether nobody sees it: controls other than the end of a line and a tab, marks that turn the direction of writing, and what
/// takes no room.
#[must_use]
pub fn is_unseen(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        '\u{ad}'
        | '\u{34f}'
        | '\u{61c}'
        | '\u{115f}'..='\u{1160}'
        | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}' => true,
        c => c.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::is_unseen;

    #[test]
    fn what_is_read_is_told_from_what_acts_on_a_reader() {
        assert!(!"df -h | grep ü && echo 'é 日本 🙂'\n\tls".chars().any(is_unseen));
        for hidden in [
            "\u{1b}]0;",
            "\r",
            "\u{7f}",
            "\u{9b}",
            "\u{202e}",
            "\u{200b}",
            "\u{e0041}",
            "\u{3164}",
            "\u{fe0f}",
        ] {
            assert!(hidden.chars().any(is_unseen), "{hidden:?}");
        }
    }
}
