//! Doors over SSH: keyholder, host keys, warm connections, one deadline over everything.
