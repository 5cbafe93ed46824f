//! Users between their form and their rows. The form may say anything; rows obey the rules.

use super::form::{self, FieldProblem, PeerType};
use crate::domain::{
    AccountValues, ChatGroup, ChatGroupId, ContactGroup, ContactGroupName, Conversation,
    ConversationState, CustomMark, MarkBit, Numbers, Problem, StandardMark, StoredConversation,
    StoredGroup, StoredUser, UserId,
};
use crate::limits::{ACCOUNT_VALUE_BYTES_MAX, LIMIT_MAX, Limits};
use crate::store::transfer::GoneMember;

impl From<&StoredUser> for form::User {
    fn from(user: &StoredUser) -> Self {
        let numbers = user.numbers;
        Self {
            id: user.user_id.as_str().to_owned(),
            account: user
                .account
                .clone()
                .map(|AccountValues { nick, face_url }| form::Account { nick, face_url }),
            revision: numbers.revision,
            forgotten_revision: numbers.forgotten_revision,
            groups_revision: user.groups_revision,
            next_position: numbers.next_position,
            next_group_id: numbers.next_group_id,
            contact_groups: user.groups.iter().map(form::ContactGroup::from).collect(),
            conversations: user.conversations.iter().map(form::Conversation::from).collect(),
        }
    }
}

impl From<&StoredGroup> for form::ContactGroup {
    fn from(stored: &StoredGroup) -> Self {
        let StoredGroup { group, name_revision } = stored;
        let name = group.name.as_str().to_owned();
        Self { id: group.id, name, rank: group.rank, name_revision: *name_revision }
    }
}

impl From<&StoredConversation> for form::Conversation {
    fn from(row: &StoredConversation) -> Self {
        let StoredConversation { conversation, state, revision } = row;
        Self {
            kind: peer_type(conversation),
            id: conversation.peer_id().to_owned(),
            marks: state.standard.iter().map(MarkBit::number).collect(),
            custom: state.custom.as_str().into(),
            groups: state.group_ids.clone(),
            position: state.position,
            pin_position: state.pin_position,
            holds_place: state.holds_place,
            changed_at: state.changed_at,
            revision: *revision,
        }
    }
}

impl From<&GoneMember> for form::Gone {
    fn from(gone: &GoneMember) -> Self {
        Self {
            kind: peer_type(&gone.member),
            id: gone.member.peer_id().to_owned(),
            is_gone: gone.is_gone,
            directory_revision: gone.directory_revision,
        }
    }
}

impl From<&ChatGroup> for form::ChatGroup {
    fn from(group: &ChatGroup) -> Self {
        Self {
            id: group.id.as_str().to_owned(),
            group_type: group.group_type.name().to_owned(),
            name: group.name.clone(),
        }
    }
}

pub(super) fn peer_type(conversation: &Conversation) -> PeerType {
    match conversation {
        Conversation::OneToOne(_) => PeerType::User,
        Conversation::Group(_) => PeerType::Group,
    }
}

/// Problems of a line that are named one by one.
const NAMED_MAX: usize = 20;

/// What does not fit in a line. It is collected, so that one run names it all.
#[derive(Default)]
struct Problems {
    named: Vec<FieldProblem>,
    count: usize,
}

impl Problems {
    fn add(&mut self, field: impl Into<String>, reason: impl Into<String>) {
        self.count += 1;
        if self.count <= NAMED_MAX {
            self.named.push(FieldProblem::new(field, reason));
        }
    }

    fn check(&mut self, is_fit: bool, field: impl Into<String>, reason: impl Into<String>) {
        if !is_fit {
            self.add(field, reason);
        }
    }

    fn take<T>(&mut self, field: impl Into<String>, parsed: Result<T, Problem>) -> Option<T> {
        parsed.map_err(|problem| self.add(field, problem.to_string())).ok()
    }

    fn or<T>(mut self, value: Option<T>) -> Result<T, Vec<FieldProblem>> {
        let more = self.count - self.named.len();
        if more > 0 {
            self.named.push(FieldProblem::new("", format!("and {more} more problems")));
        }
        match value {
            Some(value) if self.count == 0 => Ok(value),
            _ => Err(self.named),
        }
    }
}

fn conversation(kind: PeerType, id: &str, limits: &Limits) -> Result<Conversation, Problem> {
    match kind {
        PeerType::User => UserId::parse(id, limits.user_id_bytes).map(Conversation::OneToOne),
        PeerType::Group => {
            ChatGroupId::parse(id, limits.chat_group_id_bytes).map(Conversation::Group)
        }
    }
}

