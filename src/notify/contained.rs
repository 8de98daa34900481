//! A future whose panic stays inside, so that one bad letter cannot take its carrier along.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

/// Runs `work` to its end; `None` when it panicked. What it captured is dropped either way, so
/// nothing half-changed can be seen afterwards.
pub(super) async fn contained<T>(work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx))) {
        Ok(Poll::Ready(done)) => Poll::Ready(Some(done)),
        Ok(Poll::Pending) => Poll::Pending,
        Err(_) => Poll::Ready(None),
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_stays_inside() {
        assert_eq!(contained(async { 7 }).await, Some(7));
        let broken = async {
            tokio::task::yield_now().await;
            panic!("a letter that cannot be written");
        };
        assert_eq!(contained::<u8>(broken).await, None);
    }
}
