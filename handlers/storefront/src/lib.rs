//! The shop window: it turns the warehouse's counts into what a customer needs
//! to know. The count itself does not leave the company.

use serde::{Deserialize, Serialize};
use waystation_sdk::{Context, Event, HandlerError, handler};

const INVENTORY_UPDATED: &str = "com.example.warehouse.inventory-updated.v1";
const AVAILABILITY_CHANGED: &str = "com.example.storefront.availability-changed.v1";

/// So few that the customer is told to hurry.
const FEW: u32 = 5;

#[derive(Deserialize)]
struct InventoryUpdated {
    sku: String,
    /// Pieces on the shelf, reserved ones among them.
    on_hand: u32,
    reserved: u32,
}

#[derive(Serialize)]
struct AvailabilityChanged {
    sku: String,
    availability: Availability,
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Availability {
    SoldOut,
    Few,
    InStock,
}

/// Shows customers what can be bought when the warehouse's inventory changes.
///
/// The updates of one article must be shown in their order, or the window stays
/// at an old count.
#[handler(on = INVENTORY_UPDATED, publishes = AVAILABILITY_CHANGED, order = "key")]
fn storefront(event: Event<InventoryUpdated>, ctx: &mut Context) -> Result<(), HandlerError> {
    let InventoryUpdated {
        sku,
        on_hand,
        reserved,
    } = event.data;
    let change = AvailabilityChanged {
        sku: sku.clone(),
        // More reserved than there is happens while a count is corrected.
        availability: availability(on_hand.saturating_sub(reserved)),
    };
    ctx.publish(AVAILABILITY_CHANGED, &change)?.subject(sku);
    Ok(())
}

fn availability(free: u32) -> Availability {
    match free {
        0 => Availability::SoldOut,
        1..=FEW => Availability::Few,
        _ => Availability::InStock,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use waystation_sdk::testing::{self, Outcome};

    use super::*;

    #[test]
    fn the_window_says_whether_it_can_be_bought_but_not_how_many_there_are() {
        let attempt = testing::deliver::<storefront>(testing::parse(include_str!("../event.json")));
        assert_eq!(attempt.outcome, Outcome::Ack);
        let expected = json!({"sku": "mug-blue", "availability": "few"});
        assert_eq!(attempt.only_draft().decode::<Value>().unwrap(), expected);
        assert_eq!(attempt.only_draft().subject.as_deref(), Some("mug-blue"));
    }

    #[test]
    fn only_what_is_not_reserved_counts() {
        for (on_hand, reserved, expected) in [
            (0, 0, "sold-out"),
            (3, 3, "sold-out"),
            (3, 9, "sold-out"),
            (6, 1, "few"),
            (6, 0, "in-stock"),
        ] {
            let data = json!({"sku": "mug", "on_hand": on_hand, "reserved": reserved});
            let event = testing::event(INVENTORY_UPDATED, &data);
            let change: Value = testing::deliver::<storefront>(event)
                .only_draft()
                .decode()
                .unwrap();
            assert_eq!(change["availability"], expected, "{data}");
        }
    }
}
