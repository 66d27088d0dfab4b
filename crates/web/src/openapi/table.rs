//! What the document says of each route. Who may, and which answers every route of its kind can give, come from the table of
//! routes and are not repeated here.

use super::operation::{Content, Operation, get, post};
use crate::agent::CallBody;
use crate::answers::*;
use crate::api::{AcceptBody, CloseBody, CommandBody, LookBody, NoteBody, OpenBody, PressBody};
use crate::turns::{Digest, TurnBody};
use breakglass_incident::Event;
use breakglass_recovery::TargetView;
use breakglass_triage::Triage;
use schemars::SchemaGenerator;

const NO_TARGET: &str = "The fleet has no such target.";
const NO_INCIDENT: &str = "There is no such incident.";
const EVENT_STREAM: Content =
    Content::Lines("text/event-stream", SchemaGenerator::subschema_for::<SentEvent>);

/// All operations.
pub(super) fn operations() -> Vec<Operation> {
    let groups = [server(), targets(), incidents(), turns(), hosts(), sessions(), agents()];
    groups.into_iter().flatten().collect()
}

fn server() -> Vec<Operation> {
    vec![
        get("/healthz", "health", "Whether the server answers")
            .says("For everybody; tells nothing of the fleet.")
            .ok::<Healthz>("It answers."),
        get("/metrics", "metrics", "What a monitoring system scrapes")
            .says("In the text format of Prometheus.")
            .holds(200, "The metrics.", vec![Content::Text("text/plain")]),
        get("/api/v1/openapi.json", "document", "This document").ok::<serde_json::Value>("The document."),
        get("/api/v1/me", "me", "Who the server takes one for").ok::<Me>("Name, way and role."),
        get("/api/v1/dependencies", "dependencies", "What the page depends on, and whether each is up")
            .ok::<Dependencies>("As it was last seen; nobody is asked."),
        get("/api/v1/journal/head", "journalHead", "Where the journal's chain stands")
            .says("Keep it elsewhere: only against it a cut tail is noticed.")
            .ok::<JournalHead>("Number and hash of the newest durable event."),
        get("/api/v1/events", "allEvents", "Everything that happens, as it happens")
            .says("A stream that does not end: what came after a number, or from now on where none is given.")
            .resumes()
            .holds(200, "Events and live text.", vec![EVENT_STREAM]),
    ]
}

fn targets() -> Vec<Operation> {
    vec![
        get("/api/v1/targets", "targets", "All targets").ok::<Targets>("As they are known now; nobody is asked."),
        get("/api/v1/targets/{name}", "target", "One target").ok::<TargetView>("As it is known now.").fails(404, NO_TARGET),
        post("/api/v1/targets/{name}/triage", "triage", "Gather evidence and name the wedge")
            .says("Deterministic, within seconds, over whichever doors answer. Changes nothing.")
            .ok::<Triage>("The finding, its evidence and one recommended action.")
            .fails(404, NO_TARGET),
        post("/api/v1/targets/{name}/verbs/{verb}", "press", "Press one of the six verbs")
            .says(
                "Sent once and never again, whatever becomes of the line. Leave `seen` out to take the state as it is; with it, \
                 a press on what has changed since is answered with what happened.",
            )
            .may_take::<PressBody>()
            .ok::<Looked>("A look was answered: `status` or `forensics`.")
            .answers::<Sent>(202, "The guard took it, or may have; follow the incident.")
            .fails(404, "There is no such target or verb, or no power door controls it.")
            .answers::<NotSent>(409, "Stale, refused or busy. Nothing was started.")
            .answers::<NotThrough>(502, "The door did not open, or the guard could not do it. Nothing was started."),
        post("/api/v1/targets/{name}/commands", "command", "Run a command through the repair door")
            .takes::<CommandBody>()
            .ok::<Ended>("It ended; only where `wait` was true.")
            .answers::<Started>(202, "It was started; its end comes as an event.")
            .fails(404, "There is no such target or incident, or no repair door leads to it."),
    ]
}

