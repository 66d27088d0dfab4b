//! One small sort for the guard's lists. The library's sorts are faster, and each of them weighs 5 KB for each kind of
//! thing that is sorted (ADR-0014).

use std::cmp::Ordering;

/// Sorts in place, by a heap: at most a small multiple of n log n comparisons whatever the order was, and no memory. Equal
/// things change places.
pub(crate) fn sort_by<T>(items: &mut [T], mut compare: impl FnMut(&T, &T) -> Ordering) {
    let length = items.len();
    for root in (0..length / 2).rev() {
        sink(items, root, length, &mut compare);
    }
    for end in (1..length).rev() {
        items.swap(0, end);
        sink(items, 0, end, &mut compare);
    }
}

/// Sorts by the things' own order.
pub(crate) fn sort<T: Ord>(items: &mut [T]) {
    sort_by(items, T::cmp);
}

/// Lets one item sink below all that are greater, in the heap that `items` is up to `end`.
fn sink<T>(items: &mut [T], mut root: usize, end: usize, compare: &mut impl FnMut(&T, &T) -> Ordering) {
    let mut is_less = |items: &[T], one: usize, other: usize| match (items.get(one), items.get(other)) {
        (Some(one), Some(other)) => compare(one, other).is_lt(),
        _ => false,
    };
    loop {
        let mut child = 2 * root + 1;
        if child >= end {
            return;
        }
        if child + 1 < end && is_less(items, child, child + 1) {
            child += 1;
        }
        if !is_less(items, root, child) {
            return;
        }
        items.swap(root, child);
        root = child;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_order_of_a_few_and_one_of_many_come_out_sorted() {
        for code in 0..5_usize.pow(5) {
            let mut items: Vec<usize> = (0..5).map(|place| code / 5_usize.pow(place) % 5).collect();
            let mut expected = items.clone();
            expected.sort_unstable();
            sort(&mut items);
            assert_eq!(items, expected);
        }
        let mut items: Vec<u32> = (0..10_000).map(|n| n * 7_919 % 10_007).collect();
        sort_by(&mut items, |a, b| b.cmp(a));
        assert!(items.is_sorted_by(|a, b| a >= b));
    }
}
