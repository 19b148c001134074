//! What wit-bindgen makes of the contract.

#![allow(missing_docs, unused_qualifications, clippy::all)]

wit_bindgen::generate!({
    path: "../wit",
    world: "full-event-handler",
    generate_all,
    pub_export_macro: true,
    default_bindings_module: "waystation_sdk::guest::bindings",
});
