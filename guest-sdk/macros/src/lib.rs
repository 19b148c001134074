//! The attribute macro of `waystation-sdk`.
