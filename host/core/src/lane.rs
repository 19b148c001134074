//! The ordering key of a delivery.

use crate::{Event, Order};

/// The key of the lane that a delivery of this event runs in, or none where it
/// runs in any order.
///
/// The key is the extension attribute `partitionkey` of the CloudEvents
/// partitioning extension, else `subject`. An event with neither is alone in
/// its lane.
pub fn lane_of(order: Order, event: &Event) -> Option<&str> {
    match order {
        Order::None => None,
        Order::Key => event
            .extensions
            .get("partitionkey")
            .map(String::as_str)
            .or(event.subject.as_deref()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_partition_key_comes_before_the_subject() {
        let mut event = Event {
            subject: Some("s".into()),
            ..Event::default()
        };
        assert_eq!(lane_of(Order::None, &event), None);
        assert_eq!(lane_of(Order::Key, &event), Some("s"));
        event.extensions.insert("partitionkey".into(), "p".into());
        assert_eq!(lane_of(Order::Key, &event), Some("p"));
        assert_eq!(lane_of(Order::Key, &Event::default()), None);
    }
}
