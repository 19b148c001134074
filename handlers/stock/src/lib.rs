//! The stock's view of a product: what it weighs and how it is stored. The
//! catalogue context takes the same event and reads other fields of it.

use serde::{Deserialize, Serialize};
use waystation_sdk::{Context, Event, HandlerError, handler};

const PRODUCT_UPDATED: &str = "com.example.products.updated.v1";
const STORAGE_PLANNED: &str = "com.example.stock.storage-planned.v1";

/// Heavier pieces are kept on the floor.
const SHELF_GRAMS_MAX: u32 = 15_000;

#[derive(Deserialize)]
struct ProductUpdated {
    sku: String,
    weight_grams: u32,
    #[serde(default)]
    stackable: bool,
}

#[derive(Serialize)]
struct StoragePlanned {
    sku: String,
    place: Place,
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Place {
    Floor,
    Shelf,
    StackedShelf,
}

/// Plans where in the warehouse a product is kept.
#[handler(on = PRODUCT_UPDATED, publishes = STORAGE_PLANNED, order = "key")]
fn stock(event: Event<ProductUpdated>, ctx: &mut Context) -> Result<(), HandlerError> {
    let ProductUpdated {
        sku,
        weight_grams,
        stackable,
    } = event.data;
    if weight_grams == 0 {
        return Err(HandlerError::reject(
            "weight_grams is 0: the product was not weighed",
        ));
    }
    let plan = StoragePlanned {
        sku: sku.clone(),
        place: place(weight_grams, stackable),
    };
    ctx.publish(STORAGE_PLANNED, &plan)?.subject(sku);
    Ok(())
}

fn place(weight_grams: u32, stackable: bool) -> Place {
    match (weight_grams > SHELF_GRAMS_MAX, stackable) {
        (true, _) => Place::Floor,
        (false, true) => Place::StackedShelf,
        (false, false) => Place::Shelf,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use waystation_sdk::testing::{self, Outcome};

    use super::*;

    #[test]
    fn a_light_product_that_can_be_stacked_is_stacked() {
        let attempt = testing::deliver::<stock>(testing::parse(include_str!("../event.json")));
        assert_eq!(attempt.outcome, Outcome::Ack);
        let expected = json!({"sku": "mug-blue", "place": "stacked-shelf"});
        assert_eq!(attempt.only_draft().decode::<Value>().unwrap(), expected);
    }

    #[test]
    fn weight_decides_first() {
        assert_eq!(place(SHELF_GRAMS_MAX, false), Place::Shelf);
        assert_eq!(place(SHELF_GRAMS_MAX + 1, true), Place::Floor);
    }

    #[test]
    fn a_product_that_was_not_weighed_is_rejected() {
        let data = json!({"sku": "x", "weight_grams": 0});
        let event = testing::event(PRODUCT_UPDATED, &data);
        let reason = "weight_grams is 0: the product was not weighed".to_owned();
        assert_eq!(
            testing::deliver::<stock>(event).outcome,
            Outcome::Reject { reason }
        );
    }
}
