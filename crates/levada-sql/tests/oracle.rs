//! The same query in batch, on DataFusion's own operators, must come to what the stream comes to: at every epoch,
//! wherever epochs end and in whatever order rows of different tables come, and after a restart from a snapshot.

#[cfg(test)]
mod oracle {
    mod cases;
    mod changing;
    mod joins;
    mod rig;
    mod sessions;
    mod timed;
}
