//! SQL over HTTP: definitions that last, statements that go on, answers and errors.

#[cfg(test)]
mod answers;
#[cfg(test)]
mod lives;
#[cfg(test)]
mod rig;
