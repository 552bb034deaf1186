#!/usr/bin/env bash
# The commands of each step of `scripts/test`: steps.sh STEP.
set -euo pipefail
cd "$(dirname "$0")/../.."
# The Python tools are compiled when they are used, and only then.
unset PYTHONDONTWRITEBYTECODE

# The features that the steps need besides. Every step names the whole workspace and these: then all have the dependencies in
# the same features, and nothing is compiled twice. They bring code of ours only; `features` holds that they give no
# dependency of a function a feature that it is not deployed with.
features=throughline-cli/end-to-end,throughline-laboratory/end-to-end,throughline-laboratory/otel
features=$features,throughline-laboratory/local-dynamodb
target=${CARGO_TARGET_DIR:-target}
workspace=(--locked --workspace --features "$features")

nextest() { scripts/setup nextest; }

cloud-tools() { scripts/setup cloud; }

check-tools() { scripts/setup checks; }

format() { cargo fmt --all --check; }

# core, shop and testing compile no AWS crate.
pure() {
  local crate tree
  for crate in throughline-core throughline-shop throughline-testing; do
    tree=$(cargo tree --locked --quiet --edges normal,build --prefix none --package "$crate")
    if grep -E '^(aws|lambda)[-_]' <<<"$tree"; then echo "$crate must not compile the above"; return 1; fi
  done
  local found=0
  grep -rnE 'aws_(sdk|config|smithy)' shared/core shared/shop shared/testing || found=$?
  [ "$found" -eq 1 ] || { echo "core, shop and testing must not name the above"; return 1; }
}

features() {
  python3 infra/checks/features.py "$features"
  python3 -m unittest discover --start-directory infra/checks --pattern test_features.py
}

template() { scripts/check-template; }

# The programs that the local clouds and the laboratory run, with the features that functions get and no others. So the providers'
# stand-in, which is a server, is built by itself.
functions() {
  cargo build --locked --profile local --bins
  cargo build --locked --profile local --package throughline-providers
}

# The programs that call the local clouds or stand beside them, and a worker that a scenario deploys.
programs() {
  cargo build "${workspace[@]}" --bin throughline --bin shop-providers --bin local-dynamodb --bin scripted-worker \
    --test end_to_end --test rights --test table --test documents --test differential --example next-checkout
}

lints() { cargo clippy "${workspace[@]}" --all-targets -- --deny warnings; }

docs() {
  python3 infra/checks/documents.py
  python3 infra/checks/words.py --at-most 4
  licences
  local programs
  programs=$(cargo metadata --locked --no-deps --format-version 1 | python3 infra/checks/documented.py)
  # With the examples, for then dependencies get the features that they are tested with, and were looked at with the lints.
  # shellcheck disable=SC2086 # they are several
  RUSTDOCFLAGS="--deny warnings" cargo doc "${workspace[@]}" --lib $programs --examples --no-deps --document-private-items
  api
}

# The public interface against its listings. THROUGHLINE_WRITE=1 writes them.
api() { python3 infra/checks/api.py "$features"; }

# Of everything that is compiled, by deny.toml: without a network, from what cargo knows.
licences() {
  cargo metadata --locked --all-features --filter-platform x86_64-unknown-linux-gnu --format-version 1 >.throughline/metadata.json
  .throughline/checks/bin/cargo-deny --offline --metadata-path .throughline/metadata.json check --hide-inclusion-graph \
    --deny unnecessary-skip --deny unmatched-skip licenses bans sources
}

# Those that need nothing but this machine; .config/nextest.toml says which. THROUGHLINE_TESTS chooses among them.
unit() {
  local profile=${NEXTEST_PROFILE:-default}
  .throughline/nextest/bin/cargo-nextest nextest run "${workspace[@]}" --profile "$profile" \
    --no-tests pass --filterset "${THROUGHLINE_TESTS:-all()}"
  [ "$profile" = quick ] || cargo test "${workspace[@]}" --doc
}

model() { cargo test "${workspace[@]}" --test model -- --nocapture; }

traces() { cargo test "${workspace[@]}" --test traces; }

crash-matrix() {
  local folder
  folder=$(cd "$target/local" && pwd)
  THROUGHLINE_FUNCTIONS=$folder cargo test "${workspace[@]}" --test whole_shop --test crash_matrix -- --nocapture
}

# Starts a local cloud on the port this many after the first; it is stopped when the step is over, however it ends.
up() {
  local offset=$1
  shift
  export THROUGHLINE_PORT=$((${THROUGHLINE_TEST_PORT:-14566} + offset))
  throughline=$target/debug/throughline
  "$throughline" down
  trap '"$throughline" down' EXIT
  "$throughline" up "$@"
  export AWS_ENDPOINT_URL=http://127.0.0.1:$THROUGHLINE_PORT THROUGHLINE_AWS=$PWD/.throughline/cloud/bin/aws
}

differential() {
  # An hour takes 0.7 s.
  SFN_WAIT_SCALE=0.0002 up 4
  cargo test "${workspace[@]}" --test differential -- --test-threads 1 --nocapture
}

ministack() { scenarios ministack 0; }

localstack-tools() {
  local status=0
  scripts/setup --tools-only localstack || status=$?
  # LocalStack needs a Python that is not on every machine.
  [ "$status" -eq 3 ] || return "$status"
}

localstack() {
  if [ ! -e .throughline/localstack/installed.txt ]; then
    local reason="no Python 3.13 on this machine"
    mkdir -p .throughline/end-to-end
    rm -f .throughline/end-to-end/localstack.log
    echo "$reason" >.throughline/end-to-end/localstack.not-run
    echo "NOT RUN: every scenario on LocalStack: $reason" >&2
    return
  fi
  .throughline/localstack/bin/python -m unittest discover --start-directory infra/localstack/tests
  scenarios localstack 6
}

# Every scenario on a local cloud. What fails is judged by the table.
scenarios() {
  local on=$1 offset=$2 results=$PWD/.throughline/end-to-end
  local recorder=$((${THROUGHLINE_TEST_PORT:-14566} + offset + 1))
  local state=$PWD/.throughline/local/$((recorder - 1))
  mkdir -p "$results"
  rm -f "$results/$on".* "$state/calls.jsonl"
  # The cloud's own enforcement of roles stays off: it asks for rights on SQS's batch calls that IAM does not know.
  up "$offset" --on "$on" --without-docker --functions-endpoint "http://127.0.0.1:$recorder"
  "$throughline" deploy
  "$throughline" describe --no-build
  export THROUGHLINE_RECORDER_PORT=$recorder
  export THROUGHLINE_OUTPUTS=$state/stacks/shop/outputs.json THROUGHLINE_CALLS=$state/calls.jsonl
  THROUGHLINE_PROVIDERS=$(<"$state/providers.address")
  export THROUGHLINE_PROVIDERS
  # One at a time: they look through the same queues.
  cargo test "${workspace[@]}" --no-fail-fast --test end_to_end --test rights -- --test-threads 1 --show-output 2>&1 |
    python3 infra/checks/stopwatch.py | tee "$results/$on.log" || true
}

table() {
  THROUGHLINE_RESULTS=$PWD/.throughline/end-to-end cargo test --quiet "${workspace[@]}" --test table -- --nocapture
}

# Its cloud is on the third port.
documents() { cargo test "${workspace[@]}" --test documents -- --test-threads 1 --nocapture; }

"$@"
