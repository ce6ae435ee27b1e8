package org.pocketchart.android

import android.app.Activity
import android.hardware.biometrics.BiometricPrompt
import android.os.Build
import android.os.UserManager
import android.security.keystore.KeyProperties
import android.security.keystore.UserPresenceUnavailableException
import java.security.ProviderException
import javax.crypto.AEADBadTagException
import kotlinx.coroutines.runBlocking
import org.junit.After
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Before
import org.junit.Test
import org.junit.runner.RunWith
import org.pocketchart.GateFailure
import org.pocketchart.GatePolicy
import org.robolectric.Robolectric
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import org.robolectric.annotation.Config

/** What a finger's slot does with every answer of the sheet and of the key store, on the oldest and a new Android. */
@RunWith(RobolectricTestRunner::class)
@Config(sdk = [28, 35], shadows = [FakePrompt::class])
class BiometricKeyGateTest {
    private val app get() = RuntimeEnvironment.getApplication()
    private val words = PromptWords("Open your records", "Use the passphrase", "Confirm the new way in")
    private var screen: Activity? = null
    private val gate by lazy { BiometricKeyGate(app, words) { screen } }
    private val secret = ByteArray(32) { it.toByte() }

    @Before
    fun up() {
        FakeKeyStore.install()
        FakePrompt.clear()
        screen = Robolectric.buildActivity(Activity::class.java).setup().get()
    }

    @After
    fun down() = FakeKeyStore.remove()

    private fun enrolled(): ByteArray =
        answering({ it.finger() }) { gate.enroll("slot", GatePolicy.PERSON, secret) }.getOrThrow()

    private fun release(sealed: ByteArray, answer: (FakePrompt.Sheet) -> Unit) =
        answering(answer) { gate.release("slot", sealed, "To show today's list") }

    private fun refused(sealed: ByteArray, answer: (FakePrompt.Sheet) -> Unit = NO_SHEET) =
        refusal(answer) { gate.release("slot", sealed, "why") }

    @Test
    fun whatOneFingerSealedAnotherFingerReleases() {
        val sealed = enrolled()
        assertFalse(String(sealed, Charsets.ISO_8859_1).contains(String(secret, Charsets.ISO_8859_1)))
        assertArrayEquals(secret, release(sealed) { it.finger() }.getOrThrow())
        assertArrayEquals(secret, release(sealed) { it.finger() }.getOrThrow())
    }

    @Test
    fun everyReleaseAsksAgain() {
        val sealed = enrolled()
        var asked = 0
        repeat(3) { release(sealed) { asked += 1; it.finger() }.getOrThrow() }
        assertEquals(3, asked)
    }

    @Test
    fun theSheetShowsTheReason() {
        val sealed = enrolled()
        release(sealed) {
            if (Build.VERSION.SDK_INT >= 30) {
                assertEquals("Open your records", it.prompt.title)
                assertEquals("To show today's list", it.prompt.description)
                assertEquals("Use the passphrase", it.prompt.negativeButtonText)
            }
            it.finger()
        }.getOrThrow()
    }

    @Test
    fun theKeyIsOfTheStrictestKind() {
        enrolled()
        val spec = FakeKeyStore.keys.getValue("pocketchart.slot.person").spec
        assertTrue(spec.isUserAuthenticationRequired)
        assertTrue(spec.isInvalidatedByBiometricEnrollment)
        assertTrue(spec.isRandomizedEncryptionRequired)
        assertFalse("it would lose the key on Android 12 to 14", spec.isUnlockedDeviceRequired)
        assertEquals(256, spec.keySize)
        val validity = spec.userAuthenticationValidityDurationSeconds
        assertTrue("validity $validity would switch invalidation off", validity <= 0)
        if (Build.VERSION.SDK_INT >= 30) assertEquals(KeyProperties.AUTH_BIOMETRIC_STRONG, spec.userAuthenticationType)
        if (Build.VERSION.SDK_INT < 30) assertEquals(-1, validity)
    }

    @Test
    fun theStrongBoxIsTakenWhereThereIsOne() {
        FakeKeyStore.hasStrongBox = true
        val sealed = enrolled()
        assertTrue(FakeKeyStore.keys.getValue("pocketchart.slot.person").spec.isStrongBoxBacked)
        // Before API 31 a device does not say which of the two it is.
        val home = if (Build.VERSION.SDK_INT >= 31) KeyHome.STRONG_BOX else KeyHome.TRUSTED_ENVIRONMENT
        assertEquals(home, gate.homeOf(sealed))
    }

