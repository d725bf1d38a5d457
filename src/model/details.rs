//! What only one family of locks has.

use std::sync::Arc;

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

/// A value of [`Details`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Detail {
    /// Whether something is so.
    Flag(bool),
    /// A number.
    Number(u64),
    /// A text; make it harmless to print.
    Text(Arc<str>),
    /// What cannot be told: `null` in JSON.
    Unknown,
}

impl From<bool> for Detail {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<u64> for Detail {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<Arc<str>> for Detail {
    fn from(text: Arc<str>) -> Self {
        Self::Text(text)
    }
}

impl PartialEq<bool> for Detail {
    fn eq(&self, flag: &bool) -> bool {
        *self == Self::Flag(*flag)
    }
}

/// Named values, in the order of their names; an object in JSON. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Details(Option<Arc<Vec<(&'static str, Detail)>>>);

impl Details {
    /// The value of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Detail> {
        let entries = self.entries();
        let at = entries.binary_search_by_key(&name, |(name, _)| name).ok()?;
        entries.get(at).map(|(_, value)| value)
    }

    /// Whether there is a value of that name.
    #[must_use]
    pub fn contains_key(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Sets a value.
    pub fn insert(&mut self, name: &'static str, value: Detail) {
        let entries = Arc::make_mut(self.0.get_or_insert_with(|| Arc::new(Vec::with_capacity(4))));
        match entries.binary_search_by_key(&name, |(name, _)| name) {
            Ok(at) => entries[at].1 = value,
            Err(at) => entries.insert(at, (name, value)),
        }
    }

    fn entries(&self) -> &[(&'static str, Detail)] {
        self.0.as_deref().map_or(&[], Vec::as_slice)
    }
}

impl Serialize for Details {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.entries().len()))?;
        for (name, value) in self.entries() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_name_and_printed_in_its_order() {
        let mut details = Details::default();
        assert_eq!(details.get("remote"), None);
        assert_eq!(serde_json::to_string(&details).unwrap(), "{}");
        details.insert("remote", true.into());
        details.insert("device", Detail::Text("fe:00".into()));
        details.insert("inode", 7.into());
        details.insert("remote", false.into());
        details.insert("tries", Detail::Unknown);
        assert!(details.get("remote").is_some_and(|remote| *remote == false));
        assert_eq!(
            serde_json::to_string(&details).unwrap(),
            r#"{"device":"fe:00","inode":7,"remote":false,"tries":null}"#
        );
    }
}
