# Three commands for people. `just` lists them. Each takes further arguments, which the scripts explain:
# `just dev --help`, the first lines of `.ci/run` and of `bench/start`.

set positional-arguments

_list:
    @{{just_executable()}} --list --unsorted

# Run the service with its own PostgreSQL and a demo app, data in ./data
dev *OPTIONS:
    cargo run --release --package earmark -- dev "$@"

# Check a change: lints and docs, or `just check test`, `fuzz 600`, `console`, `deploy`, `openapi`, `containers`, `all` …
check +WHAT="check":
    .ci/run "$@"

# Measure the service: all figures, or `just bench short`, `wire`, `capacity`, `moving`, `soak`, `citus`
bench *WHAT:
    bench/start "$@"
