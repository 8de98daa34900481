//! How often a bot may post: so many in a moving time, and half of them kept for who is in danger.
//!
//! Providers mute a bot that posts too often, DingTalk for ten minutes. So posts are counted in a window
//! that moves, and never more than the limit lie in one. Chosen over a bucket that fills: one that is full
//! lets a burst go and refills meanwhile, which comes to twice the limit in the first minute. What is no
//! hazard and no emergency finds the window full at half its places, so a storm of faults never mutes
//! the bot before a press. Pure: hub time comes in.

use std::collections::VecDeque;

use crate::terms::{At, Class, Wait};

/// So many posts in so long.
pub(super) type Limit = (usize, Wait);

/// What a bot says to one more post.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// Now.
    Go,
    /// When its window has room again.
    Full(Wait),
    /// Its provider wants it silent for so long.
    Held(Wait),
}

/// The posts of one bot.
#[derive(Debug)]
pub(super) struct Pace {
    limits: &'static [Limit],
    /// When it posted, the oldest first; none older than the longest limit.
    sent: VecDeque<At>,
    held: Option<At>,
}

impl Pace {
    pub(super) fn new(limits: &'static [Limit]) -> Self {
        Self { limits, sent: VecDeque::new(), held: None }
    }

    /// Whether a post of this class may leave now.
    pub(super) fn word(&self, class: Class, now: At) -> Word {
        if let Some(until) = self.held.filter(|until| *until > now) {
            return Word::Held(until - now);
        }
        let full = self.limits.iter().filter_map(|(most, span)| {
            let most = if class <= Class::Emergency { *most } else { most.div_ceil(2) };
            let place = self.sent.len().checked_sub(most)?;
            let free = *self.sent.get(place)? + *span;
            (free > now).then(|| free - now)
        });
        full.max().map_or(Word::Go, Word::Full)
    }

    /// One is posted now.
    pub(super) fn sent(&mut self, now: At) {
        let longest = self.limits.iter().map(|(_, span)| *span).max().unwrap_or(Wait::ZERO);
        while self.sent.front().is_some_and(|at| *at + longest <= now) {
            self.sent.pop_front();
        }
        self.sent.push_back(now);
    }

    /// Nothing is posted for so long.
    pub(super) fn hold(&mut self, wait: Wait, now: At) {
        let until = now + wait;
        self.held = Some(self.held.map_or(until, |held| held.max(until)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: &[Limit] = &[(20, Wait::mins(1)), (5, Wait::secs(1))];

    #[test]
    fn half_of_a_window_is_kept_for_who_is_in_danger() {
        let mut pace = Pace::new(LIMITS);
        for n in 0..10 {
            assert_eq!(pace.word(Class::Fault, At(n * 1_000)), Word::Go);
            pace.sent(At(n * 1_000));
        }
        assert_eq!(pace.word(Class::Coverage, At(10_000)), Word::Full(Wait::secs(50)));
        for n in 10..20 {
            assert_eq!(pace.word(Class::Emergency, At(n * 1_000)), Word::Go);
            pace.sent(At(n * 1_000));
        }
        assert_eq!(pace.word(Class::Hazard, At(20_000)), Word::Full(Wait::secs(40)));
        assert_eq!(pace.word(Class::Hazard, At(60_000)), Word::Go);
    }

    #[test]
    fn the_shorter_of_two_windows_is_kept_as_well() {
        let mut pace = Pace::new(LIMITS);
        (0..5).for_each(|_| pace.sent(At(7)));
        assert_eq!(pace.word(Class::Emergency, At(107)), Word::Full(Wait(900)));
        assert_eq!(pace.word(Class::Emergency, At(1_007)), Word::Go);
    }

    #[test]
    fn a_muted_bot_is_silent_for_emergencies_too_and_a_shorter_hold_does_not_shorten_it() {
        let mut pace = Pace::new(LIMITS);
        pace.hold(Wait::mins(10), At(0));
        pace.hold(Wait::secs(60), At(0));
        assert_eq!(pace.word(Class::Hazard, At(61_000)), Word::Held(Wait(539_000)));
        assert_eq!(pace.word(Class::Hazard, At(600_000)), Word::Go);
    }

    #[test]
    fn no_minute_ever_holds_more_than_its_limit() {
        let mut pace = Pace::new(LIMITS);
        let mut posts: Vec<u64> = Vec::new();
        for ms in (0..300_000).step_by(50) {
            if pace.word(Class::Hazard, At(ms)) == Word::Go {
                pace.sent(At(ms));
                posts.push(ms);
            }
        }
        assert!(posts.len() >= 90, "{}", posts.len());
        for (n, at) in posts.iter().enumerate() {
            let within = posts[n..].iter().take_while(|other| **other < at + 60_000).count();
            assert!(within <= 20, "{within}");
        }
    }
}
