#!/usr/bin/env bash
# resources.sh LIBRARY OUT: the library's manifest and XML files, linked as an app would have them. Needs aapt2 and Debian's android-framework-res.
#
# Debian's aapt2 reads a framework of Android 10 at most, which knows no `dataExtractionRules`: that attribute is left out here, and a test
# reads it in the source.
set -euo pipefail
library=$1 out=$2
framework=$(dpkg -L android-framework-res | grep 'apk$')
mkdir -p "$out"
sed -e 's/<manifest /<manifest package="org.pocketchart.android" /' -e '/android:dataExtractionRules/d' \
    "$library/src/main/AndroidManifest.xml" >"$out/AndroidManifest.xml"
aapt2 compile --dir "$library/src/main/res" -o "$out/compiled.zip"
aapt2 link --manifest "$out/AndroidManifest.xml" -I "$framework" --min-sdk-version 28 --target-sdk-version 35 \
    -o "$out/resources.ap_" "$out/compiled.zip"
