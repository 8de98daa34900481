//! Facts as they come, for those who follow: the newest ones in memory, the rest in the record.
//!
//! A follower has a cursor and asks for what is behind it. What the feed holds without a gap is given
//! from memory; for anything else the follower is sent to the record, so that it can fall behind, come
//! late or come again and still meets every fact once and in order. Nothing is given that is not on
//! disk. While nobody follows, the desk does not even copy a fact; while somebody does, memory holds
//! [`FEED_MAX`] at most. A broadcast channel was not chosen: it drops a reader that lags, and leaves
//! to it how the record and the channel meet.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::EntryView;
use crate::incident::Entry;
use crate::terms::Seq;

/// Entries held in memory; older ones are read from the record. Own choice: a storm's second, 2 MB.
const FEED_MAX: usize = 4_096;

/// Followers at once; the next one is told to come again. Own choice: every wall board there may be,
/// or a page for each of 32 people.
pub const FOLLOWERS_MAX: usize = 32;

/// The desk's end.
#[derive(Debug)]
pub struct Feed {
    shared: Arc<Shared>,
    news: watch::Sender<News>,
}

/// Where followers come in.
#[derive(Debug, Clone)]
pub struct FeedDoor {
    shared: Arc<Shared>,
    news: watch::Receiver<News>,
}

#[derive(Debug, Default)]
struct Shared {
    held: Mutex<VecDeque<Arc<EntryView>>>,
    followers: AtomicUsize,
}

impl Shared {
    fn held(&self) -> MutexGuard<'_, VecDeque<Arc<EntryView>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct News {
    on_disk: Seq,
    over: bool,
}

impl Feed {
    /// A feed of what comes behind the newest entry on disk.
    pub fn new(on_disk: Seq) -> Self {
        let (news, _) = watch::channel(News { on_disk, over: false });
        Self { shared: Arc::default(), news }
    }

    /// Whether anybody follows.
    pub fn is_followed(&self) -> bool {
        self.shared.followers.load(Ordering::Acquire) > 0
    }

    /// Takes the entries of a turn, on disk or not.
    pub fn keep(&self, entries: Vec<Entry>) {
        let mut held = self.shared.held();
        if !self.is_followed() {
            held.clear();
            return;
        }
        for entry in entries {
            if held.back().is_some_and(|last| last.seq.next() != entry.seq) {
                held.clear();
            }
            held.push_back(Arc::new(EntryView::from(entry)));
            if held.len() > FEED_MAX {
                held.pop_front();
            }
        }
    }

    /// Everything up to `safe` is on disk.
    pub fn is_on_disk(&self, safe: Seq) {
        self.news.send_if_modified(|news| {
            let newer = safe > news.on_disk;
            news.on_disk = news.on_disk.max(safe);
            newer
        });
    }

    /// No more will come: every follower is told.
    pub fn end(&self) {
        self.news.send_modify(|news| news.over = true);
    }

    /// The way in.
    pub fn door(&self) -> FeedDoor {
        FeedDoor { shared: Arc::clone(&self.shared), news: self.news.subscribe() }
    }
}

impl FeedDoor {
    /// Follows what comes behind `after`, or behind what is on disk now; none while too many follow.
    pub fn follow(&self, after: Option<Seq>) -> Option<Follower> {
        let more = |followers| (followers < FOLLOWERS_MAX).then_some(followers + 1);
        let followers = &self.shared.followers;
        followers.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok()?;
        let mut news = self.news.clone();
        let newest = news.borrow_and_update().on_disk;
        let shared = Arc::clone(&self.shared);
        Some(Follower { shared, news, cursor: after.unwrap_or(newest) })
    }

    /// The newest entry on disk.
    pub fn newest(&self) -> Seq {
        self.news.borrow().on_disk
    }

    /// How many follow.
    pub fn followers(&self) -> usize {
        self.shared.followers.load(Ordering::Acquire)
    }
}

/// One who follows.
#[derive(Debug)]
pub struct Follower {
    shared: Arc<Shared>,
    news: watch::Receiver<News>,
    cursor: Seq,
}

/// What a follower does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Take these: they follow the cursor without a gap, and the cursor stands behind them.
    Take(Vec<Arc<EntryView>>),
    /// Read the record behind the cursor, then [`Follower::pass`].
    Read,
    /// Wait for news.
    Wait,
    /// Go: the desk has stopped.
    Go,
}

impl Follower {
    /// The last entry behind which nothing was taken.
    pub fn cursor(&self) -> Seq {
        self.cursor
    }

    /// The newest entry on disk.
    pub fn newest(&self) -> Seq {
        self.news.borrow().on_disk
    }

