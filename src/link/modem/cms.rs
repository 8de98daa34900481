//! What a modem's or a network's refusal of a message means for whoever wanted to send it: data, by
//! the numbers of `+CMS ERROR` (3GPP TS 27.005, 3.2.5; causes below 128 are those of 24.011). Pure.
//!
//! Where the field notes differ (21 and 50: "do not retry on this path"), both are right: this SIM may
//! not, another one may. A number that stands nowhere may pass: it is tried again.

/// Why a message was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The network or the modem may take it later.
    Later,
    /// Nobody can be reached under this number.
    Number,
    /// This SIM may not send: another one may.
    Barred,
    /// The SIM or the modem is in no state to send.
    Modem,
    /// The message has a form that is not understood: a fault of the hub.
    Form,
}

/// The numbers, each under what it means.
const MEANING: [(Fault, &[u16]); 5] = [
    (Fault::Later, &[17, 22, 27, 38, 41, 42, 47, 331, 332, 350, 500, 513]),
    (Fault::Number, &[1, 28]),
    (Fault::Barred, &[8, 10, 21, 29, 50, 69]),
    (Fault::Form, &[302, 304, 305]),
    (Fault::Modem, &[310, 311, 312, 313, 314, 315, 316, 317, 318, 321, 322, 330]),
];

impl Fault {
    /// What a number means.
    pub fn of(number: u16) -> Self {
        let known = MEANING.iter().find(|(_, numbers)| numbers.contains(&number));
        known.map_or(Self::Later, |(fault, _)| *fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_the_notes_means_what_they_say() {
        for (fault, numbers) in [
            (Fault::Later, &[17, 22, 27, 38, 41, 42, 47, 331, 332, 500, 513][..]),
            (Fault::Number, &[1, 28]),
            (Fault::Barred, &[8, 10, 21, 29, 50]),
            (Fault::Form, &[304, 305]),
            (Fault::Modem, &[310, 311, 313, 318, 330, 322]),
            (Fault::Later, &[999]),
        ] {
            for number in numbers {
                assert_eq!(Fault::of(*number), fault, "{number}");
            }
        }
        let mut all: Vec<u16> = MEANING.iter().flat_map(|(_, numbers)| numbers.to_vec()).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count, "a number means one thing");
    }
}
