//! Deciding: a stimulus and what stands at the moment go in, facts come out. Nothing changes until
//! they are applied.

use super::{Fact, IncidentBook, Policy, Standing, Stimulus};
use crate::roster::Roster;
use crate::terms::At;

impl IncidentBook {
    /// The facts a stimulus leads to, the stimulus itself first; empty when it changes nothing.
    pub fn decide(&self, at: At, standing: &Standing<'_>, stimulus: &Stimulus) -> Vec<Fact> {
        match stimulus {
            Stimulus::Started { version, clean, gap, how, boot } => vec![
                Fact::HubStarted { version: version.clone(), clean: *clean },
                Fact::ClockResumed { gap: *gap, how: *how, boot: boot.clone() },
            ],
            Stimulus::Stopping => vec![Fact::HubStopped],
            Stimulus::Policy(policy) => self.on_policy(policy),
            Stimulus::Roster(roster) => on_roster(roster),
            Stimulus::Registry(changes) => changes
                .iter()
                .map(|change| Fact::RegistryChanged { change: change.clone() })
                .collect(),
            Stimulus::Bring { import, changes } => changes
                .iter()
                .map(|change| Fact::RegistryBrought { import: *import, change: change.clone() })
                .collect(),
            Stimulus::Take { import, rows } => self.on_take(*import, *rows),
            Stimulus::Heard(report) => self.on_report(at, standing, report),
            Stimulus::Unread { link, refusal, count } => {
                self.on_unread(at, standing, link, refusal, *count)
            }
            Stimulus::Answered(answer, words) => {
                self.on_answer(at, standing, answer, words.as_deref())
            }
            Stimulus::Outcome(order, outcome) => self.on_outcome(at, standing, order, outcome),
            Stimulus::Delivered { endpoint, took, refused } => {
                let owes = |seq: &_| self.owes(endpoint, *seq);
                let took: Vec<_> = took.iter().copied().filter(owes).collect();
                let refused: Vec<_> =
                    refused.iter().filter(|(seq, _)| owes(seq)).cloned().collect();
                if took.is_empty() && refused.is_empty() {
                    return Vec::new();
                }
                vec![Fact::Delivered { endpoint: endpoint.clone(), took, refused }]
            }
            Stimulus::Trouble(trouble) => self.on_trouble(at, standing, trouble),
            Stimulus::Found(finding) => vec![Fact::Found { finding: finding.clone() }],
            Stimulus::Due => self.on_deadline(at, standing),
        }
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

fn on_roster(roster: &Roster) -> Vec<Fact> {
    match serde_json::to_string(roster) {
        Ok(text) => vec![Fact::RosterTaken { text }],
        Err(_) => Vec::new(),
    }
}
