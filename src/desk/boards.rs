//! Wall boards, as they say of themselves that they are there. It is telemetry: memory only, because a
//! board says it again within seconds.

use std::collections::BTreeMap;

use super::Desk;
use crate::counter::{BOARD_MAX_BYTES, BOARDS_MAX, BoardView, Reply, Sound};
use crate::terms::{At, Wait};

/// A board that was heard within this is there. Own choice: two of three beats of a browser that is
/// held back in the background may be missing.
const THERE_WITHIN: Wait = Wait::mins(1);

/// The boards by name, with when they were heard.
#[derive(Default)]
pub(super) struct Boards(BTreeMap<String, (At, Sound)>);

impl Boards {
    fn hear(&mut self, id: String, now: At, sound: Sound) {
        self.0.insert(id, (now, sound));
        if self.0.len() > BOARDS_MAX {
            let oldest = self.0.iter().min_by_key(|(_, (at, _))| *at).map(|(id, _)| id.clone());
            oldest.and_then(|id| self.0.remove(&id));
        }
    }

    pub(super) fn views(&self, now: At) -> Vec<BoardView> {
        let view = |(id, (at, sound)): (&String, &(At, Sound))| BoardView {
            id: id.clone(),
            heard_ms_ago: (now - *at).0,
            sound: *sound,
        };
        self.0.iter().map(view).collect()
    }

    /// Those that are there, and of those the audible ones.
    pub(super) fn there(&self, now: At) -> (usize, usize) {
        let there = || self.0.values().filter(|(at, _)| now - *at <= THERE_WITHIN);
        (there().count(), there().filter(|(_, sound)| *sound == Sound::Audible).count())
    }
}

impl Desk {
    /// A board is there; it is told how the house stands.
    pub(super) fn hear_board(&mut self, id: String, sound: Sound) -> Reply {
        if !(1..=BOARD_MAX_BYTES).contains(&id.len()) || id.chars().any(char::is_control) {
            let why = format!("a board's name has 1 to {BOARD_MAX_BYTES} bytes: shorten it");
            return super::answers::refused(&why);
        }
        self.programs.boards.hear(id, self.clock.now(), sound);
        Reply::Beat(Box::new(self.beat_now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_board_is_not_there_and_makes_room_first() {
        let mut boards = Boards::default();
        for n in 0..BOARDS_MAX {
            boards.hear(format!("b{n}"), At(u64::try_from(n).unwrap()), Sound::Mute);
        }
        boards.hear("b0".to_owned(), At(1_000), Sound::Audible);
        boards.hear("new".to_owned(), At(61_000), Sound::Audible);
        let names: Vec<String> = boards.views(At(61_000)).into_iter().map(|b| b.id).collect();
        assert_eq!(names.len(), BOARDS_MAX);
        assert!(!names.contains(&"b1".to_owned()) && names.contains(&"b0".to_owned()));
        assert_eq!(boards.there(At(61_000)), (2, 2));
        assert_eq!(boards.there(At(61_001)), (1, 1));
    }
}
