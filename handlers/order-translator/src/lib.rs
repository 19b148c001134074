//! The border of the order context.
//!
//! Inside, `orders.order-paid` is a domain event: rich, shaped by the order
//! model, free to change with it. What crosses is the integration event
//! `com.example.orders.payment-completed.v1`: a contract with other contexts, as
//! small as they can do with, whose shape never changes under its version.
//!
//! | inside | crosses as |
//! |---|---|
//! | `order.number` | `order_id` |
//! | `lines` and `shipping_cents`, less `discount_cents` | `amount_cents`, their sum |
//! | `order.currency` | `currency` |
//! | `payment.captured_at` | `paid_at` |
//! | the customer, the articles, the means of payment, the risk score | never |

use serde::{Deserialize, Serialize};
use waystation_sdk::{Context, Event, HandlerError, handler};

const ORDER_PAID: &str = "orders.order-paid";
const PAYMENT_COMPLETED: &str = "com.example.orders.payment-completed.v1";

/// The domain event. Only the fields that the translation needs: what is not
/// read cannot leak.
#[derive(Deserialize)]
struct OrderPaid {
    order: Order,
    lines: Vec<Line>,
    #[serde(default)]
    shipping_cents: u64,
    #[serde(default)]
    discount_cents: u64,
    payment: Payment,
}

#[derive(Deserialize)]
struct Order {
    number: String,
    currency: String,
}

#[derive(Deserialize)]
struct Line {
    quantity: u64,
    unit_price_cents: u64,
}

#[derive(Deserialize)]
struct Payment {
    captured_at: String,
}

/// The integration event.
#[derive(Serialize)]
struct PaymentCompleted {
    order_id: String,
    amount_cents: u64,
    currency: String,
    /// RFC 3339.
    paid_at: String,
}

/// Tells other contexts that an order was paid.
#[handler(on = ORDER_PAID, publishes = PAYMENT_COMPLETED)]
fn order_translator(event: Event<OrderPaid>, ctx: &mut Context) -> Result<(), HandlerError> {
    let paid = event.data;
    let amount_cents = amount_cents(&paid)
        .ok_or_else(|| HandlerError::reject("the lines and the discount add up to no amount"))?;
    let completed = PaymentCompleted {
        order_id: paid.order.number.clone(),
        amount_cents,
        currency: paid.order.currency,
        paid_at: paid.payment.captured_at,
    };
    ctx.publish(PAYMENT_COMPLETED, &completed)?
        .subject(paid.order.number);
    Ok(())
}

/// None when the sum does not fit or the discount is more than the sum.
fn amount_cents(paid: &OrderPaid) -> Option<u64> {
    let mut sum = paid.shipping_cents;
    for line in &paid.lines {
        sum = sum.checked_add(line.quantity.checked_mul(line.unit_price_cents)?)?;
    }
    sum.checked_sub(paid.discount_cents)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use waystation_sdk::testing::{self, Outcome};

    use super::*;

    #[test]
    fn exactly_the_contract_crosses_the_border() {
        let event = testing::parse(include_str!("../event.json"));
        let attempt = testing::deliver::<order_translator>(event);
        assert_eq!(attempt.outcome, Outcome::Ack);
        let draft = attempt.only_draft();
        assert_eq!(draft.event_type, PAYMENT_COMPLETED);
        let contract = json!({
            "order_id": "order-4711",
            "amount_cents": 2 * 1290 + 2900 + 490 - 980,
            "currency": "EUR",
            "paid_at": "2026-03-14T09:26:53Z"
        });
        assert_eq!(draft.decode::<Value>().unwrap(), contract);
        assert_eq!(draft.subject.as_deref(), Some("order-4711"));
    }

    #[test]
    fn an_order_that_adds_up_to_no_amount_is_rejected() {
        for (quantity, discount_cents) in [(1, 11), (u64::MAX, 0)] {
            let data = json!({
                "order": {"number": "o", "currency": "EUR"},
                "lines": [{"quantity": quantity, "unit_price_cents": 10}],
                "discount_cents": discount_cents,
                "payment": {"captured_at": "2026-03-14T09:26:53Z"}
            });
            let event = testing::event(ORDER_PAID, &data);
            let reason = "the lines and the discount add up to no amount".to_owned();
            let attempt = testing::deliver::<order_translator>(event);
            assert_eq!(attempt.outcome, Outcome::Reject { reason });
        }
    }
}