    /// Everything up to there was taken elsewhere.
    pub fn pass(&mut self, upto: Seq) {
        self.cursor = upto;
    }

    /// What to do, with `most` entries at a time.
    pub fn step(&mut self, most: usize) -> Step {
        // A desk that ended without a word is over as well.
        let gone = self.news.has_changed().is_err();
        let News { on_disk, over } = *self.news.borrow_and_update();
        let over = over || gone;
        if self.cursor >= on_disk {
            return if over { Step::Go } else { Step::Wait };
        }
        let held = self.shared.held();
        let meets = held.front().is_some_and(|first| first.seq <= self.cursor.next())
            && held.back().is_some_and(|last| last.seq > self.cursor);
        if !meets {
            return Step::Read;
        }
        let begin = held.partition_point(|entry| entry.seq <= self.cursor);
        let behind = held.iter().skip(begin).take_while(|entry| entry.seq <= on_disk);
        let taken: Vec<_> = behind.take(most).cloned().collect();
        self.cursor = taken.last().map_or(self.cursor, |entry| entry.seq);
        Step::Take(taken)
    }

    /// Waits for news: more is on disk, or nothing will come.
    pub async fn news(&mut self) {
        // An error is news, too: see `step`.
        let _ = self.news.changed().await;
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.shared.followers.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::Fact;
    use crate::terms::{At, Wall};

    fn entries(seqs: std::ops::RangeInclusive<u64>) -> Vec<Entry> {
        let entry = |seq| Entry {
            seq: Seq(seq),
            at: At(seq),
            wall: Wall(0),
            trusted: true,
            fact: Fact::HubStopped,
        };
        seqs.map(entry).collect()
    }

    fn seqs(step: Step) -> Vec<u64> {
        match step {
            Step::Take(entries) => entries.iter().map(|entry| entry.seq.0).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_not_on_disk_is_not_given() {
        let feed = Feed::new(Seq(7));
        let mut follower = feed.door().follow(None).unwrap();
        feed.keep(entries(8..=10));
        assert_eq!(follower.step(9), Step::Wait);
        feed.is_on_disk(Seq(9));
        assert_eq!(seqs(follower.step(9)), [8, 9]);
        assert_eq!(follower.step(9), Step::Wait);
        feed.is_on_disk(Seq(10));
        assert_eq!(seqs(follower.step(9)), [10]);
    }

    #[test]
    fn who_comes_late_or_falls_behind_reads_the_record_until_it_meets_the_feed() {
        let feed = Feed::new(Seq(100));
        let mut follower = feed.door().follow(Some(Seq(90))).unwrap();
        assert_eq!(follower.step(9), Step::Read);
        feed.keep(entries(101..=103));
        feed.is_on_disk(Seq(103));
        assert_eq!(follower.step(9), Step::Read, "91 to 100 are not held");
        follower.pass(Seq(102));
        assert_eq!(seqs(follower.step(9)), [103]);
        let many = 104 + u64::try_from(FEED_MAX).unwrap();
        feed.keep(entries(104..=many));
        feed.is_on_disk(Seq(many));
        assert_eq!(follower.step(9), Step::Read, "104 has made room");
        follower.pass(Seq(104));
        assert_eq!(seqs(follower.step(2)), [105, 106]);
    }

    #[test]
    fn a_stretch_that_nobody_followed_is_never_jumped() {
        let feed = Feed::new(Seq(0));
        let mut follower = feed.door().follow(None).unwrap();
        feed.keep(entries(1..=2));
        // A turn that began before anybody followed hands nothing in.
        feed.keep(entries(5..=6));
        feed.is_on_disk(Seq(6));
        assert_eq!(follower.step(9), Step::Read);
        follower.pass(Seq(4));
        assert_eq!(seqs(follower.step(9)), [5, 6]);
    }

    #[test]
    fn at_the_limit_nobody_more_follows_until_one_goes() {
        let feed = Feed::new(Seq(0));
        let door = feed.door();
        let mut all: Vec<_> = (0..FOLLOWERS_MAX).map(|_| door.follow(None).unwrap()).collect();
        assert!(door.follow(None).is_none());
        all.pop();
        assert!(door.follow(None).is_some());
        assert!(feed.is_followed());
        drop(all);
        assert!(!feed.is_followed());
    }

    #[test]
    fn the_last_facts_are_taken_before_anybody_goes() {
        let feed = Feed::new(Seq(0));
        let mut follower = feed.door().follow(None).unwrap();
        feed.keep(entries(1..=1));
        feed.is_on_disk(Seq(1));
        feed.end();
        assert_eq!(seqs(follower.step(9)), [1]);
        assert_eq!(follower.step(9), Step::Go);
    }
}
