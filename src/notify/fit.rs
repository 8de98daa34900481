//! Makes a text fit into one short message of [`UNITS_MAX`] UTF-16 units, which is one SMS and what
//! a screen's line and a mail's subject can hold without being cut by somebody else.
//!
//! What is shortened, and in which order, is decided here and nowhere else: first names, to the
//! surname and two stars, then the place, then what is only said aside, then the place again, cut
//! from its front, and in the end how many residents there are besides the first. What a person
//! needs in order to act (the time, what to press, the code) is [`Part::Fixed`] and never touched.

/// Longest short text, in UTF-16 units: one SMS in UCS-2 (3GPP TS 23.040, 140 bytes).
pub const UNITS_MAX: usize = 70;

/// Surnames of two characters that are still met; any other surname is taken to have one.
const LONG_SURNAMES: [&str; 12] = [
    "欧阳", "司马", "上官", "诸葛", "东方", "皇甫", "尉迟", "公孙", "慕容", "令狐", "夏侯", "司徒",
];

/// A piece of a text, by how it may be shortened.
#[derive(Debug, Clone)]
pub(super) enum Part {
    /// Never shortened.
    Fixed(String),
    /// Residents' names, and the age where there is one.
    Residents(Vec<String>, Option<u8>),
    /// One member of staff.
    Person(String),
    /// A place in full and in the shortest form staff use; cut from its front, because the flat
    /// stands at its end.
    Place(String, String),
    /// A name or a note of free length, cut from its end.
    Label(String),
    /// Said only where there is room, left out before a place is cut.
    Aside(String),
}

/// How far the shortening has gone; each step includes the ones before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Whole,
    NamesMasked,
    PlaceShort,
    OneName,
    NoAside,
    Cut(usize),
    /// Nothing is left to cut but how many residents there are besides the first.
    Bare,
}

/// The length of a text in UTF-16 units.
pub fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// As much of a text as fits into so many bytes.
pub(super) fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

/// The parts as one line of at most [`UNITS_MAX`] units, shortened as little as possible. Longer
/// only when the fixed parts alone are longer.
pub(super) fn fit(parts: &[Part]) -> String {
    for step in [Step::Whole, Step::NamesMasked, Step::PlaceShort, Step::OneName, Step::NoAside] {
        let text = render(parts, step);
        if units(&text) <= UNITS_MAX {
            return text;
        }
    }
    for room in (0..UNITS_MAX).rev() {
        let text = render(parts, Step::Cut(room));
        if units(&text) <= UNITS_MAX {
            return text;
        }
    }
    render(parts, Step::Bare)
}

/// The parts as they are, for where there is room.
pub(super) fn whole(parts: &[Part]) -> String {
    render(parts, Step::Whole)
}

fn render(parts: &[Part], step: Step) -> String {
    parts.iter().map(|part| piece(part, step)).collect()
}

fn piece(part: &Part, step: Step) -> String {
    match part {
        Part::Fixed(text) => text.clone(),
        Part::Residents(names, age) => residents(names, *age, step),
        Part::Person(name) if step == Step::Whole => name.clone(),
        Part::Person(name) => masked(name),
        Part::Place(full, short) => match step {
            Step::Whole | Step::NamesMasked => full.clone(),
            Step::PlaceShort | Step::OneName | Step::NoAside => shorter(full, short).to_owned(),
            Step::Cut(room) => tail(shorter(full, short), room),
            Step::Bare => String::new(),
        },
        Part::Label(text) => match step {
            Step::Cut(room) => head(text, room),
            Step::Bare => String::new(),
            _ => text.clone(),
        },
        Part::Aside(text) if step < Step::NoAside => text.clone(),
        Part::Aside(_) => String::new(),
    }
}

