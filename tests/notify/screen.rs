//! The screen on real files, pipes and a terminal that is stopped.

use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;

use anling::incident::{Carrier, Notice, Outcome};
use anling::notify::post::Carry;
use anling::notify::screen::Screen;
use anling::terms::{Class, PersonId};
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat};

use super::letters::{letter, soon};

#[tokio::test]
async fn each_order_is_one_line_with_its_time_and_code() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("screen");
    let screen = Screen::open(path.to_str().unwrap()).unwrap();
    for n in 1..=2 {
        let done = screen.carry(&letter(Carrier::Screen, Class::Emergency, n)).await;
        assert_eq!(done, Outcome::HandedOver);
    }
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 2);
    assert!(text.starts_with("16:05 A17 【紧急求助】3号楼2单元501王桂芳"), "{text}");
    assert!(!text.contains('\u{7}'), "no bell in a file");
}

#[tokio::test]
async fn a_call_to_three_people_is_one_line_and_its_repeat_another() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("screen");
    let screen = Screen::open(path.to_str().unwrap()).unwrap();
    let mut call = letter(Carrier::Screen, Class::Emergency, 1);
    for person in ["zhangmin", "wangli", "chenjie", "zhangmin"] {
        call.id.person = PersonId::new(person).unwrap();
        assert_eq!(screen.carry(&call).await, Outcome::HandedOver);
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 2);
}

#[tokio::test]
async fn what_says_you_to_one_person_names_that_person() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("screen");
    let screen = Screen::open(path.to_str().unwrap()).unwrap();
    let mut yours = letter(Carrier::Screen, Class::Emergency, 1);
    yours.notice = Notice::YouAccepted;
    assert_eq!(screen.carry(&yours).await, Outcome::HandedOver);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("16:05 A17 李建国：已登记"), "{text}");
}

#[tokio::test]
async fn a_screen_that_is_not_there_is_tried_later_and_found_when_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("not-there/screen");
    let screen = Screen::open(path.to_str().unwrap()).unwrap();
    let letter = letter(Carrier::Screen, Class::Emergency, 1);
    let outcome = screen.carry(&letter).await;
    assert!(matches!(outcome, Outcome::TryLater { .. }), "{outcome:?}");
    std::fs::create_dir(path.parent().unwrap()).unwrap();
    assert_eq!(screen.carry(&letter).await, Outcome::HandedOver);
}

#[tokio::test]
async fn a_pipe_that_nobody_reads_blocks_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    let screen = Screen::open(path.to_str().unwrap()).unwrap();
    let letter = letter(Carrier::Screen, Class::Emergency, 1);
    let outcome = soon("an outcome", screen.carry(&letter)).await;
    assert!(matches!(outcome, Outcome::TryLater { .. }), "nobody reads: {outcome:?}");

    let flags = OFlags::NONBLOCK.bits() as i32;
    let mut reader =
        std::fs::OpenOptions::new().read(true).custom_flags(flags).open(&path).unwrap();
    let mut last = Outcome::HandedOver;
    for n in 0..2000 {
        let next = super::letters::letter(Carrier::Screen, Class::Emergency, n);
        last = soon("an outcome", screen.carry(&next)).await;
        if last != Outcome::HandedOver {
            break;
        }
    }
    assert!(matches!(last, Outcome::TryLater { .. }), "the pipe is full: {last:?}");

    let mut text = vec![0; 1 << 20];
    let read = reader.read(&mut text).unwrap();
    assert!(read > 0);
    assert_eq!(soon("an outcome", screen.carry(&letter)).await, Outcome::HandedOver);
}
