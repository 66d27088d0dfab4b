//! Evidence as it is seen, and what has to be made of it.
#![cfg(test)]

mod build;
mod charge;
mod controls;
mod missing;
mod normal;
mod quick;
mod wedges;
mod words;
