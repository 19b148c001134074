//! The shipping context's answer to a payment: it asks the carrier for a
//! shipment. It knows of an order what its contract with the order context says,
//! and no more.

use serde::{Deserialize, Serialize};
use waystation_sdk::{Context, Event, HandlerError, handler, tracing};

const PAYMENT_COMPLETED: &str = "com.example.orders.payment-completed.v1";
const SHIPMENT_REQUESTED: &str = "com.example.shipping.shipment-requested.v1";

#[derive(Deserialize)]
struct PaymentCompleted {
    order_id: String,
    amount_cents: u64,
    currency: String,
    paid_at: String,
}

#[derive(Serialize)]
struct ShipmentRequested {
    order_id: String,
    /// The value that the carrier insures.
    insured_cents: u64,
    currency: String,
    /// When the customer paid: the promised delivery counts from here.
    paid_at: String,
}

/// Asks for a shipment when an order is paid.
#[handler(on = PAYMENT_COMPLETED, publishes = SHIPMENT_REQUESTED)]
fn shipping(event: Event<PaymentCompleted>, ctx: &mut Context) -> Result<(), HandlerError> {
    let payment = event.data;
    if payment.amount_cents == 0 {
        return Err(HandlerError::reject("amount_cents is 0: nothing was paid"));
    }
    tracing::info!(order = payment.order_id, "asking for a shipment");
    let order_id = payment.order_id.clone();
    let shipment = ShipmentRequested {
        order_id: payment.order_id,
        insured_cents: payment.amount_cents,
        currency: payment.currency,
        paid_at: payment.paid_at,
    };
    ctx.publish(SHIPMENT_REQUESTED, &shipment)?
        .subject(order_id);
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use waystation_sdk::testing::{self, Outcome};

    use super::*;

    #[test]
    fn a_paid_order_is_shipped() {
        let attempt = testing::deliver::<shipping>(testing::parse(include_str!("../event.json")));
        assert_eq!(attempt.outcome, Outcome::Ack);
        let draft = attempt.only_draft();
        assert_eq!(draft.event_type, SHIPMENT_REQUESTED);
        assert_eq!(draft.subject.as_deref(), Some("order-4711"));
        let expected = json!({
            "order_id": "order-4711",
            "insured_cents": 4990,
            "currency": "EUR",
            "paid_at": "2026-03-14T09:26:53Z"
        });
        assert_eq!(draft.decode::<Value>().unwrap(), expected);
    }

    #[test]
    fn what_is_no_payment_is_rejected() {
        for (data, reason) in [
            (
                json!({"order_id": "o", "amount_cents": 0, "currency": "EUR", "paid_at": "2026-03-14T09:26:53Z"}),
                "amount_cents is 0: nothing was paid",
            ),
            (
                json!({"order_id": "o"}),
                "data: missing field `amount_cents` (line 1 column 16)",
            ),
        ] {
            let attempt = testing::deliver::<shipping>(testing::event(PAYMENT_COMPLETED, &data));
            assert_eq!(
                attempt.outcome,
                Outcome::Reject {
                    reason: reason.to_owned()
                }
            );
        }
    }
}
