//! The plan of a polled line, step by step in pretended time.

use super::*;

const POLL: Wait = Wait(500);
/// What an answer and what a dead panel cost.
const ANSWERED: Wait = Wait(30);
const DEAD: Wait = Wait(220);

fn question(slave: u8, topic: &str) -> Question {
    Question { slave, wire: vec![slave], answer_len: 6, topic: topic.into() }
}

fn plan(slaves: &[u8]) -> Plan {
    let named = slaves.iter().enumerate().map(|(n, slave)| question(*slave, &n.to_string()));
    Plan::new(POLL, named.collect(), At(0))
}

fn answer() -> Came {
    Came::Answer(vec![7])
}

/// When people are told of which panel, and whether it is lost.
type Lost = (u64, u8, bool);

/// Runs a plan until `until`; when which question was asked, and the news of panels.
fn run(
    plan: &mut Plan,
    (from, until): (u64, u64),
    came: impl Fn(usize, u8) -> Came,
) -> (Vec<(u64, usize)>, Vec<Lost>) {
    let (mut asked, mut news, mut now) = (Vec::new(), Vec::new(), At(from));
    while now.0 < until {
        let (at, slave) = match plan.next(now) {
            Ok((at, question)) => (at, question.slave),
            Err(wait) => {
                assert!(wait.0 > 0, "a plan that neither asks nor waits");
                now = now + wait;
                continue;
            }
        };
        asked.push((now.0, at));
        let (began, came) = (now, came(at, slave));
        now = now + if matches!(came, Came::Nothing(_)) { DEAD } else { ANSWERED };
        match plan.ended(at, (began, now), &came) {
            Some(PortNews::Panel { slave, lost }) => news.push((now.0, slave, lost.is_some())),
            Some(other) => panic!("{other:?}"),
            None => {}
        }
    }
    (asked, news)
}

#[test]
fn every_panel_is_asked_in_every_poll_and_is_told_once_that_it_answers() {
    let mut plan = plan(&[1, 1, 2]);
    let (asked, news) = run(&mut plan, (0, 2_000), |_, _| answer());
    let times = |which| asked.iter().filter(|(_, at)| *at == which).map(|(t, _)| *t).collect();
    for (which, first) in [(0, 0), (1, 30), (2, 60)] {
        let times: Vec<u64> = times(which);
        assert_eq!(times, [0, 500, 1_000, 1_500].map(|t| t + first));
    }
    assert_eq!(news, [(60, 1, false), (90, 2, false)]);
}

#[test]
fn dead_panels_are_told_once_each_and_never_cost_the_others_their_second() {
    let dead = 20;
    let slaves: Vec<u8> = (1..=dead).flat_map(|slave| [slave, slave]).chain([99]).collect();
    let mut plan = plan(&slaves);
    let came = |_, slave| if slave == 99 { answer() } else { Came::Nothing("no answer") };
    let (asked, news) = run(&mut plan, (0, 120_000), came);
    let of = |wanted: u8| news.iter().filter(|(_, slave, _)| *slave == wanted).count();
    assert!((1..=dead).all(|slave| of(slave) == 1), "{news:?}");
    assert!(news.iter().all(|(_, slave, lost)| *lost == (*slave != 99)));
    let last = slaves.len() - 1;
    let heard: Vec<u64> = asked.iter().filter(|(_, at)| *at == last).map(|(t, _)| *t).collect();
    // Once all are known to be dead; until then each costs three waits.
    let settled = heard.iter().skip_while(|t| **t < 30_000).copied().collect::<Vec<_>>();
    assert!(settled.len() > 100, "{}", settled.len());
    assert!(settled.windows(2).all(|two| two[1] - two[0] <= 1_000), "{settled:?}");
    for slave in 0..last {
        let tries = asked.iter().filter(|(t, at)| *at == slave && *t > 60_000).count();
        assert!(tries > 0, "question {slave} is never asked again");
    }
}

#[test]
fn one_dead_panel_of_two_delays_the_other_by_one_wait_only() {
    let mut plan = plan(&[1, 1, 1, 2]);
    let came = |_, slave| if slave == 2 { answer() } else { Came::Nothing("no answer") };
    let (asked, _) = run(&mut plan, (0, 60_000), came);
    let heard: Vec<u64> = asked.iter().filter(|(_, at)| *at == 3).map(|(t, _)| *t).collect();
    let longest = heard.windows(2).map(|two| two[1] - two[0]).max();
    assert!(longest <= Some(POLL.0 + DEAD.0), "{longest:?}");
}

#[test]
fn an_answer_that_comes_late_can_only_meet_its_own_question() {
    let mut plan = plan(&[1, 1]);
    let (asked, _) = run(&mut plan, (0, 1_200), |_, _| Came::Nothing("late"));
    // Nothing else is asked of the panel before it has answered, or is held for lost.
    assert_eq!(asked.iter().map(|(_, at)| *at).collect::<Vec<_>>(), [0, 0, 0]);
}

#[test]
fn a_panel_is_back_when_it_answers_all_that_it_is_asked() {
    let mut plan = plan(&[1, 1]);
    run(&mut plan, (0, 10_000), |_, _| Came::Nothing("off"));
    let (_, news) = run(&mut plan, (10_000, 30_000), |at, _| match at {
        0 => answer(),
        _ => Came::Exception(2),
    });
    assert_eq!(news, [], "half of it is still not heard");
    assert!(plan.answers(1), "but its lamps are told");
    let (_, news) = run(&mut plan, (30_000, 40_000), |_, _| answer());
    assert_eq!(news.len(), 1);
    assert!(!news[0].2);
}

