//! Slips in the tables of group bots, push servers and monitors.

use super::*;

fn with(text: &str) -> (Checked, Files) {
    let edit = ("notify.toml".to_owned(), "# end".to_owned(), text.to_owned());
    let files = edited(&base(), &[edit]);
    (check(&files), files)
}

#[test]
fn what_is_wrong_with_bots_is_told_where_it_stands() {
    let (checked, files) = with(include_str!("bots.toml"));
    assert!(checked.settings.is_none());
    shown("bots", &checked, &files);
}

#[test]
fn every_kind_can_be_set_up_and_is_a_carrier_then() {
    let (checked, files) = with(
        "[wecom.hall]\nsecret = \"wecom\"\n[wecom.spare]\nsecret = \"wecom2\"\n\
         [dingtalk.hall]\nsecret = \"token\"\nsign = \"sign\"\nkeyword = \"安铃\"\n\
         [feishu.hall]\nsecret = \"feishu\"\n[ntfy.hall]\nurl = \"https://ntfy.test.example\"\n\
         topic = \"hall\"\n[gotify.hall]\nurl = \"https://push.test.example\"\nsecret = \"app\"\n\
         [bark.hall]\ndevice_keys = [\"phone1\", \"phone2\"]\n\
         [alertmanager.monitor]\nurl = \"https://monitor.test.example/alerts\"\n",
    );
    assert_eq!(render(&checked.problems, &files, Look::Plain, WIDTH), "");
    let settings = checked.settings.unwrap();
    let words: Vec<&str> =
        settings.notify.carriers().iter().map(|carrier| carrier.word()).collect();
    let all = ["screen", "mail", "wecom", "dingtalk", "feishu", "ntfy", "gotify", "bark"];
    assert_eq!(words, all);
    let wants = &settings.policy.endpoints[&anling::terms::EndpointId::new("monitor").unwrap()];
    assert_eq!(wants.classes, BTreeSet::from([Class::Coverage, Class::Fault]));
}
