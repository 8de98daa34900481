//! What a letter says: one line for the screen and the subject, and a mail in full.
//!
//! The line holds what a person outdoors needs (where, who, when, what to do, the code) within
//! [`UNITS_MAX`] units; the mail's body repeats nothing but says the rest. No text names an illness
//! or a door code, and none promises a way to answer that does not exist ([`Reply`]). Whatever a
//! name or a place holds, a text is one line without control characters, so that nothing typed into
//! a registry can add a header to a mail or move a terminal's cursor. Chosen over templates in
//! config: these lines are measured and tested in every form, which a template cannot be.

use crate::incident::{Carrier, Notice};
use crate::terms::{self, Class, Kind};

use super::fit::{Part, fit, whole};
pub use super::fit::{UNITS_MAX, units};
pub use super::wording::Reply;
use super::wording::{Ask, Subject, Told, extent, told};
use super::{Letter, Named};

/// What is said of an alarm that was on before anybody could hear it.
const FOUND: &str = "恢复接收时已在报警";

/// Highest count or number of minutes that is said exactly; above it, only that it is more.
const COUNT_MAX: u32 = 99;

/// The letter in one line of at most [`UNITS_MAX`] units.
pub fn short(letter: &Letter) -> String {
    short_with(letter, Reply::of(letter))
}

/// The letter in one line for an addressee who can answer in this way.
pub fn short_with(letter: &Letter, reply: Reply) -> String {
    fit(&Words { letter, reply: Some(reply) }.parts())
}

/// The subject and the body of a mail.
pub fn mail(letter: &Letter) -> (String, String) {
    let subject = fit(&Words { letter, reply: None }.parts());
    let told = whole(&Words { letter, reply: Some(Reply::of(letter)) }.parts());
    let mut lines = vec![told, String::new()];
    lines.extend(facts(letter));
    let ways = ways(letter);
    if !ways.is_empty() {
        lines.push(String::new());
        lines.extend(ways);
    }
    if letter.resent {
        lines.push("本邮件为重发，可能与前一封重复。".to_owned());
    }
    (subject, lines.join("\n") + "\n")
}

/// The title and the text of a post to a group, with residents' names or without. It asks to ring the
/// duty room, because a link answers as one person and belongs in nobody else's hands.
pub fn group(letter: &Letter, names: bool) -> (String, String) {
    let title = format!("{} {}", plain(&letter.site.name), letter.code);
    let text = |letter: &Letter| whole(&Words { letter, reply: Some(Reply::of(letter)) }.parts());
    let text = match names {
        true => text(letter),
        false => text(&Letter { residents: Vec::new(), age: None, ..letter.clone() }),
    };
    (title.trim().to_owned(), text)
}

fn facts(letter: &Letter) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = |name: &str, text: String| {
        if !text.is_empty() {
            lines.push(format!("{name}：{text}"));
        }
    };
    line("单号", letter.code.to_string());
    let short = plain(&letter.place_short);
    let place = plain(&letter.place);
    line(
        "地点",
        match (place.is_empty(), short.is_empty() || short == place) {
            _ if letter.unregistered => "不明（设备未登记）".to_owned(),
            (true, _) => short,
            (false, true) => place,
            (false, false) => format!("{place}（{short}）"),
        },
    );
    let names = letter.residents.iter().map(|name| plain(name)).collect();
    line("人员", whole(&[Part::Residents(names, letter.age)]));
    line("设备", plain(&letter.device));
    let unsure = if letter.clock_trusted { "" } else { "（时间未校准）" };
    line("时间", format!("{} {}{unsure}", plain(&letter.date), plain(&letter.time)));
    if letter.presses > 1 {
        line("次数", format!("已报警{}次", count(letter.presses)));
    }
    if let Some(about) = &letter.about {
        line("同事", named(about));
    }
    line("床位", plain(&letter.contract));
    if letter.found {
        line("说明", FOUND.to_owned());
    }
    line("站点", plain(&letter.site.name));
    lines
}

