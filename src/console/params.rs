//! What stands behind the question mark. Nothing of it is passed over: a name that is not known is
//! more likely a mistake than a wish.

use std::ops::RangeInclusive;
use std::str::FromStr;

use super::problem::{Problem, Wrong};

/// The parameters of one request.
#[derive(Debug)]
pub(super) struct Params(Vec<(String, String)>);

impl Params {
    /// Reads them; only those that are known may be there, each once.
    pub(super) fn read(query: Option<&str>, known: &[&str]) -> Result<Self, Problem> {
        let mut params: Vec<(String, String)> = Vec::new();
        for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            if !known.contains(&&*name) {
                let there = match known {
                    [] => "it takes none".to_owned(),
                    known => format!("it takes {}", known.join(", ")),
                };
                return Err(Wrong::BadQuery.because(format!("{name:?} is not taken here: {there}")));
            }
            if params.iter().any(|(there, _)| *there == name) {
                return Err(Wrong::BadQuery.because(format!("{name} is there twice: say it once")));
            }
            params.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(params))
    }

    /// The value of one.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(there, _)| there == name).map(|(_, value)| value.as_str())
    }

    /// A value that is read; `help` says how it is written.
    pub(super) fn of<T>(
        &self,
        name: &str,
        help: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let wrong = || Wrong::BadQuery.because(format!("{name}={value:?}: {help}"));
        read(value).map(Some).ok_or_else(wrong)
    }

    /// A number within a range.
    pub(super) fn number<N>(
        &self,
        name: &str,
        range: RangeInclusive<N>,
    ) -> Result<Option<N>, Problem>
    where
        N: FromStr + PartialOrd + std::fmt::Display,
    {
        let help = format!("a number from {} to {}", range.start(), range.end());
        self.of(name, &help, |value| value.parse().ok().filter(|number| range.contains(number)))
    }

    /// A switch: there or not.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Problem> {
        let read = |value: &str| match value {
            "" | "1" | "true" => Some(true),
            "0" | "false" => Some(false),
            _ => None,
        };
        Ok(self.of(name, "true or false", read)?.unwrap_or(false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_twice_or_out_of_range_is_refused() {
        let read = |query| Params::read(Some(query), &["limit", "all"]);
        assert!(read("limit=1&lmit=2").is_err());
        assert!(read("limit=1&limit=2").is_err());
        let params = read("limit=501&all").unwrap();
        assert!(params.number("limit", 1..=500).is_err());
        assert_eq!(params.number("limit", 1..=501).unwrap(), Some(501));
        assert!(params.flag("all").unwrap());
        assert!(!read("all=false").unwrap().flag("all").unwrap());
        assert!(read("all=perhaps").unwrap().flag("all").is_err());
        assert!(Params::read(None, &[]).unwrap().get("limit").is_none());
    }
}
