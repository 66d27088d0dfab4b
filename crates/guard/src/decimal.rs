//! Decimal numbers of the kernel's texts, read by whole numbers: the library's reader of floating point is exact to the
//! last bit, which a load average does not need, and weighs 25 KB, which the guard does not have.

/// A number such as `0.52`, in units of a fraction with `digits` places; further places are cut off.
pub(crate) fn scaled(text: &str, digits: usize) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let places = fraction.bytes().chain(std::iter::repeat(b'0')).take(digits);
    let mut value = 0_u64;
    for digit in whole.bytes().chain(places) {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        value = value.checked_mul(10)?.checked_add(digit)?;
    }
    let sound = !whole.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
    sound.then_some(value)
}

/// A number with two places, as the kernel writes load and pressure.
pub(crate) fn two_places(text: &str) -> Option<f64> {
    let hundredths = u32::try_from(scaled(text, 2)?).ok()?;
    Some(f64::from(hundredths) / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_writes_and_nothing_else() {
        for (text, digits, value) in [
            ("0.52", 2, Some(52)),
            ("12", 2, Some(1200)),
            ("1.5", 2, Some(150)),
            ("1.999", 2, Some(199)),
            ("12345.678901", 6, Some(12_345_678_901)),
            ("", 2, None),
            (".5", 2, None),
            ("-1.0", 2, None),
            ("1.x", 2, None),
            ("1.00x", 2, None),
            ("99999999999999999999", 2, None),
        ] {
            assert_eq!(scaled(text, digits), value, "{text}");
        }
        assert_eq!(two_places("0.25"), Some(0.25));
    }
}
