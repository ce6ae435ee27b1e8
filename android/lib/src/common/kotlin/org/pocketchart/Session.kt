package org.pocketchart

import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.buffer
import kotlinx.coroutines.flow.channelFlow
import kotlinx.coroutines.flow.conflate
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.flow.transformWhile
import org.pocketchart.ffi.CancelToken
import org.pocketchart.ffi.LockState
import org.pocketchart.ffi.PersonInfo
import org.pocketchart.ffi.RecordText
import org.pocketchart.ffi.SavedRecord
import org.pocketchart.ffi.Session as ForeignSession
import org.pocketchart.ffi.SummaryPage
import org.pocketchart.ffi.SyncListener
import org.pocketchart.ffi.SyncProgress
import org.pocketchart.ffi.SyncReport
import org.pocketchart.ffi.Tick
import org.pocketchart.ffi.UnlockWith

/**
 * An open vault in one person's hands.
 *
 * It locks itself after some time without a call: 5 minutes for the person whose records they are, 2 for staff, 30
 * seconds in the background. Once locked it stays so; [Vault] opens another one. Closing the object locks it too.
 *
 * Cancelling a coroutine tears nothing: what a call was writing is written to its end. Every function can fail with
 * [VaultException.Locked].
 */
public class Session internal constructor(internal val inner: ForeignSession) : BackgroundSync, AutoCloseable {
    /** Who has the vault. Puts no lock off. */
    public suspend fun person(): PersonInfo = reading { inner.person() }

    /** Whether it is open, and for how long without another call. Puts no lock off. */
    public fun lockState(): LockState = crossing { inner.lockState() }

    /** [lockState] now, and again once it is locked: a screen goes back to its lock screen by this. */
    public fun lockStates(): Flow<LockState> = flow {
        val now = lockState()
        emit(now)
        if (now is LockState.Open) {
            untilLocked()
            emit(LockState.Locked)
        }
    }

    /** Waits until it is locked, by whomever and for whatever reason. Puts no lock off. */
    public suspend fun untilLocked(): Unit = crossing { inner.untilLocked() }

    /** Locks now. Twice is no error. */
    public suspend fun lock(): Unit = crossing { inner.lock() }

    override fun background(): Unit = unlessLocked { inner.background() }

    override fun foreground(): Unit = unlessLocked { inner.foreground() }

    override fun isLocked(): Boolean = try {
        lockState() is LockState.Locked
    } catch (_: VaultException.Closed) {
        true
    }

    /** As [background], and ends the syncs that run: the device is about to stop this app. */
    public suspend fun pause(): Unit = crossing { inner.pause() }

    /** As [foreground]. @throws VaultException.Locked when it was away for too long. */
    public suspend fun resume(): Unit = crossing { inner.resume() }

    /**
     * Puts the open vault into another person's hands. The person before has it still when that fails.
     *
     * @throws VaultException.WrongSecret
     */
    public suspend fun switchPerson(with: UnlockWith): PersonInfo = crossing { inner.switchPerson(with) }

    /**
     * A page of a search in FHIR's own words, such as `Observation?code=8867-4&_sort=-date`.
     *
     * @param cursor `next` of the page before, of the same search.
     * @throws VaultException.BadInput for what is no search.
     */
    public suspend fun search(query: String, cursor: String? = null): SummaryPage =
        crossing { inner.search(query, cursor) }

    /** One record. @throws VaultException.NotFound there is none that this person may see. */
    public suspend fun get(reference: String): RecordText = crossing { inner.get(reference) }

    /**
     * Stores a whole FHIR R4 resource as this person's change. A new one needs an id of its own: [Vault.newRecordId].
     *
     * @throws VaultException.BadInput
     * @throws VaultException.NotAllowed
     */
    public suspend fun put(json: String): SavedRecord = crossing { inner.put(json) }

    /** Deletes a record as this person's change. @throws VaultException.NotFound */
    public suspend fun delete(reference: String): SavedRecord = crossing { inner.delete(reference) }

    /**
     * That records changed: at once, and then whenever they do. Ends when the vault is locked or changes hands.
     *
     * @param kinds types of records, such as `Observation`; none: all.
     */
    public fun observe(vararg kinds: String): Flow<Tick> = flow { ticks(kinds.asList()) { emit(it) } }

    /**
     * The first page of a search, and again whenever records of these types change. Ends when the vault is locked or
     * changes hands.
     *
     * @param kinds types that the page depends on; none: all, which is always right and asks more often than needed.
     */
    public fun pages(query: String, vararg kinds: String): Flow<SummaryPage> =
        observe(*kinds).conflate().transformWhile {
            val page = try {
                search(query)
            } catch (_: VaultException.Locked) {
                null
            }
            if (page != null) emit(page)
            page != null
        }

    private suspend inline fun ticks(kinds: List<String>, told: (Tick) -> Unit) {
        val ticks = crossing { inner.observe(kinds) }
        try {
            while (true) told(crossing { ticks.next() } ?: break)
        } finally {
            ticks.close()
        }
    }

    /**
     * Sends what waits and receives what is new. Cancelling the coroutine ends it at the next safe place; what was done
     * until then stays done, and the next sync goes on from there.
     *
     * @param server its URL; `null`: all that are known.
     * @param progress is told how far it is, on a thread of the library: only pass it on.
     * @throws VaultException.Server what ended it, where no server went through.
     */
    public suspend fun sync(server: String? = null, progress: (SyncProgress) -> Unit = {}): SyncReport {
        val token = crossing { CancelToken() }
        val listener = object : SyncListener {
            // What fails in a listener stays on this side.
            override fun onProgress(step: SyncProgress) {
                runCatching { progress(step) }
            }
        }
        return token.use {
            try {
                crossing { inner.sync(server, token, listener) }
            } finally {
                token.cancel()
            }
        }
    }

    /** [sync] as a flow: how far it is, and at the end the report. Whoever stops collecting cancels it. */
    public fun syncing(server: String? = null): Flow<SyncStep> = channelFlow {
        val report = sync(server) { trySend(SyncStep.Progress(it)) }
        send(SyncStep.Done(report))
    }.buffer(Channel.UNLIMITED)

    override suspend fun syncInBackground(): Boolean = try {
        sync().servers.all { it.error == null }
    } catch (_: VaultException) {
        false
    }

    /** Gives the object back, and locks the vault if it is open. Work that is running is written to its end. */
    override fun close(): Unit = inner.close()

    private inline fun unlessLocked(call: () -> Unit) {
        try {
            crossing(call)
        } catch (_: VaultException.Locked) {
            // It is what the caller wants to bring about, or is told of by `lockStates`.
        } catch (_: VaultException.Closed) {
            // As above.
        }
    }
}
