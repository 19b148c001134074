//! What a component shows on its outside.

use wasmparser::{ComponentExternalKind, Parser, Payload};

use crate::LoadError;
use crate::component::HANDLER;
use crate::{compile, offer};

/// The names of what a component imports and exports. To read them needs no
/// compiler: nothing else of the component is looked at or checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surface {
    /// The interfaces and functions that it imports.
    pub imports: Vec<String>,
    /// The interfaces and functions that it exports.
    pub exports: Vec<String>,
}

impl Surface {
    /// Reads the names from the bytes of a component.
    ///
    /// # Errors
    /// The bytes are no component and cannot become one.
    pub fn of(bytes: &[u8]) -> Result<Self, LoadError> {
        let bytes = compile::componentise(bytes).map_err(|error| error.on(bytes))?;
        let broken = |_: wasmparser::BinaryReaderError| LoadError::Damaged;
        let mut surface = Self::default();
        let mut depth = 0_usize;
        for payload in Parser::new(0).parse_all(&bytes) {
            match payload.map_err(broken)? {
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::ComponentImportSection(imports) if depth == 0 => {
                    for import in imports {
                        surface
                            .imports
                            .push(import.map_err(broken)?.name.name.to_owned());
                    }
                }
                Payload::ComponentExportSection(exports) if depth == 0 => {
                    for export in exports {
                        let export = export.map_err(broken)?;
                        // Types are no more than names for what stands beside them.
                        if export.kind != ComponentExternalKind::Type {
                            surface.exports.push(export.name.name.to_owned());
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(surface)
    }

    /// Whether it exports what makes a component a handler.
    pub fn is_handler(&self) -> bool {
        self.exports.iter().any(|name| name == HANDLER)
    }

    /// Whether the host has something of this name for a handler.
    pub fn is_offered(import: &str) -> bool {
        offer::is_offered(import)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn surface(text: &str) -> Result<Surface, LoadError> {
        Surface::of(&wat::parse_str(text).unwrap())
    }

    #[test]
    fn the_outermost_names_are_found() {
        let found = surface(
            r#"(component
                (import "wasi:random/random@0.2.0" (instance $random))
                (import "acme:ledger/accounts" (func))
                (component (import "inner" (func)) (core module))
                (core module)
                (instance $none)
                (export "waystation:events/handler@0.1.0" (instance $none))
            )"#,
        )
        .unwrap();
        assert_eq!(
            found.imports,
            ["wasi:random/random@0.2.0", "acme:ledger/accounts"]
        );
        assert_eq!(found.exports, ["waystation:events/handler@0.1.0"]);
        assert!(found.is_handler());
        let offered: Vec<bool> = found
            .imports
            .iter()
            .map(|it| Surface::is_offered(it))
            .collect();
        assert_eq!(offered, [true, false]);
    }

    #[test]
    fn a_component_that_exports_something_else_is_no_handler() {
        assert!(!surface("(component)").unwrap().is_handler());
        assert_eq!(Surface::of(b"text"), Err(LoadError::NotWebAssembly));
        let cut = wat::parse_str("(component (core module (func)))").unwrap();
        assert_eq!(Surface::of(&cut[..cut.len() - 4]), Err(LoadError::Damaged));
        let cut = wat::parse_str("(module (func (export \"f\")))").unwrap();
        assert_eq!(Surface::of(&cut[..cut.len() - 3]), Err(LoadError::Damaged));
    }
}
