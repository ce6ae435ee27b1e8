#!/bin/sh
# The hub beside Helios (../shared/servers/hfs.xz), turn by turn in one run, both over loopback.
#
#   tests/benches/hub/run.sh
#
# It is no equal race: the hub speaks TLS, encrypts what it stores, writes an audit entry before each answer and waits for
# the disk at each commit. Helios is plain HTTP over plain SQLite. The ratio is what these cost.
set -eu
cd "$(dirname "$0")/../../.."
shared=${POCKETCHART_SHARED:-../shared}
if [ ! -f "$shared/servers/hfs.xz" ]; then
    echo "skipped: there is no $shared/servers/hfs.xz"
    exit 0
fi
binary=$(cargo build --quiet --release -p pocketchart --message-format json |
    python3 -c 'import json, sys
for line in sys.stdin:
    message = json.loads(line)
    if message.get("executable") and message["target"]["name"] == "pocketchart":
        print(message["executable"])')
place=$(mktemp -d)
hub= helios=
trap 'kill $hub $helios 2>/dev/null; rm -rf "$place"' EXIT
xz -dc "$shared/servers/hfs.xz" >"$place/hfs"
chmod +x "$place/hfs"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
echo "plum orbit lantern 42" >"$place/passphrase"

measure() {
    cargo bench --quiet -p pocketchart-tests --bench hub -- "$@"
}

# The hub with an empty vault, measured once.
with_hub() {
    rm -rf "$place/home" "$place/ready.json"
    "$binary" --home "$place/home" --passphrase-file "$place/passphrase" --quiet vault create >/dev/null
    "$binary" --home "$place/home" --passphrase-file "$place/passphrase" hub --listen 127.0.0.1:0 \
        --ready-file "$place/ready.json" >/dev/null &
    hub=$!
    while [ ! -s "$place/ready.json" ]; do sleep 0.1; done
    url=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["url"])' "$place/ready.json")
    measure hub "$url" "$place/home/hub/ca.pem" "$place/home/hub/token"
    kill "$hub"
    wait "$hub" || true
}

with_helios() {
    rm -rf "$place/helios"
    mkdir "$place/helios"
    cp "$shared/data/r4/search-parameters.json" "$place/helios/search-parameters-r4.json"
    HFS_BASE_URL=http://127.0.0.1:$port HFS_DATA_DIR=$place/helios HFS_DATABASE_URL=$place/helios/file.db \
        HFS_SEED_CONFORMANCE=false "$place/hfs" --port "$port" >"$place/helios.log" 2>&1 &
    helios=$!
    for _ in $(seq 100); do
        python3 -c "import urllib.request; urllib.request.urlopen('http://127.0.0.1:$port/metadata')" 2>/dev/null && break
        sleep 0.2
    done
    measure helios "http://127.0.0.1:$port"
    kill "$helios"
    wait "$helios" || true
}

for turn in 1 2 3; do
    with_hub
    with_helios
done | tee /dev/stderr | awk '
    # The best of each, since the computer has moods.
    { for (n = 2; n <= 5; n++) if (!(($1, n) in best) || (n < 4 ? $n > best[$1, n] : $n < best[$1, n])) best[$1, n] = $n }
    END {
        split("x ingest,resources/s pages,resources/s single_read_p50,ms single_read_p99,ms", names, " ")
        for (n = 2; n <= 5; n++)
            printf "%-26s hub %9.2f   Helios %9.2f   hub/Helios %.2f\n", names[n], best["hub", n], best["helios", n], best["hub", n] / best["helios", n]
    }'
