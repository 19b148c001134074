//! What wit-bindgen makes of the contract.

#![allow(missing_docs, unused_qualifications, clippy::all)]

wit_bindgen::generate!({
    path: "../wit",
    // What a component does not use of this is not imported by it.
    inline: "
        package waystation:rust-sdk;
        world handler {
            include waystation:events/full-event-handler@0.1.0;
            import wasi:http/outgoing-handler@0.2.12;
            import wasi:random/random@0.2.12;
        }
    ",
    world: "waystation:rust-sdk/handler",
    generate_all,
    pub_export_macro: true,
    default_bindings_module: "waystation_sdk::guest::bindings",
});