#[test]
fn an_exception_says_which_and_keeps_no_other_question_waiting() {
    let mut plan = plan(&[1, 1]);
    let mut news = Vec::new();
    for ms in [0, 30, 500, 530, 1_000, 1_030] {
        let (at, _) = plan.next(At(ms)).unwrap();
        let came = if at == 0 { Came::Exception(2) } else { answer() };
        news.extend(plan.ended(at, (At(ms), At(ms + 30)), &came));
    }
    let why = "it answers with exception 2: see its table and addresses".to_owned();
    assert_eq!(news, [PortNews::Panel { slave: 1, lost: Some(why) }]);
}

#[test]
fn an_answer_is_handed_in_when_it_changes_when_it_was_not_stored_and_as_a_sign_of_life() {
    let mut plan = plan(&[1]);
    let said = |plan: &mut Plan, ms, bytes: &[u8]| {
        let said = plan.said(0, At(ms), bytes);
        said.map(|said| (said.topic.to_string(), said.refused))
    };
    let (topic, refused) = said(&mut plan, 0, &[1]).unwrap();
    assert_eq!(topic, "0");
    assert!(said(&mut plan, 500, &[1]).is_none(), "nothing new");
    assert_eq!(said(&mut plan, 1_000, &[2]).unwrap().0, "0", "changed");
    // A later one of the same question may be refused as well as the last.
    refused.store(true, Ordering::Release);
    assert_eq!(said(&mut plan, 1_500, &[2]).unwrap().0, "0/anew");
    assert!(said(&mut plan, 2_000, &[2]).is_none());
    assert!(said(&mut plan, 6_400, &[2]).is_none());
    assert_eq!(said(&mut plan, 6_500, &[2]).unwrap().0, "0", "a sign of life");
    plan.begin(At(7_000));
    assert_eq!(said(&mut plan, 7_100, &[2]).unwrap().0, "0/outage", "the port was away");
    for ms in [8_000, 8_500, 9_000] {
        plan.ended(0, (At(ms), At(ms)), &Came::Nothing("off"));
    }
    plan.ended(0, (At(14_000), At(14_000)), &answer());
    assert_eq!(said(&mut plan, 14_000, &[2]).unwrap().0, "0/outage", "the panel was away");
}

#[test]
fn other_questions_keep_what_was_heard_of_those_that_stay() {
    let mut plan = plan(&[1, 2]);
    plan.said(0, At(0), &[1]);
    plan.renew(POLL, vec![question(3, "new"), question(1, "0")], At(100));
    assert_eq!(plan.said(0, At(200), &[1]).unwrap().topic.as_ref(), "new");
    assert_eq!(plan.said(1, At(200), &[1]).unwrap().topic.as_ref(), "0/outage");
    assert!(matches!(plan.next(At(100)), Ok((0, _))));
}

#[test]
fn a_lamp_is_told_until_it_echoes_at_a_growing_pause_and_then_once_a_minute() {
    let mut lamps = Lamps::default();
    let (on, off) = (vec![1, 0xFF], vec![1, 0]);
    let mut wanted = Wanted::from([((1, 4), on.clone()), ((2, 4), on.clone())]);
    let next = |lamps: &Lamps, wanted: &Wanted, ms| {
        lamps.next(At(ms), wanted, |slave| slave == 1).map(|(key, _)| key)
    };
    assert_eq!(next(&lamps, &wanted, 0), Some((1, 4)), "and not of a panel that is away");
    let mut at = 0;
    for (nth, pause) in
        [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000].iter().enumerate()
    {
        assert_eq!(lamps.ended((1, 4), on.clone(), At(at), false), nth as u32 + 1);
        assert_eq!(next(&lamps, &wanted, at + pause - 1), None);
        at += pause;
        assert_eq!(next(&lamps, &wanted, at), Some((1, 4)));
    }
    lamps.ended((1, 4), on.clone(), At(at), true);
    assert_eq!(next(&lamps, &wanted, at + 59_999), None);
    assert_eq!(next(&lamps, &wanted, at + 60_000), Some((1, 4)));
    wanted.insert((1, 4), off);
    assert_eq!(next(&lamps, &wanted, at + 1), Some((1, 4)), "at once when it changes");
    lamps.ended((1, 4), wanted[&(1, 4)].clone(), At(at), true);
    lamps.forget(Some(1));
    assert_eq!(next(&lamps, &wanted, at + 1), Some((1, 4)), "the panel was away");
}

#[test]
fn lamps_that_do_not_answer_are_told_apart_and_keep_no_other_waiting() {
    let mut lamps = Lamps::default();
    let mut wanted: Wanted = (0..40).map(|coil| ((1, coil), vec![1])).collect();
    let (mut told, mut now) = (0, 0);
    let next = |lamps: &Lamps, wanted: &Wanted, ms| {
        lamps.next(At(ms), wanted, |_| true).map(|(key, frame)| (key, frame.clone()))
    };
    while now < 120_000 {
        if let Some((key, frame)) = next(&lamps, &wanted, now) {
            lamps.ended(key, frame, At(now), false);
            told += 1;
        }
        now += 100;
    }
    assert!((40..=120).contains(&told), "{told} in two minutes");
    wanted.insert((2, 0), vec![2]);
    let waited = (0..).step_by(100).find(|ms| next(&lamps, &wanted, now + ms).is_some()).unwrap();
    assert!(waited <= LOST_APART.0, "{waited}");
    assert_eq!(next(&lamps, &wanted, now + waited).unwrap().0, (2, 0), "the new one is first");
}
