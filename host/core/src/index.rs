//! Who asks for an event, without asking everybody.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::{Event, Filter, TypePattern};

/// Subscribers by the types they ask for.
///
/// A look-up costs one probe for the exact type and one for each dot in it,
/// however many subscribers there are.
#[derive(Clone, Debug)]
pub struct TypeIndex<S> {
    exact: HashMap<String, Vec<(S, Arc<Filter>)>>,
    /// Keys end in a dot.
    prefix: HashMap<String, Vec<(S, Arc<Filter>)>>,
}

impl<S> Default for TypeIndex<S> {
    fn default() -> Self {
        Self {
            exact: HashMap::new(),
            prefix: HashMap::new(),
        }
    }
}

impl<S: Copy + Ord> TypeIndex<S> {
    /// Adds a subscriber with one of its filters.
    pub fn insert(&mut self, subscriber: S, filter: &Filter) {
        // Shared by all its types, each of which counts once.
        let shared = Arc::new(filter.clone());
        for pattern in filter.types.iter().collect::<BTreeSet<_>>() {
            let (map, key) = match pattern {
                TypePattern::Exact(exact) => (&mut self.exact, exact),
                TypePattern::Prefix(prefix) => (&mut self.prefix, prefix),
            };
            map.entry(key.clone())
                .or_default()
                .push((subscriber, shared.clone()));
        }
    }

    /// Takes a subscriber out, with all its filters.
    pub fn remove(&mut self, subscriber: S) {
        for map in [&mut self.exact, &mut self.prefix] {
            map.retain(|_, entries| {
                entries.retain(|(entry, _)| *entry != subscriber);
                !entries.is_empty()
            });
        }
    }

    /// The subscribers that ask for this event, each once, in their order.
    pub fn matches(&self, event: &Event) -> Vec<S> {
        let mut found = Vec::new();
        let mut collect = |entries: Option<&Vec<(S, Arc<Filter>)>>| {
            let matching = entries.into_iter().flatten();
            found.extend(
                matching
                    .filter(|(_, filter)| filter.matches_beyond_type(event))
                    .map(|(s, _)| *s),
            );
        };
        let event_type = event.event_type.as_str();
        collect(self.exact.get(event_type));
        if !self.prefix.is_empty() {
            for (dot, _) in event_type.match_indices('.') {
                collect(
                    event_type
                        .get(..=dot)
                        .and_then(|prefix| self.prefix.get(prefix)),
                );
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(types: &[&str], source: Option<&str>) -> Filter {
        Filter {
            types: types
                .iter()
                .map(|t| TypePattern::try_from((*t).to_owned()).unwrap())
                .collect(),
            source: source.map(str::to_owned),
            subject: None,
        }
    }

    fn event(event_type: &str) -> Event {
        Event {
            event_type: event_type.into(),
            source: "/s".into(),
            ..Event::default()
        }
    }

    #[test]
    fn finds_each_subscriber_once() {
        let mut index = TypeIndex::default();
        index.insert(1, &filter(&["a.b.c", "a.*"], None));
        index.insert(1, &filter(&["a.b.*"], None));
        index.insert(2, &filter(&["a.b.c"], Some("/other")));
        index.insert(3, &filter(&["a.b.c"], Some("/s")));
        assert_eq!(index.matches(&event("a.b.c")), [1, 3]);
        assert_eq!(index.matches(&event("a.x")), [1]);
        assert!(index.matches(&event("a")).is_empty());
        index.remove(1);
        assert_eq!(index.matches(&event("a.b.c")), [3]);
        assert!(index.matches(&event("a.x")).is_empty());
    }

    proptest::proptest! {
        /// The index says what asking every filter would say.
        #[test]
        fn agrees_with_a_scan(
            filters in proptest::collection::vec(("[ab](\\.[ab]){0,3}(\\.\\*)?", proptest::option::of("/[st]")), 0..20),
            event_type in "[ab](\\.[ab]){0,4}",
        ) {
            let filters: Vec<Filter> = filters
                .iter()
                .map(|(pattern, source)| filter(&[pattern], source.as_deref()))
                .collect();
            let mut index = TypeIndex::default();
            for (n, filter) in filters.iter().enumerate() {
                index.insert(n, filter);
            }
            let event = event(&event_type);
            let scan: Vec<usize> = filters
                .iter()
                .enumerate()
                .filter(|(_, filter)| filter.matches(&event))
                .map(|(n, _)| n)
                .collect();
            proptest::prop_assert_eq!(index.matches(&event), scan);
        }
    }
}
