//! Group bots and push servers as the desk sees them: what they are opened with, and how each stands.

use std::collections::BTreeMap;

use super::Desk;
use crate::clock::Clock;
use crate::config::Secrets;
use crate::config::settings::{self, BotForm};
use crate::counter::BotView;
use crate::incident::Carrier;
use crate::notify::group::{BotSettings, Form, Moment};
use crate::terms::Secret;

/// Bots with their secrets; a group of which one bot's secret is missing stays out.
pub(super) fn all(
    notify: &settings::Notify,
    secrets: &Secrets,
) -> BTreeMap<Carrier, Result<Vec<BotSettings>, String>> {
    let of_one = |(carrier, bots): (&Carrier, &Vec<settings::Bot>)| {
        (*carrier, bots.iter().map(|bot| one(bot, secrets)).collect())
    };
    notify.bots.iter().map(of_one).collect()
}

fn one(bot: &settings::Bot, secrets: &Secrets) -> Result<BotSettings, String> {
    let find = |name: &String| secrets.find(name).map_err(|why| why.to_string());
    let may = |name: &Option<String>| -> Result<Option<Secret>, String> {
        name.as_ref().map(find).transpose()
    };
    let form = match &bot.form {
        BotForm::Wecom { key } => Form::Wecom { key: find(key)? },
        BotForm::Dingtalk { token, sign, keyword } => {
            Form::Dingtalk { token: find(token)?, sign: may(sign)?, keyword: keyword.clone() }
        }
        BotForm::Feishu { token, sign, keyword } => {
            Form::Feishu { token: find(token)?, sign: may(sign)?, keyword: keyword.clone() }
        }
        BotForm::Ntfy { topic, token } => Form::Ntfy { topic: topic.clone(), token: may(token)? },
        BotForm::Gotify { token } => Form::Gotify { token: find(token)? },
        BotForm::Bark { device_keys } => {
            Form::Bark { device_keys: device_keys.iter().map(find).collect::<Result<_, _>>()? }
        }
    };
    Ok(BotSettings {
        name: bot.name.clone(),
        url: bot.url.clone(),
        form,
        names: bot.names,
        time_limit: bot.time_limit,
        ca_file: bot.ca_file.clone(),
    })
}

/// What the clock says now.
pub(super) fn moment(clock: &Clock) -> Moment {
    let wall = clock.wall();
    Moment { at: clock.now(), wall: wall.wall, trusted: wall.trusted }
}

impl Desk {
    /// How the bots of a carrier stand.
    pub(super) fn bot_views(&self, carrier: Carrier) -> Vec<BotView> {
        let standings = self.wires.ways_out.standings().list();
        let of_it = standings.into_iter().filter(|standing| standing.carrier == carrier);
        let view = |standing: crate::notify::group::Standing| BotView {
            name: standing.name,
            last_handed_over: standing.last,
            trouble: standing.trouble,
        };
        of_it.map(view).collect()
    }
}
