# What a reader, a contributor and CI run. Everything lands below target/.

# A runner with a limit for each test where it is there, else cargo's own.
RUNNER := $(if $(shell command -v cargo-nextest),cargo nextest run --workspace,cargo test --workspace --lib --bins --tests)
GUESTS := CARGO_TARGET_DIR=$(CURDIR)/target target/debug/waystation build handlers tests/fixtures --out target/guests

.PHONY: demo test lint guests

# Shows what Waystation does, and stays up; with ONCE=1 it ends by itself. The
# first time it compiles for some minutes.
demo:
	cargo build --workspace --bins
	$(GUESTS)
	target/debug/demo $(if $(ONCE),--once)

# All tests, from the formats to the running host.
test: guests
	$(RUNNER)
	cargo test --workspace --doc

# The sample handlers and the fixtures as components. The tests are built along
# with the binary that builds them, so that nothing is compiled twice.
guests:
	cargo build --workspace --bins --tests
	$(GUESTS)

# What must be clean before a change is merged.
lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps
