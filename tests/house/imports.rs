//! Lists that are brought to a running hub, and taken from it.

use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Duration;

use anling::clock::Stopwatch;
use anling::counter::{Ask, Import, RegistryView, Reply};
use anling::registry::{Change, Row};
use serde_json::Value;

use crate::devices::{press, publish, topic};
use crate::hub::{HANG_GUARD, Hub, anling, soon, tool};

/// A list that a spreadsheet saved.
fn spreadsheet(name: &str) -> String {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/spreadsheets");
    dir.join(name).display().to_string()
}

impl Hub {
    /// A list in a folder of its own.
    fn list(&self, name: &str, text: &str) -> String {
        let dir = self.path("lists");
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join(name), text).unwrap();
        dir.join(name).display().to_string()
    }

    fn asks(&self, ask: &Ask) -> Reply {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(anling::desk::ask(&self.path("sock"), ask)).unwrap()
    }

    fn registry(&self) -> RegistryView {
        match self.asks(&Ask::Registry) {
            Reply::Registry(view) => *view,
            other => panic!("{other:?}"),
        }
    }

    fn residents(&self) -> usize {
        self.registry().registry.residents().count()
    }

    /// `import` with these words, on its way.
    fn importing(&self, words: &[&str]) -> Child {
        let mut command = anling();
        command.arg("--config").arg(self.config()).arg("import").args(words);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap()
    }

    fn journal_bytes(&self) -> u64 {
        let files = std::fs::read_dir(self.journal()).into_iter().flatten().flatten();
        let segments = files.filter(|f| f.file_name().to_string_lossy().ends_with(".segment"));
        segments.filter_map(|file| file.metadata().ok()).map(|about| about.len()).sum()
    }

    /// Kills the hub once its record has grown by so many bytes, or when nothing more comes.
    fn kill_after(&mut self, bytes: u64, mut is_over: impl FnMut(&Self) -> bool) {
        let (begun, waited) = (self.journal_bytes(), Stopwatch::start());
        while self.journal_bytes() < begun + bytes && !is_over(self) {
            assert!(waited.elapsed() < HANG_GUARD, "the record does not grow");
            std::thread::sleep(Duration::from_millis(1));
        }
        self.kill();
    }

    /// How many rows were brought with imports that were never taken.
    fn never_taken(&self) -> usize {
        let number = |fact: &Value| fact["import"].as_u64().unwrap();
        let taken: Vec<u64> = self.facts("registry_taken").iter().map(number).collect();
        let brought = self.facts("registry_brought");
        brought.iter().filter(|fact| !taken.contains(&number(fact))).count()
    }
}

#[test]
fn a_new_button_from_a_spreadsheet_calls_for_its_new_resident_at_its_first_press() {
    let hub = Hub::open();
    let lists = [spreadsheet("residents-excel.csv"), spreadsheet("devices-sep.csv")];
    let shown = hub.cli(&["import", &lists[0], &lists[1]]);
    assert_eq!(shown.code, 1, "{shown:?}");
    for part in ["GB 18030, semicolon", "+ 1 new", "+ R0101 欧阳淑贞", "+ B-77 床头;左", "--yes"]
    {
        assert!(format!("{}{}", shown.out, shown.err).contains(part), "{part}: {shown:?}");
    }
    assert_eq!(hub.facts("registry_taken").len(), 1, "only the first intake");
    let taken = hub.does(&["import", &lists[0], &lists[1], "--yes"]);
    assert!(taken.contains("in use and on disk"), "{taken}");
    publish(&hub, "press", &topic("B-77", "event"), &press(1, 1, "sos"));
    hub.screen_says(&["A01", "3号楼2单元302", "欧阳淑贞"]);
    assert_eq!(hub.open_on("B-77").len(), 1);
    let again = hub.does(&["import", &lists[0], &lists[1]]);
    assert!(again.contains("nothing to import"), "{again}");
}

