//! A component written by hand that is a handler by its exports alone.
//!
//! Its core module shares a memory with the host. The first page of it, below
//! [`HEAP`], is the guest's own: the result of `handle` lies at [`RESULT`], the
//! descriptor, all zeros and so an empty one, at [`DESCRIPTOR`]. A body that
//! leaves [`RESULT`] on the stack and writes nothing there acknowledges the event.

use bytes::Bytes;

/// Where the result of `handle` lies: `ok` without drafts, unless written to.
pub const RESULT: u32 = 0;

/// Where the host leaves what it answers to a call, if that is more than a number.
pub const ANSWER: u32 = 512;

/// Where the empty descriptor lies.
pub const DESCRIPTOR: u32 = 1024;

/// What the host hands to the guest begins here.
pub const HEAP: u32 = 8 * 1024;

/// The pages of 64 KiB that the memory begins with.
pub const PAGES: u32 = 4;

/// A component in the making.
pub struct Guest {
    outside: String,
    calls: Vec<Call>,
    fields: String,
    describe: String,
    handle: String,
    after: String,
}

/// A core function that the core module imports.
struct Call {
    name: String,
    signature: String,
}

impl Guest {
    /// A guest whose `handle` has this body. It finds the pointer to what it was
    /// given in local 0.
    pub fn handle(body: impl Into<String>) -> Self {
        Self {
            outside: String::new(),
            calls: Vec::new(),
            fields: String::new(),
            describe: format!("(i32.const {DESCRIPTOR})"),
            handle: body.into(),
            after: String::new(),
        }
    }

    /// A guest that acknowledges every event.
    pub fn well_behaved() -> Self {
        Self::handle(format!("(i32.const {RESULT})"))
    }

    /// The same guest with this body of `describe`.
    pub fn describe(mut self, body: &str) -> Self {
        self.describe = body.into();
        self
    }

    /// The same guest with this body of the function that the host calls when it
    /// has read the result of `handle`.
    pub fn after(mut self, body: &str) -> Self {
        self.after = body.into();
        self
    }

    /// The same guest with more fields in its core module.
    pub fn fields(mut self, fields: &str) -> Self {
        self.fields.push_str(fields);
        self
    }

    /// The same guest with more text in the component, before the core module.
    pub fn outside(mut self, text: &str) -> Self {
        self.outside.push_str(text);
        self
    }

    /// The same guest, whose core module may call the core function `$name`.
    pub fn call(mut self, name: &str, signature: &str) -> Self {
        self.calls.push(Call {
            name: name.into(),
            signature: signature.into(),
        });
        self
    }

    /// The same guest, whose core module may call a function of the component as
    /// the core function `$name`.
    pub fn lower(self, name: &str, function: &str, signature: &str) -> Self {
        self.outside(&format!(
            r#"(core func ${name}
                (canon lower (func {function}) (memory $memory) (realloc $realloc)))"#
        ))
        .call(name, signature)
    }

    /// The bytes of the component.
    pub fn component(&self) -> Bytes {
        wat::parse_str(self.text()).unwrap().into()
    }

    fn text(&self) -> String {
        let Self {
            outside,
            fields,
            describe,
            handle,
            after,
            ..
        } = self;
        let imports: String = self.calls.iter().map(Call::import).collect();
        let exports: String = self.calls.iter().map(Call::export).collect();
        format!(
            r#"(component
    {TYPES}
    (core module $libc
        (memory (export "memory") {PAGES})
        (global $free (mut i32) (i32.const {HEAP}))
        (func (export "realloc") (param i32 i32 i32 i32) (result i32)
            (local $block i32)
            (local.set $block
                (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
            (global.set $free (i32.add (local.get $block) (local.get 3)))
            (local.get $block)))
    (core instance $libc (instantiate $libc))
    (alias core export $libc "memory" (core memory $memory))
    (alias core export $libc "realloc" (core func $realloc))
    {outside}
    (core module $guest
        (import "libc" "memory" (memory {PAGES}))
        {imports}
        {fields}
        (func (export "describe") (result i32) {describe})
        (func (export "handle") (param i32) (result i32) {handle})
        (func (export "after") (param i32) {after}))
    (core instance $guest (instantiate $guest
        (with "libc" (instance $libc))
        (with "host" (instance {exports}))))
    (func $describe (result $descriptor) (canon lift
        (core func $guest "describe") (memory $memory)))
    (func $handle (param "event" $event) (param "delivery" $delivery)
        (result (result (list $draft) (error $failure))) (canon lift
        (core func $guest "handle") (memory $memory) (realloc $realloc)
        (post-return (core func $guest "after"))))
    (instance $handler
        (export "describe" (func $describe))
        (export "handle" (func $handle)))
    (export "waystation:events/handler@0.1.0" (instance $handler)))"#
        )
    }
}

impl Call {
    fn import(&self) -> String {
        let Self { name, signature } = self;
        format!(r#"(import "host" "{name}" (func ${name} {signature}))"#)
    }

    fn export(&self) -> String {
        let name = &self.name;
        format!(r#"(export "{name}" (func ${name}))"#)
    }
}

/// The types of the contract, from `wit/events.wit`.
const TYPES: &str = r#"
    (import "waystation:events/types@0.1.0" (instance $types
        (type $event (record
            (field "id" string) (field "source" string) (field "type" string)
            (field "subject" (option string)) (field "time" (option string))
            (field "data-content-type" (option string)) (field "data-schema" (option string))
            (field "extensions" (list (tuple string string)))
            (field "data" (option (list u8)))))
        (export "event" (type (eq $event)))
        (type $draft (record
            (field "type" string) (field "subject" (option string))
            (field "data-content-type" (option string)) (field "data-schema" (option string))
            (field "extensions" (list (tuple string string)))
            (field "data" (option (list u8)))))
        (export "draft" (type (eq $draft)))
        (type $delivery (record
            (field "id" string) (field "attempt" u32) (field "sequence" u64)))
        (export "delivery" (type (eq $delivery)))
        (type $retry' (record (field "reason" string) (field "after-ms" (option u64))))
        (export "retry" (type $retry (eq $retry')))
        (type $failure (variant (case "retry" $retry) (case "reject" string)))
        (export "failure" (type (eq $failure)))
        (type $subscription' (record
            (field "types" (list string))
            (field "source" (option string)) (field "subject" (option string))))
        (export "subscription" (type $subscription (eq $subscription')))
        (type $capability' (variant
            (case "http" string) (case "config" string)
            (case "secret" string) (case "state" string)))
        (export "capability" (type $capability (eq $capability')))
        (type $order' (enum "none" "key"))
        (export "order" (type $order (eq $order')))
        (type $instances' (enum "fresh" "reused"))
        (export "instances" (type $instances (eq $instances')))
        (type $descriptor (record
            (field "description" string)
            (field "subscriptions" (list $subscription))
            (field "publishes" (list string))
            (field "capabilities" (list $capability))
            (field "order" $order)
            (field "instances" $instances)))
        (export "descriptor" (type (eq $descriptor)))))
    (alias export $types "event" (type $event))
    (alias export $types "draft" (type $draft))
    (alias export $types "delivery" (type $delivery))
    (alias export $types "failure" (type $failure))
    (alias export $types "descriptor" (type $descriptor))"#;
