package org.pocketchart

import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertIs
import kotlin.test.assertNotEquals
import kotlin.test.assertNull
import org.pocketchart.ffi.PocketchartException

/** The boundary's codes and the kinds that an app tells apart. */
class CodesTest {
    /** Names of the generated half, as codes: `WrongSecret` is `wrong_secret`. */
    private val codes = PocketchartException::class.java.permittedSubclasses
        .map { it.simpleName.replace(Regex("(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])"), "_").lowercase() }

    @Test
    fun `every code of the library has a kind of its own`() {
        check(codes.size > 40)
        for (code in codes) {
            val error = Codes.exception("$code: a sentence")
            assertEquals(code, error.code, "the kind ${error.javaClass.simpleName}")
            if (code != "internal") assertNotEquals("Internal", error.javaClass.simpleName, code)
        }
    }

    @Test
    fun `numbers come through`() {
        val wait = Codes.exception("wait: the next one in 30 seconds")
        assertEquals(30, assertIs<VaultException.TooManyTries>(wait).seconds)
        assertNull(assertIs<VaultException.TooManyTries>(Codes.exception("slot_ended: closed for good")).seconds)
        val unsent = Codes.exception("unsent_changes: would be lost (7)")
        assertEquals(7, assertIs<VaultException.UnsentChanges>(unsent).changes)
    }

    @Test
    fun `an unknown text is a fault and no crash`() {
        for (text in listOf("", "nonsense", "new_code: of a newer library")) {
            assertIs<VaultException.Internal>(Codes.exception(text))
        }
    }

    @Test
    fun `gates have their failures`() {
        for (failure in GateFailure.entries) {
            val error = Codes.exception("gate_${failure.name.lowercase()}: a sentence")
            assertEquals(failure, assertIs<VaultException.Gate>(error).failure)
        }
    }
}
