//! One operation of the document: what is said of a route beside what the table of routes says already.

use schemars::{JsonSchema, Schema, SchemaGenerator};

/// Makes the schema of a type, or a reference to it.
pub(super) type Shape = fn(&mut SchemaGenerator) -> Schema;

/// What an answer holds.
#[derive(Clone, Copy)]
pub(super) enum Content {
    /// JSON of this shape.
    Json(Shape),
    /// Lines of this media type, each JSON of this shape.
    Lines(&'static str, Shape),
    /// Text of this media type.
    Text(&'static str),
}

/// What a request may hold.
#[derive(Clone, Copy)]
pub(super) struct Body {
    pub(super) shape: Shape,
    pub(super) required: bool,
}

/// One operation.
pub(super) struct Operation {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) id: &'static str,
    pub(super) summary: &'static str,
    pub(super) says: &'static str,
    pub(super) body: Option<Body>,
    /// Whether it takes `after` and `Last-Event-ID`.
    pub(super) resumes: bool,
    pub(super) answers: Vec<(u16, &'static str, Vec<Content>)>,
}

/// A look.
pub(super) const fn get(path: &'static str, id: &'static str, summary: &'static str) -> Operation {
    operation("get", path, id, summary)
}

/// Something that changes something.
pub(super) const fn post(path: &'static str, id: &'static str, summary: &'static str) -> Operation {
    operation("post", path, id, summary)
}

const fn operation(
    method: &'static str,
    path: &'static str,
    id: &'static str,
    summary: &'static str,
) -> Operation {
    Operation { method, path, id, summary, says: "", body: None, resumes: false, answers: Vec::new() }
}

impl Operation {
    pub(super) const fn says(mut self, says: &'static str) -> Self {
        self.says = says;
        self
    }

    pub(super) const fn resumes(mut self) -> Self {
        self.resumes = true;
        self
    }

    pub(super) fn takes<T: JsonSchema>(mut self) -> Self {
        self.body = Some(Body { shape: SchemaGenerator::subschema_for::<T>, required: true });
        self
    }

    pub(super) fn may_take<T: JsonSchema>(mut self) -> Self {
        self.body = Some(Body { shape: SchemaGenerator::subschema_for::<T>, required: false });
        self
    }

    pub(super) fn answers<T: JsonSchema>(self, status: u16, says: &'static str) -> Self {
        self.holds(status, says, vec![Content::Json(SchemaGenerator::subschema_for::<T>)])
    }

    pub(super) fn ok<T: JsonSchema>(self, says: &'static str) -> Self {
        self.answers::<T>(200, says)
    }

    pub(super) fn holds(mut self, status: u16, says: &'static str, contents: Vec<Content>) -> Self {
        self.answers.push((status, says, contents));
        self
    }

    /// Answers that are no success, and have no shape of their own.
    pub(super) fn fails(self, status: u16, says: &'static str) -> Self {
        self.answers::<crate::answers::Failure>(status, says)
    }
}
