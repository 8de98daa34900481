//! The desk on a disk that a test holds in its hands.

use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

mod lines;
mod panels;

use super::start::start_on;
use super::{House, Options};
use crate::clock::Vouch;
use crate::config::settings::Settings;
use crate::config::{self, Secrets};
use crate::counter::{About, Ask, Asked, Import, RecordView, Reply};
use crate::incident::{Move, Via};
use crate::journal::{BATCH_MAX, DirLock, Disk, DiskFile, OsDisk, tail};
use crate::registry::{Change, Device, Row, RowId};
use crate::terms::{Class, DeviceId, IncidentId, PersonId, Wait};

/// Nothing here takes this long unless it hangs.
const HANG_GUARD: Duration = Duration::from_secs(60);

/// A real disk whose forces wait while the gate is shut.
#[derive(Clone, Default)]
struct Gated(Arc<(Mutex<bool>, Condvar)>);

impl Gated {
    fn shut(&self, shut: bool) {
        *self.0.0.lock().unwrap() = shut;
        self.0.1.notify_all();
    }

    fn pass(&self) {
        let shut = self.0.0.lock().unwrap();
        drop(self.0.1.wait_while(shut, |shut| *shut).unwrap());
    }
}

struct GatedFile(Gated, Box<dyn DiskFile>);

impl DiskFile for GatedFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.1.append(bytes)
    }
    fn force(&mut self) -> io::Result<()> {
        self.0.pass();
        self.1.force()
    }
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.1.read_at(offset, into)
    }
    fn length(&self) -> io::Result<u64> {
        self.1.length()
    }
    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.1.cut(length)
    }
}

impl Disk for Gated {
    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        OsDisk.make_dir(dir)
    }
    fn lock_dir(&self, dir: &Path) -> io::Result<Option<Box<dyn DirLock>>> {
        OsDisk.lock_dir(dir)
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        OsDisk.list(dir)
    }
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(GatedFile(self.clone(), OsDisk.create(path)?)))
    }
    fn open_read(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        OsDisk.open_read(path)
    }
    fn open_append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(GatedFile(self.clone(), OsDisk.open_append(path)?)))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        OsDisk.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        OsDisk.remove(path)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        OsDisk.sync_dir(dir)
    }
    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        OsDisk.free_bytes(dir)
    }
}

/// A hub with the shipped config, without wires.
async fn open(dir: &Path, disk: &Gated) -> House {
    open_with(dir, disk, Vec::new()).await
}

/// The same, with more in its registry.
async fn open_with(dir: &Path, disk: &Gated, rows: Vec<Row>) -> House {
    open_changed(dir, disk, |settings| settings.rows.extend(rows)).await
}

/// The same, with changed settings.
async fn open_changed(dir: &Path, disk: &Gated, change: impl FnOnce(&mut Settings)) -> House {
    let files = config::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("config"));
    let mut settings = config::check(&files).settings.unwrap();
    settings.broker = None;
    change(&mut settings);
    let fault = settings.policy.ladders.get_mut(&Class::Fault).unwrap();
    fault.work_hours_only = false;
    fault.rungs[0].wait = Wait(500);
    settings.gateway.socket = dir.join("sock");
    settings.gateway.listen = ([127, 0, 0, 1], 0).into();
    settings.gateway.ballast_bytes = 0;
    let options = Options {
        settings,
        secrets: Secrets::of(None, dir, dir),
        state_dir: dir.to_owned(),
        // Its trouble is an incident to speak about.
        old_config: true,
        vouch: Vouch::Host,
    };
    let house = start_on(Arc::new(disk.clone()), options).await.unwrap();
    let begun = async { while matches!(ask(&house, remark()).await, Reply::Refused { .. }) {} };
    timeout(HANG_GUARD, begun).await.expect("an incident to speak about");
    house
}

async fn ask(house: &House, ask: Ask) -> Reply {
    let (reply, told) = oneshot::channel();
    house.asks.send(Asked { ask, reply }).await.unwrap();
    timeout(HANG_GUARD, told).await.expect("an answer of the desk").unwrap()
}

/// Something that must be written down and needs no wire.
fn remark() -> Ask {
    Ask::Say {
        about: About::Id(IncidentId(1)),
        by: PersonId::new("zhangmin").unwrap(),
        via: Via::Command,
        epoch: None,
        says: Move::Note,
        words: Some("还在等".to_owned()),
        word: None,
    }
}

async fn record(house: &House) -> RecordView {
    match ask(house, Ask::Status).await {
        Reply::Status(status) => status.record,
        other => panic!("{other:?}"),
    }
}