fn ways(letter: &Letter) -> Vec<String> {
    if !wants_answer(&letter.notice) {
        return Vec::new();
    }
    let mut lines = Vec::new();
    if let Some(link) = &letter.link {
        lines.push(format!("登记：{}（打开后须再按一次确认）", plain(link)));
    }
    let phone = plain(&letter.site.duty_phone);
    lines.push(if phone.is_empty() {
        "电话：致电值班室，由值班员代为登记。".to_owned()
    } else {
        format!("电话：致电值班室 {phone}，由值班员代为登记。")
    });
    if letter.notice.is_call() && letter.to.of_the_house {
        let (code, person) = (letter.code, &letter.to.id);
        lines.push(format!("主机：在主机上执行 anling incident {code} accept --as {person}"));
    }
    lines
}

fn wants_answer(notice: &Notice) -> bool {
    !matches!(
        notice,
        Notice::Taken { .. }
            | Notice::Closed
            | Notice::CannotReach { .. }
            | Notice::RunningLow { .. }
            | Notice::MainsBack { .. }
    )
}

/// A text without control characters, so that it stays one line wherever it is shown. Characters
/// that turn the direction of writing are dropped too: they could hide a code.
pub(super) fn plain(text: &str) -> String {
    terms::plain(text.trim())
}

fn named(person: &Named) -> String {
    let name = plain(&person.name);
    if name.is_empty() { person.id.to_string() } else { name }
}

fn count(n: u32) -> String {
    if n > COUNT_MAX { format!("{COUNT_MAX}+") } else { n.to_string() }
}

fn span(minutes: u32) -> String {
    match minutes {
        0 => "不到1分钟".to_owned(),
        1..=COUNT_MAX => format!("{minutes}分钟"),
        _ => format!("{}小时", count(minutes / 60)),
    }
}

fn fixed(text: impl Into<String>) -> Part {
    Part::Fixed(text.into())
}

/// A device in place of a place that nobody knows.
fn unknown(device: &str) -> Part {
    Part::Place(format!("位置不明，{device}"), device.to_owned())
}

/// One letter on its way to become parts; without a reply the asks are left out (a subject).
struct Words<'a> {
    letter: &'a Letter,
    reply: Option<Reply>,
}

