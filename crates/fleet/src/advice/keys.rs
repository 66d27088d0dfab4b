//! Keys: whether they can be loaded, and how much one of them opens.

use super::{Advice, listed, say};
use crate::Fleet;

pub(super) fn advise(fleet: &Fleet, advice: &mut Vec<Advice>) {
    for secret in &fleet.secrets {
        let about = format!("secret \"{}\"", secret.name);
        let doors: Vec<&str> = fleet
            .doors
            .iter()
            .filter(|door| door.key == secret.name)
            .map(|door| door.name.as_str())
            .collect();
        if doors.is_empty() {
            say(advice, about, "no door uses it");
            continue;
        }
        if secret.file.is_none() {
            let text = format!(
                "it has no file, so no keyholder can load it: {} only opens with an agent that holds it already",
                listed(doors.iter().copied())
            );
            say(advice, about.clone(), text);
        }
        if doors.len() > 1 {
            let text = format!(
                "one key opens {}: who takes it has them all. A key for each door is safer",
                listed(doors)
            );
            say(advice, about, text);
        }
    }
}
