//! The tool from outside: the command line as scripts see it, and the parts of the library that need files.

mod common;
mod compare;
mod plan;
mod repair;
mod replay;
mod report;
mod sim;
mod soak;
mod store;
mod traces;
mod tune;
