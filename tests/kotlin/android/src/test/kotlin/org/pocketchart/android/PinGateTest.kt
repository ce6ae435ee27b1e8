package org.pocketchart.android

import java.security.ProviderException
import kotlinx.coroutines.runBlocking
import org.junit.After
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Before
import org.junit.Test
import org.junit.runner.RunWith
import org.pocketchart.GateFailure
import org.pocketchart.GatePolicy
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.annotation.Config

/** The hardware's half of a PIN: a keyed function that asks for nobody. */
@RunWith(RobolectricTestRunner::class)
@Config(sdk = [28, 35])
class PinGateTest {
    private val gate by lazy { PinGate(RuntimeEnvironment.getApplication()) }
    private val input = "what was typed, hashed".toByteArray()

    @Before
    fun up() = FakeKeyStore.install()

    @After
    fun down() = FakeKeyStore.remove()

    private fun enroll(alias: String) = runBlocking { gate.enroll(alias, GatePolicy.EVALUATE, ByteArray(0)) }

    private fun evaluate(alias: String, input: ByteArray) = runBlocking { gate.evaluate(alias, input) }

    @Test
    fun theSameInputTheSameBytes() {
        assertEquals(0, enroll("a").size)
        val first = evaluate("a", input)
        assertEquals(32, first.size)
        assertArrayEquals(first, evaluate("a", input))
    }

    @Test
    fun anotherInputOrKeyOtherBytes() {
        enroll("a")
        enroll("b")
        assertFalse(evaluate("a", input).contentEquals(evaluate("b", input)))
        assertFalse(evaluate("a", input).contentEquals(evaluate("a", input + 0)))
    }

    @Test
    fun theKeyAsksForNobodyAndOnlyComputes() {
        FakeKeyStore.hasStrongBox = true
        enroll("a")
        val spec = FakeKeyStore.keys.getValue("pocketchart.a.evaluate").spec
        assertFalse(spec.isUserAuthenticationRequired)
        assertEquals(android.security.keystore.KeyProperties.PURPOSE_SIGN, spec.purposes)
        assertEquals(256, spec.keySize)
        assertEquals(true, spec.isStrongBoxBacked)
    }

    @Test
    fun whereItLives() = runBlocking {
        enroll("a")
        assertEquals(KeyHome.TRUSTED_ENVIRONMENT, gate.homeOf("a"))
        FakeKeyStore.level = 0
        assertEquals(KeyHome.SOFTWARE, gate.homeOf("a"))
    }

    @Test
    fun aMissingKeyIsLostAndAHiccupIsNot() {
        assertEquals(GateFailure.LOST, refusal { gate.evaluate("a", input) }.failure)
        enroll("a")
        FakeKeyStore.failNext("init", ProviderException())
        assertEquals(GateFailure.TRY_AGAIN, refusal { gate.evaluate("a", input) }.failure)
        assertEquals(32, evaluate("a", input).size)
    }

    @Test
    fun aNewFingerDoesNotEndIt() {
        enroll("a")
        val before = evaluate("a", input)
        FakeKeyStore.addFinger()
        assertArrayEquals(before, evaluate("a", input))
    }

    @Test
    fun itMakesNoFingersSlot() {
        val refused = refusal { gate.enroll("a", GatePolicy.PERSON, ByteArray(32)) }
        assertEquals(GateFailure.UNAVAILABLE, refused.failure)
        assertEquals(GateFailure.UNAVAILABLE, refusal { gate.release("a", ByteArray(64), "why") }.failure)
        assertEquals(0, FakeKeyStore.keys.size)
    }

    @Test
    fun destroyedIsLost() {
        enroll("a")
        runBlocking { gate.destroy("a") }
        assertEquals(GateFailure.LOST, refusal { gate.evaluate("a", input) }.failure)
    }
}
