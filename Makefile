# The memorable commands. Each installs what is missing (Debian, Ubuntu), builds, and runs; the work is done by tools/.

BUILD  ?= build
PORT   ?= 8000
prefix ?= /usr/local

DEMO_BINARY   = $(BUILD)/examples/packages/packages
DEMO_DIR      = $(BUILD)/demo
DEMO_DATABASE = $(abspath $(DEMO_DIR))/packages.db
DEMO_URL     ?= sqlite:///$(DEMO_DATABASE)

.DEFAULT_GOAL := help
.PHONY: help build demo test bench lint format install clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

build: ## build the library, the covet command and the examples
	@tools/bootstrap build
	@test -f $(BUILD)/build.ninja || meson setup $(BUILD) -Dtests=false --prefix=$(prefix)
	@ninja -C $(BUILD)

demo: build ## migrate, fill and serve the example on http://127.0.0.1:$PORT (8000); DEMO_URL names a database
	@mkdir -p $(DEMO_DIR)
	@DATABASE_URL='$(DEMO_URL)' PORT=$(PORT) tools/demo $(DEMO_BINARY)

test: ## run all tests; the last line counts them
	@tools/bootstrap build test
	@tools/test

bench: ## run the benchmarks; one JSON line a comparison
	@tools/bootstrap build bench >&2
	@tools/bench

lint: ## formatting, clang-tidy, layers, headers, exported symbols
	@tools/bootstrap build test lint
	@tools/lint

format: ## format all C files in place
	@tools/bootstrap lint
	@git ls-files --cached --others --exclude-standard '*.c' '*.h' | xargs clang-format -i

install: build ## install under $prefix (/usr/local); DESTDIR is respected
	@meson configure $(BUILD) -Dprefix=$(prefix)
	@ninja -C $(BUILD)
	@meson install -C $(BUILD) --no-rebuild $(if $(DESTDIR),--destdir "$(abspath $(DESTDIR))")
	@test -n "$(DESTDIR)" || ldconfig 2>/dev/null || true

clean: ## remove everything that was built, the demo's database included
	@rm -rf $(BUILD)
