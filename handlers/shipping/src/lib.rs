//! Asks for a shipment when an order is paid.
