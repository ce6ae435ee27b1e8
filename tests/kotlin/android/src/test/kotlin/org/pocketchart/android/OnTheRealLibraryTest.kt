package org.pocketchart.android

import android.app.Activity
import android.app.job.JobParameters
import android.hardware.biometrics.BiometricPrompt
import android.os.Looper
import java.io.File
import java.nio.file.Files
import kotlin.time.Duration.Companion.milliseconds
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.runBlocking
import org.junit.After
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Before
import org.junit.Test
import org.junit.runner.RunWith
import org.pocketchart.GateFailure
import org.pocketchart.Session
import org.pocketchart.Surroundings
import org.pocketchart.Vault
import org.pocketchart.VaultException
import org.pocketchart.addGateSlot
import org.pocketchart.addPinSlot
import org.pocketchart.addServer
import org.pocketchart.ffi.LockState
import org.pocketchart.ffi.SlotKind
import org.pocketchart.guide.tenLines
import org.pocketchart.guide.watched
import org.pocketchart.outbox
import org.pocketchart.removeSlot
import org.pocketchart.slots
import org.robolectric.Robolectric
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import org.robolectric.annotation.Config
import org.robolectric.util.ReflectionHelpers

/** A phone's flows from the sheet to the records, on the real library; the key store and the sheet are fakes. */
@RunWith(RobolectricTestRunner::class)
@Config(sdk = [35], shadows = [FakePrompt::class])
class OnTheRealLibraryTest {
    private val app get() = RuntimeEnvironment.getApplication()
    private val place: File = Files.createTempDirectory("pocketchart-phone").toFile()
    private lateinit var screen: Activity
    private lateinit var gate: BiometricKeyGate
    private lateinit var vault: Vault
    private val open = mutableListOf<Session>()

    @Before
    fun up() {
        FakeKeyStore.install()
        FakePrompt.clear()
        screen = Robolectric.buildActivity(Activity::class.java).setup().get()
        gate = BiometricKeyGate(app, PromptWords("Open your records", "Use the passphrase", "Confirm")) { screen }
        vault = Vault(File(place, "vault"), gate)
    }

    @After
    fun down() {
        open.forEach(Session::close)
        vault.close()
        FakeKeyStore.remove()
        SyncJobService.vault = { null }
        place.deleteRecursively()
    }

    private fun Session.kept() = also(open::add)

    /** A vault that a finger opens, and a record in it; locked. */
    private fun enrolled(pin: String? = null): Session = answering({ it.finger() }) {
        val new = vault.create(Surroundings.PASSPHRASE)
        val session = new.confirm(new.recoveryCode)
        session.addGateSlot("this phone")
        if (pin != null) session.addPinSlot("pin", pin)
        session.put("""{"resourceType":"Patient","id":"a","name":[{"family":"Kim"}]}""")
        session.lock()
        session
    }.getOrThrow().kept()

    private fun byFinger(answer: (FakePrompt.Sheet) -> Unit): Result<Session> =
        answering(answer) { vault.unlockByGate("To see your records") }.onSuccess { it.kept() }

    private fun refusal(answer: (FakePrompt.Sheet) -> Unit = NO_SHEET): GateFailure {
        val error = byFinger(answer).exceptionOrNull() ?: throw AssertionError("it opened")
        return (error as VaultException.Gate).failure
    }

    private fun byPassphrase(): Session = runBlocking { vault.unlockByPassphrase(Surroundings.PASSPHRASE) }.kept()

    private fun around(test: (Surroundings) -> Unit) =
        Surroundings(File(place, "around").apply { mkdirs() }).use(test)

    private fun Session.family() = runBlocking { search("Patient").items.single().what }

    @Test
    fun aFingerOpensTheRecords() {
        enrolled()
        val session = byFinger {
            assertEquals("To see your records", it.prompt.description)
            it.finger()
        }.getOrThrow()
        assertTrue(session.family().contains("Kim"))
    }

    @Test
    fun whoCancelsUsesThePassphrase() {
        enrolled()
        assertEquals(GateFailure.CANCELLED, refusal { it.button() })
        assertTrue(byPassphrase().family().contains("Kim"))
    }

    @Test
    fun aLockedOutSensorIsNotLoss() {
        enrolled()
        assertEquals(GateFailure.LOCKED_OUT, refusal { it.error(BiometricPrompt.BIOMETRIC_ERROR_LOCKOUT) })
        assertTrue(byFinger { it.finger() }.getOrThrow().family().contains("Kim"))
    }

    @Test
    fun aFaceOfClass2OpensNothing() {
        enrolled()
        assertEquals(GateFailure.REFUSED, refusal { it.weakFace() })
        assertEquals(GateFailure.REFUSED, refusal { it.yesWithoutCipher() })
        assertTrue(byFinger { it.finger() }.getOrThrow().family().contains("Kim"))
    }

    @Test
    fun aNewFingerEndsThatSlotAndNothingElse() {
        enrolled(pin = "739148")
        FakeKeyStore.addFinger()
        assertEquals(GateFailure.LOST, refusal())
        val byPin = runBlocking { vault.unlockByPin("739148") }.kept()
        assertTrue(byPin.family().contains("Kim"))
        runBlocking { byPin.lock() }
        // The person opens with what stays, takes the dead slot out and makes a new one.
        val session = byPassphrase()
        answering({ it.finger() }) {
            session.removeSlot(session.slots().single { it.kind == SlotKind.GATE }.id)
            session.addGateSlot("this phone again")
            session.lock()
        }.getOrThrow()
        assertTrue(byFinger { it.finger() }.getOrThrow().family().contains("Kim"))
    }

