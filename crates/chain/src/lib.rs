//! Hash-chained lines: link, mark a gap, verify.
