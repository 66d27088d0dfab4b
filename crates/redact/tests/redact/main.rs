//! What the redactor must take out and what it must leave, over rows of data and over every way to cut them.

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod cuts;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod rows;
