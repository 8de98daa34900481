//! The words: what is said of each kind, and how a person is told to answer.
//!
//! A text may only promise a way to answer that exists. Which ways exist is [`Reply`], and
//! [`ASKS`] holds the words for each of them: a carrier that can take digits turns its
//! column on, and no other line changes.

use crate::incident::Carrier;
use crate::terms::{Class, Kind, plain};

use super::Letter;

/// How the addressee can answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reply {
    /// By the one-tap link in the mail.
    Link,
    /// At the computer in the duty room, where the screen stands.
    Screen,
    /// By ringing the duty room, where somebody answers for them.
    Phone,
    /// By a digit, over a carrier that hears answers.
    Digits,
}

impl Reply {
    /// All ways.
    pub const ALL: [Self; 4] = [Self::Link, Self::Screen, Self::Phone, Self::Digits];

    /// The way that is open to the addressee of this letter.
    pub fn of(letter: &Letter) -> Self {
        match (letter.id.carrier, &letter.link) {
            (Carrier::Screen, _) => Self::Screen,
            (Carrier::Mail, Some(_)) => Self::Link,
            // What is spoken says its keys itself: see `super::spoken`.
            (Carrier::Mail, None) | (Carrier::Voice, _) => Self::Phone,
            (Carrier::Sms, _) => Self::Digits,
            // A group is asked, and an answer in it is heard by nobody.
            _ => Self::Phone,
        }
    }
}

/// What the addressee is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    /// Accept; the first message explains all digits.
    Accept,
    /// Accept, in a message that has little room.
    AcceptNow,
    /// Take a task of the work list.
    Take,
    /// Say that one has arrived.
    Arrive,
    /// Say that one cannot come.
    Decline,
    /// Say what the verification found.
    Verify,
    /// Say that one is still there, or that it is done.
    StillThere,
    /// Say that the test message was received.
    Confirm,
    /// Record the follow-up.
    FollowUp,
}

/// One row per ask: the words by link, at the screen, by telephone, by digit.
const ASKS: [(Ask, [&str; 4]); 9] = [
    (
        Ask::Accept,
        ["点邮件内链接接警", "请在值班电脑接警", "请致电值班室接警", "已接警回复1，到场2，完成3"],
    ),
    (Ask::AcceptNow, ["请点邮件内链接接警", "请在值班电脑接警", "请致电值班室接警", "请回1接警"]),
    (Ask::Take, ["点邮件内链接接单", "请在值班电脑接单", "请致电值班室接单", "回1接单"]),
    (Ask::Arrive, ["到场后点链接登记", "到场后请登记", "到场后致电值班室", "到场回2"]),
    (Ask::Decline, ["去不了也请点链接", "去不了请登记转派", "去不了也请致电", "去不了回0"]),
    (
        Ask::Verify,
        ["核实后点链接登记", "核实后请登记", "核实后致电值班室登记", "核实后回3，误报回4"],
    ),
    (
        Ask::StillThere,
        [
            "仍在现场或已完成都请点链接",
            "仍在现场或已完成都请登记",
            "仍在现场或已完成都请致电",
            "仍在回2，完成回3",
        ],
    ),
    (
        Ask::Confirm,
        ["请点邮件内链接确认", "请在值班电脑确认", "请致电值班室确认", "请回1确认手机可收到"],
    ),
    (
        Ask::FollowUp,
        ["联系后点链接登记", "联系后请登记", "联系后致电值班室登记", "联系后致电值班室登记"],
    ),
];

impl Ask {
    /// The words for one way of answering.
    pub(super) fn words(self, reply: Reply) -> &'static str {
        let column = match reply {
            Reply::Link => 0,
            Reply::Screen => 1,
            Reply::Phone => 2,
            Reply::Digits => 3,
        };
        ASKS.iter().find(|(ask, _)| *ask == self).map_or("", |(_, words)| words[column])
    }
}

