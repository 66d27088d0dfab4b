//! Turns: runs of an agent inside an incident, inside bounds that hold whatever the model wants.

mod engine;

pub use engine::{Engine, Engines, Prompt, Says, Told, ToolAnswer, ToolSpec, Tools, TurnBrief, TurnEnd};
