//! In what two users differ.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use super::form::{Account, Conversation, PeerType, User};

/// What makes no difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Ignored {
    /// When conversations were changed.
    Times,
    /// The order of conversations, pins and contact groups.
    Order,
    /// The ids of contact groups; their names count.
    Ids,
    /// Revisions and counters, which only readers of changes see.
    Revisions,
}

/// Nick and face URL count only where both sides know them.
pub(super) fn account_differences(
    first: Option<&Account>,
    second: Option<&Account>,
) -> Vec<String> {
    match (first, second) {
        (None, None) => Vec::new(),
        (Some(_), None) => vec!["has an account only in the first".to_owned()],
        (None, Some(_)) => vec!["has an account only in the second".to_owned()],
        (Some(first), Some(second)) => {
            let mut found = Vec::new();
            for (field, one, other) in [
                ("nick", &first.nick, &second.nick),
                ("face_url", &first.face_url, &second.face_url),
            ] {
                if let (Some(one), Some(other)) = (one, other) {
                    compare(&mut found, field, one, other);
                }
            }
            found
        }
    }
}

fn compare<T: PartialEq + Debug>(found: &mut Vec<String>, what: &str, first: &T, second: &T) {
    if first != second {
        found.push(format!("{what}: {first:?} and {second:?}"));
    }
}

/// In what the states of two users differ.
pub(super) fn user_differences(first: &User, second: &User, ignored: &[Ignored]) -> Vec<String> {
    let mut found = Vec::new();
    compare_groups(&mut found, first, second, ignored);
    let (one, other) = (shown(first), shown(second));
    for (key, conversation) in &one {
        match other.get(key) {
            None => found.push(format!("{} is only in the first", named(key))),
            Some(same) => {
                let users = (first, second);
                compare_conversations(
                    &mut found,
                    &named(key),
                    users,
                    (conversation, same),
                    ignored,
                );
            }
        }
    }
    let only_second = other.keys().filter(|key| !one.contains_key(*key));
    found.extend(only_second.map(|key| format!("{} is only in the second", named(key))));
    if !ignored.contains(&Ignored::Order) {
        for (what, place) in [
            ("conversations", (|row| row.position) as fn(&Conversation) -> Option<u32>),
            ("pins", |row| row.pin_position),
        ] {
            if in_order(&one, &other, place) != in_order(&other, &one, place) {
                found.push(format!("the order of {what}"));
            }
        }
    }
    if found.is_empty() && !ignored.contains(&Ignored::Revisions) && first != second {
        let is_same =
            User { account: None, ..first.clone() } == User { account: None, ..second.clone() };
        if !is_same {
            found.push("revisions or counters".to_owned());
        }
    }
    found
}

type Key<'u> = (PeerType, &'u str);

fn named((kind, id): &Key<'_>) -> String {
    match kind {
        PeerType::User => format!("conversation with user {id:?}"),
        PeerType::Group => format!("conversation in chat group {id:?}"),
    }
}

/// The conversations that are not empty.
fn shown(user: &User) -> BTreeMap<Key<'_>, &Conversation> {
    let is_shown = |row: &&Conversation| {
        !row.marks.is_empty()
            || !row.custom.is_empty()
            || !row.groups.is_empty()
            || row.pin_position.is_some()
    };
    let rows = user.conversations.iter().filter(is_shown);
    rows.map(|row| ((row.kind, row.id.as_str()), row)).collect()
}

/// The keys that both sides have, by place.
fn in_order<'u>(
    side: &BTreeMap<Key<'u>, &Conversation>,
    other: &BTreeMap<Key<'u>, &Conversation>,
    place: fn(&Conversation) -> Option<u32>,
) -> Vec<Key<'u>> {
    let has_place = |key: &Key<'u>| other.get(key).is_some_and(|row| place(row).is_some());
    let rows = side.iter().filter(|(key, _)| has_place(key));
    let mut places: Vec<_> = rows.filter_map(|(key, row)| Some((place(row)?, *key))).collect();
    places.sort_unstable();
    places.into_iter().map(|(_, key)| key).collect()
}

fn compare_conversations(
    found: &mut Vec<String>,
    about: &str,
    (first_user, second_user): (&User, &User),
    (first, second): (&Conversation, &Conversation),
    ignored: &[Ignored],
) {
    compare(found, &format!("{about}, marks"), &first.marks, &second.marks);
    compare(found, &format!("{about}, custom"), &first.custom, &second.custom);
    let names = |user: &User, row: &Conversation| -> BTreeSet<String> {
        let name = |id: &u32| {
            let group = user.contact_groups.iter().find(|group| group.id == *id);
            group.map(|group| group.name.clone())
        };
        row.groups.iter().filter_map(name).collect()
    };
    let groups = (names(first_user, first), names(second_user, second));
    compare(found, &format!("{about}, groups"), &groups.0, &groups.1);
    let pinned = (first.pin_position.is_some(), second.pin_position.is_some());
    compare(found, &format!("{about}, pinned"), &pinned.0, &pinned.1);
    if !ignored.contains(&Ignored::Times) {
        compare(found, &format!("{about}, changed_at"), &first.changed_at, &second.changed_at);
    }
}

fn compare_groups(found: &mut Vec<String>, first: &User, second: &User, ignored: &[Ignored]) {
    let by_name = |user: &User| -> BTreeMap<String, u32> {
        let groups = user.contact_groups.iter();
        groups.map(|group| (group.name.clone(), group.id)).collect()
    };
    let (one, other) = (by_name(first), by_name(second));
    for (name, id) in &one {
        match other.get(name) {
            None => found.push(format!("contact group {name:?} is only in the first")),
            Some(same) if !ignored.contains(&Ignored::Ids) => {
                compare(found, &format!("contact group {name:?}, id"), id, same);
            }
            Some(_) => {}
        }
    }
    let only_second = other.keys().filter(|name| !one.contains_key(*name));
    found.extend(only_second.map(|name| format!("contact group {name:?} is only in the second")));
    let order = |user: &User, other: &BTreeMap<String, u32>| -> Vec<String> {
        let mut groups: Vec<_> = user
            .contact_groups
            .iter()
            .filter(|group| other.contains_key(&group.name))
            .map(|group| (group.rank.unwrap_or(u32::MAX), group.id, group.name.clone()))
            .collect();
        groups.sort_unstable();
        groups.into_iter().map(|(.., name)| name).collect()
    };
    if !ignored.contains(&Ignored::Order) && order(first, &other) != order(second, &one) {
        found.push("the order of contact groups".to_owned());
    }
}