/// What a message is about, so that it names the right thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    /// A home and who lives there.
    Home,
    /// A device and where it hangs.
    Device,
    /// A home-care bed, where it stands and whose it is.
    Bed,
    /// The site as a whole.
    Site,
}

/// What is said of a kind.
#[derive(Debug, Clone, Copy)]
pub(super) struct Saying {
    /// The title between 【】.
    pub(super) title: &'static str,
    /// What happened; stands right after the time.
    pub(super) event: &'static str,
    /// What to do at once; may be empty.
    pub(super) advice: &'static str,
    /// What it is about.
    pub(super) subject: Subject,
}

const fn say(
    title: &'static str,
    event: &'static str,
    advice: &'static str,
    subject: Subject,
) -> Saying {
    Saying { title, event, advice, subject }
}

/// What is said of a kind in a class: a device that is silent is a repair, many are a site that
/// cannot be heard.
pub(super) fn saying(class: Class, kind: Kind) -> Saying {
    use Subject::{Bed, Device, Home, Site};
    match kind {
        Kind::Sos => say("紧急求助", "按下呼救键", "", Home),
        Kind::Fall => say("跌倒", "跌倒报警", "", Home),
        Kind::Unreadable => say("紧急求助", "报警信号无法识别", "按紧急处理", Home),
        Kind::Smoke => say("火警", "烟感报警", "立即疏散并打119", Home),
        Kind::Gas => say("燃气", "燃气报警", "勿开关电器，关阀开窗撤离，打燃气抢修", Home),
        Kind::Co => say("一氧化碳", "一氧化碳报警", "开窗撤离，有人不适打120", Home),
        Kind::Water => say("漏水", "漏水报警", "请上门查看", Home),
        Kind::Inactivity => say("未报平安", "仍未报平安", "请电话或上门查看", Home),
        Kind::NoSign => say("平安提醒", "前未见活动", "请电话问候", Home),
        Kind::BedExit => say("离床", "离床未归", "请上门查看", Home),
        Kind::Service => say("服务", "点单", "请联系老人", Home),
        Kind::Tamper => say("设备", "被拆动", "请检修", Device),
        Kind::LowBattery => say("设备", "电量不足", "请换电池", Device),
        Kind::Fault => say("设备", "报告故障", "请检修", Device),
        Kind::Silent if class == Class::Coverage => {
            say("系统", "起多台设备失联", "可能收不到呼叫，请留守值班室", Site)
        }
        Kind::Silent => say("设备", "起失联", "请检修", Device),
        Kind::Stuck => say("设备", "起不停报警", "可能卡键，请检修", Device),
        Kind::Suspect => say("设备", "7天内多次误报", "请上门检查", Device),
        Kind::OldDevice => say("设备", "收到已换下旧设备的信号", "请收回旧设备", Device),
        Kind::Missed => say("设备", "一天内丢失多条消息", "请检查信号和电量", Device),
        Kind::BedEnds => say("床位", "合同即将到期", "请联系续签", Bed),
        Kind::BedOver => say("床位", "合同已到期", "请续签或收回设备", Bed),
        Kind::Garbage => say("设备", "数据无法识别", "请检修", Device),
        Kind::Memory => say("系统", "起主机不能存盘", "断电会丢记录，请留守值班室并报修", Site),
        Kind::Record => say("系统", "发现部分记录损坏", "请报修", Site),
        Kind::DiskSpace => say("系统", "起磁盘空间不足", "满后断电会丢记录，请清理磁盘", Site),
        Kind::Mains => say("系统", "起主机市电中断", "正用备用电源，请留守值班室并报修", Site),
        Kind::Link => say("系统", "起设备线路中断", "可能收不到呼叫，请留守值班室并报修", Site),
        Kind::Carrier => say("系统", "起通知发不出去", "可能叫不到人，请留守值班室并报修", Site),
        Kind::Endpoint => say("系统", "起上报通道不通", "请报修", Site),
        Kind::EndpointRefuses => say("系统", "上报被平台拒收", "请报修", Site),
        Kind::Access => say("系统", "起消息服务器权限不足", "部分消息收不到，请报修", Site),
        Kind::NobodyOnDuty => say("系统", "起无人值班", "请立即安排人员", Site),
        Kind::Clock => say("系统", "主机时间不准", "请报修", Site),
        Kind::DayTypes => say("系统", "发现缺少节假日表", "请照放假通知写入值班表", Site),
        Kind::Config => say("系统", "新配置有误", "仍按原配置运行，请改正", Site),
        Kind::HubId => {
            say("系统", "起主机编号与记录不符", "可能收不到呼叫，请改回编号并重启", Site)
        }
    }
}

