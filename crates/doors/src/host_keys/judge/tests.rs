//! Each way in which a host can be the right one or not.
