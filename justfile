# `just` lists these.

tag := env_var_or_default("EARMARK_TAG", "dev")
compose := `docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose`

_list:
    @just --list --unsorted

# Run the service: settings as flags or environment variables
run *ARGS:
    cargo run --release -- serve {{ARGS}}

# Run the service with a private PostgreSQL and a demo app, data in ./data
dev *ARGS:
    cargo run --release -- dev {{ARGS}}

# Formatting, lints, docs, licences, query metadata
check:
    .ci/run check

# All tests, on a PostgreSQL that they start themselves
test *ARGS:
    cargo test --locked {{ARGS}}

# Break the service and its database under load, for an hour or so; every round prints its seed
torture rounds="20":
    EARMARK_TEST_ROUNDS={{rounds}} cargo test --locked --test reliability -- --nocapture --test-threads 2

# Give the fuzz targets new inputs: `just fuzz 3600`, `just fuzz 600 body`; `just fuzz keep` takes what was found
fuzz *ARGS:
    .ci/fuzz {{ARGS}}

# The pure core in Miri, with `rustup component add miri --toolchain nightly`
miri:
    MIRIFLAGS=-Zmiri-disable-isolation PROPTEST_CASES=4 SQLX_OFFLINE=true \
        cargo +nightly miri test --locked --lib domain

# Rebuild console/dist after a change to the console; `just console --watch` goes on
console *ARGS:
    npm ci --prefix console
    npm run --prefix console build -- {{ARGS}}

# The console's tests: types, units, and a real browser on a real service
console-test:
    .ci/run console

# The pictures of the console in docs/images, made anew
console-pictures:
    cargo build --locked
    PUBLISH_PICTURES=1 npm run --prefix console e2e

# The whole benchmark, on a PostgreSQL that it starts itself: some twenty minutes of a quiet machine
bench *ARGS:
    cargo build --release --locked
    bench/run {{ARGS}}

# A quick look, under a minute
bench-short *ARGS:
    cargo build --release --locked
    bench/run --short {{ARGS}}

# Half an hour at 70 % of the maximum, then a burst of ten times that; `just soak --minutes 1` is a quick look
soak *ARGS:
    cargo build --release --locked --bin earmark --example constant-rate
    bench/soak {{ARGS}}

# What a request costs beside the database: times and allocations
bench-wire *ARGS:
    cargo bench --locked --bench wire -- {{ARGS}}

# Measure what is stored, logged and held in memory: about three minutes
bench-capacity *ARGS:
    cargo build --release --locked
    bench/capacity {{ARGS}}

# Rewrite .sqlx/ after a change to a query or a migration
prepare:
    .ci/prepare

# Write docs/settings.md anew, after a change to a setting
settings:
    cargo run --quiet --locked -- settings >docs/settings.md.new
    mv docs/settings.md.new docs/settings.md

# Build the image earmark:<tag>
image:
    docker build --tag earmark:{{tag}} .

# Start the service and its PostgreSQL in containers
up:
    [ -e .env ] || sed "s/^EARMARK_DB_PASSWORD=$/&$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')/" .env.example >.env
    {{compose}} up --detach

# Stop them; the data stays (`just down --volumes` removes it)
down *ARGS:
    {{compose}} down {{ARGS}}
