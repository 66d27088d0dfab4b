//! A notice that tells nothing, so that somebody can see it arrive before the night when it matters.

use crate::notice::{Kind, Member, Notice};
use crate::pace::Pace;
use crate::postman::{Round, attempt};
use breakglass_fleet::{Fleet, Receiver};
use breakglass_incident::Seq;
use breakglass_recovery::Clock;

/// Tries one receiver once.
///
/// # Errors
/// What went wrong, in a sentence fragment.
pub async fn trial(fleet: &Fleet, receiver: &Receiver, clock: Clock) -> Result<(), String> {
    let at = clock();
    let sentence = format!("Somebody wants to see that {} is told. Nothing has happened", receiver.name);
    let member = Member { seq: Seq(0), incident: None, target: None, at, known: at, sentence };
    let letter = Notice::of_one(Kind::Trial, member).letter(fleet);
    let round = Round { ca_file: fleet.notify.ca_file.clone(), pace: Pace::default(), clock };
    attempt(receiver, &letter, &round).await.map_err(|trouble| trouble.sentence)
}
