//! The page behind a link in a message: one call, one person, big buttons.

use askama::Template;
use axum::extract::{Form, Path, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use serde::Deserialize;

use super::Counter;
use crate::counter::{About, Ask, IncidentView, Moved, Pass, Reply};
use crate::incident::{Contact, Ending, Ignored, Move, Responder, StageName, Via};
use crate::terms::{Class, Kind, PersonId, plain};

/// What a tap sends.
#[derive(Debug, Deserialize)]
pub(super) struct Tap {
    say: String,
    #[serde(default)]
    ending: Option<String>,
    #[serde(default)]
    contact: Option<String>,
    #[serde(default)]
    words: Option<String>,
}

#[derive(Template)]
#[template(path = "call.html")]
struct CallPage {
    code: String,
    head: String,
    colour: &'static str,
    said: Option<String>,
    warning: Option<&'static str>,
    place: String,
    residents: String,
    state: &'static str,
    presses: u32,
    people: Vec<String>,
    me: String,
    open: bool,
    can_close: bool,
    can_say_false: bool,
    moves: Vec<(&'static str, &'static str, &'static str)>,
    endings: Vec<(&'static str, &'static str)>,
}

#[derive(Template)]
#[template(path = "gone.html")]
struct GonePage {
    title: &'static str,
    advice: &'static str,
}

/// Shows the call. Changes nothing.
pub(super) async fn show(State(counter): State<Counter>, Path(pass): Path<String>) -> Response {
    match Pass::verify(&pass, &counter.key) {
        Some(pass) => page(&counter, &pass, None).await,
        None => unknown(),
    }
}

/// Takes a tap.
pub(super) async fn say(
    State(counter): State<Counter>,
    Path(pass): Path<String>,
    Form(tap): Form<Tap>,
) -> Response {
    let Some(pass) = Pass::verify(&pass, &counter.key) else { return unknown() };
    let Some(says) = read(&tap) else {
        return gone(StatusCode::BAD_REQUEST, "没有看懂", "请返回上一页，重新点选按钮。");
    };
    let expired = (counter.now)() > pass.until;
    let asked = Ask::Say {
        about: About::Id(pass.incident),
        by: pass.person.clone(),
        via: if expired { Via::ExpiredPage } else { Via::Page },
        epoch: Some(pass.epoch),
        says,
        words: tap.words.filter(|words| !words.trim().is_empty()),
        word: None,
    };
    match counter.ask(asked).await {
        Some(Reply::Moved(moved)) => page(&counter, &pass, Some((says, moved))).await,
        Some(_) => gone(StatusCode::NOT_FOUND, "找不到这条呼叫", "它可能早已结束。"),
        None => busy(),
    }
}

fn read(tap: &Tap) -> Option<Move> {
    let contact = match tap.contact.as_deref() {
        Some("voice") => Some(Contact::Voice),
        Some("visit") => Some(Contact::Visit),
        _ => None,
    };
    Some(match tap.say.as_str() {
        "accept" => Move::Accept,
        "decline" => Move::Decline,
        "on_the_way" => Move::OnTheWay,
        "arrive" => Move::Arrive,
        "still_here" => Move::StillHere,
        "need_help" => Move::NeedHelp,
        "false_alarm" => Move::FalseAlarm { contact },
        "resolve" => Move::Resolve { ending: Ending::from_word(tap.ending.as_deref()?)?, contact },
        _ => return None,
    })
}

async fn page(counter: &Counter, pass: &Pass, said: Option<(Move, Moved)>) -> Response {
    let view = match counter.ask(asked(pass)).await {
        Some(Reply::Incident(view)) => view,
        Some(_) => return gone(StatusCode::NOT_FOUND, "找不到这条呼叫", "它可能早已结束。"),
        None => return busy(),
    };
    let expired = (counter.now)() > pass.until;
    let not_on_disk = said.as_ref().is_some_and(|(_, m)| m.stored_at.is_none());
    let warning = match (expired, not_on_disk) {
        (true, _) => Some("链接已过期，只能查看。请用最新一条消息里的链接。"),
        (_, true) => Some("主机磁盘故障：操作已生效，但重启后可能丢失，请同时电话告知值班室。"),
        _ if !view.on_disk => {
            Some("主机磁盘故障：以下情况可能还没有存盘，请同时与值班室电话核对。")
        }
        _ => None,
    };
    let open = !matches!(view.stage, StageName::Resolved | StageName::FollowedUp);
    let mine = of_person(&view, &pass.person);
    let page = CallPage {
        code: view.code.to_string(),
        head: head(&view),
        colour: colour(view.class),
        said: said.map(|(says, moved)| told(says, &moved, mine).to_owned()),
        warning,
        place: plain(&view.place),
        residents: plain(&view.residents),
        state: state(&view),
        presses: view.presses,
        people: view.people.iter().filter_map(person).collect(),
        me: plain(&view.reader.clone().unwrap_or_else(|| pass.person.to_string())),
        open: open && !expired,
        can_close: mine == Some(Responder::OnScene),
        can_say_false: view.stage == StageName::OnScene,
        moves: moves(&view, mine),
        endings: ENDINGS.iter().map(|e| (e.word(), e.chinese())).collect(),
    };
    html(StatusCode::OK, page.render())
}

/// The endings a person on scene chooses from; a false alarm has a form of its own.
const ENDINGS: [Ending; 5] =
    [Ending::Helped, Ending::Emergency, Ending::Declined, Ending::DeviceFault, Ending::Unreachable];

fn of_person(view: &IncidentView, person: &PersonId) -> Option<Responder> {
    view.people.iter().find(|p| p.id == *person).map(|p| p.is)
}

fn asked(pass: &Pass) -> Ask {
    Ask::IncidentById { id: pass.incident, reader: Some(pass.person.clone()) }
}

fn person(one: &crate::counter::PersonView) -> Option<String> {
    let is = match one.is {
        Responder::Accepted => "已接警",
        Responder::OnTheWay => "在路上",
        Responder::OnScene => "已到场",
        Responder::Declined => "去不了",
        Responder::TimedOut => "未按时到场",
        Responder::Called | Responder::Done => return None,
    };
    Some(format!("{}({is})", plain(&one.name)))
}

/// The buttons that make sense for this person now, the likeliest first.
fn moves(
    view: &IncidentView,
    mine: Option<Responder>,
) -> Vec<(&'static str, &'static str, &'static str)> {
    match mine {
        Some(Responder::Accepted) => vec![
            ("arrive", "我已到场", "main"),
            ("on_the_way", "我已出发", ""),
            ("need_help", "需要增援", "help"),
            ("decline", "去不了，转他人", ""),
        ],
        Some(Responder::OnTheWay) => vec![
            ("arrive", "我已到场", "main"),
            ("need_help", "需要增援", "help"),
            ("decline", "去不了，转他人", ""),
        ],
        Some(Responder::OnScene) => {
            vec![("still_here", "我还在现场，平安", ""), ("need_help", "需要增援", "help")]
        }
        _ if view.stage == StageName::Calling || view.stage == StageName::Queued => {
            vec![("accept", "我去，接警", "main"), ("decline", "去不了", "")]
        }
        _ => vec![("accept", "我也去", "main"), ("arrive", "我已到场", "")],
    }
}

fn head(view: &IncidentView) -> String {
    let said: Vec<&str> = view.kinds.iter().filter_map(|kind| danger(*kind)).collect();
    if said.is_empty() { of_class(view.class).to_owned() } else { said.join("、") }
}

/// What asks for something else than its class alone does.
fn danger(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Smoke => Some("火警"),
        Kind::Gas => Some("燃气"),
        Kind::Co => Some("一氧化碳"),
        Kind::Water => Some("漏水"),
        _ => None,
    }
}

fn of_class(class: Class) -> &'static str {
    match class {
        Class::Hazard => "火警/燃气",
        Class::Emergency => "紧急求助",
        Class::Welfare => "请尽快查看",
        Class::Coverage => "系统告警",
        Class::Fault => "设备故障",
        Class::Service => "服务点单",
        Class::Test => "测试",
    }
}

