//! What somebody probably meant to write.

/// How alike two words must be, from 0 to 1, before one is offered in place of the other. Below this an offer is
/// noise: it sends a tired reader the wrong way.
const ALIKE: f64 = 0.5;

/// The candidate that is most like `word`, where one is alike enough. Case, `-` and `_` do not count.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace('-', "_");
    let word = plain(word);
    let scored = candidates
        .into_iter()
        .map(|candidate| (strsim::normalized_damerau_levenshtein(&word, &plain(candidate)), candidate));
    let best = scored.fold(None, |best: Option<(f64, &str)>, next| match best {
        Some(kept) if kept.0 >= next.0 => Some(kept),
        _ => Some(next),
    });
    best.filter(|(score, _)| *score >= ALIKE).map(|(_, candidate)| candidate)
}

/// `did you mean …?` where something is near, and in any case the list of what is known.
pub(crate) fn hint(word: &str, quote: char, known: &str, candidates: &[&str]) -> String {
    let all: Vec<String> = candidates.iter().map(|one| format!("{quote}{one}{quote}")).collect();
    let all = if all.is_empty() { "none".to_owned() } else { all.join(", ") };
    match nearest(word, candidates.iter().copied()) {
        Some(near) => format!("did you mean {quote}{near}{quote}? ({known}: {all})"),
        None => format!("{known}: {all}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offers_what_is_alike_and_nothing_else() {
        let known = ["addresses", "name", "kind", "refusing_port", "needs"];
        for (word, near) in [
            ("adresses", Some("addresses")),
            ("address", Some("addresses")),
            ("Refusing-Port", Some("refusing_port")),
            ("need", Some("needs")),
            ("nmae", Some("name")),
            ("quota", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known), near, "{word}");
        }
    }
}
