//! A person's yes or no to one exact call.
//!
//! The page shows the call; the answer names its digest, so a yes is for that call and no other, once, until it lapses. An
//! address that leads to the question carries no right to answer it: whoever answers has logged in.

use super::registry::{Asked, NotTaken, Waiting};
use crate::Desk;
use crate::record::keep;
use breakglass_incident::{Actor, CallId, EventBody, IncidentId, TurnEvent, TurnId};
use breakglass_protocol::Timestamp;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// After the question lapsed in the very moment of an answer: the answer is on its way.
const CROSSING: Duration = Duration::from_secs(5);

/// Why an answer counted for nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApprovalError {
    /// An agent or a program answered.
    #[error("only a person may allow or refuse what an agent asks for; nothing was decided")]
    NotAPerson,
    /// Nothing waits.
    #[error(
        "call {call} waits for nobody: it was answered, it lapsed, or its turn ended; nothing was done by this"
    )]
    NotWaiting {
        /// The call.
        call: CallId,
    },
    /// The answer names another call than the one that waits.
    #[error("the page showed another call than the one that waits; load it again. Nothing was decided")]
    OtherCall,
}

/// Answers a call that waits.
///
/// # Errors
/// [`ApprovalError`], when nothing was decided.
pub async fn answer_call(
    desk: &Desk,
    who: Actor,
    incident: IncidentId,
    call: CallId,
    digest: &str,
    allow: bool,
) -> Result<(), ApprovalError> {
    if !who.is_person() {
        return Err(ApprovalError::NotAPerson);
    }
    let is_it = |waiting: &Waiting| waiting.asked.incident == incident && waiting.digest == digest;
    let waiting = desk.turns.take_waiting(call, is_it).map_err(|why| match why {
        NotTaken::NotWaiting => ApprovalError::NotWaiting { call },
        NotTaken::OtherCall => ApprovalError::OtherCall,
    })?;
    let body = if allow {
        TurnEvent::ApprovalGiven { call, digest: waiting.digest }
    } else {
        TurnEvent::ApprovalRefused { call }
    };
    keep(desk, Some(incident), who, EventBody::Turn(body)).await;
    let _ = waiting.answer.send(if allow { Answered::Allowed } else { Answered::Refused });
    Ok(())
}

/// The question that a call raises.
pub(crate) struct Question<'a> {
    pub(crate) incident: IncidentId,
    pub(crate) turn: TurnId,
    pub(crate) call: CallId,
    pub(crate) by: &'a Actor,
    pub(crate) target: &'a str,
    pub(crate) shown: &'a str,
    pub(crate) digest: &'a str,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answered {
    Allowed,
    Refused,
    Lapsed,
    /// The incident was closed meanwhile.
    Withdrawn,
}

/// Asks, and waits for a person, the lapse or the turn's end.
pub(crate) async fn ask(
    desk: &Desk,
    question: Question<'_>,
    stands: Duration,
    stop: &CancellationToken,
) -> Answered {
    let (answer, answered) = oneshot::channel();
    let millis = u64::try_from(stands.as_millis()).unwrap_or(u64::MAX);
    let until = desk.now().plus_millis(millis);
    let asked = Asked {
        incident: question.incident,
        call: question.call,
        by: question.by.clone(),
        target: question.target.to_owned(),
        shown: question.shown.to_owned(),
        until,
    };
    desk.turns.wait(Waiting { asked, digest: question.digest.to_owned(), answer });
    // The board has a line for it.
    desk.board.update(question.target, |_| {});
    let verdict = answered_by(desk, &question, stands, until, stop, answered).await;
    desk.board.update(question.target, |_| {});
    verdict
}

async fn answered_by(
    desk: &Desk,
    question: &Question<'_>,
    stands: Duration,
    until: Timestamp,
    stop: &CancellationToken,
    answered: oneshot::Receiver<Answered>,
) -> Answered {
    let body = TurnEvent::ApprovalAsked {
        call: question.call,
        turn: question.turn,
        shown: question.shown.to_owned(),
        digest: question.digest.to_owned(),
        expires: until,
    };
    keep(desk, Some(question.incident), question.by.clone(), EventBody::Turn(body)).await;
    let mut answered = answered;
    let mut verdict = tokio::select! {
        answer = &mut answered => answer.unwrap_or(Answered::Lapsed),
        () = tokio::time::sleep(stands) => Answered::Lapsed,
        () = stop.cancelled() => Answered::Lapsed,
    };
    // Whoever takes it off the list decides.
    if verdict == Answered::Lapsed
        && desk.turns.take_waiting(question.call, |_| true).is_err()
        && let Ok(Ok(crossing)) = tokio::time::timeout(CROSSING, answered).await
    {
        verdict = crossing;
    }
    if matches!(verdict, Answered::Allowed | Answered::Refused) {
        return verdict;
    }
    let body = EventBody::Turn(TurnEvent::ApprovalExpired { call: question.call });
    keep(desk, Some(question.incident), Actor::Server, body).await;
    verdict
}
