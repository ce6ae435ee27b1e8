#!/bin/sh
# The store's figures, and the same import by a build without a key: what the encryption costs.
#
#   tests/benches/run.sh
#
# The second build has its own target folder, so that both stay built. Its cfg is for this script alone: no program that
# is shipped can be built with it (bindings/cli/src/main.rs). The two imports take turns, since the computer has moods.
set -eu
cd "$(dirname "$0")/../.."
target=${CARGO_TARGET_DIR:-target}

keyed() {
    cargo bench --quiet -p pocketchart-tests --bench store -- "$@"
}
unkeyed() {
    RUSTFLAGS='--cfg pocketchart_unkeyed' CARGO_TARGET_DIR="$target/unkeyed" \
        cargo bench --quiet -p pocketchart-tests --bench store -- "$@"
}

keyed
for turn in 1 2 3; do
    keyed --only-import
    unkeyed --only-import
done | awk '
    !($1 in best) || $2 < best[$1] { best[$1] = $2 }
    END {
        printf "import, NDJSON, with a key                   %8.1f us a resource\n", best["keyed"]
        printf "import, NDJSON, by a build without a key     %8.1f us a resource\n", best["unkeyed"]
        printf "what the key costs                           %8.2f x\n", best["keyed"] / best["unkeyed"]
    }'
