//! A pause before an endpoint is tried again, which an alarm that waits shortens.
//!
//! A receiver may ask for minutes (`Retry-After`), and it takes a second failure to call it down. While
//! somebody's emergency waits to be told, it is asked whether it means it after [`HURRIED_MAX`].

use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Sleep, sleep};

/// Longest pause while an alarm of class emergency or hazard waits. Own choice: a receiver that is short
/// of breath gets its breath, and a district that is down is known to be within half a minute.
pub const HURRIED_MAX: Duration = Duration::from_secs(10);

/// A pause that runs.
#[derive(Debug)]
pub struct Rest {
    whole: Pin<Box<Sleep>>,
    hurried: Option<Pin<Box<Sleep>>>,
}

impl Rest {
    /// Begins one.
    pub fn new(pause: Duration) -> Self {
        Self { whole: Box::pin(sleep(pause)), hurried: None }
    }

    /// An alarm waits: at most [`HURRIED_MAX`] from here on.
    pub fn hurry(&mut self) {
        self.hurried.get_or_insert_with(|| Box::pin(sleep(HURRIED_MAX)));
    }

    /// Waits for the end of one; for ever where none runs.
    pub async fn over(rest: &mut Option<Self>) {
        match rest {
            None => std::future::pending().await,
            Some(Self { whole, hurried: None }) => whole.await,
            Some(Self { whole, hurried: Some(hurried) }) => {
                tokio::select! {
                    () = whole => {}
                    () = hurried => {}
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn an_alarm_does_not_lengthen_a_short_pause() {
        let mut rest = Rest::new(Duration::from_millis(20));
        rest.hurry();
        // A hang guard: the hurried pause is twice as long.
        let over = timeout(HURRIED_MAX / 2, Rest::over(&mut Some(rest))).await;
        assert!(over.is_ok());
    }
}
