//! What is shown: values in, markup out. Nothing here asks anybody anything, reads a clock or knows a route's handler.

pub(crate) mod act;
pub(crate) mod call;
pub(crate) mod confirm;
pub(crate) mod fleet;
pub(crate) mod foot;
pub(crate) mod head;
pub(crate) mod host;
pub(crate) mod hosts;
pub(crate) mod incident;
pub(crate) mod incidents;
pub(crate) mod layout;
pub(crate) mod login;
pub(crate) mod notices;
pub(crate) mod power;
pub(crate) mod progress;
pub(crate) mod proof;
pub(crate) mod row;
pub(crate) mod sessions;
pub(crate) mod stale;
pub(crate) mod turn;
pub(crate) mod wave;
pub(crate) mod ways;
pub(crate) mod words;
