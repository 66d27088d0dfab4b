//! The use cases, one function each: press a verb, run a command, triage, watch, resume.
