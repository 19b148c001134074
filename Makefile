# What a reader, a contributor and CI run. Everything lands below target/.

# A runner with a limit for each test where it is there, else cargo's own.
RUNNER := $(if $(shell command -v cargo-nextest),cargo nextest run --workspace,cargo test --workspace --lib --bins --tests)
BUILD := CARGO_TARGET_DIR=$(CURDIR)/target target/debug/waystation build --out target/guests
GUESTS := $(BUILD) handlers tests/fixtures
# Those of the demo are in Rust alone: it needs no other tools.
DEMO := $(addprefix handlers/,catalogue order-translator shipping stock storefront welcome-mail)

.PHONY: demo test tools javascript python lint guests deny advisories fuzz soak overload backlog bench

# Shows what Waystation does, and stays up; with ONCE=1 it ends by itself. The
# first time it compiles for some minutes.
demo:
	cargo build --workspace --bins
	$(BUILD) $(DEMO)
	target/debug/demo $(if $(ONCE),--once)

# All tests, from the formats to the running host.
test: guests javascript python
	$(RUNNER)
	cargo test --workspace --doc

# Looks for, or installs, what the samples in other languages are built with.
tools:
	@sh tests/tools.sh

# The tests of the SDK for JavaScript and of its sample, on Node.js alone.
JAVASCRIPT := guest-sdk/javascript handlers/price-watch

javascript:
	for folder in $(JAVASCRIPT); do \
	  (cd $$folder && { [ -d node_modules ] || npm install; } && npm test) || exit 1; \
	done

# The tests of the Python SDK and of the samples in Python, as their authors run them.
PYTHON_TESTS := guest-sdk/python handlers/cold-chain

python: target/python/bin/pytest
	for package in $(PYTHON_TESTS); do \
	  (cd $$package && $(CURDIR)/target/python/bin/pytest -q -p no:cacheprovider) || exit 1; \
	done

target/python/bin/pytest:
	python3 -m venv target/python
	target/python/bin/pip install --quiet --disable-pip-version-check pytest==9.2.0

# The sample handlers and the fixtures as components. The tests are built along
# with the binary that builds them, so that nothing is compiled twice.
guests: tools
	cargo build --workspace --bins --tests
	$(GUESTS)

# The long runs. Each ends by itself, prints its figures, and fails if the host
# broke a promise. BINARY=target/release/waystation drives another build.
ROUNDS := 200
SECONDS := 60
EVENTS := 1000000
ENDURE = $(if $(BINARY),WAYSTATION_BINARY=$(BINARY)) target/debug/endurance

# Kills the host at random moments under load; SEED=N repeats a run.
soak: guests
	$(if $(SEED),WAYSTATION_SEED=$(SEED)) $(ENDURE) soak $(ROUNDS)

# Offers more than the host can take.
overload: guests
	$(ENDURE) overload $(SECONDS)

# Lets events pile up while their handler is away.
backlog: guests
	$(ENDURE) backlog $(EVENTS)

# Measures the host against the floors of its parts: tables with ratios, the
# targets, and what was reached. PROGRAMS="floor ingest" runs some of them.
bench: guests
	cargo build --release --workspace --bins
	target/release/bench $(PROGRAMS)

# What must be clean before a change is merged.
lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# Licences, sources and bans of every dependency. Fetches `cargo deny` where it
# is not installed.
DENY := $(if $(shell command -v cargo-deny),cargo deny,target/tools/bin/cargo-deny)

deny: $(if $(shell command -v cargo-deny),,target/tools/bin/cargo-deny)
	$(DENY) check bans licenses sources

# Known vulnerabilities in what is locked; asks RustSec's database on GitHub.
advisories: $(if $(shell command -v cargo-deny),,target/tools/bin/cargo-deny)
	$(DENY) check advisories

target/tools/bin/cargo-deny:
	cargo install cargo-deny@0.20.2 --locked --root target/tools --target-dir target/tools/build
	rm -rf target/tools/build

# Fuzzes the parsers and the loader, each for FUZZ_SECONDS seconds; needs a nightly
# compiler and `cargo install cargo-fuzz`.
FUZZ_SECONDS ?= 600
FUZZ := structured batch binary sidecar component

fuzz:
	for target in $(FUZZ); do \
	  cargo +nightly fuzz run --fuzz-dir tests/fuzz --sanitizer none --target-dir target/fuzz \
	    --features component $$target -- -max_total_time=$(FUZZ_SECONDS) -timeout=60 -rss_limit_mb=4096 || exit 1; \
	done
