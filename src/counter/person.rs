//! Who is meant: people say names, the record holds ids.
//!
//! An id goes before a name, so that no name somebody is given later can take an id's place. A name
//! counts when exactly one person has it; letters may be of either case. What fits nobody is
//! answered with those who come near, because the one who asks may be in a hurry: a command that
//! only says no sends them to a file.

use crate::registry::Registry;
use crate::terms::PersonId;

/// How many people an answer names; the rest is a number. Own choice: what fits two lines.
const NAMED_MAX: usize = 6;
/// Longest text whose likeness is looked at and that is said back, in characters. Own choice: twice
/// the longest name of a person.
const SAID_MAX_CHARS: usize = 64;

/// The one person meant by an id or a name.
///
/// # Errors
/// One sentence that names who it could be, or who there is.
pub fn person_meant(registry: &Registry, said: &str) -> Result<PersonId, String> {
    let said = said.trim();
    if said.chars().count() > SAID_MAX_CHARS {
        return Err(format!(
            "a name has at most {SAID_MAX_CHARS} characters: give the person's id"
        ));
    }
    if let Some(id) = PersonId::new(said).ok().filter(|id| registry.name_of(id).is_some()) {
        return Ok(id);
    }
    let all = known(registry);
    let is_meant = |one: &Known<'_>| same(one.name, said) || same(one.id.as_str(), said);
    let meant: Vec<Known<'_>> = all.iter().copied().filter(is_meant).collect();
    match meant.as_slice() {
        [one] => Ok(one.id.clone()),
        [] => Err(nobody(&all, said)),
        many => {
            let count = many.len();
            Err(format!("{count} people are called {said}: give the id, {}", list(many, "or")))
        }
    }
}

/// Somebody who may answer: of the house, the district, or a contact.
#[derive(Clone, Copy)]
struct Known<'r> {
    id: &'r PersonId,
    name: &'r str,
}

fn known(registry: &Registry) -> Vec<Known<'_>> {
    let people = registry.people().map(|row| Known { id: &row.id, name: &row.name });
    let contacts = registry.contacts().map(|row| Known { id: &row.id, name: &row.name });
    people.chain(contacts).collect()
}

fn same(known: &str, said: &str) -> bool {
    !said.is_empty() && known.trim().to_lowercase() == said.to_lowercase()
}