/// What is said of everything that is on, the oldest first.
pub(super) struct Told {
    /// What the title between 【】 says.
    pub(super) title: String,
    /// What happened; stands right after the time.
    pub(super) event: String,
    /// The same behind a title that names it already.
    pub(super) after_title: String,
    /// What to do at once; may be empty.
    pub(super) advice: &'static str,
    /// What it is about.
    pub(super) subject: Subject,
}

/// What is said of these kinds in a class; of several, each is named once and the advice is right for
/// all of them.
pub(super) fn told(class: Class, kinds: &[Kind]) -> Told {
    const ALARM: &str = "报警";
    let says: Vec<Saying> = kinds.iter().map(|kind| saying(class, *kind)).collect();
    let newest = says.last().copied().unwrap_or(saying(class, Kind::Unreadable));
    let Saying { advice, subject, .. } = newest;
    let mut titles: Vec<&str> = says.iter().map(|said| said.title).collect();
    titles.dedup();
    let alarms = || says.iter().map(|said| said.event.strip_suffix(ALARM));
    let event = match alarms().collect::<Option<Vec<_>>>() {
        Some(stems) => stems.join("、") + ALARM,
        None => says.iter().map(|said| said.event).collect::<Vec<_>>().join("、"),
    };
    let named = titles.len() > 1;
    let after_title = if named { ALARM.to_owned() } else { event.clone() };
    let advice = advice_for_all(kinds).unwrap_or(advice);
    Told { title: titles.join("、"), event, after_title, advice, subject }
}

/// How many devices a trouble of the hub silences, and what is broken; left out where there is no room.
pub(super) fn extent(class: Class, kind: Kind, count: usize, what: &str) -> Option<String> {
    let what = plain(what);
    match kind {
        _ if count == 0 => None,
        Kind::Silent if class == Class::Coverage => Some(format!("{count}台")),
        Kind::Link if what.is_empty() => Some(format!("{count}台设备")),
        Kind::Link => Some(format!("{what}，{count}台设备")),
        _ => None,
    }
}

/// What is right for several at once: no switch where there is gas, out of the house, and 119; faults of
/// one device are mended in one visit.
fn advice_for_all(kinds: &[Kind]) -> Option<&'static str> {
    let all = |class: Class| kinds.len() > 1 && kinds.iter().all(|kind| kind.class() == class);
    match (all(Class::Hazard), kinds.contains(&Kind::Gas)) {
        (true, true) => Some("勿开关电器，立即撤离并打119"),
        (true, false) => Some("立即撤离并打119，有人不适打120"),
        (false, _) => all(Class::Fault).then_some("请检修"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ask_has_words_for_every_way_of_answering() {
        for (ask, _) in ASKS {
            for reply in Reply::ALL {
                assert!(!ask.words(reply).is_empty(), "{ask:?} {reply:?}");
            }
        }
    }

    #[test]
    fn only_the_digits_column_speaks_of_replying() {
        for (ask, words) in ASKS {
            for promised in &words[..3] {
                assert!(!promised.contains('回'), "{ask:?}: {promised}");
            }
        }
    }
}