    @Test
    fun withoutAStrongBoxTheFallbackIsRecorded() {
        val sealed = enrolled()
        assertFalse(FakeKeyStore.keys.getValue("pocketchart.slot.person").spec.isStrongBoxBacked)
        assertEquals(KeyHome.TRUSTED_ENVIRONMENT, gate.homeOf(sealed))
    }

    @Test
    fun aStrongBoxThatFailsInItsOwnWordsFallsBackToo() {
        FakeKeyStore.hasStrongBox = true
        FakeKeyStore.failNext("make", ProviderException("Keystore key generation failed"))
        assertArrayEquals(secret, release(enrolled()) { it.finger() }.getOrThrow())
        assertFalse(FakeKeyStore.keys.getValue("pocketchart.slot.person").spec.isStrongBoxBacked)
    }

    @Test
    fun aKeyInSoftwareIsSaid() {
        FakeKeyStore.level = 0
        assertEquals(KeyHome.SOFTWARE, gate.homeOf(enrolled()))
    }

    @Test
    fun theButtonCancels() {
        assertEquals(GateFailure.CANCELLED, refused(enrolled()) { it.button() }.failure)
    }

    @Test
    fun numbersOfTheSheet() {
        val sealed = enrolled()
        val meanings = mapOf(
            BiometricPrompt.BIOMETRIC_ERROR_USER_CANCELED to GateFailure.CANCELLED,
            BiometricPrompt.BIOMETRIC_ERROR_LOCKOUT to GateFailure.LOCKED_OUT,
            BiometricPrompt.BIOMETRIC_ERROR_LOCKOUT_PERMANENT to GateFailure.LOCKED_OUT,
            BiometricPrompt.BIOMETRIC_ERROR_HW_UNAVAILABLE to GateFailure.TRY_AGAIN,
            BiometricPrompt.BIOMETRIC_ERROR_UNABLE_TO_PROCESS to GateFailure.TRY_AGAIN,
            BiometricPrompt.BIOMETRIC_ERROR_TIMEOUT to GateFailure.TRY_AGAIN,
            BiometricPrompt.BIOMETRIC_ERROR_NO_SPACE to GateFailure.TRY_AGAIN,
            BiometricPrompt.BIOMETRIC_ERROR_CANCELED to GateFailure.CANCELLED,
            BiometricPrompt.BIOMETRIC_ERROR_VENDOR to GateFailure.TRY_AGAIN,
            BiometricPrompt.BIOMETRIC_ERROR_NO_BIOMETRICS to GateFailure.UNAVAILABLE,
            BiometricPrompt.BIOMETRIC_ERROR_HW_NOT_PRESENT to GateFailure.UNAVAILABLE,
            BiometricPrompt.BIOMETRIC_ERROR_NO_DEVICE_CREDENTIAL to GateFailure.UNAVAILABLE,
            15 to GateFailure.UNAVAILABLE,
            21 to GateFailure.UNAVAILABLE,
            4711 to GateFailure.TRY_AGAIN,
        )
        for ((code, meaning) in meanings) {
            assertEquals("code $code", meaning, refused(sealed) { it.error(code) }.failure)
        }
        assertArrayEquals("none of them costs the key", secret, release(sealed) { it.finger() }.getOrThrow())
    }

    @Test
    fun aFingerThatIsNotKnownLeavesTheSheetOpen() {
        val sealed = enrolled()
        val out = release(sealed) { it.wrongFinger(); it.wrongFinger(); it.finger() }
        assertArrayEquals(secret, out.getOrThrow())
    }

    @Test
    fun anAnswerTooManyChangesNothing() {
        val sealed = enrolled()
        val out = release(sealed) { it.finger(); it.error(BiometricPrompt.BIOMETRIC_ERROR_LOCKOUT) }
        assertArrayEquals(secret, out.getOrThrow())
        val failure = refused(sealed) { it.button(); it.error(BiometricPrompt.BIOMETRIC_ERROR_USER_CANCELED) }
        assertEquals(GateFailure.CANCELLED, failure.failure)
    }

    @Test
    fun aFaceOfClass2PassesTheSheetAndNotTheKey() {
        assertEquals(GateFailure.REFUSED, refused(enrolled()) { it.weakFace() }.failure)
    }

    @Test
    fun aSheetThatSaysYesWithoutACipherOpensNothing() {
        assertEquals(GateFailure.REFUSED, refused(enrolled()) { it.yesWithoutCipher() }.failure)
    }

    @Test
    fun aNewFingerEndsTheKey() {
        val sealed = enrolled()
        FakeKeyStore.addFinger()
        assertEquals(GateFailure.LOST, refused(sealed).failure)
    }

