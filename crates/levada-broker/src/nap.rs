//! Sleeping, but not beyond the end.

use crate::Runtime;
use std::{
    future::poll_fn,
    pin::pin,
    sync::atomic::{AtomicBool, Ordering},
    task::Poll,
    time::Duration,
};
use tokio::sync::Notify;

/// Sleeps for `span`, or until `ending` is told; not at all where it is `closed`.
pub(crate) async fn nap(runtime: &dyn Runtime, span: Duration, ending: &Notify, closed: &AtomicBool) {
    let mut slept = runtime.sleep(span);
    let mut ending = pin!(ending.notified());
    ending.as_mut().enable();
    if closed.load(Ordering::Acquire) {
        return;
    }
    poll_fn(|context| {
        let ending = ending.as_mut().poll(context).is_ready();
        if ending || slept.as_mut().poll(context).is_ready() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}
