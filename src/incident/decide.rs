//! Deciding: a stimulus and what stands at the moment go in, facts come out. Nothing changes until
//! they are applied.

use super::{Call, Carrier, Entry, Fact, Incident, IncidentBook, Policy, Standing, Stimulus};
use crate::registry::{Change, Row, RowId};
use crate::roster::Roster;
use crate::terms::{At, EndpointId, IncidentId, PersonId, Seq, WallReading};

impl IncidentBook {
    /// The facts a stimulus leads to, the stimulus itself first; empty when it changes nothing.
    pub fn decide(&self, at: At, standing: &Standing<'_>, stimulus: &Stimulus) -> Vec<Fact> {
        let mut facts = self.decided(at, standing, stimulus);
        facts.iter_mut().for_each(spares_telephones);
        match facts.iter().any(is_long) {
            true => facts.into_iter().flat_map(divided).collect(),
            false => facts,
        }
    }

    fn decided(&self, at: At, standing: &Standing<'_>, stimulus: &Stimulus) -> Vec<Fact> {
        match stimulus {
            Stimulus::Started { version, hub, clean, gap, how, boot } => vec![
                Fact::HubStarted {
                    version: version.clone(),
                    clean: *clean,
                    hub: Some(hub.clone()),
                },
                Fact::ClockResumed { gap: *gap, how: *how, boot: boot.clone() },
            ],
            Stimulus::Stopping => vec![Fact::HubStopped],
            Stimulus::Policy(policy) => self.on_policy(policy),
            Stimulus::Roster(roster) => on_roster(roster),
            Stimulus::Registry(changes) => {
                let changed = |change: &Change| Fact::RegistryChanged { change: change.clone() };
                let facts = changes.iter().map(changed).collect();
                self.with_departures(at, standing, facts, changes)
            }
            Stimulus::Bring { import, changes } => changes
                .iter()
                .map(|change| Fact::RegistryBrought { import: *import, change: change.clone() })
                .collect(),
            Stimulus::Take { import, rows } => match self.whole_import(*import, *rows) {
                Some(changes) => {
                    let taken = vec![Fact::RegistryTaken { import: *import, rows: *rows }];
                    self.with_departures(at, standing, taken, changes)
                }
                None => Vec::new(),
            },
            Stimulus::Heard(report) => self.on_report(at, standing, report),
            Stimulus::Unread { link, refusal, count } => {
                self.on_unread(at, standing, link, refusal, *count)
            }
            Stimulus::Missed { device, count } => self.on_missed(at, standing, device, *count),
            Stimulus::LifePlan(plan) => self.on_life_plan(plan),
            Stimulus::Sign { resident, sign } => self.on_sign(resident, *sign),
            Stimulus::LifeLook(look) => self.on_life_look(at, standing, look),
            Stimulus::Away { resident, until, by } => self.on_away(resident, *until, by),
            Stimulus::Duty(asked) => self.on_duty_change(standing, asked),
            Stimulus::DutyUndone { change, by } => self.on_duty_undone(*change, by),
            Stimulus::Answered(answer, words) => {
                self.on_answer(at, standing, answer, words.as_deref())
            }
            Stimulus::Outcome(order, outcome) => self.on_outcome(at, standing, order, outcome),
            Stimulus::Delivered { endpoint, took, refused } => {
                self.on_delivered(endpoint, took, refused)
            }
            Stimulus::Battery { device, percent } => self.on_battery(device, *percent),
            Stimulus::Supply(supply) => self.on_supply(at, standing, supply),
            Stimulus::BedLook => self.on_bed_look(at, standing),
            Stimulus::Trouble(trouble) => self.on_trouble(at, standing, trouble),
            Stimulus::Found(finding) => vec![Fact::Found { finding: finding.clone() }],
            Stimulus::Retired(retired) => vec![Fact::SegmentsRetired { retired: retired.clone() }],
            Stimulus::GivenUp { endpoint, by } => match self.undelivered(endpoint) {
                0 => Vec::new(),
                events => {
                    let (endpoint, by) = (endpoint.clone(), by.clone());
                    vec![Fact::EndpointGivenUp { endpoint, by, events }]
                }
            },
            Stimulus::Work(asked) => self.on_work(at, asked),
            Stimulus::WorkOver { work, by } => self.on_work_end(at, standing, *work, Some(by)),
            Stimulus::Swapped { device, heard_as, by } => {
                self.on_swap(standing, device, heard_as, by)
            }
            Stimulus::BoxReplaced(taken) => vec![Fact::BoxReplaced { taken: taken.clone() }],
            Stimulus::Due => self.on_deadline(at, standing),
        }
    }

    /// What was owed and is settled; empty where none of it was owed.
    fn on_delivered(
        &self,
        endpoint: &EndpointId,
        took: &[Seq],
        refused: &[(Seq, String)],
    ) -> Vec<Fact> {
        let owes = |seq: &_| self.owes(endpoint, *seq);
        let took: Vec<_> = took.iter().copied().filter(owes).collect();
        let refused: Vec<_> = refused.iter().filter(|(seq, _)| owes(seq)).cloned().collect();
        if took.is_empty() && refused.is_empty() {
            return Vec::new();
        }
        vec![Fact::Delivered { endpoint: endpoint.clone(), took, refused }]
    }