    @Test
    fun afterARestoreToAnotherPhoneThePassphraseOpens() {
        enrolled(pin = "739148")
        FakeKeyStore.keys.clear()
        assertEquals(GateFailure.LOST, refusal())
        val pin = runBlocking { runCatching { vault.unlockByPin("739148") } }.exceptionOrNull()
        assertEquals(GateFailure.LOST, (pin as VaultException.Gate).failure)
        assertTrue(byPassphrase().family().contains("Kim"))
    }

    @Test
    fun aKeyStoreThatHiccupsIsAskedAgain() {
        enrolled()
        FakeKeyStore.failNext("find", java.security.ProviderException("busy"))
        assertEquals(GateFailure.TRY_AGAIN, refusal())
        assertTrue(byFinger { it.finger() }.getOrThrow().family().contains("Kim"))
    }

    @Test
    fun aFingersSlotThatIsNotConfirmedIsNotMade() {
        val session = runBlocking { vault.create(Surroundings.PASSPHRASE).let { it.confirm(it.recoveryCode) } }.kept()
        val failed = answering({ it.button() }) { session.addGateSlot("this phone") }.exceptionOrNull()
        assertEquals(GateFailure.CANCELLED, (failed as VaultException.Gate).failure)
        assertEquals(2, runBlocking { session.slots() }.size)
        assertEquals(emptySet<String>(), FakeKeyStore.keys.keys)
    }

    @Test
    fun aWipeTakesTheKeysOutOfThePhone() {
        enrolled(pin = "739148")
        assertEquals(2, FakeKeyStore.keys.size)
        assertEquals(0, runBlocking { vault.wipe(evenUnsent = true) })
        assertEquals(emptySet<String>(), FakeKeyStore.keys.keys)
    }

    @Test
    fun whoeverLeavesTheScreenTakesTheSheetAlong() {
        enrolled()
        val asking = start { vault.unlockByGate("why") }
        var sheet: FakePrompt.Sheet? = null
        mainThreadUntil { sheet = sheet ?: FakePrompt.take(); sheet != null }
        asking.cancel()
        mainThreadUntil { sheet!!.stop.isCanceled }
        assertTrue(byPassphrase().family().contains("Kim"))
    }

    @Test
    fun outOfSightTheVaultHasLittleTime() {
        enrolled()
        val session = byPassphrase()
        LifecycleLock({ session }, after = 1.milliseconds).watch(app)
        fun left() = (session.lockState() as LockState.Open).secondsLeft
        val activity = Robolectric.buildActivity(Activity::class.java).setup()
        assertTrue(left() > 200uL)
        activity.pause().stop()
        assertTrue("${left()} s", left() <= 30uL)
        runBlocking { session.search("Patient") }
        assertTrue("a call puts nothing off", left() <= 30uL)
        activity.restart().start().resume()
        assertTrue(left() > 200uL)
        runBlocking { session.lock() }
        activity.pause().stop()
        shadowOf(Looper.getMainLooper()).idleFor(java.time.Duration.ofMinutes(1))
        assertTrue("going out of sight when locked is no error", session.isLocked())
    }

    @Test
    fun theJobSyncsTheOpenVaultAndLeavesTheLockedOneAlone() = around { around ->
        val hub = around.startHub()
        enrolled()
        val session = byPassphrase()
        runBlocking { session.addServer(hub.getValue("url"), hub.getValue("token"), hub.getValue("ca")) }
        app.watched(session)
        val service = Robolectric.buildService(SyncJobService::class.java).create().get()
        val params: JobParameters = ReflectionHelpers.newInstance(JobParameters::class.java)

        fun again(): Boolean {
            ReflectionHelpers.setField(shadowOf(service), "isJobFinished", false)
            assertTrue(service.onStartJob(params))
            mainThreadUntil { shadowOf(service).isJobFinished }
            return shadowOf(service).isRescheduleNeeded
        }
        assertEquals(1, runBlocking { session.outbox() }.size)
        assertFalse("it was done", again())
        assertEquals(0, runBlocking { session.outbox() }.size)
        around.stopHub()
        assertTrue("nobody was there", again())
        runBlocking { session.lock() }
        assertTrue("it is locked", again())
    }

    @Test
    fun theGuidesTenLines() = around { around ->
        around.startHub()
        val made = around.ok("hub", listOf("--json", "hub", "enrol", "--device", "phone", "--facility", "north"))
        val session = answering({ it.finger() }) {
            val scope = CoroutineScope(Dispatchers.Default)
            scope.async {
                tenLines(
                    home = File(app.noBackupFilesDir, "vault"),
                    gate = gate,
                    passphrase = Surroundings.PASSPHRASE,
                    code = (made["json"] as Map<*, *>)["code"] as String,
                    scope = scope,
                    writtenDown = { it },
                    approved = { around.ok("hub", listOf("hub", "approve", it)) },
                    show = {},
                )
            }.await()
        }.getOrThrow().kept()
        assertEquals("Weight", runBlocking { session.search("Observation") }.items.single().what)
        assertEquals(SlotKind.GATE, runBlocking { session.slots() }.single { it.isOpen }.kind)
    }
}
