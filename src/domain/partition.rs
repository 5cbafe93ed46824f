//! Which partition a user belongs to.

use sha2::{Digest, Sha256};

use super::UserKey;

/// Partitions that a database may have.
pub const PARTITIONS_MAX: u16 = 1024;

/// The partition of a user, from 0 to `count - 1`: the first 32 bits of the SHA-256 of `SDKAPPID/UserID`, modulo `count`.
///
/// Rows are where this function has put them, so it must never change. `docs/partition-hash.csv` has test vectors. `store::verify`
/// computes the same in SQL.
#[must_use]
pub fn partition_of(key: &UserKey, count: u16) -> u16 {
    if count <= 1 {
        return 0;
    }
    let UserKey { sdk_app_id, user_id } = key;
    let digest = Sha256::digest(format!("{sdk_app_id}/{}", user_id.as_str()));
    let [a, b, c, d, ..] = digest.0;
    let number = u32::from_be_bytes([a, b, c, d]) % u32::from(count);
    u16::try_from(number).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{SdkAppId, UserId};

    #[test]
    fn the_hash_is_that_of_the_test_vectors() {
        let vectors = include_str!("../../docs/partition-hash.csv");
        let mut lines = vectors.lines();
        assert_eq!(lines.next(), Some("sdkappid,user_id,of_4,of_16,of_1024"));
        let mut count = 0;
        for line in lines {
            let fields: Vec<_> = line.split(',').collect();
            let [app, user_id, expected @ ..] = fields.as_slice() else { panic!("{line}") };
            let key = UserKey {
                sdk_app_id: app.parse::<SdkAppId>().unwrap(),
                user_id: UserId::parse(*user_id, u32::MAX).unwrap(),
            };
            let found = [4, 16, 1024].map(|count| partition_of(&key, count).to_string());
            assert_eq!(found.as_slice(), expected, "{line}");
            assert_eq!(partition_of(&key, 1), 0);
            count += 1;
        }
        assert!(count >= 10);
    }
}
