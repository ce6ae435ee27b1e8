"""The hub as fhirpy (both clients) and fhir.resources see it, over verified TLS."""

import asyncio
import json
import os
import ssl

import requests
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.capabilitystatement import CapabilityStatement
from fhir.resources.R4B.operationoutcome import OperationOutcome
from fhirpy import AsyncFHIRClient, SyncFHIRClient
from fhirpy.base.exceptions import OperationOutcome as Refused
from fhirpy.base.exceptions import ResourceNotFound

URL, CA, TOKEN = os.environ["URL"], os.environ["CA"], os.environ["TOKEN"]
BEARER = f"Bearer {TOKEN}"
raw = requests.Session()
raw.verify = CA
raw.headers["Authorization"] = BEARER


def check(what, truth):
    """An assertion that -O does not remove."""
    if not truth:
        raise SystemExit(f"fhirpy: FAILED: {what}")
    print(f"  {what}")


def with_sync_client():
    client = SyncFHIRClient(URL, authorization=BEARER, requests_config={"verify": CA})
    patient = client.resource("Patient", name=[{"family": "Lopez", "given": ["Ana"]}])
    patient.save()
    check("create gives id and version", patient.id and patient["meta"]["versionId"] == "1")
    read = client.reference("Patient", patient.id).to_resource()
    check("read gives what was written", read["name"][0]["family"] == "Lopez")
    read["active"] = True
    read.save()
    check("update gives the next version", read["meta"]["versionId"] == "2")

    stale = raw.put(f"{URL}/Patient/{patient.id}", json=read.serialize(), headers={"If-Match": 'W/"1"'})
    check("a stale version is refused (412)", stale.status_code == 412)
    OperationOutcome.model_validate_json(stale.content)

    for number in range(25):
        client.resource(
            "Observation",
            status="final",
            code={"text": "weight"},
            subject=patient.to_reference(),
            valueQuantity={"value": number},
        ).save()
    found = client.resources("Observation").search(subject=patient.id).limit(7)
    check("a search pages through all", len({o.id for o in found.fetch_all()}) == 25)
    check("a page has the size asked for", len(found.fetch()) == 7)
    by_name = client.resources("Patient").search(family="lopez").first()
    check("a search finds by name", by_name.id == patient.id)

    again, created = client.resources("Patient").search(_id=patient.id).get_or_create(
        client.resource("Patient")
    )
    check("a conditional create finds", not created and again.id == patient.id)
    updated, _ = client.resources("Patient").search(_id=patient.id).update(
        client.resource("Patient", name=[{"family": "Lopez-Ruiz"}])
    )
    check("a conditional update updates", updated.id == patient.id)

    bundle = client.execute(
        "",
        data={
            "resourceType": "Bundle",
            "type": "transaction",
            "entry": [
                {
                    "fullUrl": "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a",
                    "resource": {"resourceType": "Patient", "name": [{"family": "Nuevo"}]},
                    "request": {"method": "POST", "url": "Patient"},
                },
                {
                    "resource": {
                        "resourceType": "Observation",
                        "status": "final",
                        "code": {"text": "x"},
                        "subject": {"reference": "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a"},
                    },
                    "request": {"method": "POST", "url": "Observation"},
                },
            ],
        },
    )
    names = [e["response"]["location"].split("/_history")[0] for e in bundle["entry"]]
    subject = client.execute(names[1], method="get")["subject"]["reference"]
    check("a transaction rewrites urn:uuid references", subject == names[0])

    patch = json.dumps([{"op": "replace", "path": "/name/0/family", "value": "Nueva"}])
    headers = {"Content-Type": "application/json-patch+json"}
    patched = raw.patch(f"{URL}/{names[0]}", data=patch, headers=headers)
    check("a JSON Patch is applied", patched.json()["name"][0]["family"] == "Nueva")

    client.reference("Patient", patient.id).to_resource().delete()
    try:
        client.reference("Patient", patient.id).to_resource()
        check("a deleted record is gone", False)
    except ResourceNotFound:
        check("a deleted record is gone", True)
    history = raw.get(f"{URL}/Patient/{patient.id}/_history")
    Bundle.model_validate_json(history.content)
    methods = [entry["request"]["method"] for entry in history.json()["entry"]]
    check("the history has every version and the deletion", methods == ["DELETE", "PUT", "PUT", "PUT"])
    try:
        client.resources("Patient").search(nonsense="1").fetch()
        check("an unknown parameter is an error", False)
    except Refused as refused:
        check("an unknown parameter is an error", "nonsense" in str(refused))


async def with_async_client():
    context = ssl.create_default_context(cafile=CA)
    client = AsyncFHIRClient(URL, authorization=BEARER, aiohttp_config={"ssl": context})
    organization = client.resource("Organization", name="Clinic")
    await organization.save()
    found = await client.resources("Organization").search(name="clin").fetch_all()
    check("async: created and found", [o.id for o in found] == [organization.id])
    await organization.delete()
    check("async: deleted", await client.resources("Organization").search(name="clin").fetch_all() == [])


def capability():
    answer = raw.get(f"{URL}/metadata")
    statement = CapabilityStatement.model_validate_json(answer.content)
    check("fhir.resources reads the CapabilityStatement", statement.fhirVersion == "4.0.1")
    page = raw.get(f"{URL}/Observation", params={"_count": 3, "_total": "accurate"})
    check("fhir.resources reads a page", Bundle.model_validate_json(page.content).total == 26)
    nobody = requests.get(f"{URL}/Patient", verify=CA)
    OperationOutcome.model_validate_json(nobody.content)
    check("without a token: 401", nobody.status_code == 401 and "Bearer" in nobody.headers["WWW-Authenticate"])
    try:
        requests.get(f"{URL}/metadata")
        check("TLS is verified", False)
    except requests.exceptions.SSLError:
        check("TLS is verified", True)


with_sync_client()
asyncio.run(with_async_client())
capability()
print("fhirpy: ok")
