//! Components that are small and cost the compiler much. None is a handler: what
//! matters is over before anyone asks for that.

use std::borrow::Cow;

use bytes::Bytes;
use wasm_encoder::{
    BlockType, CodeSection, Component, DataSection, Function, FunctionSection, Instruction,
    MemorySection, MemoryType, Module, ModuleSection, TypeSection, ValType,
};

/// One function that adds to a number so often.
pub fn huge_function(additions: usize) -> Bytes {
    let mut body = Function::new([]);
    for _ in 0..additions {
        body.instruction(&Instruction::LocalGet(0))
            .instruction(&Instruction::I32Const(3))
            .instruction(&Instruction::I32Add)
            .instruction(&Instruction::LocalTee(0))
            .instruction(&Instruction::Drop);
    }
    body.instruction(&Instruction::End);
    component(&with_functions(&body, 1))
}

/// So many functions that do nothing.
pub fn many_functions(count: u32) -> Bytes {
    let mut body = Function::new([]);
    body.instruction(&Instruction::End);
    component(&with_functions(&body, count))
}

/// Blocks within each other.
pub fn deep_nesting(depth: usize) -> Bytes {
    let mut body = Function::new([]);
    for _ in 0..depth {
        body.instruction(&Instruction::Block(BlockType::Empty));
    }
    for _ in 0..=depth {
        body.instruction(&Instruction::End);
    }
    component(&with_functions(&body, 1))
}

/// Jump tables, each of which may go to the end of each of so many blocks.
pub fn jump_tables(tables: usize, targets: u32) -> Bytes {
    let mut body = Function::new([]);
    for _ in 0..targets {
        body.instruction(&Instruction::Block(BlockType::Empty));
    }
    let labels: Vec<u32> = (0..targets).collect();
    for _ in 0..tables {
        body.instruction(&Instruction::Block(BlockType::Empty))
            .instruction(&Instruction::LocalGet(0))
            .instruction(&Instruction::BrTable(Cow::from(&labels), 0))
            .instruction(&Instruction::End);
    }
    for _ in 0..=targets {
        body.instruction(&Instruction::End);
    }
    component(&with_functions(&body, 1))
}

/// So many types of functions, and nothing that uses them.
pub fn many_types(count: usize) -> Bytes {
    let mut types = TypeSection::new();
    for number in 0..count {
        // Each has another number, written down in the types of ten parameters.
        let params = (0..10).map(|digit| match (number >> (2 * digit)) & 3 {
            0 => ValType::I32,
            1 => ValType::I64,
            2 => ValType::F32,
            _ => ValType::F64,
        });
        types.ty().function(params, []);
    }
    let mut module = Module::new();
    module.section(&types);
    component(&module)
}

/// A memory that begins with so many bytes.
pub fn huge_data(bytes: usize) -> Bytes {
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: bytes.div_ceil(64 * 1024) as u64,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    let mut data = DataSection::new();
    let start = wasm_encoder::ConstExpr::i32_const(0);
    data.active(0, &start, std::iter::repeat_n(7, bytes));
    let mut module = Module::new();
    module.section(&memories).section(&data);
    component(&module)
}

fn with_functions(body: &Function, count: u32) -> Module {
    let mut types = TypeSection::new();
    types.ty().function([ValType::I32], []);
    let mut functions = FunctionSection::new();
    let mut code = CodeSection::new();
    for _ in 0..count {
        functions.function(0);
        code.function(body);
    }
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&code);
    module
}

fn component(module: &Module) -> Bytes {
    let mut component = Component::new();
    component.section(&ModuleSection(module));
    component.finish().into()
}
