# What a reader, a contributor and CI run. Everything lands below target/.

GUESTS := target/guests
# A runner with a limit for each test where it is there, else cargo's own.
RUNNER := $(if $(shell command -v cargo-nextest),cargo nextest run --workspace,cargo test --workspace --lib --bins --tests)

.PHONY: demo test lint guests build

# Shows what Waystation does; ONCE=1 ends by itself.
demo: guests
	cargo build --package e2e --bin demo
	target/debug/demo $(if $(ONCE),--once)

# All tests, from the formats to the running host.
test: guests
	$(RUNNER)
	cargo test --workspace --doc

# What must be clean before a change is merged.
lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# The sample handlers and the fixtures, as components.
guests: build
	target/debug/waystation build handlers tests/fixtures --out $(GUESTS)

build:
	cargo build --package waystation
