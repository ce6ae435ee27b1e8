package org.pocketchart

import java.io.File
import java.util.concurrent.atomic.AtomicInteger
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Job
import kotlinx.coroutines.launch
import org.pocketchart.ffi.ConflictSide
import org.pocketchart.ffi.FreeTimesFilter
import org.pocketchart.ffi.NewSlot
import org.pocketchart.ffi.PathChoice
import org.pocketchart.ffi.Resolution
import org.pocketchart.ffi.Tick
import org.pocketchart.ffi.UnlockWith
import org.pocketchart.ffi.VisitWish

/** The inputs of a step. */
class With(val all: Map<String, Any?>) {
    operator fun get(name: String): String? = all[name] as String?
    fun text(name: String): String = this[name] ?: error("'$name' is missing")
    fun truth(name: String): Boolean = all[name] as Boolean? ?: false
    fun list(name: String): List<Any?> = all[name] as List<Any?>? ?: emptyList()

    @Suppress("UNCHECKED_CAST")
    fun withs(name: String): List<With> = list(name).map { With(it as Map<String, Any?>) }

    val unlock: UnlockWith
        get() = when {
            "passphrase" in all -> UnlockWith.Passphrase(this["person"], text("passphrase"))
            "pin" in all -> UnlockWith.Pin(this["person"], text("pin"))
            "recoveryCode" in all -> UnlockWith.RecoveryCode(text("recoveryCode"))
            else -> UnlockWith.Gate(this["slot"], text("reason"))
        }

    val newSlot: NewSlot
        get() = when {
            "passphrase" in all -> NewSlot.Passphrase(text("name"), text("passphrase"), truth("here"))
            "pin" in all -> NewSlot.Pin(text("name"), text("pin"))
            else -> NewSlot.Gate(text("name"))
        }

    val times: FreeTimesFilter
        get() = FreeTimesFilter(
            practitioners = list("practitioners").map { it as String },
            serviceType = this["serviceType"],
            isVirtual = all["isVirtual"] as Boolean?,
            from = this["from"],
            until = this["until"],
            timeOfDay = this["timeOfDay"],
            days = this["days"],
        )

    val resolution: Resolution
        get() = when {
            "json" in all -> Resolution.Edited(json)
            "paths" in all ->
                Resolution.ByPath((all["paths"] as Map<*, *>).map { PathChoice(it.key as String, side(it.value)) })
            side(all["take"]) == ConflictSide.MINE -> Resolution.Mine
            else -> Resolution.Theirs
        }

    /** A resource, as it stands in the scenario or as a text. */
    val json: String get() = all["json"].let { it as? String ?: GSON.toJson(it) }

    private fun side(name: Any?) = ConflictSide.valueOf((name as String).uppercase())

    companion object {
        val GSON: com.google.gson.Gson = com.google.gson.GsonBuilder().serializeNulls().disableHtmlEscaping().create()
    }
}

/** One device of a story: a vault in a folder, and what is open of it. */
class Device(val home: File, private val scope: CoroutineScope) : AutoCloseable {
    private val keys = GoodGate()
    private var vault = Vault(home)
    private var new: NewVault? = null
    private var code: NewRecoveryCode? = null
    private var open: Session? = null
    private var observed: Observed? = null
    private val all = mutableListOf<AutoCloseable>(vault)

    val session: Session get() = open ?: error("the story has no session yet")

    private fun opened(session: Session) {
        open = session
        all += session
    }

    /** What a step does; `null`: nothing of that name. */
    suspend fun doing(what: String, with: With): Any? = when (what) {
        "vault" -> vault = Vault(home, gate(with.text("gate"), keys)).also { all += it }
        "exists" -> vault.exists()
        "slots" -> vault.slots()
        "create" -> vault.create(with.text("passphrase")).also { new = it; all += it }.recoveryCode
        "confirm" -> opened(new!!.confirm(with.text("typed")))
        "abandon" -> new!!.abandon()
        "unlock" -> opened(vault.unlock(with.unlock))
        "wipe" -> with.truth("evenUnsent").let { if (open?.isLocked() == false) session.wipe(it) else vault.wipe(it) }
        "close" -> session.close()
        "judgePassphrase" -> Vault.judgePassphrase(with.text("text"))
        "libraryVersion" -> Vault.version
        "background" -> session.inner.let { crossing { it.background() } }
        "foreground" -> session.inner.let { crossing { it.foreground() } }
        "observe" -> observe(with)
        "ticks" -> observed!!.answer()
        "newRecoveryCode" -> session.newRecoveryCode(with.withs("present").map { it.unlock }, with.truth("dropOthers"))
            .also { code = it; all += it }.code
        "confirmRecoveryCode" -> code!!.confirm(with.text("typed"))
        else -> session.doing(what, with)
    }

    private suspend fun observe(with: With) {
        val kinds = with.list("kinds").map { it as String }.toTypedArray()
        // Whether it can be observed shows in the first tick; the rest is counted beside the story.
        val flow = session.observe(*kinds)
        val seen = Observed()
        val first = CompletableDeferred<Unit>()
        seen.job = scope.launch {
            try {
                flow.collect { seen.newest = it; seen.count.incrementAndGet(); first.complete(Unit) }
            } catch (error: VaultException) {
                first.completeExceptionally(error)
            }
        }
        first.await()
        observed = seen
    }

    private class Observed {
        val count = AtomicInteger()
        @Volatile var newest: Tick? = null
        lateinit var job: Job

        fun answer() = mapOf("count" to count.get(), "kinds" to newest?.kinds, "over" to job.isCompleted)
    }

    override fun close() {
        observed?.job?.cancel()
        all.asReversed().forEach(AutoCloseable::close)
    }
}

private suspend fun Session.doing(what: String, with: With): Any? = when (what) {
    "switchPerson" -> switchPerson(with.unlock)
    "lock" -> lock()
    "pause" -> pause()
    "resume" -> resume()
    "lockState" -> lockState()
    "person" -> person()
    "sessionSlots" -> slots()
    "addSlot" -> addSlot(with.newSlot)
    "people" -> people()
    "addPerson" -> addPerson(with.text("id"), with.text("role"), with.newSlot)
    "removeSlot" -> removeSlot(with.text("id"), with.withs("present").map { it.unlock }, with.truth("dropOthers"))
    "verifyRecoveryCode" -> verifyRecoveryCode(with.text("text"))
    "openedByRecoveryCode" -> openedByRecoveryCode()
    "joinHub" -> joinHub(with.text("code"))
    "addServer" -> addServer(with.text("url"), with["token"], with["caPem"], with["patient"])
    "servers" -> servers()
    "search" -> search(with.text("query"), with["cursor"])
    "get" -> get(with.text("reference"))
    "put" -> put(with.json)
    "delete" -> delete(with.text("reference"))
    "sync" -> synced(with)
    "syncState" -> syncState()
    "outbox" -> outbox()
    "conflicts" -> conflicts()
    "conflict" -> conflict(with.text("reference"))
    "resolve" -> when {
        "seen" in with.all -> resolveSeen(with.text("reference"), with.resolution, with["seen"])
        else -> resolve(with.text("reference"), with.resolution)
    }
    "quarantine" -> quarantine()
    "sendAgain" -> sendAgain(with.text("reference"))
    "discardRefused" -> discardRefused(with.text("reference"))
    "freeTimes" -> freeTimes(with.times)
    "askForVisit" -> askForVisit(
        VisitWish(with.text("patient"), with.text("reason"), with["slot"], with.times, with.truth("nextBest")),
    )
    "chooseTime" -> chooseTime(with.text("visit"), with.text("slot"))
    "callOff" -> callOff(with.text("visit"))
    "visits" -> visits()
    "whoSaw" -> whoSaw(with.text("patient"), with["cursor"])
    "warnings" -> warnings()
    "acceptLoss" -> acceptLoss()
    else -> error("no such step: $what")
}

private suspend fun Session.synced(with: With): Any? {
    if (with.truth("cancelled")) {
        val token = org.pocketchart.ffi.CancelToken()
        token.cancel()
        return crossing { inner.sync(with["server"], token, null) }
    }
    val told = AtomicInteger()
    val report = sync(with["server"]) { told.incrementAndGet() }
    @Suppress("UNCHECKED_CAST")
    return (answer(report) as Map<String, Any?>) + ("progress" to told.get())
}
