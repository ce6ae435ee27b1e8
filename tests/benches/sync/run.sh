#!/bin/sh
# A sync with Helios (../shared/servers/hfs.xz) beside plain downloads and plain transactions of the same server by our own
# client, turn by turn in one run.
#
#   tests/benches/sync/run.sh [load] [quiet] [push] [kill] [anyway]
#
# Each figure is taken in a process of its own. Turns in which other programs took more than a tenth of a core are taken
# again, as often as there are turns (never: `anyway`); the last line says how busy they were.
set -eu
cd "$(dirname "$0")/../../.."
if [ ! -f "${POCKETCHART_SHARED:-../shared}/servers/hfs.xz" ]; then
    echo "skipped: there is no ${POCKETCHART_SHARED:-../shared}/servers/hfs.xz"
    exit 0
fi
exec cargo bench --quiet -p pocketchart-tests --bench sync -- measure "$@"
