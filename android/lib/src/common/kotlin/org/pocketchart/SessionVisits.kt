package org.pocketchart

import org.pocketchart.ffi.FreeTimes
import org.pocketchart.ffi.FreeTimesFilter
import org.pocketchart.ffi.VisitInfo
import org.pocketchart.ffi.VisitWish

// Visits: all of it with a network or without; the next sync asks the server.

/** Free times that fit, as far as this device knows. Nothing is sent. @throws VaultException.BadInput */
public suspend fun Session.freeTimes(filter: FreeTimesFilter = FreeTimesFilter()): FreeTimes =
    crossing { inner.freeTimes(filter) }

/**
 * Keeps what is asked for.
 *
 * @throws VaultException.NotFound for an unknown patient or time.
 * @throws VaultException.Booking the time is not free.
 */
public suspend fun Session.askForVisit(wish: VisitWish): VisitInfo = crossing { inner.askForVisit(wish) }

/**
 * Chooses a time for a visit: one that is offered, or another; or one to move a booking to.
 *
 * @throws VaultException.Booking
 */
public suspend fun Session.chooseTime(visit: String, slot: String): VisitInfo =
    crossing { inner.chooseTime(visit, slot) }

/** Calls a visit off. @throws VaultException.Booking where it is over already. */
public suspend fun Session.callOff(visit: String): VisitInfo = crossing { inner.callOff(visit) }

/** The visits that this person asked for, or may read; the newest wish last. */
public suspend fun Session.visits(): List<VisitInfo> = crossing { inner.visits() }
