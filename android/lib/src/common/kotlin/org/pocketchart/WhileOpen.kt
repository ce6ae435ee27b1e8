package org.pocketchart

/** An open vault, as the app's lifecycle sees it. `Session` is one. */
public interface Lockable {
    /** Another app is in front: less time is left. Does nothing when the vault is locked. */
    public fun background()

    /** This app is in front again. Does nothing when the vault is locked. */
    public fun foreground()

    /** Whether it is locked; a deadline that has passed locks it now. */
    public fun isLocked(): Boolean
}

/** An open vault, as a background job sees it. `Session` is one. */
public interface BackgroundSync : Lockable {
    /**
     * One round with every server. Cancelling the coroutine stops it at the next safe place.
     *
     * @return whether everybody was reached; `false`: ask again later.
     */
    public suspend fun syncInBackground(): Boolean
}
