//! What the redactor must take out and what it must leave, over rows of data and over every way to cut them.

mod corpus;
mod cuts;
mod documents;
mod rows;
