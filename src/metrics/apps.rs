//! The sizes of apps. They are set as a whole, because apps may have been deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

use super::{Families, LABELLED_APPS_MAX, Metrics, OTHER_APPS, set_or_remove};

impl Metrics {
    /// Sets the sizes of all apps, in the order of their numbers: users, conversations, users at a limit, bytes, and when they were
    /// counted. Apps above the maximum are added up, and have the time of the oldest count. The series of deleted apps end.
    pub fn set_app_sizes(&self, sizes: impl IntoIterator<Item = (i64, [u64; 5])>) {
        let mut by_label: BTreeMap<String, [u64; 5]> = BTreeMap::new();
        for (nr, (sdk_app_id, size)) in sizes.into_iter().enumerate() {
            let is_labelled = nr < LABELLED_APPS_MAX;
            let label = if is_labelled { sdk_app_id.to_string() } else { OTHER_APPS.to_owned() };
            by_label
                .entry(label)
                .and_modify(|[users, conversations, users_at_limit, bytes, counted_at]| {
                    *users += size[0];
                    *conversations += size[1];
                    *users_at_limit += size[2];
                    *bytes += size[3];
                    *counted_at = size[4].min(*counted_at);
                })
                .or_insert(size);
        }
        let Families {
            app_users,
            app_conversations,
            app_users_at_limit,
            app_bytes,
            app_counted_timestamp_seconds,
            ..
        } = &self.families;
        let gauges = [
            app_users,
            app_conversations,
            app_users_at_limit,
            app_bytes,
            app_counted_timestamp_seconds,
        ];
        let mut shown = self.sized_apps.lock().unwrap_or_else(PoisonError::into_inner);
        let labels = by_label.keys().cloned().collect();
        let before: BTreeSet<String> = std::mem::replace(&mut *shown, labels);
        for gone in before.difference(&shown) {
            for gauge in gauges {
                set_or_remove(gauge, &[gone], None);
            }
        }
        for (label, size) in &by_label {
            for (gauge, value) in gauges.iter().zip(size) {
                set_or_remove(gauge, &[label], Some(*value));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{LABELLED_APPS_MAX, Observed};
    use super::*;

    fn users(metrics: &Metrics) -> Vec<String> {
        let text = metrics.render(&Observed::default()).unwrap();
        text.lines()
            .filter(|line| line.starts_with("earmark_app_users{"))
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn apps_above_the_maximum_are_added_up_and_deleted_apps_end() {
        let metrics = Metrics::new().unwrap();
        let apps = i64::try_from(LABELLED_APPS_MAX).unwrap() + 2;
        metrics.set_app_sizes((1..=apps).map(|app| (app, [5, 4, 3, 2, app.unsigned_abs()])));
        let shown = users(&metrics);
        assert_eq!(shown.len(), LABELLED_APPS_MAX + 1);
        assert!(shown.contains(&r#"earmark_app_users{app="other"} 10"#.to_owned()), "{shown:?}");
        let text = metrics.render(&Observed::default()).unwrap();
        let oldest = r#"earmark_app_counted_timestamp_seconds{app="other"} 101"#;
        assert!(text.contains(oldest), "{text}");
        metrics.set_app_sizes([(7, [1, 1, 0, 9, 9])]);
        assert_eq!(users(&metrics), [r#"earmark_app_users{app="7"} 1"#]);
    }
}