impl form::Gone {
    pub(super) fn checked(&self, limits: &Limits) -> Result<GoneMember, Vec<FieldProblem>> {
        let mut problems = Problems::default();
        let member = problems.take("id", conversation(self.kind, &self.id, limits));
        let revision = self.directory_revision;
        let is_fit = i64::try_from(revision).is_ok_and(|it| it > 0);
        problems.check(is_fit, "directory_revision", "must be a positive 64-bit integer");
        let is_gone = self.is_gone;
        problems.or(member.map(|member| GoneMember {
            member,
            is_gone,
            directory_revision: revision,
        }))
    }
}

impl form::ChatGroup {
    pub(super) fn checked(&self, limits: &Limits) -> Result<ChatGroup, Vec<FieldProblem>> {
        let mut problems = Problems::default();
        let id = ChatGroupId::parse(self.id.as_str(), limits.chat_group_id_bytes);
        let id = problems.take("id", id);
        let group_type = problems.take("type", self.group_type.parse());
        let name = problems.take("name", ChatGroup::check_name(&self.name));
        let group = id.zip(group_type).zip(name);
        problems.or(group.map(|((id, group_type), name)| ChatGroup { id, group_type, name }))
    }
}

impl form::User {
    /// The user's rows, if all of them fit. The caps are checked later, since they do not count what is gone.
    pub(super) fn checked(self, limits: &Limits) -> Result<StoredUser, Vec<FieldProblem>> {
        let mut problems = Problems::default();
        let user_id = problems.take("id", UserId::parse(self.id.as_str(), limits.user_id_bytes));
        self.check_account(&mut problems);
        self.check_numbers(&mut problems);
        let Some(groups) = self.checked_groups(limits, &mut problems) else {
            return problems.or(None);
        };
        let conversations = self.checked_conversations(limits, &mut problems);
        let account = self.account;
        let account =
            account.map(|form::Account { nick, face_url }| AccountValues { nick, face_url });
        let user = user_id.map(|user_id| StoredUser {
            user_id,
            account,
            numbers: Numbers {
                revision: self.revision,
                forgotten_revision: self.forgotten_revision,
                next_position: self.next_position,
                next_group_id: self.next_group_id,
                ..Numbers::default()
            },
            groups_revision: self.groups_revision,
            groups,
            conversations,
        });
        problems.or(user)
    }

    fn check_account(&self, problems: &mut Problems) {
        let Some(form::Account { nick, face_url }) = &self.account else { return };
        for (field, value) in [("account.nick", nick), ("account.face_url", face_url)] {
            let Some(value) = value else { continue };
            problems.check(
                value.len() <= ACCOUNT_VALUE_BYTES_MAX && !value.contains('\0'),
                field,
                format!(
                    "must be at most {ACCOUNT_VALUE_BYTES_MAX} bytes of UTF-8 without NUL, got {}",
                    value.len()
                ),
            );
        }
    }

    fn check_numbers(&self, problems: &mut Problems) {
        let revision = self.revision;
        problems.check(
            i64::try_from(revision).is_ok_and(|it| it < i64::MAX - 1),
            "revision",
            "must be a 64-bit integer",
        );
        let has_state = !self.contact_groups.is_empty() || !self.conversations.is_empty();
        problems.check(revision > 0 || !has_state, "revision", "must not be 0: there is state");
        let not_beyond = format!("must not be beyond the user's revision, {revision}");
        for (field, value) in [
            ("forgotten_revision", self.forgotten_revision),
            ("groups_revision", self.groups_revision),
        ] {
            problems.check(value <= revision, field, not_beyond.as_str());
        }
        for (field, value) in
            [("next_position", self.next_position), ("next_group_id", self.next_group_id)]
        {
            let is_fit = (1..=LIMIT_MAX).contains(&value);
            problems.check(is_fit, field, format!("must be 1 to {LIMIT_MAX}"));
        }
    }

    /// `None`: there are too many to look at each.
    fn checked_groups(&self, limits: &Limits, problems: &mut Problems) -> Option<Vec<StoredGroup>> {
        let most = usize::try_from(limits.groups).unwrap_or(usize::MAX);
        let (length, all) = (self.contact_groups.len(), &self.contact_groups);
        if length > most {
            let reason = format!("must be at most {most} (limit `groups`), got {length}");
            problems.add("contact_groups", reason);
            return None;
        }
        let mut stored: Vec<StoredGroup> = Vec::with_capacity(length);
        for (nr, group) in all.iter().enumerate() {
            let at = |field: &str| format!("contact_groups[{nr}].{field}");
            let is_next = all.get(nr.wrapping_sub(1)).is_none_or(|before| before.id < group.id);
            let is_fit = is_next && (1..self.next_group_id).contains(&group.id);
            problems.check(
                is_fit,
                at("id"),
                format!("must grow from 1 and be below next_group_id, {}", self.next_group_id),
            );
            let is_once = !all[..nr].iter().any(|other| other.name == group.name);
            problems.check(is_once, at("name"), "must not be the name of another contact group");
            let rank_fits = group.rank.is_none_or(|rank| (1..=LIMIT_MAX).contains(&rank));
            problems.check(rank_fits, at("rank"), format!("must be 1 to {LIMIT_MAX}"));
            let is_fit = group.name_revision <= self.revision;
            let reason = format!("must not be beyond the user's revision, {}", self.revision);
            problems.check(is_fit, at("name_revision"), reason);
            let name = problems.take(at("name"), ContactGroupName::parse(&group.name));
            let Some(name) = name else { continue };
            problems.check(
                name.fits(limits.group_name_bytes),
                at("name"),
                format!(
                    "must be 1 to {} bytes of UTF-8 (limit `group-name-bytes`), got {}",
                    limits.group_name_bytes,
                    group.name.len()
                ),
            );
            let group = ContactGroup { id: group.id, name, rank: group.rank };
            stored.push(StoredGroup { group, name_revision: all[nr].name_revision });
        }
        Some(stored)
    }

