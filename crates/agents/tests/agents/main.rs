//! Engines against a scripted endpoint, the real Claude CLI, and a real shell that tries to get out.

mod api;
mod claude;
mod scripted_model;
mod stand;
mod walls;