/// Waits until nothing is under way, so that a hang begins with everything before it on disk.
async fn settles(house: &House) {
    let mut seen = None;
    loop {
        let Reply::Status(status) = ask(house, Ask::Status).await else { panic!("no status") };
        if seen.replace(status.last_seq) == Some(status.last_seq) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

async fn becomes_safe(house: &House) {
    let healed = async {
        while record(house).await != RecordView::Safe {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(HANG_GUARD, healed).await.expect("the disk is safe again");
}

fn notes_on_disk(dir: &Path) -> usize {
    let records = tail(&OsDisk, &dir.join(super::JOURNAL_DIR), 100_000).unwrap();
    records.iter().filter(|r| r.body.windows(9).any(|bytes| bytes == b"note_kept")).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_hangs_through_more_turns_than_its_queue_holds_loses_nothing() {
    let (dir, disk) = (tempfile::tempdir().unwrap(), Gated::default());
    let house = open(dir.path(), &disk).await;
    settles(&house).await;
    disk.shut(true);
    ask(&house, remark()).await;
    assert!(
        matches!(record(&house).await, RecordView::Volatile { .. }),
        "seen with the first turn"
    );
    let turns = 2 * crate::journal::QUEUE_MAX;
    for _ in 0..turns {
        match ask(&house, remark()).await {
            Reply::Moved(moved) => assert_eq!(moved.stored_at, None, "said to be on disk"),
            other => panic!("{other:?}"),
        }
    }
    assert!(matches!(record(&house).await, RecordView::Volatile { .. }));
    disk.shut(false);
    becomes_safe(&house).await;
    match ask(&house, remark()).await {
        Reply::Moved(moved) => assert!(moved.stored_at.is_some()),
        other => panic!("{other:?}"),
    }
    house.stop().await.unwrap();
    assert_eq!(notes_on_disk(dir.path()), turns + 3);
}

/// A note and two questions that the desk finds in one turn, because nothing runs in between.
fn remark_and_questions(house: &House) -> [oneshot::Receiver<Reply>; 3] {
    let reader = PersonId::new("zhangmin").unwrap();
    [remark(), Ask::IncidentById { id: IncidentId(1), reader: Some(reader) }, Ask::Status].map(
        |ask| {
            let (reply, told) = oneshot::channel();
            house.asks.try_send(Asked { ask, reply }).unwrap();
            told
        },
    )
}

#[tokio::test]
async fn a_view_shows_what_a_turn_has_made_only_once_the_disk_has_it() {
    let (dir, disk) = (tempfile::tempdir().unwrap(), Gated::default());
    let house = open(dir.path(), &disk).await;
    settles(&house).await;
    let Reply::Status(before) = ask(&house, Ask::Status).await else { panic!("no status") };
    disk.shut(true);
    let [moved, mut view, mut status] = remark_and_questions(&house);
    while house.asks.capacity() < house.asks.max_capacity() {
        tokio::task::yield_now().await;
    }
    assert!(view.try_recv().is_err() && status.try_recv().is_err(), "shown before it was on disk");
    disk.shut(false);
    let Ok(Reply::Incident(view)) = timeout(HANG_GUARD, view).await.unwrap() else { panic!() };
    let Ok(Reply::Status(status)) = timeout(HANG_GUARD, status).await.unwrap() else { panic!() };
    assert_eq!((view.notes.len(), view.on_disk), (2, true));
    assert_eq!(status.record, RecordView::Safe);
    assert!(status.last_seq > before.last_seq);
    assert!(matches!(moved.await, Ok(Reply::Moved(moved)) if moved.stored_at.is_some()));
    house.stop().await.unwrap();
}

#[tokio::test]
async fn a_view_of_what_no_disk_has_taken_says_so() {
    let (dir, disk) = (tempfile::tempdir().unwrap(), Gated::default());
    let house = open(dir.path(), &disk).await;
    settles(&house).await;
    let Reply::Status(before) = ask(&house, Ask::Status).await else { panic!("no status") };
    disk.shut(true);
    let [moved, view, status] = remark_and_questions(&house);
    let Ok(Reply::Incident(view)) = timeout(HANG_GUARD, view).await.unwrap() else { panic!() };
    let Ok(Reply::Status(status)) = timeout(HANG_GUARD, status).await.unwrap() else { panic!() };
    assert_eq!((view.notes.len(), view.on_disk), (2, false));
    assert!(matches!(status.record, RecordView::Volatile { .. }), "{:?}", status.record);
    assert_eq!(status.last_seq, before.last_seq, "on disk is what was");
    assert!(matches!(moved.await, Ok(Reply::Moved(moved)) if moved.stored_at.is_none()));
    disk.shut(false);
    becomes_safe(&house).await;
    house.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_larger_than_a_batch_of_the_record_is_taken_in_whole() {
    let (dir, disk) = (tempfile::tempdir().unwrap(), Gated::default());
    let device = |n: usize| {
        Row::Device(Device {
            id: DeviceId::new(&format!("N-{n}")).unwrap(),
            type_name: "button".to_owned(),
            heard_as: String::new(),
            home: None,
            resident: None,
            spot: String::new(),
        })
    };
    let rows: Vec<Row> = (0..=BATCH_MAX).map(device).collect();
    let known = async |house: &House| match ask(house, Ask::Status).await {
        Reply::Status(status) => status.devices.registered,
        other => panic!("{other:?}"),
    };
    let house = open_with(dir.path(), &disk, rows).await;
    let taken = known(&house).await;
    assert!(taken > BATCH_MAX, "{taken}");
    house.stop().await.unwrap();
    let house = open(dir.path(), &disk).await;
    assert_eq!(known(&house).await, taken, "after a restart");
    house.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn words_too_long_for_the_record_are_refused_and_nothing_is_said_to_be_taken_down() {
    let (dir, disk) = (tempfile::tempdir().unwrap(), Gated::default());
    let house = open(dir.path(), &disk).await;
    let Ask::Say { about, by, via, epoch, says, .. } = remark() else { panic!("no remark") };
    // Each of these characters takes six bytes in the record.
    let words = Some("\u{1}".repeat(4_000));
    match ask(&house, Ask::Say { about, by: by.clone(), via, epoch, says, words, word: None }).await
    {
        Reply::Refused { why, .. } => assert!(why.contains("fewer words"), "{why}"),
        other => panic!("{other:?}"),
    }
    match ask(&house, Ask::IncidentById { id: IncidentId(1), reader: Some(by) }).await {
        Reply::Incident(view) => assert!(!view.notes.iter().any(|note| note.contains('\u{1}'))),
        other => panic!("{other:?}"),
    }
    house.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_imported_while_the_disk_fails() {
    let (dir, disk) = (tempfile::tempdir().unwrap(), Gated::default());
    let house = open(dir.path(), &disk).await;
    settles(&house).await;
    let Reply::Registry(view) = ask(&house, Ask::Registry).await else { panic!("no registry") };
    let person = RowId::Person(PersonId::new("zhangmin").unwrap());
    let changes = vec![Change::Removed(person)];
    let import = || Ask::Import(Import { based_on: view.version, changes: changes.clone() });
    disk.shut(true);
    ask(&house, remark()).await;
    let Reply::Refused { why, .. } = ask(&house, import()).await else { panic!("not refused") };
    assert!(why.contains("the disk fails"), "{why}");
    disk.shut(false);
    becomes_safe(&house).await;
    let Reply::Imported(done) = ask(&house, import()).await else { panic!("refused") };
    assert!(done.stored_at.is_some() && done.rows == 1);
    house.stop().await.unwrap();
    let recorded = super::recorded(dir.path()).unwrap().unwrap().registry;
    assert_eq!(recorded.people().count(), view.registry.people().count() - 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_does_not_wait_for_a_disk_that_hangs() {
    let (dir, disk) = (tempfile::tempdir().unwrap(), Gated::default());
    let house = open(dir.path(), &disk).await;
    settles(&house).await;
    disk.shut(true);
    let stopped = timeout(HANG_GUARD, house.stop()).await.expect("the stop");
    assert!(matches!(stopped, Err(super::DeskError::DiskHangs)), "{stopped:?}");
    disk.shut(false);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_questions_and_remarks_holds_up_no_step_that_is_due() {
    let (dir, disk) = (tempfile::tempdir().unwrap(), Gated::default());
    let house = Arc::new(open(dir.path(), &disk).await);
    let floods: Vec<_> = [Ask::Status, remark(), remark()]
        .into_iter()
        .map(|ask| {
            let asks = house.asks.clone();
            tokio::spawn(async move {
                loop {
                    let (reply, _) = oneshot::channel();
                    if asks.send(Asked { ask: ask.clone(), reply }).await.is_err() {
                        return;
                    }
                }
            })
        })
        .collect();
    let climbed = async {
        loop {
            match ask(&house, Ask::IncidentById { id: IncidentId(1), reader: None }).await {
                Reply::Incident(view) if view.rung > 0 => return,
                Reply::Incident(_) => {}
                other => panic!("{other:?}"),
            }
        }
    };
    timeout(HANG_GUARD, climbed).await.expect("the second step");
    let house = Arc::into_inner(house).unwrap();
    timeout(HANG_GUARD, house.stop()).await.expect("the stop, under the flood").unwrap();
    floods.iter().for_each(tokio::task::JoinHandle::abort);
}
