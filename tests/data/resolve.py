#!/usr/bin/env python3
"""Synthea's transaction bundles -> one NDJSON file in which every reference is Type/id.

    resolve.py BUNDLE_DIR > clinic.ndjson        (counts go to stderr)

Stops with an error when a reference has no target, or when anything else would be changed.
"""
import collections
import glob
import json
import re
import sys

# In the order they are written, so that a reader going top to bottom meets a target before its users.
DIRECTORY = ["Organization", "Location", "Practitioner", "PractitionerRole"]
ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
STRING_OR_SPACE = re.compile(r'("(?:[^"\\]|\\.)*")|\s+')


class Number(str):
    """A number as it was printed: Python's own float would turn 1.00 into 1.0."""


def compact(value):
    """JSON without white space; keys in the order read, numbers as they were printed."""
    if isinstance(value, Number):
        return value
    if isinstance(value, dict):
        return "{" + ",".join(compact(k) + ":" + compact(v) for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(compact, value)) + "]"
    return json.dumps(value, ensure_ascii=False)  # a string, true, false or null


def name(resource):
    return resource["resourceType"] + "/" + resource["id"]


def kind(resource_name):
    return resource_name.partition("/")[0]


def references(value):
    """Every Reference inside value: an object with a reference, or with one identifier (not a list)."""
    if isinstance(value, dict):
        by_identifier = isinstance(value.get("identifier"), dict) and "resourceType" not in value
        if isinstance(value.get("reference"), str) or by_identifier:
            yield value
        for child in value.values():
            yield from references(child)
    elif isinstance(value, list):
        for child in value:
            yield from references(child)


def read(path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    bundle = json.loads(text, parse_float=Number, parse_int=Number)
    # Reading and writing loses nothing: no digit, no key order, no doubled key, no escape.
    if compact(bundle) != STRING_OR_SPACE.sub(lambda m: m[1] or "", text):
        sys.exit(f"{path}: would not be written as it was read")
    return bundle["entry"]


def main(folder):
    entries = [entry for path in sorted(glob.glob(folder + "/*.json")) for entry in read(path)]
    by_url, by_identifier = {}, collections.defaultdict(set)
    for entry in entries:
        resource = entry["resource"]
        if not ID.fullmatch(resource["id"]):
            sys.exit(f"{name(resource)}: not a FHIR id")
        if entry["fullUrl"] in by_url:
            sys.exit(f"{name(resource)}: {entry['fullUrl']} comes twice")
        by_url[entry["fullUrl"]] = name(resource)
        for identifier in resource.get("identifier", []):
            by_identifier[identifier.get("system"), identifier.get("value")].add(name(resource))

    def target(reference, source):
        link, wanted = reference.get("reference"), ""
        if link and link in by_url:
            return by_url[link]
        if link and "?identifier=" in link:  # Practitioner?identifier=system|value
            wanted, _, query = link.partition("?identifier=")
            system, _, value = query.partition("|")
        elif link is None:  # identifier only, as PractitionerRole and Location have it
            system, value = (reference["identifier"].get(key) for key in ("system", "value"))
        else:
            sys.exit(f"{source}: no target for {link}")
        found = [n for n in by_identifier[system, value] if n.startswith(wanted + "/" if wanted else "")]
        if len(found) != 1:
            sys.exit(f"{source}: {len(found)} targets for {compact(reference)}")
        return found[0]

    resources, points_to = {}, {}
    for entry in entries:
        resource = entry["resource"]
        source = name(resource)
        if source in resources:
            sys.exit(f"{source}: comes twice")
        contained = {"#" + inner["id"] for inner in resource.get("contained", [])}
        points_to[source] = set()
        for reference in references(resource):
            if reference.get("reference") in contained:
                continue
            link = target(reference, source)
            # The new link is the first key, which is where it is printed in a reference that has one.
            rest = {key: value for key, value in reference.items() if key != "reference"}
            reference.clear()
            reference.update({"reference": link}, **rest)
            points_to[source].add(link)
        resources[source] = resource

    # The directory lists every hospital Synthea looked at. Keep those the patients' records lead to,
    # and the roles of the practitioners kept, which nothing refers to.
    keep = {n for n in resources if kind(n) not in DIRECTORY}
    todo = list(keep)
    while todo:
        source = todo.pop()
        linked = set(points_to[source])
        if kind(source) == "Practitioner":
            linked |= {n for n in resources if kind(n) == "PractitionerRole" and source in points_to[n]}
        todo += linked - keep
        keep |= linked

    directory = sorted((n for n in keep if kind(n) in DIRECTORY), key=lambda n: (DIRECTORY.index(kind(n)), n))
    records = [n for n in resources if n in keep and kind(n) not in DIRECTORY]  # patient by patient
    sys.stdout.reconfigure(encoding="utf-8", newline="\n")  # whatever the locale
    for written in directory + records:
        print(compact(resources[written]))

    counts = collections.Counter(map(kind, directory + records))
    for type_, count in counts.items():
        print(f"{count:6} {type_}", file=sys.stderr)
    print(f"{sum(counts.values()):6} in all, {len(resources) - len(keep)} directory resources left out", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1])
