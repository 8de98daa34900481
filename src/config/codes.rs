//! Every problem code, once: the word, how grave it is, what it means and what leads to it.
//!
//! People search for a code and scripts match on it, so a code is never renamed and never used for
//! a second thing. The problems of registry rows bring their own codes from the registry.

use super::Severity;

/// One kind of problem.
#[derive(Debug, PartialEq, Eq)]
pub struct Code {
    /// The code in kebab-case.
    pub word: &'static str,
    /// How grave it is.
    pub severity: Severity,
    /// What it means, one fragment.
    pub means: &'static str,
    /// Something that leads to it.
    pub example: &'static str,
}

macro_rules! codes {
    ($($name:ident $severity:ident $word:literal: $means:literal, $example:literal;)*) => {
        $(
            #[doc = $means]
            pub const $name: Code = Code {
                word: $word,
                severity: Severity::$severity,
                means: $means,
                example: $example,
            };
        )*

        /// All codes of this room.
        pub const ALL: &[&Code] = &[$(&$name),*];
    };
}

codes! {
    NO_CONFIG_DIR Problem "no-config-dir": "the config directory cannot be read", "--config /etc/anlnig";
    FILE_MISSING Problem "file-missing": "a file of the config directory is not there", "no ladders.toml";
    FILE_UNREADABLE Problem "file-unreadable": "a file is there and cannot be read", "gateway.toml readable by root only";
    FILE_NOT_UTF8 Problem "file-not-utf8": "a file is not UTF-8", "people.csv saved by a spreadsheet in GBK";
    FILE_TOO_LARGE Problem "file-too-large": "a file is larger than this hub reads", "a film named gateway.toml";
    UNKNOWN_FILE Warning "unknown-file": "a file that nothing reads", "ladder.toml beside ladders.toml";
    REGISTRY_FILE_MISSING Warning "registry-file-missing": "a registry file is not there, so names are not checked against it", "no registry/people.csv";
    TOML_SYNTAX Problem "toml-syntax": "not TOML at this place", "wait = 60s";
    UNKNOWN_KEY Problem "unknown-key": "a key or table that means nothing here", "wiat = \"60s\"";
    KEY_MISSING Problem "key-missing": "a key that must be there is not", "[hub] without id";
    WRONG_TYPE Problem "wrong-type": "a value of the wrong type", "needs = \"two\"";
    BAD_WORD Problem "bad-word": "a word that is not one of a short list", "days = [\"monday\"]";
    BAD_ID Problem "bad-id": "a text that cannot be an id", "id = \"yun jian\"";
    BAD_DURATION Problem "bad-duration": "a duration without a unit or with an unknown one", "wait = \"60\"";
    OUT_OF_RANGE Problem "out-of-range": "a number or duration outside its range", "hazard_repeat = \"5min\"";
    EMPTY_LIST Problem "empty-list": "a list that needs at least one entry has none", "rungs = []";
    EMPTY_TEXT Problem "empty-text": "a text that must say something is empty", "site = \"\"";
    TOO_LONG Problem "too-long": "a text longer than messages and screens can show", "label = \"卫生间里面的紧急呼叫按钮\"";
    TOO_LONG_FOR_THE_RECORD Problem "too-long-for-the-record": "a plan longer than one entry of the record", "hundreds of rules in roster.toml";
    SAID_TWICE Warning "said-twice": "the same entry stands twice in one list", "days = [\"mon\", \"mon\"]";
    NOT_IN_THIS_VERSION Problem "not-in-this-version": "a table that a later version will read", "[siren]";
    POWER_WAY Problem "power-way": "nobody can say what the box runs on", "[power] with a file and a supply";
    BAD_ADDRESS Problem "bad-address": "not an address and a port", "listen = \"1883\"";
    ADDRESS_NOT_LOOPBACK Problem "address-not-loopback": "the console would be open to the network without sign-in", "listen = \"0.0.0.0:7580\"";
    BAD_URL Problem "bad-url": "not an http or https address", "url = \"ftp://10.0.0.9\"";
    URL_NOT_HTTPS Problem "url-not-https": "links in messages would go over the network in clear", "public_url = \"http://call.example\"";
    BAD_SECRET_NAME Problem "bad-secret-name": "a secret's name that cannot be a file name", "secret = \"../key\"";
    SECRET_MISSING Warning "secret-missing": "a named secret is in no credential and no file", "secret = \"press\" and no secrets/press";
    SECRET_MODE Problem "secret-mode": "a secret's file can be read by others or not at all", "secrets/press with mode 0644";
    BAD_NUMBER Problem "bad-number": "not a telephone number of the kind that is asked for", "smsc = \"10086\"";
    BAD_PROGRAM Problem "bad-program": "a program that is not named by its whole path", "power_cycle = [\"modem-power\"]";
    UNKNOWN_MODEM Problem "unknown-modem": "a way to people names a modem that links.toml does not have", "modems = [\"frnot\"]";
    SMS_MODEMS Problem "sms-modems": "[sms] or [voice] names no modem, or more than can be tried in time", "modems = []";
    MODEM_UNUSED Warning "modem-unused": "a modem that nothing is sent over", "[link.modem.front] without [sms] and [voice]";
    WAV_DIR Problem "wav-dir": "not a folder of a modem's own store", "wav_dir = \"/var/lib/wav\"";
    QUIET_BY_VOICE Problem "quiet-by-voice": "a telephone would ring for what can wait", "by = [\"voice\"] of a fault";
    NO_LINK Warning "no-link": "no wire is set up, so no device can be heard", "an empty links.toml";
    REGISTRY_DIFFERS Warning "registry-differs": "the hub's record says otherwise than the file", "a row added after the first start";
    ACCOUNT_REACH Problem "account-reach": "an account must be a device's, a bridge's or the local one", "device and local in one account";
    UNKNOWN_DEVICE Problem "unknown-device": "a device that stands in no registry row", "device = \"B-99\"";
    ACCOUNT_TWICE Warning "account-twice": "two accounts are the same device", "two accounts with device = \"B-14\"";
    DEVICE_WITHOUT_ACCOUNT Warning "device-without-account": "a native device that cannot sign in to the broker", "B-14 in devices.csv and not in links.toml";
    ACCOUNT_FAMILY Warning "account-family": "an account of a device that does not speak the native contract", "an account for a Zigbee button";
    BAD_FILTER Problem "bad-filter": "not an MQTT topic filter", "publish = [\"zigbee2mqtt/#/x\"]";
    FILTER_TOO_WIDE Warning "filter-too-wide": "a bridge may speak in the name of native devices", "publish = [\"#\"]";
    ZIGBEE_NOT_LINKED Warning "zigbee-not-linked": "Zigbee devices are registered and cannot be heard", "no [link.broker.zigbee2mqtt]";
    FAMILY_TOPICS Problem "family-topics": "two families on one broker claim the same topics", "[link.broker.chirpstack] with base_topic = \"zigbee2mqtt\"";
    FAMILY_NOT_LINKED Warning "family-not-linked": "devices of a bridged family are registered and cannot be heard", "no [link.broker.chirpstack]";
    SOURCE_NAMELESS Problem "source-nameless": "a JSON source that does not say which device a message is from", "no device and no + in topic";
    SIGNAL_FORM Problem "signal-form": "a source of signals needs exactly one form", "[signals.canteen] without json or alertmanager";
    BAD_FEEDBACK Problem "bad-feedback": "not the bytes that show how far a call has come", "feedback = { stored = \"FF2\" }";
    BROKER_UNHEARD Problem "broker-unheard": "a broker elsewhere from which nothing would be heard", "native = false without zigbee2mqtt";
    BROKER_TWICE Warning "broker-twice": "two links are the same broker", "two tables with one host and port";
    BROKER_QUEUE Warning "broker-queue": "a broker elsewhere throws messages away while the hub is not there", "max_queued_messages 1000";
    BROKER_FORGETS Warning "broker-forgets": "a broker elsewhere forgets the hub when it ends", "no persistence true";
    BROKER_CONF_UNREAD Warning "broker-conf-unread": "a broker's own settings cannot be read", "mosquitto_conf = \"/nowhere\"";
    CA_WITHOUT_TLS Warning "ca-without-tls": "certificates are named for a connection without TLS", "ca_file without tls = true";
    BAD_PORT_PATH Problem "bad-port-path": "a port that is not named by its whole path", "path = \"ttyUSB0\"";
    UNSTABLE_PORT_NAME Warning "unstable-port-name": "a port's name that changes with the order of plugging in", "path = \"/dev/ttyUSB0\"";
    BAD_BAUD Problem "bad-baud": "a speed that serial devices do not use", "baud = 115000";
    BAD_FRAME Problem "bad-frame": "not the form of a frame on a serial line", "ended_by = \"CR\"";
    BAD_PATTERN Problem "bad-pattern": "not a regular expression that can be used", "pattern = \"(CALL\"";
    PATTERN_NAMELESS Problem "pattern-nameless": "a pattern that does not say which device a line is about", "no group device and no device = \"ward-{channel}\"";
    PORT_TWICE Problem "port-twice": "two lines read the same port", "two [link.serial.NAME] with one path";
    SERIAL_NOT_LINKED Warning "serial-not-linked": "devices on serial lines are registered and cannot be heard", "no [link.serial.NAME]";
    BAD_SERIAL_ADDRESS Problem "bad-serial-address": "an address that no frame of a serial line can carry", "heard_as = A1B2C3";
    BAD_POINT Problem "bad-point": "a point of a panel that cannot be read as it is written", "bit = 3 of a coil";
    POINT_TWICE Problem "point-twice": "two points, or two names of panels, are the same place", "two points at inputs 2 of panel 1";
    BAD_LAMP Problem "bad-lamp": "a lamp that cannot show its point's calls", "lamp = 2 beside the point at coils 2";
    PANEL_UNUSED Warning "panel-unused": "a panel has a name and no point", "[link.modbus.ward.panel.third] with slave = 9";
    POINT_UNREGISTERED Warning "point-unregistered": "a point of a panel that stands in no registry row", "[link.modbus.ward.point.301-bed] and no heard_as = ward/301-bed";
    POINT_UNKNOWN Warning "point-unknown": "a device that is heard under no point of a panel", "heard_as = ward/310-bed";
    ACTIONS_UNUSED Warning "actions-unused": "actions of a type whose contract has none", "actions in a native-mqtt type";
    MODEL_UNKNOWN Warning "model-unknown": "a model that no table knows", "model = \"HS1EBB\"";
    SOS_NOT_LIFE_SAFETY Warning "sos-not-life-safety": "a type calls for help and is not marked life_safety", "actions = { single = \"sos\" }, life_safety = false";
    LIFE_SAFETY_WITHOUT_WORDS Warning "life-safety-without-words": "a life hangs on a bridged type that says nothing of its words", "[type.gas] with family = \"zigbee2mqtt\" and neither model, actions, alarm nor gas_alarm_from";
    WATCHED_SELDOM Warning "watched-seldom": "a life-safety device may be dead for long before anybody knows", "silent_after = \"7d\" with life_safety = true";
    NEVER_TESTED Warning "never-tested": "nothing would ever find a dead device of this type", "silent_after = \"never\" and test_every = \"never\" with life_safety = true";
    NO_LADDER Warning "no-ladder": "an urgent class has no ladder: everybody is called at once", "no [ladder.hazard]";
    BAD_WHO Problem "bad-who": "not line:NAME, person:ID, contact:RELATION or everyone", "who = [\"first\"]";
    UNKNOWN_LINE Problem "unknown-line": "a line that roster.toml does not have", "who = [\"line:frist\"]";
    UNKNOWN_STATION Problem "unknown-station": "a station that gateway.toml does not have", "station hepn in homes.csv";
    NO_CONSENT Warning "no-consent": "a step calls contacts of whom nobody has agreed", "who = [\"contact:neighbour\"] without a neighbour's consent";
    UNKNOWN_PERSON Problem "unknown-person": "a person who stands in no registry row", "people = [\"zhangmn\"]";
    CARRIER_NOT_CONFIGURED Problem "carrier-not-configured": "a way to people that notify.toml does not set up", "by = [\"mail\"] without [mail]";
    RUNG_WITHOUT_WAIT Problem "rung-without-wait": "a step that waits for nobody", "wait = \"0s\"";
    STEP_TOO_LONG Problem "step-too-long": "a step of an urgent ladder waits too long", "wait = \"10min\" for emergency";
    LAP_TOO_LONG Problem "lap-too-long": "calls to everybody come too seldom", "lap = \"20min\" for emergency";
    ARRIVAL_TOO_LATE Problem "arrival-too-late": "an accepted call could lie unattended too long", "arrive = \"2h\"";
    REMIND_AFTER_ARRIVE Problem "remind-after-arrive": "the reminder comes after the call has begun again", "remind = \"20min\", arrive = \"15min\"";
    HAZARD_HAS_STEPS Problem "hazard-has-steps": "a hazard calls everybody at once", "two rungs in [ladder.hazard]";
    NIGHT_NOT_FOR_CLASS Problem "night-not-for-class": "only coverage has other steps at night", "night in [ladder.emergency]";
    BECOMES_QUIETER Problem "becomes-quieter": "a class may only turn into a higher one", "becomes = \"fault\" in welfare";
    URGENT_WAITS_FOR_WORK Problem "urgent-waits-for-work": "an urgent class cannot wait for working hours", "work_hours_only = true for emergency";
    URGENT_NOT_ALL_HANDS Warning "urgent-not-all-hands": "the end of an urgent ladder does not call everybody", "all_hands = false for emergency";
    RUNG_REACHES_NOBODY Problem "rung-reaches-nobody": "nobody in this step can be reached by its carriers", "by = [\"mail\"] and nobody with an email";
    NO_ADDRESS Warning "no-address": "somebody in this step has no address for one of its carriers", "by = [\"mail\"] and wangli has no email";
    NO_LEAD Warning "no-lead": "nobody is named who is told when a call goes wrong", "no [lead]";
    NO_SECOND Warning "no-second": "nobody is named whom repeated presses add", "no [second]";
    NO_CARRIER Warning "no-carrier": "notify.toml sets up no way to people", "an empty notify.toml";
    MAIL_WITHOUT_RELAY Problem "mail-without-relay": "mail without a server to hand it to", "[mail] without [mail.relay.NAME]";
    BAD_MAIL_ADDRESS Problem "bad-mail-address": "not a mail address", "from = \"anling\"";
    LOGIN_HALF Problem "login-half": "a user without a secret, or a secret without a user", "user = \"anling\"";
    PLAIN_MAIL Problem "plain-mail": "mail would leave the box without encryption", "tls = \"none\", host = \"smtp.example\"";
    NAMES_IN_CLEAR Warning "names-in-clear": "names leave the box without encryption", "http:// with names = true";
    SECRET_IN_CLEAR Warning "secret-in-clear": "a secret leaves the box without encryption", "http:// with secret";
    SAME_URL_TWICE Warning "same-url-twice": "two webhooks tell the same address", "two tables with one url";
    PLATFORM_WAY Problem "platform-way": "a platform needs exactly one way to it", "[platform.county] without mqtt or https";
    NAME_TWICE Problem "name-twice": "a webhook and a platform have one name", "[webhook.county] and [platform.county]";
    CERTIFICATE_HALF Problem "certificate-half": "a certificate without its key, or a key without its certificate", "client_cert without client_key";
    BAD_POINTER Problem "bad-pointer": "not a JSON pointer", "pointer = \"code\"";
    PERSON_NOT_DISTRICTS Problem "person-not-districts": "who speaks for a platform is not an operator of the district", "person = \"wangli\" with role staff";
    UNKNOWN_ZONE Problem "unknown-zone": "not a time zone", "zone = \"Asia/Shanghia\"";
    BAD_HOURS Problem "bad-hours": "not hours of the day", "hours = \"8-20\"";
    BAD_DATE Problem "bad-date": "not a date of its year, or two things about one date", "rest = [\"2026-10-32\"]";
    DAYS_AND_DATES Problem "days-and-dates": "a rule's days are of two kinds", "days = [\"workday\", \"sat\"]";
    LINE_WITHOUT_FALLBACK Warning "line-without-fallback": "a gap in this line's rules would call everybody", "[line.first] without fallback";
    HUB_ID_CHANGED Warning "hub-id-changed": "the hub's record is of another hub", "id = \"zs-new\" over the record of zs-yunjian";
    RULE_TWICE Warning "rule-twice": "two rules say the same", "two rules with the same line, days, hours and people";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_is_kebab_case_and_means_one_thing() {
        let words: BTreeSet<&str> = ALL.iter().map(|code| code.word).collect();
        assert_eq!(words.len(), ALL.len(), "a code is used twice");
        for code in ALL {
            let kebab = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(code.word.chars().all(kebab), "{}", code.word);
            assert!(!code.means.is_empty() && !code.example.is_empty(), "{}", code.word);
        }
    }
}
