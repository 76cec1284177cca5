# pg_durable. `make help` lists what there is.
#
# `make test` and `make demo` bring along whatever a fresh Debian machine lacks, and run in throw-away clusters of their
# own. The other targets expect a server with its headers (PG_CONFIG names it), Node.js 20 and a compiler.

EXTENSION  = pg_durable
VERSION   := $(shell sed -n "s/^default_version = '\(.*\)'/\1/p" pg_durable.control)
# The scripts are generated; which there will be follows from what lies in sql/.
SQL_FILES := $(sort dist/sql/$(EXTENSION)--$(VERSION).sql $(patsubst sql/%,dist/sql/%,$(wildcard sql/$(EXTENSION)--*.sql)))
DATA_built = $(SQL_FILES)
EXTRA_CLEAN = dist .tmp
NO_INSTALLCHECK = 1

# Where the command goes: a file that needs Node.js and nothing else, and a link to it.
COMMAND_LIB ?= /usr/local/lib/pg_durable
COMMAND_BIN ?= /usr/local/bin

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)
NODE  = node --import tsx

# PGXS takes the first target as the default.
all:

# Missing on a machine that `make test` or `make demo` is about to furnish: they call make again when it is there.
ifneq ($(wildcard $(PGXS)),)
include $(PGXS)
endif

ifeq ($(wildcard $(PGXS)),)
all install uninstall clean:
	@echo "$(PG_CONFIG) does not lead to a server's headers: install postgresql-server-dev-NN (make setup does), or name its pg_config with PG_CONFIG" >&2; exit 1
else

all: plv8

install: install-plv8 install-command
uninstall: uninstall-command
clean: clean-plv8

# --- The extension and the command ------------------------------------------------------------------------------

dist/.built: package.json pg_durable.control tsconfig.json tsconfig.node.json $(shell find src build sql -type f) | node_modules/.ready
	@npm run --silent build
	@touch $@

$(SQL_FILES): dist/.built

.PHONY: install-command uninstall-command
install-command: dist/.built
	@$(MKDIR_P) '$(DESTDIR)$(COMMAND_LIB)' '$(DESTDIR)$(COMMAND_BIN)'
	$(INSTALL) -m 755 dist/pg-durable.js '$(DESTDIR)$(COMMAND_LIB)/pg-durable.mjs'
	ln -sf '$(COMMAND_LIB)/pg-durable.mjs' '$(DESTDIR)$(COMMAND_BIN)/pg-durable'

uninstall-command:
	rm -f '$(DESTDIR)$(COMMAND_BIN)/pg-durable' '$(DESTDIR)$(COMMAND_LIB)/pg-durable.mjs'

# --- The language handler, where the server has none of its own --------------------------------------------------

PLV8_CONTROL := $(DESTDIR)$(datadir)/extension/plv8.control
# Ours says so in its version.
FOREIGN_PLV8 := $(shell test -e '$(PLV8_CONTROL)' && ! grep -q '+node' '$(PLV8_CONTROL)' && echo yes)

.PHONY: plv8 install-plv8 clean-plv8
ifeq ($(FOREIGN_PLV8),yes)
plv8 install-plv8:
	@echo "using the plv8 that the server has: $(PLV8_CONTROL)"
else
plv8:
	@sh plv8/install/fetch-v8.sh
	@$(MAKE) --no-print-directory -C plv8 all PG_CONFIG='$(PG_CONFIG)'
install-plv8: plv8
	@$(MAKE) --no-print-directory -C plv8 install PG_CONFIG='$(PG_CONFIG)'
endif
clean-plv8:
	@$(MAKE) --no-print-directory -C plv8 clean PG_CONFIG='$(PG_CONFIG)'

endif

# --- Setting up -------------------------------------------------------------------------------------------------

.PHONY: setup ready
setup:
	@sh build/install-debian.sh
	@sh build/install-npm.sh

node_modules/.ready: package-lock.json
	@sh build/install-npm.sh

# Everything built and installed, said only when it goes wrong. Make is called again since setup may have changed what
# it has read.
ready: setup
	@mkdir -p .tmp
	@$(MAKE) --no-print-directory install >.tmp/install.log 2>&1 || { cat .tmp/install.log >&2; exit 1; }

# --- Running ----------------------------------------------------------------------------------------------------

.PHONY: test installcheck demo demo-shell bench crash help
test: ready
	@$(NODE) test/run.ts $(SUITES)

installcheck:
	@$(NODE) test/run.ts --server pgtap

demo: ready
	@$(NODE) examples/demo/demo.ts

demo-shell: ready
	@$(NODE) examples/demo/demo.ts --shell

bench: ready
	@$(NODE) bench/run.ts $(BENCHES)

crash: ready
	@$(NODE) test/crash/run.ts

help:
	@echo 'make demo          a workflow that branches, joins, waits, is killed and finishes, live; installs what it needs'
	@echo 'make demo-shell    the same cluster and worker, left up with psql on it'
	@echo 'make test          every test; SUITES="unit pgtap" runs some; installs what it needs'
	@echo 'make               build the extension, the command, and plv8 where the server has none'
	@echo 'make install       install them; PG_CONFIG names the server'
	@echo 'make uninstall     take the extension and the command away; plv8 stays'
	@echo 'make installcheck  the pgTAP tests on the running server of the PG* variables'
	@echo 'make bench         benchmarks, each beside its baseline; BENCHES="drain latency" runs some'
	@echo 'make crash         kill everything at random for CRASH_SECONDS (600) and count each effect; CRASH_SEED=N repeats a run'
	@echo 'make setup         install Debian packages and npm modules that are missing'
	@echo 'make clean         remove what was built'