    /// What changes the registry, and for each person who goes while people count on them that they decline: others
    /// are called at once, not when the arrival limit has passed. Somebody without any address stays:
    /// the screen reaches them.
    fn with_departures(
        &self,
        at: At,
        standing: &Standing<'_>,
        facts: Vec<Fact>,
        changes: &[Change],
    ) -> Vec<Fact> {
        let counted_on = |change: &Change| {
            leaves(change, standing).is_some_and(|who| {
                self.open().any(|incident| incident.active().any(|coming| coming == who))
            })
        };
        if !changes.iter().any(counted_on) {
            return facts;
        }
        // Nobody who goes as well is called instead, and what one departure leads to the next one
        // meets: decided on a copy that goes along.
        let mut after = self.clone();
        let mut all = Vec::new();
        for fact in facts {
            after.goes_along(at, standing, fact, &mut all);
        }
        for change in changes {
            let Some(who) = leaves(change, standing) else { continue };
            let is_coming = |i: &&Incident| i.active().any(|coming| coming == who);
            let left: Vec<IncidentId> = after.open().filter(is_coming).map(|i| i.id).collect();
            for id in left {
                for fact in after.without(at, standing, id, who) {
                    after.goes_along(at, standing, fact, &mut all);
                }
            }
        }
        all
    }

    /// What it leads to in one incident that somebody who was coming or there is gone.
    fn without(
        &self,
        at: At,
        standing: &Standing<'_>,
        id: IncidentId,
        who: &PersonId,
    ) -> Vec<Fact> {
        let Some(incident) = self.incident(id) else { return Vec::new() };
        self.step(at, standing, incident).decline(who).unwrap_or_default()
    }

    pub(super) fn goes_along(
        &mut self,
        at: At,
        standing: &Standing<'_>,
        fact: Fact,
        facts: &mut Vec<Fact>,
    ) {
        let WallReading { wall, trusted } = standing.wall;
        let entry = Entry { seq: self.last_seq.next(), at, wall, trusted, fact };
        self.apply(&entry);
        facts.push(entry.fact);
    }

    /// A policy is recorded when it differs from the one in use.
    fn on_policy(&self, policy: &Policy) -> Vec<Fact> {
        let text = policy.to_text();
        if self.policy.as_ref() == Some(&Policy::hash_of(&text)) {
            return Vec::new();
        }
        vec![Fact::PolicyTaken { text }]
    }
}

/// How many people one fact may name, whatever their ids: of the longest ids, escaped in JSON, as
/// many fit into 12 KiB, three quarters of what an entry of the record holds.
const NAMED_MAX: usize = 38;
/// The same in bytes, for ids of usual length: about 250 people.
const NAMED_BYTES_MAX: usize = 12 * 1024;

/// Takes out of a fact the carriers that do not say such a thing; whoever has no other is told on the
/// screen.
fn spares_telephones(fact: &mut Fact) {
    let (Fact::Called { notice, calls, .. } | Fact::Told { notice, to: calls, .. }) = fact else {
        return;
    };
    for call in calls {
        call.by.retain(|carrier| carrier.says(notice));
        if call.by.is_empty() {
            call.by.push(Carrier::Screen);
        }
    }
}

fn calls_of(fact: &Fact) -> &[Call] {
    match fact {
        Fact::Called { calls, .. } | Fact::Told { to: calls, .. } => calls,
        _ => &[],
    }
}

fn bytes_of(call: &Call) -> usize {
    serde_json::to_vec(call).map_or(usize::MAX, |json| json.len() + 1)
}

fn is_long(fact: &Fact) -> bool {
    let calls = calls_of(fact);
    calls.len() > NAMED_MAX && calls.iter().map(bytes_of).sum::<usize>() > NAMED_BYTES_MAX
}

/// A call to more people than an entry can name is told to the rest of them by facts that follow:
/// one that cannot be written down would be no call at all.
fn divided(mut fact: Fact) -> Vec<Fact> {
    if !is_long(&fact) {
        return vec![fact];
    }
    let (Fact::Called { incident, notice, calls, .. } | Fact::Told { incident, notice, to: calls }) =
        &mut fact
    else {
        return vec![fact];
    };
    let (incident, notice) = (*incident, notice.clone());
    let rest = calls.split_off(NAMED_MAX);
    let to_rest = rest.chunks(NAMED_MAX).map(|to| to.to_vec());
    let told: Vec<Fact> =
        to_rest.map(|to| Fact::Told { incident, notice: notice.clone(), to }).collect();
    [fact].into_iter().chain(told).collect()
}

/// Who is not to be counted on any more: gone from a list, or a contact who takes their word back.
fn leaves<'c>(change: &'c Change, standing: &Standing<'_>) -> Option<&'c PersonId> {
    match change {
        Change::Removed(RowId::Person(who) | RowId::Contact(who)) => Some(who),
        Change::Set(Row::Contact(row)) if !row.agrees(standing.today()) => Some(&row.id),
        _ => None,
    }
}

fn on_roster(roster: &Roster) -> Vec<Fact> {
    match serde_json::to_string(roster) {
        Ok(text) => vec![Fact::RosterTaken { text }],
        Err(_) => Vec::new(),
    }
}
