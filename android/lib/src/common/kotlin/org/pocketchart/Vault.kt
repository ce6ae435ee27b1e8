package org.pocketchart

import java.io.File
import org.pocketchart.ffi.PassphraseJudgement
import org.pocketchart.ffi.SlotInfo
import org.pocketchart.ffi.UnlockWith
import org.pocketchart.ffi.Vault as ForeignVault

/**
 * A folder with an encrypted vault, or for one. Making the object opens and changes nothing.
 *
 * Every function may be called from any thread and suspends; none blocks it.
 *
 * @param home a folder of the app's own, such as `File(context.noBackupFilesDir, "vault")`.
 * @param gate the device's key store, where there is one: on Android a `BiometricKeyGate`.
 * @throws VaultException.BadInput for an empty path.
 */
public class Vault(home: File, gate: KeyGate? = null) : AutoCloseable {
    private val inner = crossing { ForeignVault(home.path, gate?.let(::GateBridge)) }

    /**
     * Whether there is a vault, be it that it opens or not.
     *
     * @throws VaultException
     */
    public suspend fun exists(): Boolean = reading { inner.exists() }

    /**
     * Whether a wipe was begun and not finished: nothing opens any more, and [wipe] goes on with it.
     *
     * @throws VaultException
     */
    public suspend fun wipeWasInterrupted(): Boolean = reading { inner.wipeWasInterrupted() }

    /**
     * The slots, for a lock screen; empty: there is no vault. Nobody has vouched for what they say yet.
     *
     * @throws VaultException
     */
    public suspend fun slots(): List<SlotInfo> = reading { inner.slots() }

    /**
     * Puts a vault together, which [passphrase] and a recovery code will open. There is one once [NewVault.confirm] has
     * had the code typed back.
     *
     * @throws VaultException.Slots for a passphrase that is too easy to guess; ask [judgePassphrase] while it is typed.
     */
    public suspend fun create(passphrase: String): NewVault = NewVault(crossing { inner.create(passphrase) })

    /**
     * Opens the vault.
     *
     * @throws VaultException.WrongSecret
     * @throws VaultException.TooManyTries
     * @throws VaultException.Gate
     */
    public suspend fun unlock(with: UnlockWith): Session = Session(crossing { inner.unlock(with) })

    /** [unlock] with a passphrase. @param person whose slot; `null`: the owner's. */
    public suspend fun unlockByPassphrase(text: String, person: String? = null): Session =
        unlock(UnlockWith.Passphrase(person, text))

    /** [unlock] with a PIN, together with the gate. @param person whose slot; `null`: the owner's. */
    public suspend fun unlockByPin(digits: String, person: String? = null): Session =
        unlock(UnlockWith.Pin(person, digits))

    /** [unlock] with the recovery code. Make a new one afterwards. */
    public suspend fun unlockByRecoveryCode(text: String): Session = unlock(UnlockWith.RecoveryCode(text))

    /**
     * [unlock] with a finger or a face. Cancelling the coroutine takes the system's sheet away.
     *
     * @param reason shown to the person, such as "Open your records".
     * @param slot a slot of the person who is to be let in; `null`: the owner.
     */
    public suspend fun unlockByGate(reason: String, slot: String? = null): Session =
        unlock(UnlockWith.Gate(slot, reason))

    /**
     * Destroys the closed vault for good: the keys first, then the files. It may be interrupted anywhere and called
     * again. Whether unsent changes are in it is known only while it is open: [Session.wipe] looks.
     *
     * @param evenUnsent agree to lose changes that no server has.
     * @return how many keys the gate did not destroy. They open nothing any more.
     * @throws VaultException.UnsentChanges without [evenUnsent].
     */
    public suspend fun wipe(evenUnsent: Boolean): Long = crossing { inner.wipe(evenUnsent) }.toLong()

    /** Gives the object back. Sessions stay as they are. */
    override fun close(): Unit = inner.close()

    public companion object {
        /**
         * Whether a passphrase may open a new slot: to be asked while it is typed. About a millisecond.
         *
         * @throws VaultException
         */
        public fun judgePassphrase(text: String): PassphraseJudgement =
            crossing { org.pocketchart.ffi.judgePassphrase(text) }

        /**
         * An id for a record that is made here.
         *
         * @throws VaultException
         */
        public fun newRecordId(): String = crossing { org.pocketchart.ffi.newRecordId() }

        /** The version of this library, such as `1.2.3`. */
        public val version: String get() = crossing { org.pocketchart.ffi.libraryVersion() }
    }
}
