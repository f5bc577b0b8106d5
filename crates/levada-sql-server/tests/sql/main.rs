//! SQL over HTTP: definitions that last, statements that go on, answers and errors.

mod answers;
mod lives;
mod rig;