fn incidents() -> Vec<Operation> {
    let events = "A stream, or (for `Accept: application/json`) what there is so far.";
    let markdown = Content::Text("text/markdown");
    let json = Content::Json(SchemaGenerator::subschema_for::<Vec<Event>>);
    vec![
        get("/api/v1/incidents", "incidents", "All incidents").ok::<Incidents>("Newest first."),
        post("/api/v1/incidents", "openIncident", "Open an incident")
            .takes::<OpenBody>()
            .answers::<Opened>(201, "It is open; the one that was open already, where one was.")
            .fails(404, NO_TARGET),
        get("/api/v1/incidents/{id}", "incident", "One incident, in short")
            .ok::<Incident>("As it stands.")
            .fails(404, NO_INCIDENT),
        get("/api/v1/incidents/{id}/events", "events", "The events of an incident")
            .says(events)
            .resumes()
            .holds(
                200,
                "Its events, oldest first.",
                vec![EVENT_STREAM, Content::Json(SchemaGenerator::subschema_for::<Events>)],
            )
            .fails(404, NO_INCIDENT),
        get("/api/v1/incidents/{id}/export/{format}", "export", "A timeline to keep elsewhere")
            .holds(200, "All of it.", vec![markdown, json])
            .fails(404, "There is no such incident, or no such form."),
        post("/api/v1/incidents/{id}/notes", "note", "Write a note")
            .takes::<NoteBody>()
            .answers::<Written>(201, "It is in the journal.")
            .fails(404, NO_INCIDENT),
        post("/api/v1/incidents/{id}/commands/{command}/stop", "stopCommand", "Stop a command that runs")
            .ok::<Stopped>("With the sentence of the host's guard.")
            .fails(404, NO_INCIDENT)
            .fails(409, "It runs no more, or nothing can stop it."),
        post("/api/v1/incidents/{id}/close", "closeIncident", "Close an incident")
            .takes::<CloseBody>()
            .ok::<Written>("It is closed.")
            .fails(409, "It is not open."),
    ]
}

fn turns() -> Vec<Operation> {
    let decided = "It waits no longer, or it is another call than the one that was shown.";
    vec![
        post("/api/v1/incidents/{id}/turns", "startTurn", "Ask an agent")
            .takes::<TurnBody>()
            .answers::<Turn>(202, "It begins; the events tell how it goes on.")
            .fails(404, NO_INCIDENT)
            .fails(409, "The incident is closed, a turn runs already, or no agent is configured."),
        post("/api/v1/incidents/{id}/turns/stop", "stopTurn", "Stop the turn that runs")
            .ok::<Turn>("It was told to end.")
            .fails(404, NO_INCIDENT)
            .fails(409, "None runs."),
        post(
            "/api/v1/incidents/{id}/calls/{call}/approve",
            "approve",
            "Allow one very call of an agent, once",
        )
        .takes::<Digest>()
        .ok::<Decided>("It is carried out.")
        .fails(404, NO_INCIDENT)
        .fails(409, decided),
        post("/api/v1/incidents/{id}/calls/{call}/refuse", "refuse", "Refuse a call of an agent")
            .takes::<Digest>()
            .ok::<Decided>("It is not carried out.")
            .fails(404, NO_INCIDENT)
            .fails(409, decided),
    ]
}

fn hosts() -> Vec<Operation> {
    vec![
        get("/api/v1/hosts", "hosts", "The hosts with a diag door")
            .ok::<Hosts>("As the fleet file declares them."),
        post("/api/v1/hosts/{name}/looks", "look", "Look through a diag door")
            .says("The host's guard decides what a look may ask; it changes nothing.")
            .takes::<LookBody>()
            .ok::<Ended>("It was answered.")
            .fails(404, "There is no such host or incident, or the host has no diag door."),
        post("/api/v1/hosts/{name}/accept-key", "acceptKey", "Accept the new host key of a rebuilt host")
            .says("Only after it was compared on the host's console.")
            .takes::<AcceptBody>()
            .ok::<Accepted>("It is trusted from now on.")
            .fails(409, "There is no such host, or it shows another key, or none that is not trusted."),
    ]
}

fn sessions() -> Vec<Operation> {
    vec![
        get("/api/v1/sessions", "sessions", "The sessions that count now").ok::<Sessions>("Everybody's."),
        post("/api/v1/sessions/{id}/end", "endSession", "End a session")
            .ok::<SessionsEnded>("It is ended.")
            .fails(404, "There is no such session."),
        post("/api/v1/people/{name}/end", "endSessionsOf", "End all sessions of somebody")
            .ok::<SessionsEnded>("They are ended, whether there were any or not.")
            .fails(404, "There is no such name."),
    ]
}

fn agents() -> Vec<Operation> {
    vec![
        get("/api/v1/agent/tools", "agentTools", "The tools of an outside agent").ok::<AgentTools>("What the fleet file grants."),
        post("/api/v1/agent/calls", "agentCall", "Call a tool")
            .says("May wait for a person for minutes. When the client goes, a question that still stands is withdrawn.")
            .takes::<CallBody>()
            .holds(
                200,
                "A line now and then while it goes on, then one with the answer.",
                vec![Content::Lines("application/x-ndjson", SchemaGenerator::subschema_for::<CallLine>)],
            ),
    ]
}