#[test]
fn a_zigbee_button_that_is_renamed_is_heard_under_its_new_name_at_once() {
    let hub = Hub::open();
    let list = "id,type,heard_as,home,resident,spot\nZ-01,zigbee-sos,新名字,H-C-203,R0005,床头\n";
    let shown = hub.does(&["import", &hub.list("devices.csv", list), "--yes"]);
    assert!(shown.contains("~ Z-01 床头  heard_as: 二楼203床头 → 新名字"), "{shown}");
    publish(&hub, "zigbee2mqtt", "zigbee2mqtt/新名字", r#"{"action":"single"}"#);
    hub.screen_says(&["A01", "203"]);
    assert_eq!(hub.open_on("Z-01").len(), 1);
}

const WITHOUT_ZHANGMIN: &str = "id,name,role,phone,email\n\
    wangli,王丽,staff,00000000002,wangli@yunjian.example\n\
    chenjie,陈洁,staff,00000000003,chenjie@yunjian.example\n\
    liuqiang,刘强,lead,00000000004,liuqiang@yunjian.example\n\
    zhaogang,赵刚,technician,00000000005,zhaogang@yunjian.example\n";

#[test]
fn a_person_who_is_taken_out_is_called_no_more_and_their_open_call_goes_on() {
    let hub = Hub::open();
    publish(&hub, "B-01", &topic("B-01", "event"), &press(1, 1, "sos"));
    soon("the call", || hub.open_on("B-01").first().cloned());
    assert_eq!(hub.says("A01", "zhangmin", &["accept"]).code, 0);
    let list = hub.list("people.csv", WITHOUT_ZHANGMIN);
    let kept = hub.does(&["import", &list, "--yes"]);
    assert!(kept.contains("kept: --remove takes it out") && kept.contains("− zhangmin 张敏"));
    assert!(kept.contains("nothing to import"), "{kept}");
    let nobody = hub.list("devices.csv", "id,type\n");
    assert_eq!(hub.cli(&["import", &nobody, "--remove", "--yes"]).code, 1, "a list without rows");
    assert_eq!(hub.registry().registry.devices().count(), 12);
    let taken = hub.does(&["import", &list, "--remove", "--yes"]);
    assert!(taken.contains("zhangmin still stands in roster.toml"), "{taken}");
    assert!(taken.contains("zhangmin is on the open call A01"), "{taken}");
    publish(&hub, "B-03", &topic("B-03", "event"), &press(1, 1, "sos"));
    let call = soon("the next call", || hub.open_on("B-03").first().cloned());
    let called = call["people"].to_string();
    assert!(called.contains("wangli") && !called.contains("zhangmin"), "{called}");
    assert_eq!(hub.incident("A01")["stage"], "calling", "others are called in their place");
    assert_eq!(hub.says("A01", "chenjie", &["accept"]).code, 0);
    assert_eq!(hub.says("A02", "zhangmin", &["accept"]).code, 1, "nobody of that name any more");
}

#[test]
fn a_device_that_is_taken_out_keeps_the_place_of_its_open_call() {
    let mut hub = Hub::prepared();
    hub.steps("4s");
    hub.start();
    publish(&hub, "B-02", &topic("B-02", "event"), &press(1, 1, "sos"));
    soon("the call", || hub.open_on("B-02").first().cloned());
    let all = std::fs::read_to_string(hub.config().join("registry/devices.csv")).unwrap();
    let fewer: String = all.split_inclusive('\n').filter(|row| !row.starts_with("B-02")).collect();
    let taken = hub.does(&["import", &hub.list("devices.csv", &fewer), "--remove", "--yes"]);
    assert!(taken.contains("B-02 has an open call, A01"), "{taken}");
    hub.screen_says(&["A01", "升级", "3号楼2单元302"]);
    assert!(hub.incident("A01")["place"].as_str().unwrap().contains("3号楼2单元302"));
}

#[test]
fn fifty_bad_rows_among_ten_thousand_are_all_named_and_nothing_is_imported_with_them() {
    let hub = Hub::open();
    let list = spreadsheet("residents-10000.csv");
    let refused = hub.cli(&["import", &list, "--yes"]);
    assert_eq!(refused.code, 1, "{}", refused.err);
    assert!(refused.err.contains("--skip-bad"), "{}", refused.err);
    let told = std::fs::read_to_string(spreadsheet("residents-10000.bad")).unwrap();
    for bad in told.lines() {
        let mut parts = bad.split(',');
        let (line, column) = (parts.next().unwrap(), parts.next().unwrap());
        let place = format!("{list}:{line} {column}").trim_end().to_owned();
        let named = |row: &str| row.strip_prefix(&place).is_some_and(|rest| rest.starts_with(':'));
        assert!(refused.out.lines().any(named), "{place} is not named");
    }
    assert!(refused.out.contains("\n50 bad rows\n"), "{}", refused.out);
    assert_eq!(hub.residents(), 8);
    let taken = hub.does(&["import", &list, "--yes", "--skip-bad"]);
    assert!(taken.contains("50 bad rows, left out"), "{taken}");
    assert_eq!(hub.residents(), 8 + 9_950);
    assert_eq!(hub.cli(&["import", &list, "--remove", "--skip-bad"]).code, 2);
}

#[test]
fn an_import_made_from_an_old_view_and_one_of_two_at_once_are_refused() {
    let hub = Hub::open();
    let row = hub.registry().registry.residents().next().unwrap().clone();
    let import = |name: &str| {
        let row = Change::Set(Row::Resident(anling::registry::Resident {
            name: name.to_owned(),
            ..row.clone()
        }));
        Ask::Import(Import { based_on: hub.registry().version, changes: vec![row] })
    };
    let (first, second) = (import("甲"), import("乙"));
    let replies = std::thread::scope(|threads| {
        let asked = [&first, &second].map(|ask| threads.spawn(|| hub.asks(ask)));
        asked.map(|asked| asked.join().unwrap())
    });
    let taken = replies.iter().filter(|reply| matches!(reply, Reply::Imported(_))).count();
    assert_eq!(taken, 1, "{replies:?}");
    let old = hub.asks(&first);
    let Reply::Refused { why, .. } = &old else { panic!("{old:?}") };
    assert!(why.contains("has changed since"), "{why}");
    assert_eq!(hub.facts("registry_taken").len(), 2);
    let empty = Ask::Import(Import { based_on: hub.registry().version, changes: Vec::new() });
    assert!(matches!(hub.asks(&empty), Reply::Refused { .. }));
}

#[test]
fn a_list_without_a_column_leaves_that_column_as_it_is() {
    let hub = Hub::open();
    let list = hub.list("residents.csv", "id,name\nR0003,陈秀珍\n");
    let shown = hub.does(&["import", &list, "--yes"]);
    assert!(
        shown.contains("without born, home, phone, access, owner, left as on record"),
        "{shown}"
    );
    assert!(shown.contains("~ R0003 陈秀英  name: 陈秀英 → 陈秀珍\n"), "{shown}");
    let view = hub.registry();
    let row = view.registry.residents().find(|row| row.id.as_str() == "R0003").unwrap();
    assert_eq!((row.born, row.access.as_str()), (Some(1938), "女儿住同楼401"));
}

#[test]
fn a_kill_in_the_middle_of_an_import_leaves_all_of_it_or_nothing() {
    let mut hub = Hub::open();
    let list = spreadsheet("residents-10000.csv");
    for cut in [1_000, 200_000, 700_000, 1_200_000] {
        let before = hub.residents();
        let mut import = hub.importing(&[&list, "--yes", "--skip-bad"]);
        hub.kill_after(cut, |_| import.try_wait().unwrap().is_some());
        import.wait().unwrap();
        hub.start();
        let after = hub.residents();
        assert!([before, 8 + 9_950].contains(&after), "{after} of {before} or all, cut at {cut}");
        assert_eq!(hub.cli(&["journal", "verify"]).code, 0);
    }
    assert!(hub.never_taken() > 0, "no cut fell into an import");
    hub.does(&["import", &list, "--yes", "--skip-bad"]);
    assert_eq!(hub.residents(), 8 + 9_950);
    assert_eq!(hub.stop(), 0);
    hub.start();
    assert_eq!(hub.residents(), 8 + 9_950, "from the snapshot");
}

#[test]
fn a_kill_in_the_middle_of_the_first_intake_is_finished_by_the_next_start() {
    let mut hub = Hub::prepared();
    let rows: String = (0..9_000).map(|n| format!("K{n:05},老人{n},,,,,\n")).collect();
    hub.append("registry/residents.csv", &rows);
    for cut in [1_000, 400_000, 900_000] {
        hub.spawn();
        hub.kill_after(cut, |hub| hub.log().contains("ready broker"));
    }
    hub.start();
    assert_eq!(hub.residents(), 8 + 9_000);
    assert_eq!(hub.facts("registry_taken").len(), 1);
    assert!(hub.never_taken() > 0, "no cut fell into the intake");
}

/// Names that a spreadsheet, a shell or a file format trips over.
const AWKWARD: &str = "id,name,born,home,phone,access\n\
    X1,\"=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\",,H-3-2-501,0138000,\"逗号,引号\"\"分号;\"\n\
    X2,'+86,1944,,+8613800000000,\"两\n行\"\n\
    X3,㛃𠮷,,,００７５５,3-2-12\n";

#[test]
fn what_is_exported_is_imported_without_a_difference_and_exported_again_to_the_same_bytes() {
    let hub = Hub::open();
    hub.does(&["import", &hub.list("residents.csv", AWKWARD), "--yes"]);
    for words in [&[][..], &["--encoding", "gb18030"], &["--plain"]] {
        let dirs = ["one", "two"].map(|name| hub.path(&format!("{name}{}", words.len())));
        let to = |dir: &PathBuf| [&["export", dir.to_str().unwrap()][..], words].concat().join(" ");
        hub.does(&to(&dirs[0]).split(' ').collect::<Vec<_>>());
        let import = hub.does(&["import", dirs[0].to_str().unwrap(), "--remove"]);
        assert_eq!(import.matches(": no difference").count(), 6, "{words:?}\n{import}");
        hub.does(&to(&dirs[1]).split(' ').collect::<Vec<_>>());
        let lists = ["residents", "homes", "devices", "people", "contacts", "beds"];
        for list in lists.map(|list| format!("{list}.csv")) {
            let read = |dir: &PathBuf| std::fs::read(dir.join(&list)).unwrap();
            assert_eq!(read(&dirs[0]), read(&dirs[1]), "{list}");
        }
        let formula = |bytes: Vec<u8>| bytes.windows(5).any(|bytes| bytes == b",\"=HY");
        let residents = std::fs::read(dirs[0].join("residents.csv")).unwrap();
        assert_eq!(formula(residents), words == ["--plain"], "a formula in a list for people");
    }
}

#[test]
fn an_export_writes_over_nothing_unasked_and_needs_no_running_hub() {
    let mut hub = Hub::open();
    let registry = hub.config().join("registry").display().to_string();
    assert_eq!(hub.cli(&["export", &registry]).code, 1);
    hub.does(&["export", &registry, "--replace"]);
    let list = hub.list("residents.csv", "id,name\nR0101,欧阳淑贞\n");
    let taken = hub.does(&["import", &list, "--yes"]);
    assert!(taken.contains("--replace"), "the config's own files say otherwise now: {taken}");
    assert_eq!(hub.stop(), 0);
    hub.does(&["export", &registry, "--replace"]);
    let residents = std::fs::read_to_string(hub.config().join("registry/residents.csv")).unwrap();
    assert!(residents.contains("R0101,欧阳淑贞"), "{residents}");
    hub.start();
    assert!(!hub.log().contains("differ from the record"), "{}", hub.log());
}

#[test]
fn check_warns_where_files_and_record_differ_with_and_without_a_running_hub() {
    let mut hub = Hub::prepared();
    assert!(!hub.does(&["check"]).contains("registry-differs"), "nothing is recorded yet");
    hub.start();
    assert!(!hub.does(&["check"]).contains("registry-differs"));
    hub.append("registry/residents.csv", "R0101,欧阳淑贞,,,,,\n");
    hub.edit("registry/residents.csv", "周德明", "周德民");
    let warned = |hub: &Hub| {
        let said = hub.does(&["check"]);
        let parts = ["registry-differs", "residents.csv", "1 new, 1 different", "anling import"];
        assert!(parts.iter().all(|part| said.contains(part)), "{said}");
    };
    warned(&hub);
    assert_eq!(hub.stop(), 0);
    warned(&hub);
    hub.start();
    assert!(hub.log().contains("differ from the record"));
    hub.does(&["import", "--yes"]);
    assert!(!hub.does(&["check"]).contains("registry-differs"));
}

#[test]
fn on_a_terminal_a_person_is_asked_and_only_a_yes_is_a_yes() {
    let hub = Hub::open();
    let list = hub.list("residents.csv", "id,name\nR0101,欧阳淑贞\n");
    let command = format!(
        "{} --config {} import {list}",
        env!("CARGO_BIN_EXE_anling"),
        hub.config().display()
    );
    for (answer, code, residents) in [("n", 1, 8), ("", 1, 8), ("y", 0, 9)] {
        let mut terminal = tool("script", "bsdutils");
        terminal.args(["-qec", &command, "/dev/null"]);
        let mut child = terminal.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        std::io::Write::write_all(&mut stdin, format!("{answer}\n").as_bytes()).unwrap();
        std::thread::sleep(Duration::from_millis(10));
        let output = child.wait_with_output().unwrap();
        drop(stdin);
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(code), "{answer}: {out}");
        assert!(out.contains("Take 1 change into use? [y/N]"), "{out}");
        assert_eq!(hub.residents(), residents, "{answer}");
    }
}

#[test]
fn an_import_needs_a_running_hub_and_says_what_is_enough_before_the_first_start() {
    let hub = Hub::prepared();
    let said = hub.cli(&["import"]);
    assert_eq!(said.code, 4, "{said:?}");
    assert!(said.err.contains("Before its first start"), "{said:?}");
    assert_eq!(hub.cli(&["export", hub.path("out").to_str().unwrap()]).code, 4);
    assert!(!hub.path("out").exists());
    for (wrong, code) in [("/nowhere/residents.csv", 2), ("/etc/hostname", 2)] {
        assert_eq!(hub.cli(&["import", wrong]).code, code, "{wrong}");
    }
}