fn colour(class: Class) -> &'static str {
    match class {
        Class::Hazard | Class::Emergency => "#b00020",
        Class::Welfare | Class::Coverage => "#a65300",
        Class::Fault | Class::Service | Class::Test => "#345",
    }
}

fn state(view: &IncidentView) -> &'static str {
    match view.stage {
        StageName::Queued => "等待上班时间处理",
        StageName::Calling if view.exhausted => "正在呼叫全员，无人接警",
        StageName::Calling => "正在呼叫，无人接警",
        _ if view.cancelled && view.stage < StageName::OnScene => "老人已按取消键，仍需核实",
        StageName::Accepted => "已有人接警",
        StageName::OnTheWay => "有人在路上",
        StageName::OnScene => "已有人到场",
        StageName::Resolved | StageName::FollowedUp => "已结束",
    }
}

/// What the tap did, in one sentence.
fn told(says: Move, moved: &Moved, mine: Option<Responder>) -> &'static str {
    if moved.ignored.is_some() {
        let open = !matches!(moved.stage, StageName::Resolved | StageName::FollowedUp);
        return match says {
            Move::Resolve { .. } if open && mine != Some(Responder::OnScene) => {
                "没有变化：须由已到场的人结束此单。您到场后请先点“我已到场”。"
            }
            Move::Resolve { .. } | Move::FalseAlarm { .. }
                if moved.reason == Some(Ignored::NotAContacts) =>
            {
                "没有变化：须由值班人员结束此单。处置好后请致电值班室。"
            }
            _ => "没有变化：这一步已做过，或现在不能做。请看下面的情况。",
        };
    }
    match says {
        Move::Accept | Move::TakeOver => "已登记：您已接警。到场后请点“我已到场”。",
        Move::Decline => "已登记：您去不了，系统继续呼叫他人。",
        Move::OnTheWay => "已登记：您已出发。",
        Move::Arrive => "已登记：您已到场。处置后请点“处置完成”。",
        Move::StillHere => "已登记：您还在现场。处置后请点“处置完成”。",
        Move::NeedHelp => "已登记：正在呼叫增援。",
        Move::Resolve { .. } | Move::FalseAlarm { .. } => "已登记：此单结束，谢谢。",
        Move::FollowUp { .. } | Move::Note | Move::Silence => "已登记。",
    }
}

fn unknown() -> Response {
    gone(
        StatusCode::NOT_FOUND,
        "链接不对",
        "请从最新的消息里重新点开；仍打不开，请致电值班室接警。",
    )
}

fn busy() -> Response {
    let advice = "系统正忙或正在重启。请过几秒再试；着急请直接打值班室电话。";
    gone(StatusCode::SERVICE_UNAVAILABLE, "请稍后再试", advice)
}

fn gone(status: StatusCode, title: &'static str, advice: &'static str) -> Response {
    html(status, GonePage { title, advice }.render())
}

fn html(status: StatusCode, page: Result<String, askama::Error>) -> Response {
    match page {
        Ok(page) => {
            let headers = [(header::CACHE_CONTROL, "no-store")];
            (status, headers, Html(page)).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
