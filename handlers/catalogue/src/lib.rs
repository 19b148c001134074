//! The catalogue's view of a product: what a customer reads and searches. The
//! stock context takes the same event and reads other fields of it.

use serde::{Deserialize, Serialize};
use waystation_sdk::{Context, Event, HandlerError, handler};

const PRODUCT_UPDATED: &str = "com.example.products.updated.v1";
const ENTRY_CHANGED: &str = "com.example.catalogue.entry-changed.v1";

#[derive(Deserialize)]
struct ProductUpdated {
    sku: String,
    title: String,
    description: String,
    price_cents: u64,
    currency: String,
}

#[derive(Serialize)]
struct EntryChanged {
    sku: String,
    title: String,
    description: String,
    /// As it is shown, such as `12.90 EUR`.
    price: String,
}

/// Keeps the searchable catalogue up to date with the products.
#[handler(on = PRODUCT_UPDATED, publishes = ENTRY_CHANGED, order = "key")]
fn catalogue(event: Event<ProductUpdated>, ctx: &mut Context) -> Result<(), HandlerError> {
    let product = event.data;
    if product.title.trim().is_empty() {
        return Err(HandlerError::reject(
            "title is empty: nobody would find the product",
        ));
    }
    let entry = EntryChanged {
        sku: product.sku.clone(),
        title: product.title,
        description: product.description,
        price: price(product.price_cents, &product.currency),
    };
    ctx.publish(ENTRY_CHANGED, &entry)?.subject(product.sku);
    Ok(())
}

fn price(cents: u64, currency: &str) -> String {
    format!("{}.{:02} {currency}", cents / 100, cents % 100)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use waystation_sdk::testing::{self, Outcome};

    use super::*;

    #[test]
    fn an_entry_holds_what_a_customer_reads() {
        let attempt = testing::deliver::<catalogue>(testing::parse(include_str!("../event.json")));
        assert_eq!(attempt.outcome, Outcome::Ack);
        let expected = json!({
            "sku": "mug-blue",
            "title": "Blue mug",
            "description": "Stoneware, 350 ml",
            "price": "12.90 EUR"
        });
        assert_eq!(attempt.only_draft().decode::<Value>().unwrap(), expected);
    }

    #[test]
    fn a_price_has_two_decimals() {
        assert_eq!(price(5, "EUR"), "0.05 EUR");
        assert_eq!(price(120_000, "USD"), "1200.00 USD");
    }

    #[test]
    fn a_product_without_a_title_is_rejected() {
        let data = json!({
            "sku": "x", "title": " ", "description": "", "price_cents": 1, "currency": "EUR"
        });
        let event = testing::event(PRODUCT_UPDATED, &data);
        let reason = "title is empty: nobody would find the product".to_owned();
        assert_eq!(
            testing::deliver::<catalogue>(event).outcome,
            Outcome::Reject { reason }
        );
    }
}