    @Test
    fun afterARestoreToAnotherPhoneTheKeyIsMissing() {
        val sealed = enrolled()
        FakeKeyStore.keys.clear()
        assertEquals(GateFailure.LOST, refused(sealed).failure)
    }

    @Test
    fun beforeTheFirstUnlockingAMissingKeyIsNotLost() {
        val sealed = enrolled()
        val users = shadowOf(app.getSystemService(UserManager::class.java))
        users.setUserUnlocked(false)
        FakeKeyStore.keys.clear()
        assertEquals(GateFailure.TRY_AGAIN, refused(sealed).failure)
    }

    @Test
    fun hiccupsAreNotLoss() {
        val sealed = enrolled()
        for (kind in listOf("find", "init", "finish")) {
            FakeKeyStore.failNext(kind, ProviderException("keystore is busy: alias, path, uid"))
            val refused = refusal({ it.finger() }) { gate.release("slot", sealed, "why") }
            assertEquals(kind, GateFailure.TRY_AGAIN, refused.failure)
            assertFalse("no text of the platform's", refused.toString().contains("busy"))
        }
        FakeKeyStore.failNext("finish", AEADBadTagException())
        assertEquals(GateFailure.TRY_AGAIN, refused(sealed) { it.finger() }.failure)
        FakeKeyStore.failNext("find", UserPresenceUnavailableException())
        assertEquals(GateFailure.TRY_AGAIN, refused(sealed).failure)
        assertArrayEquals(secret, release(sealed) { it.finger() }.getOrThrow())
    }

    @Test
    fun noFingerOnTheDevice() {
        FakeKeyStore.hasFinger = false
        val refused = refusal { gate.enroll("slot", GatePolicy.PERSON, secret) }
        assertEquals(GateFailure.UNAVAILABLE, refused.failure)
    }

    @Test
    fun noKeyStoreAtAll() {
        val sealed = enrolled()
        FakeKeyStore.remove()
        assertEquals(GateFailure.UNAVAILABLE, refused(sealed).failure)
    }

    @Test
    fun noScreenNoSheet() {
        val sealed = enrolled()
        screen = null
        assertEquals(GateFailure.TRY_AGAIN, refused(sealed).failure)
    }

    @Test
    fun anEnrolmentThatFailsLeavesNoKey() {
        for (answer in listOf<(FakePrompt.Sheet) -> Unit>({ it.button() }, { it.weakFace() }, { it.error(7) })) {
            refusal(answer) { gate.enroll("slot", GatePolicy.PERSON, secret) }
            assertEquals(emptySet<String>(), FakeKeyStore.keys.keys)
        }
    }

    @Test
    fun aCancelledCoroutineTakesTheSheetAway() {
        val sealed = enrolled()
        val job = start { gate.release("slot", sealed, "why") }
        var sheet: FakePrompt.Sheet? = null
        mainThreadUntil { sheet = sheet ?: FakePrompt.take(); sheet != null }
        job.cancel()
        mainThreadUntil { sheet!!.stop.isCanceled }
        sheet!!.finger()
        job.finished()
        assertTrue(job.isCancelled)
        assertArrayEquals(secret, release(sealed) { it.finger() }.getOrThrow())
    }

    @Test
    fun aCancelledEnrolmentLeavesNoKey() {
        val job = start { gate.enroll("slot", GatePolicy.PERSON, secret) }
        mainThreadUntil { FakePrompt.take() != null }
        assertEquals(1, FakeKeyStore.keys.size)
        job.cancel()
        mainThreadUntil { FakeKeyStore.keys.isEmpty() }
    }

    @Test
    fun bytesThatAreNotOursAskForNobody() {
        val sealed = enrolled()
        val newer = sealed.clone().also { it[0] = 2 }
        for (bytes in listOf(ByteArray(0), ByteArray(15), sealed.copyOf(10), newer)) {
            assertEquals(GateFailure.TRY_AGAIN, refused(bytes).failure)
        }
    }

    @Test
    fun destroyingEndsBothKeysAndMayBeRepeated() {
        val sealed = enrolled()
        runBlocking {
            gate.enroll("slot", GatePolicy.EVALUATE, ByteArray(0))
            assertEquals(2, FakeKeyStore.keys.size)
            gate.destroy("slot")
            gate.destroy("slot")
        }
        assertNull(FakeKeyStore.keys["pocketchart.slot.person"])
        assertEquals(0, FakeKeyStore.keys.size)
        assertEquals(GateFailure.LOST, refused(sealed).failure)
    }
}
