//! What a fact is called, which incident it is about, and whether anybody waits for it.

use super::Fact;
use crate::terms::IncidentId;

impl Fact {
    /// Its name in the journal and in logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::HubStarted { .. } => "hub_started",
            Self::HubStopped => "hub_stopped",
            Self::ClockResumed { .. } => "clock_resumed",
            Self::PolicyTaken { .. } => "policy_taken",
            Self::RosterTaken { .. } => "roster_taken",
            Self::RegistryChanged { .. } => "registry_changed",
            Self::RegistryBrought { .. } => "registry_brought",
            Self::RegistryTaken { .. } => "registry_taken",
            Self::NoteKept { .. } => "note_kept",
            Self::Reported { .. } => "reported",
            Self::SignalRefused { .. } => "signal_refused",
            Self::MessagesMissed { .. } => "messages_missed",
            Self::LifePlanTaken { .. } => "life_plan_taken",
            Self::SignOfLife { .. } => "sign_of_life",
            Self::WindowJudged { .. } => "window_judged",
            Self::WindowMissed { .. } => "window_missed",
            Self::AwaySaid { .. } => "away_said",
            Self::BatteryLevel { .. } => "battery_level",
            Self::PowerSaid { .. } => "power_said",
            Self::BedEnding { .. } => "bed_ending",
            Self::OutcomeHeard { .. } => "outcome_heard",
            Self::Delivered { .. } => "delivered",
            Self::AnswerHeard { .. } => "answer_heard",
            Self::DeadlineCame { .. } => "deadline_came",
            Self::HubTrouble { .. } => "hub_trouble",
            Self::Found { .. } => "found",
            Self::SegmentsRetired { .. } => "segments_retired",
            Self::WorkBegun { .. } => "work_begun",
            Self::WorkEnded { .. } => "work_ended",
            Self::DutyChanged { .. } => "duty_changed",
            Self::DutyUndone { .. } => "duty_undone",
            Self::PointTested { .. } => "point_tested",
            Self::HeldBack { .. } => "held_back",
            Self::DeviceSwapped { .. } => "device_swapped",
            Self::EndpointGivenUp { .. } => "endpoint_given_up",
            Self::BoxReplaced { .. } => "box_replaced",
            Self::Raised { .. } => "raised",
            Self::Called { .. } => "called",
            Self::Told { .. } => "told",
            Self::RepeatSet { .. } => "repeat_set",
            Self::PressedAgain { .. } => "pressed_again",
            Self::Exhausted { .. } => "exhausted",
            Self::ClassChanged { .. } => "class_changed",
            Self::Accepted { .. } => "accepted",
            Self::SetOut { .. } => "set_out",
            Self::ArrivalReminded { .. } => "arrival_reminded",
            Self::ArrivalMissed { .. } => "arrival_missed",
            Self::Declined { .. } => "declined",
            Self::Arrived { .. } => "arrived",
            Self::SceneAsked { .. } => "scene_asked",
            Self::SceneHeard { .. } => "scene_heard",
            Self::HelpAsked { .. } => "help_asked",
            Self::ResidentCancelled { .. } => "resident_cancelled",
            Self::BackToNormal { .. } => "back_to_normal",
            Self::Silenced { .. } => "silenced",
            Self::SilenceEnded { .. } => "silence_ended",
            Self::Resolved { .. } => "resolved",
            Self::Reopened { .. } => "reopened",
            Self::FollowUpAsked { .. } => "follow_up_asked",
            Self::FollowedUp { .. } => "followed_up",
            Self::Filed { .. } => "filed",
        }
    }

    /// The incident it is about.
    pub fn incident(&self) -> Option<IncidentId> {
        match self {
            Self::HubStarted { .. }
            | Self::HubStopped
            | Self::ClockResumed { .. }
            | Self::PolicyTaken { .. }
            | Self::RosterTaken { .. }
            | Self::RegistryChanged { .. }
            | Self::RegistryBrought { .. }
            | Self::RegistryTaken { .. }
            | Self::NoteKept { .. }
            | Self::Reported { .. }
            | Self::SignalRefused { .. }
            | Self::MessagesMissed { .. }
            | Self::BatteryLevel { .. }
            | Self::PowerSaid { .. }
            | Self::BedEnding { .. }
            | Self::LifePlanTaken { .. }
            | Self::SignOfLife { .. }
            | Self::WindowJudged { .. }
            | Self::WindowMissed { .. }
            | Self::AwaySaid { .. }
            | Self::Delivered { .. }
            | Self::HubTrouble { .. }
            | Self::Found { .. }
            | Self::SegmentsRetired { .. }
            | Self::WorkBegun { .. }
            | Self::WorkEnded { .. }
            | Self::DutyChanged { .. }
            | Self::DutyUndone { .. }
            | Self::PointTested { .. }
            | Self::HeldBack { .. }
            | Self::DeviceSwapped { .. }
            | Self::EndpointGivenUp { .. }
            | Self::BoxReplaced { .. } => None,
            Self::OutcomeHeard { order, .. } => Some(order.incident),
            Self::AnswerHeard { answer, .. } => Some(answer.incident),
            Self::DeadlineCame { incident, .. }
            | Self::Raised { incident, .. }
            | Self::Called { incident, .. }
            | Self::Told { incident, .. }
            | Self::RepeatSet { incident, .. }
            | Self::PressedAgain { incident, .. }
            | Self::Exhausted { incident }
            | Self::ClassChanged { incident, .. }
            | Self::Accepted { incident, .. }
            | Self::SetOut { incident, .. }
            | Self::ArrivalReminded { incident }
            | Self::ArrivalMissed { incident }
            | Self::Declined { incident, .. }
            | Self::Arrived { incident, .. }
            | Self::SceneAsked { incident, .. }
            | Self::SceneHeard { incident, .. }
            | Self::HelpAsked { incident, .. }
            | Self::ResidentCancelled { incident }
            | Self::BackToNormal { incident }
            | Self::Silenced { incident, .. }
            | Self::SilenceEnded { incident }
            | Self::Resolved { incident, .. }
            | Self::Reopened { incident, .. }
            | Self::FollowUpAsked { incident, .. }
            | Self::FollowedUp { incident, .. }
            | Self::Filed { incident } => Some(*incident),
        }
    }

    /// Whether nobody waits for it to be on disk: it may be forced with the next fact that cannot
    /// wait. Losing it repeats a message, never loses one.
    pub fn can_wait(&self) -> bool {
        matches!(self, Self::OutcomeHeard { .. } | Self::Delivered { .. } | Self::Filed { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_is_called_in_logs_what_it_is_called_in_the_journal() {
        let fact = Fact::Exhausted { incident: IncidentId(1) };
        let json = serde_json::to_string(&fact).unwrap();
        assert!(json.starts_with(&format!("{{\"{}\"", fact.name())), "{json}");
        assert_eq!(serde_json::to_string(&Fact::HubStopped).unwrap(), "\"hub_stopped\"");
    }
}