/// Those who come near, the nearest first; where nobody does, those who are there.
fn nobody(all: &[Known<'_>], said: &str) -> String {
    let mut near: Vec<(usize, Known<'_>)> =
        all.iter().filter_map(|one| Some((likeness(*one, said)?, *one))).collect();
    near.sort_by_key(|(far, _)| *far);
    let near: Vec<Known<'_>> = near.into_iter().map(|(_, one)| one).collect();
    match (near.is_empty(), all.is_empty()) {
        (false, _) => format!("nobody is called {said}: did you mean {}?", list(&near, "or")),
        (true, false) => format!("nobody is called {said}: there are {}", list(all, "and")),
        (true, true) => format!("nobody is called {said}: nobody is registered, see people.csv"),
    }
}

fn list(people: &[Known<'_>], word: &str) -> String {
    let named = |person: &Known<'_>| match person.name.is_empty() {
        true => person.id.to_string(),
        false => format!("{} ({})", person.id, person.name),
    };
    let mut parts: Vec<String> = people.iter().take(NAMED_MAX).map(named).collect();
    match people.len().saturating_sub(NAMED_MAX) {
        0 => {}
        more => parts.push(format!("{more} more, see people.csv")),
    }
    match parts.split_last() {
        Some((last, first)) if !first.is_empty() => format!("{} {word} {last}", first.join(", ")),
        _ => parts.concat(),
    }
}

/// How far a person's id or name is from what was said; none when it is no likeness at all.
fn likeness(person: Known<'_>, said: &str) -> Option<usize> {
    [person.id.as_str(), person.name].into_iter().filter_map(|word| far(word, said)).min()
}

/// A third of the letters may be wrong, one at least; a beginning of an id or a part of a name is
/// near.
fn far(word: &str, said: &str) -> Option<usize> {
    let (word, said) = (word.to_lowercase(), said.to_lowercase());
    if word.is_empty() || said.is_empty() {
        return None;
    }
    if word.starts_with(&said) || (!said.is_ascii() && word.contains(&said)) {
        return Some(1);
    }
    let wrong = edits(&word, &said);
    let long = word.chars().count().max(said.chars().count());
    (wrong <= (long / 3).max(1) && wrong < long).then_some(wrong)
}

/// Letters to change, add or leave out to make one text the other.
fn edits(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.chars().enumerate() {
        let mut before = row[0];
        row[0] = at + 1;
        for (column, known) in other.iter().enumerate() {
            let changed = before + usize::from(letter != *known);
            before = row[column + 1];
            row[column + 1] = changed.min(before + 1).min(row[column] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::{Change, Person, Role, Row};

    fn house(people: &[(&str, &str)]) -> Registry {
        let mut registry = Registry::default();
        for (id, name) in people {
            registry.apply(&Change::Set(Row::Person(Person {
                id: PersonId::new(id).unwrap(),
                name: (*name).to_owned(),
                role: Role::Staff,
                phone: String::new(),
                email: String::new(),
            })));
        }
        registry
    }

    fn staff() -> Registry {
        house(&[
            ("zhangmin", "张敏"),
            ("wangli", "王丽"),
            ("wangli2", "王丽"),
            ("chenjie", "陈洁"),
            ("mary", "Mary Jones"),
        ])
    }

    fn meant(said: &str) -> Result<String, String> {
        person_meant(&staff(), said).map(|id| id.to_string())
    }

    #[test]
    fn an_id_or_a_name_that_one_person_has_is_that_person() {
        for said in ["zhangmin", "张敏", " 张敏 ", "ZhangMin"] {
            assert_eq!(meant(said), Ok("zhangmin".to_owned()), "{said}");
        }
        assert_eq!(meant("mary jones"), Ok("mary".to_owned()));
        assert_eq!(meant("wangli"), Ok("wangli".to_owned()), "an id, though the name is shared");
    }

    #[test]
    fn a_name_that_two_people_have_lists_their_ids() {
        let told = "2 people are called 王丽: give the id, wangli (王丽) or wangli2 (王丽)";
        assert_eq!(meant("王丽"), Err(told.to_owned()));
    }

    #[test]
    fn an_id_goes_before_the_same_name_of_another() {
        let registry = house(&[("li", "王丽"), ("wang", "li")]);
        assert_eq!(person_meant(&registry, "li").unwrap().as_str(), "li");
    }

    #[test]
    fn a_wrong_name_is_answered_with_those_who_come_near() {
        let told = |said: &str, who: &str| {
            assert_eq!(meant(said), Err(format!("nobody is called {said}: did you mean {who}?")));
        };
        told("zhangmni", "zhangmin (张敏)");
        told("张民", "zhangmin (张敏)");
        told("陈", "chenjie (陈洁)");
        told("wang", "wangli (王丽) or wangli2 (王丽)");
    }

    #[test]
    fn a_name_near_nobody_is_answered_with_who_there_is_and_no_more_than_fits() {
        for said in ["xu", "", "司马相如"] {
            let told = meant(said).unwrap_err();
            assert!(told.contains("there are chenjie (陈洁), mary (Mary Jones), "), "{told}");
        }
        let names: Vec<String> = (0..40).map(|n| format!("p{n:02}")).collect();
        let people: Vec<(&str, &str)> = names.iter().map(|id| (id.as_str(), "")).collect();
        let told = person_meant(&house(&people), "赵").unwrap_err();
        assert!(told.ends_with("p05 and 34 more, see people.csv"), "{told}");
        assert!(meant(&"x".repeat(65)).unwrap_err().contains("at most 64"));
        let none = person_meant(&Registry::default(), "赵").unwrap_err();
        assert!(none.contains("nobody is registered"), "{none}");
    }
}
