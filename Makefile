# Everything a person types. `make` alone lists it.

.DEFAULT_GOAL := help
.PHONY: help run test check bench torture schema tools

# rustup puts cargo here, and a shell that was open before does not know it yet.
export PATH := $(PATH):$(HOME)/.cargo/bin

# The oldest Postgres whose defaults the private cluster relies on.
POSTGRES_MIN := 15
# Where the program itself looks, too.
POSTGRES_DIRS = $$(echo "$$PATH" | tr ':' ' ') $$(pg_config --bindir 2>/dev/null) \
	/usr/lib/postgresql/*/bin /usr/pgsql-*/bin /usr/local/pgsql/bin \
	/opt/homebrew/bin /opt/homebrew/opt/postgresql@*/bin /usr/local/opt/postgresql@*/bin

# Is there an initdb and a postgres that is new enough? Exit code 0 or 1.
find_postgres = ( for dir in $(POSTGRES_DIRS); do \
	test -x "$$dir/initdb" && test -x "$$dir/postgres" || continue; \
	major=$$("$$dir/postgres" --version | sed 's/.*(PostgreSQL) \([0-9]*\).*/\1/'); \
	test "$$major" -ge $(POSTGRES_MIN) 2>/dev/null && exit 0; done; exit 1 )

# Debian starts a cluster of its own with the package, which nobody asked for here: told not to
# while installing, and only then.
CREATECLUSTER := /etc/postgresql-common/createcluster.d/subledger-install.conf

help: ## This list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | while IFS="$$(printf '\t')" read -r name words; do \
		printf '  make %-8s %s\n' "$$name" "$$words"; done

run: tools ## Build, and start with everything that is needed for a look (ARGS="--fresh": anew)
	@cargo run --quiet --bin subledger -- dev $(ARGS)

test: tools ## Every test
	@cargo test

check: tools ## Format, lints, and the tests that take seconds
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	cargo test --lib

bench: tools ## Measure
	@if ls benches/*.rs >/dev/null 2>&1; then cargo bench; else echo "no benches yet"; fi

torture: tools ## Kill, cut and fault everything for minutes (TORTURE_SECONDS=600, TORTURE_SEED=…)
	TORTURE_SECONDS=$${TORTURE_SECONDS:-300} cargo test --test it torture -- --nocapture

schema: tools ## Write schema/current.sql anew from the migrations
	UPDATE_SCHEMA=1 cargo test --test it schema

# What has to be on the machine: installed where apt-get can, else named in one line.
tools:
	@command -v cargo >/dev/null || { echo "cargo is missing: install Rust from https://rustup.rs" >&2; exit 1; }
	@command -v cc >/dev/null || { echo "a C compiler is missing: apt-get install build-essential (macOS: xcode-select --install)" >&2; exit 1; }
	@$(find_postgres) || $(MAKE) --no-print-directory .install-postgres
	@$(find_postgres) || { echo "no Postgres ≥ $(POSTGRES_MIN) found: this system's packages are older, see https://www.postgresql.org/download/" >&2; exit 1; }

.PHONY: .install-postgres
.install-postgres:
	@missing() { echo "no Postgres ≥ $(POSTGRES_MIN) found: install it (apt-get install postgresql, dnf install postgresql-server, brew install postgresql@17)" >&2; exit 1; }; \
	command -v apt-get >/dev/null || missing; \
	if test "$$(id -u)" = 0; then as_root=; elif command -v sudo >/dev/null; then as_root=sudo; else missing; fi; \
	echo "no Postgres ≥ $(POSTGRES_MIN) found: installing the package postgresql" >&2; \
	trap '$$as_root rm -f $(CREATECLUSTER)' EXIT; \
	$$as_root mkdir -p $(dir $(CREATECLUSTER)) && \
	echo 'create_main_cluster = false' | $$as_root tee $(CREATECLUSTER) >/dev/null && \
	$$as_root apt-get update -qq && \
	$$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql >/dev/null || missing
