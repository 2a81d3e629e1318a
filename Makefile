# The commands of the README. Everything is built with one profile, so nothing is built twice.
.PHONY: setup build demo test test-models bench fixtures

setup:
	@scripts/setup

build: setup
	cargo build --release --locked

demo: build
	@target/release/audit demo

test: setup
	cargo fmt --check
	cargo clippy --release --locked --all-targets -- -D warnings
	cargo test --release --locked

# Exports networks of many families and tests the trainer on each (downloads PyTorch the first time).
test-models: setup
	scripts/test-models

bench: build
	scripts/bench

# Trains the fixture models again and recomputes what the tests expect of them.
fixtures:
	scripts/fixtures
