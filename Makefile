# Each target sets up what it needs, the virtual environment .venv included. ARGS goes to the command behind a target,
# for example: make demo ARGS="--headless --json"

.PHONY: demo test test-long fuzz mutants bench cost instructions lint fmt venv build led wheel clean

demo: build      ## replay a real crash through a venue and print the path of the report
	@.venv/bin/novate demo $(ARGS)

test:            ## every check; the last line counts them
	@scripts/test.sh $(ARGS)

test-long:       ## the tests that take minutes
	@scripts/test.sh --long $(ARGS)

fuzz:            ## a minute of coverage-guided fuzzing of each target
	@scripts/fuzz.sh 60

mutants: venv    ## a night: change margin, ledger and liquidation line by line; some test must notice each change
	@command -v cargo-mutants >/dev/null || { echo "novate: missing: cargo-mutants (cargo install cargo-mutants)" >&2; exit 1; }
	@cargo mutants -p novate-core $(ARGS)

bench: led       ## speed on this machine, against the raw limits of the same run; writes benches/results.json
	@.venv/bin/python benches/run.py $(ARGS)

cost: led        ## how cost grows with accounts, markets, depth and positions; writes benches/cost.json
	@.venv/bin/python benches/cost.py $(ARGS)

instructions: venv ## instructions of a command and of an evaluation under callgrind: the same on every run
	@.venv/bin/python benches/instructions.py

lint:            ## the checks that run no test
	@scripts/test.sh --lint $(ARGS)

fmt: venv        ## format all code
	@cargo fmt --all
	@.venv/bin/ruff check --fix-only --quiet
	@.venv/bin/ruff format --quiet

venv:            ## the virtual environment with all packages
	@scripts/setup.sh

build:           ## the engine, compiled into the package
	@scripts/build.sh

led:             ## the same, led by a profile of the engine as wheels are: slower to make, faster to run
	@scripts/build.sh --led

wheel:           ## one wheel for every Python from 3.11 on, tried in a fresh environment; prints its path
	@scripts/wheel.sh

clean:           ## what was built, not what was recorded
	@rm -rf target fuzz/target dist .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache src/novate/*.so