    fn checked_conversations(
        &self,
        limits: &Limits,
        problems: &mut Problems,
    ) -> Vec<StoredConversation> {
        let mut stored: Vec<StoredConversation> = Vec::with_capacity(self.conversations.len());
        for (nr, conversation) in self.conversations.iter().enumerate() {
            let before = problems.count;
            let row = self.checked_conversation(nr, conversation, limits, problems);
            let Some(row) = row.filter(|_| problems.count == before) else { continue };
            if stored.last().is_some_and(|last| last.conversation >= row.conversation) {
                let reason = "must come after the one before: user before group, then by id";
                problems.add(format!("conversations[{nr}].id"), reason);
            }
            stored.push(row);
        }
        for (field, of) in [
            ("position", (|state| state.position) as fn(&ConversationState) -> Option<u32>),
            ("pin_position", |state| state.pin_position),
        ] {
            let mut taken: Vec<_> = stored.iter().filter_map(|row| of(&row.state)).collect();
            taken.sort_unstable();
            let twice = taken.iter().zip(taken.iter().skip(1)).find(|(one, next)| one == next);
            if let Some((twice, _)) = twice {
                let reason = format!("{field} {twice} stands at two of them");
                problems.add("conversations", reason);
            }
        }
        stored
    }

    fn checked_conversation(
        &self,
        nr: usize,
        form: &form::Conversation,
        limits: &Limits,
        problems: &mut Problems,
    ) -> Option<StoredConversation> {
        let at = |field: &str| format!("conversations[{nr}].{field}");
        let conversation = problems.take(at("id"), conversation(form.kind, &form.id, limits));
        let custom = CustomMark::parse(form.custom.clone(), limits.custom_mark_bytes);
        let custom = problems.take(at("custom"), custom);
        let bits = form.marks.iter().map(|bit| MarkBit::parse((*bit).into()));
        let bits = problems.take(at("marks"), bits.collect::<Result<StandardMark, _>>());
        let state = ConversationState {
            standard: bits?,
            custom: custom?,
            holds_place: form.holds_place,
            group_ids: form.groups.clone(),
            position: form.position,
            pin_position: form.pin_position,
            changed_at: form.changed_at,
        };
        problems.check(
            state.standard.iter().map(MarkBit::number).eq(form.marks.iter().copied()),
            at("marks"),
            "must be bits, lowest first",
        );
        let is_known = |id: &u32| self.contact_groups.iter().any(|group| group.id == *id);
        problems.check(
            form.groups.is_sorted_by(|a, b| a < b) && form.groups.iter().all(is_known),
            at("groups"),
            "must be ids of the user's contact_groups, lowest first",
        );
        self.check_positions(&state, &at, problems);
        let is_fit = i64::try_from(form.changed_at).is_ok();
        problems.check(is_fit, at("changed_at"), "must be Unix seconds");
        let revisions =
            if state.is_empty() { self.forgotten_revision.saturating_add(1) } else { 0 };
        problems.check(
            (revisions..=self.revision).contains(&form.revision),
            at("revision"),
            format!("must be {revisions} to {}", self.revision),
        );
        Some(StoredConversation { conversation: conversation?, state, revision: form.revision })
    }

    fn check_positions(
        &self,
        state: &ConversationState,
        at: &impl Fn(&str) -> String,
        problems: &mut Problems,
    ) {
        problems.check(
            state.holds_place || !state.is_marked(),
            at("holds_place"),
            "must be true: the conversation is marked",
        );
        problems.check(
            state.position.is_some() || !(state.holds_place || state.is_grouped()),
            at("position"),
            "must be there: the conversation was marked or is in a contact group",
        );
        for (field, value) in [("position", state.position), ("pin_position", state.pin_position)] {
            problems.check(
                value.is_none_or(|value| (1..self.next_position).contains(&value)),
                at(field),
                format!("must be at least 1 and below next_position, {}", self.next_position),
            );
        }
    }
}
