package org.pocketchart

import org.pocketchart.ffi.AccessPage
import org.pocketchart.ffi.ConflictInfo
import org.pocketchart.ffi.ConflictView
import org.pocketchart.ffi.HubJoin
import org.pocketchart.ffi.RefusedChange
import org.pocketchart.ffi.Resolution
import org.pocketchart.ffi.SavedRecord
import org.pocketchart.ffi.ServerInfo
import org.pocketchart.ffi.ServerState
import org.pocketchart.ffi.VaultWarnings
import org.pocketchart.ffi.WaitingChange

// Servers, what waits for them or for a person, and who saw what.

/**
 * Joins the hub whose operator shows this code; nothing is sent unless it is the hub that made it. Call it again while
 * it answers [HubJoin.Waiting], and after any interruption.
 *
 * @throws VaultException.Server
 */
public suspend fun Session.joinHub(code: String): HubJoin = crossing { inner.joinHub(code) }

/**
 * As [joinHub], until the hub's operator has let this device in.
 *
 * @param waiting shows the fingerprint that the operator compares, and comes back when it is time to ask again: after
 * some seconds, or a press of a button.
 */
public suspend fun Session.joinHub(code: String, waiting: suspend (fingerprint: String) -> Unit): HubJoin.Joined {
    while (true) {
        when (val now = joinHub(code)) {
            is HubJoin.Waiting -> waiting(now.fingerprint)
            is HubJoin.Joined -> return now
        }
    }
}

/**
 * Remembers a FHIR server once it has answered as one. What is not given stays as it was.
 *
 * @param caPem its own authority, where no public one vouches for it.
 * @param patient the id of the only patient to receive.
 * @throws VaultException.Server it is known as it was before.
 */
public suspend fun Session.addServer(
    url: String,
    token: String? = null,
    caPem: String? = null,
    patient: String? = null,
): ServerInfo = crossing { inner.addServer(url, token, caPem, patient) }

/** The servers that this vault syncs with, in the order in which they were met. */
public suspend fun Session.servers(): List<ServerInfo> = reading { inner.servers() }

/** What syncs learned about each server that a person should know. */
public suspend fun Session.syncState(): List<ServerState> = crossing { inner.syncState() }

/** Changed records that wait for a server, oldest first. */
public suspend fun Session.outbox(): List<WaitingChange> = crossing { inner.outbox() }

/** Changes that wait for a person's decision, oldest first. */
public suspend fun Session.conflicts(): List<ConflictInfo> = crossing { inner.conflicts() }

/** All versions of a record that waits for a person. @throws VaultException.Decision nothing of it waits. */
public suspend fun Session.conflict(reference: String): ConflictView = crossing { inner.conflict(reference) }

/**
 * Decides a conflict as it stands now. The decision is this person's change, and goes with the next sync.
 *
 * @throws VaultException.Decision everything waits as it did.
 */
public suspend fun Session.resolve(reference: String, resolution: Resolution): SavedRecord =
    crossing { inner.resolve(reference, resolution) }

/**
 * As [resolve], if the server's version is still the one that the person looked at: a sync may run meanwhile.
 *
 * @param theirsVersion of the [ConflictView].
 * @throws VaultException.Decision `changed`, where there is a newer one.
 */
public suspend fun Session.resolveSeen(
    reference: String,
    resolution: Resolution,
    theirsVersion: String?,
): SavedRecord = crossing { inner.resolveSeen(reference, resolution, theirsVersion) }

/** Changes that a server refused for good, oldest first. They are kept. */
public suspend fun Session.quarantine(): List<RefusedChange> = crossing { inner.quarantine() }

/** Sends once more what the server refused, with the next sync. @throws VaultException.Decision nothing of it waits. */
public suspend fun Session.sendAgain(reference: String): Unit = crossing { inner.sendAgain(reference) }

/** Gives up what the server refused: the record is again what the server has. @throws VaultException.Decision */
public suspend fun Session.discardRefused(reference: String): Unit = crossing { inner.discardRefused(reference) }

/**
 * Who saw or changed what of a patient, newest first. That it was asked stands in the trail too.
 *
 * @param patient the id of the Patient.
 * @param cursor `next` of the page before.
 * @throws VaultException.NotAllowed to others than the patient, the owner and the auditor.
 */
public suspend fun Session.whoSaw(patient: String, cursor: String? = null): AccessPage =
    crossing { inner.whoSaw(patient, cursor) }

/** What was found missing when the vault was opened, and since, until [acceptLoss]. */
public suspend fun Session.warnings(): VaultWarnings = crossing { inner.warnings() }

/** A person has taken note of what is missing. The trail keeps it. */
public suspend fun Session.acceptLoss(): Unit = crossing { inner.acceptLoss() }
