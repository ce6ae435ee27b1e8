package org.pocketchart

import org.pocketchart.ffi.NewVault as ForeignNewVault

/** A vault whose recovery code nobody has written down yet. Closing it leaves no vault. */
public class NewVault internal constructor(private val inner: ForeignNewVault) : AutoCloseable {
    /**
     * The recovery code, in seven groups of four: to be shown this once. It is stored nowhere.
     *
     * @throws VaultException.Closed once it was confirmed or abandoned.
     */
    public val recoveryCode: String get() = crossing { inner.recoveryCode() }

    /**
     * The person typed the code back: from here on there is a vault, open in its owner's hands. Small letters, spaces
     * and dashes do not matter.
     *
     * @throws VaultException.WrongSecret it is another text, and may be typed again.
     */
    public suspend fun confirm(typed: String): Session = Session(crossing { inner.confirm(typed) })

    /** There will be no vault. [close] does the same. */
    public fun abandon(): Unit = crossing { inner.abandon() }

    override fun close(): Unit = inner.close()
}