fn residents(names: &[String], age: Option<u8>, step: Step) -> String {
    let age = age.map(|years| format!("（{years}岁）")).unwrap_or_default();
    match (names, step) {
        ([], _) => String::new(),
        (names, Step::Whole) => names.join("、") + &age,
        (names, Step::NamesMasked | Step::PlaceShort) => {
            names.iter().map(|name| masked(name)).collect::<Vec<_>>().join("、") + &age
        }
        ([name, ..], Step::Bare) => masked(name),
        ([name], _) => masked(name),
        ([name, ..], _) => format!("{}等{}人", masked(name), names.len().min(99)),
    }
}

/// The surname and two stars.
fn masked(name: &str) -> String {
    let surname = LONG_SURNAMES
        .into_iter()
        .find(|long| name.starts_with(long))
        .map_or_else(|| name.chars().take(1).collect(), str::to_owned);
    if surname.is_empty() { surname } else { surname + "**" }
}

fn shorter<'a>(full: &'a str, short: &'a str) -> &'a str {
    if short.is_empty() || units(short) > units(full) { full } else { short }
}

fn head(text: &str, room: usize) -> String {
    if units(text) <= room {
        return text.to_owned();
    }
    let mut kept = String::new();
    for c in text.chars() {
        if units(&kept) + c.len_utf16() + 1 > room {
            break;
        }
        kept.push(c);
    }
    if room > 0 { kept + "…" } else { kept }
}

fn tail(text: &str, room: usize) -> String {
    if units(text) <= room {
        return text.to_owned();
    }
    let mut start = text.len();
    let mut used = 1;
    for (at, c) in text.char_indices().rev() {
        used += c.len_utf16();
        if used > room {
            break;
        }
        start = at;
    }
    if room > 0 { format!("…{}", &text[start..]) } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(place: &str, short: &str, names: &[&str]) -> String {
        fit(&[
            Part::Fixed("【紧急求助】".into()),
            Part::Place(place.into(), short.into()),
            Part::Residents(names.iter().map(|&n| n.to_owned()).collect(), Some(82)),
            Part::Fixed("16:05按下呼救键。已接警回复1，到场2，完成3。单号A17".into()),
        ])
    }

    #[test]
    fn what_fits_is_left_alone() {
        assert_eq!(
            call("3号楼2单元501", "3-2-501", &["王桂芳"]),
            "【紧急求助】3号楼2单元501王桂芳（82岁）16:05按下呼救键。已接警回复1，到场2，完成3。单号A17"
        );
    }

    #[test]
    fn names_go_first_then_the_place_and_never_the_code() {
        let long = "幸福里社区东区三期北侧的康乐养老公寓3号楼2单元501";
        let masked = call(long, "3-2-501", &["欧阳桂芳兰"]);
        assert!(masked.contains("欧阳**（82岁）") && masked.contains("3-2-501"), "{masked}");
        let cut = call(&long.repeat(3), "", &["王桂芳", "李建国"]);
        assert!(cut.contains("501王**等2人"), "{cut}");
        assert!(cut.contains('…') && cut.ends_with("单号A17"), "{cut}");
        assert!(units(&cut) <= UNITS_MAX && units(&cut) >= UNITS_MAX - 2, "{cut}");
    }

    #[test]
    fn where_nothing_else_can_be_cut_the_number_of_residents_goes() {
        let parts = |fixed: usize| {
            let names = vec!["欧阳桂兰".to_owned(), "王桂芳".to_owned()];
            fit(&[Part::Residents(names, None), Part::Fixed("字".repeat(fixed))])
        };
        assert!(parts(UNITS_MAX - 7).starts_with("欧阳**等2人"));
        assert_eq!(units(&parts(UNITS_MAX - 4)), UNITS_MAX);
        assert!(parts(UNITS_MAX - 4).starts_with("欧阳**字"));
    }

    #[test]
    fn a_rare_character_counts_as_two_and_is_never_split() {
        for room in 0..8 {
            assert!(units(&head("𠀋𠀋𠀋𠀋𠀋", room)) <= room);
            assert!(units(&tail("𠀋𠀋𠀋𠀋𠀋", room)) <= room);
        }
    }
}