impl Words<'_> {
    fn parts(&self) -> Vec<Part> {
        let letter = self.letter;
        let mut parts = vec![fixed(self.marks())];
        parts.extend(match &letter.notice {
            Notice::Called if letter.class == Class::Test => self.call_test(),
            Notice::Called => self.called(),
            Notice::Escalated => {
                self.call("升级", vec![fixed(format!("，{}无人接警。", span(letter.minutes)))])
            }
            Notice::PressedAgain => self.pressed_again(),
            Notice::AllHands => self.call("全员", vec![fixed("，无人接警！请就近立即前往。")]),
            Notice::NotArrived => self.handed_back("接警后未到场"),
            Notice::Declined => self.handed_back("去不了"),
            Notice::Reopened => self.call("再次呼救", vec![fixed("，处置结束后又报警！")]),
            Notice::Reinforce => self.reinforce(),
            Notice::HazardGoesOn => self.hazard_goes_on(),
            Notice::YouAccepted => self.you_accepted(),
            Notice::Taken { .. } => self.taken(),
            Notice::ArrivalReminder => self.arrival_reminder(),
            Notice::PressedMeanwhile => self.pressed_meanwhile(),
            Notice::ResidentCancelled => self.resident_cancelled(),
            Notice::StillOnScene => self.still_on_scene(),
            Notice::Closed => self.closed(),
            Notice::CannotReach { by, .. } => self.cannot_reach(*by),
            Notice::FollowUpDue => self.follow_up_due(),
            Notice::RunningLow { minutes } => self.running_low(*minutes),
            Notice::MainsBack { minutes } => self.mains_back(*minutes),
        });
        parts
    }

    fn told(&self) -> Told {
        told(self.letter.class, &self.letter.kinds)
    }

    fn marks(&self) -> String {
        let mut marks = String::new();
        if self.letter.test || self.letter.class == Class::Test {
            marks.push_str("【测试】");
        }
        if self.letter.resent {
            marks.push_str("【重发】");
        }
        marks
    }

    fn ask(&self, ask: Ask) -> Part {
        fixed(self.reply.map(|reply| format!("{}。", ask.words(reply))).unwrap_or_default())
    }

    fn code(&self) -> Part {
        fixed(format!("单号{}", self.letter.code))
    }

    fn time(&self) -> Part {
        let unsure = if self.letter.clock_trusted { "" } else { "（时间未校准）" };
        fixed(format!("{}{unsure}", plain(&self.letter.time)))
    }

    fn place(&self) -> Vec<Part> {
        let letter = self.letter;
        let place = Part::Place(plain(&letter.place), plain(&letter.place_short));
        match self.told().subject {
            Subject::Site => vec![Part::Label(plain(&letter.site.name))],
            _ if letter.unregistered => {
                vec![unknown("未登记设备"), Part::Label(plain(&letter.device) + " ")]
            }
            Subject::Home if letter.place.trim().is_empty() && letter.residents.is_empty() => {
                vec![unknown("设备"), Part::Label(plain(&letter.device) + " ")]
            }
            Subject::Home => {
                let names = letter.residents.iter().map(|name| plain(name)).collect();
                vec![place, Part::Residents(names, letter.age)]
            }
            Subject::Device => vec![place, Part::Label(plain(&letter.device) + " ")],
            Subject::Bed => {
                let names = letter.residents.iter().map(|name| plain(name)).collect();
                let bed = Part::Label(plain(&letter.device) + " ");
                vec![place, Part::Residents(names, letter.age), bed]
            }
        }
    }

    fn who(&self) -> Part {
        match &self.letter.about {
            Some(person) => Part::Person(named(person)),
            None => fixed("同事"),
        }
    }

    fn is_about_addressee(&self) -> bool {
        self.letter.about.as_ref().is_none_or(|person| person.id == self.letter.to.id)
    }

    fn advice(&self) -> Part {
        let advice = match self.told().advice {
            "" => "",
            _ if self.letter.test => "仅为测试，勿打119、120",
            advice => advice,
        };
        match advice {
            "" => fixed(""),
            _ if self.letter.class == Class::Hazard => fixed(format!("{advice}。")),
            _ => Part::Aside(format!("{advice}。")),
        }
    }

    fn title(&self) -> String {
        let title = self.told().title;
        let raised =
            self.letter.class == Class::Emergency && self.letter.kind.class() != Class::Emergency;
        if raised { format!("【紧急·{title}】") } else { format!("【{title}】") }
    }

    /// Where, who, when and what happened.
    fn event(&self) -> Vec<Part> {
        self.happened(self.told().event)
    }

    /// The same, and first what it is.
    fn titled_event(&self) -> Vec<Part> {
        let mut parts = vec![fixed(self.title())];
        parts.extend(self.happened(self.told().after_title));
        parts
    }

    fn happened(&self, event: String) -> Vec<Part> {
        let mut parts = self.place();
        parts.extend([self.time(), fixed(event)]);
        let contract = plain(&self.letter.contract);
        if !contract.is_empty() {
            parts.push(Part::Aside(format!("（{contract}）")));
        }
        let (count, what) = &self.letter.silenced;
        if let Some(extent) = extent(self.letter.class, self.letter.kind, *count, what) {
            parts.push(Part::Aside(format!("（{extent}）")));
        }
        if self.letter.found {
            parts.push(Part::Aside(format!("（{FOUND}）")));
        }
        parts
    }

    fn called(&self) -> Vec<Part> {
        let mut parts = self.titled_event();
        parts.push(fixed(if self.letter.class == Class::Hazard { "！" } else { "。" }));
        parts.push(self.advice());
        parts.push(self.ask(match self.letter.class {
            Class::Hazard => Ask::Arrive,
            Class::Emergency => Ask::Accept,
            Class::Welfare | Class::Coverage | Class::Test => Ask::AcceptNow,
            Class::Fault | Class::Service => Ask::Take,
        }));
        parts.push(self.code());
        parts
    }

    fn call_test(&self) -> Vec<Part> {
        let mut parts = vec![fixed("本条为呼叫测试，无需出动。"), self.ask(Ask::Confirm)];
        parts.push(self.code());
        parts
    }

    /// A call after the first: what happened, what has become of it, and the ask.
    fn call(&self, title: &str, since: Vec<Part>) -> Vec<Part> {
        let mut parts = vec![fixed(format!("【{title}】"))];
        parts.extend(self.event());
        parts.extend(since);
        parts.push(self.ask(Ask::AcceptNow));
        parts.push(self.code());
        parts
    }

    fn pressed_again(&self) -> Vec<Part> {
        let mut parts = vec![fixed("【再次呼救】")];
        parts.extend(self.place());
        parts.push(self.time());
        parts.push(fixed(format!("起已报警{}次，尚无人接警！", count(self.letter.presses))));
        parts.push(self.ask(Ask::AcceptNow));
        parts.push(self.code());
        parts
    }

    fn handed_back(&self, why: &str) -> Vec<Part> {
        self.call("重新呼叫", vec![fixed("，"), self.who(), fixed(format!("{why}。"))])
    }

    fn reinforce(&self) -> Vec<Part> {
        let mut parts = vec![fixed("【增援】现场"), self.who(), fixed("请求1名同事协助，")];
        parts.extend(self.place());
        parts.extend([fixed("。"), self.ask(Ask::AcceptNow), self.code()]);
        parts
    }

    fn hazard_goes_on(&self) -> Vec<Part> {
        let mut parts = self.titled_event();
        parts.push(fixed(format!("，已{}仍未处置完！", span(self.letter.minutes))));
        parts.extend([self.ask(Ask::Arrive), self.code()]);
        parts
    }

    fn you_accepted(&self) -> Vec<Part> {
        let mut parts = vec![fixed(format!("已登记：您已接警{}，", self.letter.code))];
        parts.extend(self.place());
        parts.push(fixed("。"));
        if let Some(minutes) = self.letter.arrive_within {
            parts.push(fixed(format!("请{}内到场。", span(minutes.max(1)))));
        }
        parts.extend([self.ask(Ask::Arrive), self.ask(Ask::Decline)]);
        parts
    }

    fn taken(&self) -> Vec<Part> {
        let mut parts = vec![fixed(format!("{}已由", self.letter.code)), self.who()];
        parts.push(fixed(if self.letter.class == Class::Hazard {
            "接警。请继续撤离和疏散，如需支援会再通知。"
        } else {
            "接警。您无需出动，如需支援会再通知。"
        }));
        parts
    }

    fn arrival_reminder(&self) -> Vec<Part> {
        let since = span(self.letter.minutes);
        let mut parts = vec![fixed(format!("【未到场提醒】{}报警已{since}，", self.letter.code))];
        if self.is_about_addressee() {
            parts.push(fixed("您接警后未报到场。"));
            parts.extend([self.ask(Ask::Arrive), self.ask(Ask::Decline)]);
            parts.push(fixed("逾时将转派他人。"));
        } else {
            parts.extend([self.who(), fixed("接警后未报到场，请联系本人或另派人。")]);
            parts.extend(self.place());
        }
        parts
    }

    fn pressed_meanwhile(&self) -> Vec<Part> {
        let Told { title, event, .. } = self.told();
        if matches!(self.letter.class, Class::Hazard | Class::Fault) {
            let event = event.trim_start_matches('起');
            let (title, event) = match self.letter.class {
                Class::Hazard if self.letter.kinds.len() > 1 => {
                    ("【又报警】".to_owned(), format!("现{event}！"))
                }
                Class::Hazard => (format!("【又报警·{title}】"), format!("又有{event}。")),
                _ => (format!("【{title}又报】"), format!("现{event}。")),
            };
            let mut parts = vec![fixed(title)];
            parts.extend(self.place());
            parts.push(fixed(event));
            parts.push(self.advice());
            parts.push(self.code());
            return parts;
        }
        let mut parts = vec![fixed("【再次呼救】")];
        parts.extend(self.place());
        let times = count(self.letter.presses);
        parts.push(fixed(format!("又报警，共{times}次。请尽快到场。")));
        parts.push(self.code());
        parts
    }

    fn resident_cancelled(&self) -> Vec<Part> {
        let mut parts = vec![fixed(format!("{}老人本人已按取消键，", self.letter.code))];
        parts.extend(self.place());
        parts.push(fixed("。仍需电话或上门核实。"));
        parts.push(self.ask(Ask::Verify));
        parts
    }

    fn still_on_scene(&self) -> Vec<Part> {
        let mut parts = vec![fixed(format!("【现场提醒】{}：", self.letter.code))];
        if self.is_about_addressee() {
            parts.push(fixed("您到场后尚未报完成，请注意安全。"));
            parts.push(self.ask(Ask::StillThere));
        } else {
            parts.extend([self.who(), fixed("到场后尚未报完成，请联系确认其平安。")]);
        }
        parts.extend(self.place());
        parts
    }

    fn closed(&self) -> Vec<Part> {
        let mut parts = vec![fixed(format!("{}已结束", self.letter.code))];
        let Some(closing) = &self.letter.closing else {
            parts.push(fixed("，无需再出动。"));
            return parts;
        };
        let outcome = plain(&closing.outcome);
        if !outcome.is_empty() {
            parts.extend([fixed("："), Part::Label(outcome)]);
        }
        parts.extend([fixed("，处置人"), self.who(), fixed("，")]);
        parts.push(fixed(format!("{}报警", plain(&closing.raised))));
        if let Some(on_scene) = &closing.on_scene {
            parts.push(fixed(format!("{}到场", plain(on_scene))));
        }
        parts.push(fixed(format!("{}结束。", plain(&closing.closed))));
        parts
    }

    fn cannot_reach(&self, by: Carrier) -> Vec<Part> {
        let mut parts = vec![fixed("【联系不上】")];
        match by {
            Carrier::Mail => parts.extend([self.who(), fixed("收不到邮件")]),
            Carrier::Sms => parts.extend([self.who(), fixed("收不到短信")]),
            Carrier::Voice => parts.extend([self.who(), fixed("的电话打不通")]),
            Carrier::Screen => parts.push(fixed("值班屏幕无法显示")),
            Carrier::Wecom => parts.push(fixed("企业微信群发不出")),
            Carrier::Dingtalk => parts.push(fixed("钉钉群发不出")),
            Carrier::Feishu => parts.push(fixed("飞书群发不出")),
            Carrier::Ntfy | Carrier::Gotify | Carrier::Bark => {
                parts.push(fixed("手机推送发不出"));
            }
        }
        parts.push(fixed("，请打电话通知"));
        parts.extend([self.who(), fixed("：")]);
        parts.extend(self.event());
        parts.extend([fixed("。"), self.code()]);
        parts
    }

    /// The hub is about to fall silent: for how many, and for whom, as many as there is room for.
    fn running_low(&self, minutes: Option<u32>) -> Vec<Part> {
        let when = match minutes {
            Some(minutes) => format!("【断电】主机约{}后关机，", span(minutes)),
            None => "【断电】主机电池将尽，即将关机，".to_owned(),
        };
        let homes: Vec<String> = self.letter.unheard.iter().map(|home| plain(home)).collect();
        let count = homes.len();
        let named = if count == 0 { String::new() } else { format!("：{}", homes.join("、")) };
        vec![
            fixed(when),
            fixed(format!("届时{count}户呼叫收不到，请安排上门")),
            Part::Label(named),
            fixed("。"),
            self.code(),
        ]
    }

    fn mains_back(&self, minutes: u32) -> Vec<Part> {
        vec![
            fixed(format!("{}：", self.letter.code)),
            Part::Label(plain(&self.letter.site.name)),
            fixed(format!("主机市电已恢复，中断约{}。请登记结束。", span(minutes))),
        ]
    }

    fn follow_up_due(&self) -> Vec<Part> {
        let mut parts = vec![fixed("【回访】")];
        parts.extend(self.place());
        let was = if self.letter.kind == Kind::Service { "服务" } else { "报警" };
        parts.push(fixed(format!("的{was}已处置，回访到期，请联系。")));
        parts.extend([self.ask(Ask::FollowUp), self.code()]);
        parts
    }
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
