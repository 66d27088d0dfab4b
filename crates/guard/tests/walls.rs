//! The walls alone, with the grammar switched off: a program that means harm is put behind them, attack by attack, for
//! every combination of needs that a command has, as root and as nobody. Each attack is made without the walls too, and
//! must do its harm there: an attack that fails by itself shows nothing.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed test should stop loudly")]

mod stage;
mod walls {
    mod attacks;
    mod commands;
    mod ends;
    mod landlock_gone;
    mod support;
    mod trees;
}
