//! Folders that are not as they were left.

use std::fs;
use std::path::PathBuf;

use super::*;

/// All files of a folder, however deep.
pub(super) fn files(dir: &Path) -> Vec<PathBuf> {
    let (mut found, mut left) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(dir) = left.pop() {
        for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
            match entry.file_type().unwrap().is_dir() {
                true => left.push(entry.path()),
                false => found.push(entry.path()),
            }
        }
    }
    found.sort();
    found
}

/// An archive that was left in order, then spoilt: it must know everything again.
fn comes_back(spoil: impl Fn(&Path)) -> u32 {
    let dir = tempfile::tempdir().unwrap();
    let kept = Kept::of(Life::of_days(30).entries);
    let archivist = open(dir.path(), &kept);
    level(&archivist);
    let expected = all_of(&archivist);
    end(archivist);
    spoil(&dir.path().join("archive"));
    let archivist = open(dir.path(), &kept);
    level(&archivist);
    assert_eq!(all_of(&archivist), expected);
    let damaged = archivist.figures().damaged;
    end(archivist);
    assert_eq!(damaged > 0, dir.path().join("archive.damaged").exists(), "what was there is kept");
    damaged
}

#[test]
fn an_archive_full_of_zeros_is_set_aside_and_rebuilt() {
    let damaged = comes_back(|dir| {
        for file in files(dir) {
            let length = fs::metadata(&file).unwrap().len();
            fs::write(file, vec![0; length as usize]).unwrap();
        }
    });
    assert_eq!(damaged, 1);
}

#[test]
fn zeros_in_any_one_file_leave_nothing_wrong() {
    for name in ["db", "conf", "snap."] {
        comes_back(|dir| {
            for file in files(dir) {
                if file.file_name().unwrap().to_string_lossy().starts_with(name) {
                    let length = fs::metadata(&file).unwrap().len();
                    fs::write(file, vec![0; length as usize]).unwrap();
                }
            }
        });
    }
}

#[test]
fn files_cut_anywhere_leave_nothing_wrong() {
    for (of, parts) in [(0, 1), (1, 100), (1, 2), (99, 100)] {
        comes_back(|dir| {
            for file in files(dir) {
                let length = fs::metadata(&file).unwrap().len() * of / parts;
                fs::OpenOptions::new().write(true).open(file).unwrap().set_len(length).unwrap();
            }
        });
    }
}

#[test]
fn flipped_bytes_leave_nothing_wrong() {
    for step in [50_021, 4_099] {
        comes_back(|dir| {
            let file = dir.join("db");
            let mut bytes = fs::read(&file).unwrap();
            bytes.iter_mut().skip(17).step_by(step).for_each(|byte| *byte ^= 0x40);
            fs::write(file, bytes).unwrap();
        });
    }
}

#[test]
fn a_deleted_folder_is_rebuilt_without_a_word() {
    assert_eq!(comes_back(|dir| fs::remove_dir_all(dir).unwrap()), 0);
}

#[test]
fn lost_files_are_noticed_and_rebuilt() {
    let damaged = comes_back(|dir| {
        for file in files(dir).iter().filter(|file| !file.ends_with("whole-once")) {
            fs::remove_file(file).unwrap();
        }
    });
    assert_eq!(damaged, 1);
}

#[test]
fn what_a_killed_open_leaves_behind_is_removed() {
    let damaged = comes_back(|dir| {
        fs::write(dir.join("snap.0000000000000000.generating"), "half").unwrap();
    });
    assert_eq!(damaged, 0, "sled would never open again, and nothing is wrong");
}

#[test]
fn a_file_in_its_place_is_set_aside() {
    let damaged = comes_back(|dir| {
        fs::remove_dir_all(dir).unwrap();
        fs::write(dir, "not a folder").unwrap();
    });
    assert_eq!(damaged, 1);
}

#[test]
fn one_that_is_damaged_again_and_again_takes_the_place_of_one() {
    let dir = tempfile::tempdir().unwrap();
    let kept = Kept::of(Life::of_days(3).entries);
    for _ in 0..3 {
        let archivist = open(dir.path(), &kept);
        level(&archivist);
        end(archivist);
        fs::write(dir.path().join("archive/db"), vec![7; 4096]).unwrap();
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "one, and one set aside");
}

#[test]
fn killed_while_it_is_rebuilt_it_goes_on_or_begins_anew() {
    let life = Life::of_days(200);
    let whole = tempfile::tempdir().unwrap();
    let rebuilt = open(whole.path(), &Kept::of(life.entries.clone()));
    level(&rebuilt);
    let expected = all_of(&rebuilt);
    end(rebuilt);

    let dir = tempfile::tempdir().unwrap();
    let kept = Kept::of(life.entries.clone());
    kept.hold(Some(Seq(1_100)));
    let archivist = open(dir.path(), &kept);
    soon(
        "the first stretches",
        || matches!(archivist.figures().state, State::Rebuilding { percent } if percent >= 40),
    );
    // What a kill leaves: the files as they are at this moment.
    let after = tempfile::tempdir().unwrap();
    for file in files(&dir.path().join("archive")) {
        let to = after.path().join(file.strip_prefix(dir.path()).unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(file, to).unwrap();
    }
    let revived = open(after.path(), &Kept::of(life.entries.clone()));
    level(&revived);
    assert_eq!(all_of(&revived), expected);
    end(revived);
    kept.hold(None);
    end(archivist);
}

#[test]
fn one_of_another_record_is_not_believed() {
    let dir = tempfile::tempdir().unwrap();
    let archivist = open(dir.path(), &Kept::of(Life::of_days(5).entries));
    level(&archivist);
    end(archivist);
    let mut other = Life { at: 5, ..Life::default() };
    (1..=9).for_each(|id| drop(other.whole_day(id)));
    let archivist = open(dir.path(), &Kept::of(other.entries.clone()));
    level(&archivist);
    assert_eq!(found(&archivist, everything()).len(), 9);
    assert_eq!(archivist.figures().damaged, 1);
    end(archivist);
    let shorter = Life { at: 5, ..Life::default() };
    let archivist = open(dir.path(), &Kept::of(shorter.entries));
    level(&archivist);
    assert_eq!(found(&archivist, everything()).len(), 0, "a record that ends before it");
    end(archivist);
}

#[test]
fn a_folder_that_cannot_be_used_and_a_full_disk_are_said_and_waited_for() {
    let kept = Kept::of(Life::of_days(3).entries);
    let dir = tempfile::tempdir().unwrap();
    let full = Place { dir: dir.path().join("archive"), min_free: u64::MAX };
    let nowhere = Place { dir: "/proc/anling/archive".into(), min_free: 0 };
    for place in [full, nowhere] {
        let archivist = Archivist::spawn(place, kept.clone(), kept.newest()).unwrap();
        soon("its word", || matches!(archivist.figures().state, State::Off { .. }));
        let Answer { state: State::Off { why }, found } = ask(&archivist, everything()) else {
            panic!("an answer that looks whole");
        };
        assert!(why.contains("look at the disk"), "{why}");
        assert_eq!((found, archivist.figures().damaged), (Found::Nothing, 0));
        end(archivist);
    }
    assert!(!dir.path().join("archive").exists(), "nothing is written where the record needs room");
}
