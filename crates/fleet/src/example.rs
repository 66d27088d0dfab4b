//! The commented fleet file that `breakglass init` writes.

/// A fleet file that parses, explains itself and writes every default out.
#[must_use]
pub fn example() -> String {
    include_str!("example.toml").to_owned()
}
