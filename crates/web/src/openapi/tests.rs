//! The document against the table of routes, and against itself.

use super::*;
use std::collections::BTreeSet;

#[test]
fn each_route_of_the_api_is_told_once_and_nothing_else_is() {
    let told: Vec<(String, &str)> =
        table::operations().iter().map(|told| (told.method.to_ascii_uppercase(), told.path)).collect();
    let unique: BTreeSet<_> = told.iter().cloned().collect();
    assert_eq!(told.len(), unique.len(), "none is told twice");
    let routes = ROUTES.iter().filter(|route| is_for_programs(route.path));
    let routes: BTreeSet<_> = routes.map(|route| (route.method.as_str().to_owned(), route.path)).collect();
    assert_eq!(unique, routes);

    let document = document("1");
    let paths = document.get("paths").unwrap().as_object().unwrap();
    let in_document: BTreeSet<_> = paths
        .iter()
        .flat_map(|(path, item)| {
            item.as_object().unwrap().keys().map(move |method| (method.to_ascii_uppercase(), path.as_str()))
        })
        .collect();
    assert_eq!(in_document, unique);
}

/// Every `$ref` in it.
fn references(value: &Value, all: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(to)) = fields.get("$ref") {
                all.insert(to.clone());
            }
            fields.values().for_each(|value| references(value, all));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, all)),
        _ => {}
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_id_is_its_own() {
    let document = document("1");
    let mut all = BTreeSet::new();
    references(&document, &mut all);
    assert!(all.len() > 40, "{all:?}");
    for reference in all {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    let ids: Vec<&str> = table::operations().iter().map(|told| told.id).collect();
    assert_eq!(ids.len(), ids.iter().collect::<BTreeSet<_>>().len(), "{ids:?}");
}

#[test]
fn what_is_sent_and_what_is_taken_share_no_name_with_two_shapes() {
    let mut shapes = Shapes::new();
    for told in table::operations() {
        if let Some(body) = told.body {
            let _ = (body.shape)(&mut shapes.taken);
        }
        for content in told.answers.iter().flat_map(|(_, _, contents)| contents) {
            if let Content::Json(shape) | Content::Lines(_, shape) = content {
                let _ = shape(&mut shapes.sent);
            }
        }
    }
    let sent = shapes.sent.take_definitions(true);
    for (name, taken) in shapes.taken.take_definitions(true) {
        assert!(sent.get(&name).is_none_or(|sent| *sent == taken), "{name} has two shapes");
    }
}

#[test]
fn each_operation_says_what_it_answers_and_who_may() {
    let document = document("1");
    for item in document.get("paths").unwrap().as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values() {
            let responses = operation.get("responses").unwrap().as_object().unwrap();
            assert!(responses.keys().any(|status| status.starts_with('2')), "{operation}");
            let public = operation.get("security").unwrap().as_array().unwrap().is_empty();
            assert_eq!(public, !responses.contains_key("401"), "{operation}");
        }
    }
}
