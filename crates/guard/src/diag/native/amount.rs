//! Numbers as options have them: `10`, `+5`, `-3`, `2K`, `1MB`.

/// From which end, or without what, an amount is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    None,
    Plus,
    Minus,
}

/// A sign, a number and a suffix of GNU's; nothing for anything else.
pub(crate) fn amount(text: &str) -> Option<(Sign, u64)> {
    let (sign, text) = match text.as_bytes().first()? {
        b'+' => (Sign::Plus, text.get(1..)?),
        b'-' => (Sign::Minus, text.get(1..)?),
        _ => (Sign::None, text),
    };
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, suffix) = text.split_at_checked(digits)?;
    // More than fits is as good as everything.
    let number = if digits == 0 { None } else { Some(number.parse::<u64>().unwrap_or(u64::MAX)) }?;
    let (base, power) = match suffix {
        "" => (1, 0),
        "b" => (512, 1),
        _ => {
            let (letter, rest) = suffix.split_at_checked(1)?;
            let base: u64 = match rest {
                "" | "iB" => 1024,
                "B" => 1000,
                _ => return None,
            };
            (base, u32::try_from("KMGTPE".find(&letter.to_ascii_uppercase())?).ok()? + 1)
        }
    };
    Some((sign, number.saturating_mul(base.saturating_pow(power))))
}

/// A plain number.
pub(crate) fn plain(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}
