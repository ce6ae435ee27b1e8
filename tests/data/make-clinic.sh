#!/usr/bin/env bash
# Makes clinic.ndjson.zst, the synthetic clinic of the demo and the tests, again from nothing.
#   tests/data/make-clinic.sh
# Needs java 17, mvn, python3 and zstd. The first run downloads Synthea (203 MB of jars); later ones take 25 s.
#
# All resource types Synthea gives are kept; the only resources left out are hospitals and practitioners
# that no patient's record leads to.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

# Of the lines before compression, as zstd may pack them differently one day. To change the clinic on
# purpose, run the script, put the sum it prints here and run it again.
sha256=92931027529330ea3dc46efa4c7bd2e41bc76a6b7410206cff0e22a4eb352ee4

# Seed 11 gives men and women from 14 to 81, all of them alive, in less than 5,000 resources.
seed=11 patients=13 years=3
# Without a reference and an end date Synthea lives up to the day it runs.
day=20261101

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

jars=${SYNTHEA_LIB:-$HOME/.cache/synthea-3.3.0}
if [ ! -d "$jars" ]; then
  cat > "$work/pom.xml" <<'POM'
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>clinic</groupId><artifactId>clinic</artifactId><version>1</version>
  <dependencies><dependency>
    <groupId>org.mitre.synthea</groupId><artifactId>synthea</artifactId><version>3.3.0</version>
  </dependency></dependencies>
</project>
POM
  # Into a name of its own first: a download cut short must not pass for the whole.
  rm -rf "$jars.part"
  mvn -q -B -f "$work/pom.xml" dependency:copy-dependencies -DoutputDirectory="$jars.part" -DincludeScope=runtime
  mv "$jars.part" "$jars"
fi

# Time zone, language, encoding and number of threads would otherwise be the machine's, and be seen in the
# output. File names by UUID give the patients an order that does not depend on the locale.
java -Xmx2g -Duser.timezone=UTC -Duser.language=en -Duser.country=US -Dfile.encoding=UTF-8 -cp "$jars/*" App \
  -s "$seed" -cs "$seed" -r "$day" -e "$day" -p "$patients" \
  --generate.thread_pool_size 1 --exporter.baseDirectory "$work" --exporter.use_uuid_filenames true \
  --exporter.fhir.export true --exporter.years_of_history "$years" \
  --exporter.fhir.use_us_core_ig true --exporter.fhir.us_core_version 6.1.0 \
  --exporter.hospital.fhir.export true --exporter.practitioner.fhir.export true \
  Massachusetts > "$work/log" 2>&1 || { tail -n 40 "$work/log" >&2; exit 1; }

python3 "$here/resolve.py" "$work/fhir" > "$work/clinic.ndjson"

# Looked for in the text, so that a mistake in resolve.py's own walk is seen too.
if grep -m 3 -noE '"reference":"(urn:|[^"]*\?)[^"]*"' "$work/clinic.ndjson" >&2; then
  echo "references left unresolved" >&2
  exit 1
fi

made=$(sha256sum < "$work/clinic.ndjson" | cut -d' ' -f1)
if [ "$made" != "$sha256" ]; then
  echo "made $made, expected $sha256: clinic.ndjson.zst is left as it was" >&2
  exit 1
fi
zstd -q -f -19 "$work/clinic.ndjson" -o "$here/clinic.ndjson.zst"
sha256sum "$here/clinic.ndjson.zst"
