import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.rest.api.MethodOutcome;
import ca.uhn.fhir.rest.api.PatchTypeEnum;
import ca.uhn.fhir.rest.client.api.IGenericClient;
import ca.uhn.fhir.rest.client.interceptor.BearerTokenAuthInterceptor;
import ca.uhn.fhir.rest.server.exceptions.PreconditionFailedException;
import ca.uhn.fhir.rest.server.exceptions.ResourceGoneException;
import java.util.HashSet;
import java.util.Set;
import org.hl7.fhir.r4.model.Bundle;
import org.hl7.fhir.r4.model.CapabilityStatement;
import org.hl7.fhir.r4.model.IdType;
import org.hl7.fhir.r4.model.Observation;
import org.hl7.fhir.r4.model.Patient;
import org.hl7.fhir.r4.model.Quantity;
import org.hl7.fhir.r4.model.Reference;

/** The hub as HAPI's client sees it in its default settings: it prefers XML, and asks for metadata first. */
public class Story {
    static void check(String what, boolean truth) {
        if (!truth) {
            System.out.println("HAPI: FAILED: " + what);
            System.exit(1);
        }
        System.out.println("  " + what);
    }

    public static void main(String[] args) {
        FhirContext context = FhirContext.forR4();
        IGenericClient client = context.newRestfulGenericClient(System.getenv("URL"));
        client.registerInterceptor(new BearerTokenAuthInterceptor(System.getenv("TOKEN")));

        Patient patient = new Patient();
        patient.addName().setFamily("Lopez").addGiven("Ana");
        patient.addIdentifier().setSystem("urn:s").setValue("1");
        MethodOutcome created = client.create().resource(patient).execute();
        IdType id = (IdType) created.getId();
        check("create", created.getCreated() && id.getVersionIdPart().equals("1"));

        Patient read = client.read().resource(Patient.class).withId(id.getIdPart()).execute();
        check("read", read.getNameFirstRep().getFamily().equals("Lopez"));
        read.setActive(true);
        MethodOutcome updated = client.update().resource(read).execute();
        check("update", updated.getId().getVersionIdPart().equals("2"));
        try {
            client.update().resource(read).withAdditionalHeader("If-Match", "W/\"1\"").execute();
            check("a stale version is refused (412)", false);
        } catch (PreconditionFailedException refused) {
            check("a stale version is refused (412)", refused.getOperationOutcome() != null);
        }
        Patient old = client.read().resource(Patient.class).withIdAndVersion(id.getIdPart(), "1").execute();
        check("read of an old version", !old.hasActive());
        MethodOutcome found =
                client.create().resource(patient).conditionalByUrl("Patient?identifier=urn:s|1").execute();
        check("conditional create finds", found.getId().getIdPart().equals(id.getIdPart()));

        Bundle transaction = new Bundle().setType(Bundle.BundleType.TRANSACTION);
        String urn = "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a";
        transaction.addEntry().setFullUrl(urn).setResource(new Patient().setActive(true))
                .getRequest().setMethod(Bundle.HTTPVerb.POST).setUrl("Patient");
        for (int number = 0; number < 25; number++) {
            Observation observation = new Observation();
            observation.setStatus(Observation.ObservationStatus.FINAL);
            observation.getCode().setText("weight");
            observation.setSubject(new Reference(urn));
            observation.setValue(new Quantity(number));
            transaction.addEntry().setResource(observation)
                    .getRequest().setMethod(Bundle.HTTPVerb.POST).setUrl("Observation");
        }
        Bundle answer = client.transaction().withBundle(transaction).execute();
        String name = new IdType(answer.getEntryFirstRep().getResponse().getLocation()).getIdPart();
        check("transaction", answer.getEntry().size() == 26);

        Bundle page = client.search().forResource(Observation.class)
                .where(Observation.PATIENT.hasId(name)).count(7).returnBundle(Bundle.class).execute();
        Set<String> seen = new HashSet<>();
        int pages = 1;
        page.getEntry().forEach(entry -> seen.add(entry.getResource().getIdElement().getIdPart()));
        while (page.getLink(Bundle.LINK_NEXT) != null) {
            page = client.loadPage().next(page).execute();
            page.getEntry().forEach(entry -> seen.add(entry.getResource().getIdElement().getIdPart()));
            pages++;
        }
        check("search, all pages", seen.size() == 25 && pages == 4);

        String patch = "[{\"op\":\"replace\",\"path\":\"/active\",\"value\":false}]";
        client.patch().withBody(patch).withId("Patient/" + id.getIdPart()).execute();
        Patient patched = client.read().resource(Patient.class).withId(id.getIdPart()).execute();
        check("JSON Patch (" + PatchTypeEnum.JSON_PATCH.getContentType() + ")", !patched.getActive());

        client.delete().resourceById("Patient", id.getIdPart()).execute();
        try {
            client.read().resource(Patient.class).withId(id.getIdPart()).execute();
            check("delete", false);
        } catch (ResourceGoneException gone) {
            check("delete", true);
        }
        Bundle history = client.history().onInstance(new IdType("Patient", id.getIdPart()))
                .returnBundle(Bundle.class).execute();
        check("history", history.getEntry().size() == 4
                && history.getEntryFirstRep().getRequest().getMethod() == Bundle.HTTPVerb.DELETE);
        Bundle system = client.history().onServer().returnBundle(Bundle.class).count(5).execute();
        check("history of the server", system.getEntry().size() == 5);

        CapabilityStatement statement = client.capabilities().ofType(CapabilityStatement.class).execute();
        check("capabilities", statement.getRestFirstRep().getResource().size() == 146);
        System.out.println("HAPI: ok");
    }
}
