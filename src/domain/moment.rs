//! When a user's state was read.

/// Two reads of a user at the same moment show the same state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The epoch of the database. Revisions of different epochs cannot be compared.
    pub epoch: u64,
    /// The app's: it grows when a user or a chat group is deleted or comes back.
    pub directory_revision: u64,
    /// The user's: it grows with each change of the user's state.
    pub revision: u64,
}

impl Moment {
    /// Whether a client that has the state of `since` can be told what has changed until this moment. `forgotten_revision` is
    /// the user's at this moment.
    #[must_use]
    pub fn knows(self, since: Self, forgotten_revision: u64) -> bool {
        since.epoch == self.epoch
            && since.directory_revision <= self.directory_revision
            && (forgotten_revision..=self.revision).contains(&since.revision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_of_another_epoch_from_the_future_or_before_forgotten_changes_is_not_known() {
        let now = Moment { epoch: 2, directory_revision: 5, revision: 9 };
        let known = |since| now.knows(since, 7);
        for revision in 7..=9 {
            assert!(known(Moment { revision, ..now }));
        }
        assert!(known(Moment { directory_revision: 0, ..now }));
        for since in [
            Moment { revision: 6, ..now },
            Moment { revision: 10, ..now },
            Moment { directory_revision: 6, ..now },
            Moment { epoch: 1, ..now },
            Moment { epoch: 3, ..now },
        ] {
            assert!(!known(since), "{since:?}");
        }
    }
}
