//! Hours that come back every day, as moments of the site's civil time.

use super::civil;
use super::{Hours, Roster};
use crate::terms::Wall;

impl Roster {
    /// The stretch of these hours that holds a moment, from its first moment to the first one after;
    /// none where none does, or where the zone is not known.
    pub fn daily_at(&self, hours: Hours, wall: Wall) -> Option<(Wall, Wall)> {
        self.daily(hours, wall, |stretch, at| stretch.holds(at))
    }

    /// The newest stretch of these hours that was over at a moment.
    pub fn daily_before(&self, hours: Hours, wall: Wall) -> Option<(Wall, Wall)> {
        self.daily(hours, wall, |stretch, at| stretch.to <= at)
    }

    fn daily(
        &self,
        hours: Hours,
        wall: Wall,
        fits: impl Fn(civil::Stretch, jiff::Timestamp) -> bool,
    ) -> Option<(Wall, Wall)> {
        let (zone, at) = (civil::zone(&self.zone)?, civil::moment(wall)?);
        let stretches = civil::days_around(&zone, at)
            .filter_map(|day| civil::stretch(&zone, day, hours))
            .filter(|stretch| fits(*stretch, at));
        let newest = stretches.max_by_key(|stretch| stretch.to)?;
        Some((civil::wall(newest.from), civil::wall(newest.to)))
    }
}
