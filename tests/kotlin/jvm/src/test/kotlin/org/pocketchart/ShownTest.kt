package org.pocketchart

import kotlin.test.Test
import kotlin.test.assertFalse
import kotlin.test.assertTrue
import org.pocketchart.ffi.FreeTimesFilter
import org.pocketchart.ffi.NewSlot
import org.pocketchart.ffi.Resolution
import org.pocketchart.ffi.UnlockWith
import org.pocketchart.ffi.VisitWish

/** What ends up in logs and crash reports when somebody prints it. */
class ShownTest {
    private fun hidden(value: Any, vararg secrets: String) {
        for (secret in secrets) assertFalse(secret in value.toString(), "${value.javaClass.simpleName} shows what it holds")
    }

    @Test
    fun `secrets and records do not print`() = atHome {
        hidden(UnlockWith.Passphrase("nurse-1", Surroundings.PASSPHRASE), Surroundings.PASSPHRASE, "plum")
        hidden(UnlockWith.Pin(null, "739148"), "739148")
        hidden(UnlockWith.RecoveryCode(code), code)
        hidden(NewSlot.Passphrase("Ann", Surroundings.PASSPHRASE, false), Surroundings.PASSPHRASE)
        hidden(NewSlot.Pin("Ann", "739148"), "739148")
        hidden(Resolution.Edited("""{"family":"Kim"}"""), "Kim")
        hidden(VisitWish("kim", "a cough", null, FreeTimesFilter(), false), "cough", "kim")
        patient("a")
        hidden(session.get("Patient/a"), "Kim")
        val page = session.search("Patient")
        assertTrue("Kim" in page.items.single().what)
        hidden(page, "Kim")
        hidden(page.items.single(), "Kim")

        for (holder in listOf(session, vault)) hidden(holder, "Kim", folder.path)
    }

    @Test
    fun `errors say nothing of what was given`() = atHome {
        val canary = "Zephyrine"
        val calls = listOf<suspend () -> Any?>(
            { session.get("Patient/$canary") }, { session.get(canary) }, { session.put("""{"$canary":""") },
            { session.search("Patient?$canary=1") }, { session.search("Patient", canary) },
            { session.joinHub(canary) }, { session.addServer("https://$canary.invalid/fhir") },
            { session.whoSaw(canary, canary) }, { session.removeSlot(canary) }, { session.conflict("Patient/$canary") },
            { session.addPerson(canary, canary, NewSlot.Passphrase("Ann", Surroundings.OTHER, false)) },
            { session.chooseTime(canary, canary) }, { vault.unlockByPassphrase(canary) },
            { vault.unlockByGate("why", canary) }, { session.observe(canary).collect { } },
        )
        for ((number, call) in calls.withIndex()) {
            val error = runCatching { call() }.exceptionOrNull()
            assertTrue(error is VaultException, "call $number: $error")
            assertFalse(canary in error.stackTraceToString(), "call $number")
        }
    }
}
