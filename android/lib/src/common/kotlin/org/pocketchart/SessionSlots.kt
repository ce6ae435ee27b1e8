package org.pocketchart

import org.pocketchart.ffi.MemberInfo
import org.pocketchart.ffi.NewRecoveryCode as ForeignNewRecoveryCode
import org.pocketchart.ffi.NewSlot
import org.pocketchart.ffi.SlotInfo
import org.pocketchart.ffi.UnlockWith

// Ways into the vault and the people who have them.

/** The vault's slots, with the roles of their people. */
public suspend fun Session.slots(): List<SlotInfo> = reading { inner.slots() }

/**
 * Makes another slot for the person who has the vault.
 *
 * @throws VaultException.Slots a rule: too weak, a second slot first, no gate.
 * @throws VaultException.Gate
 */
public suspend fun Session.addSlot(slot: NewSlot): SlotInfo = crossing { inner.addSlot(slot) }

/**
 * [addSlot] for what the gate gives back: a finger or a face. A second way in comes first. @param name for lock
 * screens.
 */
public suspend fun Session.addGateSlot(name: String): SlotInfo = addSlot(NewSlot.Gate(name))

/** [addSlot] for a PIN of at least six digits, together with the gate. @param name for lock screens. */
public suspend fun Session.addPinSlot(name: String, digits: String): SlotInfo = addSlot(NewSlot.Pin(name, digits))

/**
 * [addSlot] for a passphrase.
 *
 * @param name for lock screens.
 * @param onThisDeviceOnly whether the gate has a part in it: then it cannot be guessed elsewhere.
 */
public suspend fun Session.addPassphraseSlot(name: String, text: String, onThisDeviceOnly: Boolean = false): SlotInfo =
    addSlot(NewSlot.Passphrase(name, text, onThisDeviceOnly))

/**
 * Takes a slot out for good. Where it was typed (a passphrase, the recovery code) the vault's root key changes too, and
 * only the slots that [present] opens stay beside the open one.
 *
 * @param dropOthers agree that the others go.
 * @return the others that went.
 * @throws VaultException.Slots `would_drop_slots` without [dropOthers], `slot_is_open`, `last_way_in`, and
 * `removed_not_rekeyed`, after which the slot is gone.
 */
public suspend fun Session.removeSlot(
    id: String,
    present: List<UnlockWith> = emptyList(),
    dropOthers: Boolean = false,
): List<SlotInfo> = crossing { inner.removeSlot(id, present, dropOthers) }

/** Whether this is the vault's recovery code: does the note at home still help? Changes nothing. */
public suspend fun Session.verifyRecoveryCode(text: String): Boolean = crossing { inner.verifyRecoveryCode(text) }

/** Whether the vault was opened with its recovery code, which is best replaced once it was used. */
public suspend fun Session.openedByRecoveryCode(): Boolean = reading { inner.openedByRecoveryCode() }

/**
 * Makes a recovery code that is to replace the one before, which holds until [NewRecoveryCode.confirm]. [present] and
 * [dropOthers] are as in [removeSlot].
 *
 * @throws VaultException.Slots
 */
public suspend fun Session.newRecoveryCode(
    present: List<UnlockWith> = emptyList(),
    dropOthers: Boolean = false,
): NewRecoveryCode = NewRecoveryCode(crossing { inner.newRecoveryCode(present, dropOthers) })

/** Everybody in the vault. */
public suspend fun Session.people(): List<MemberInfo> = crossing { inner.people() }

/**
 * Makes the first slot of a new person, who signs with a key of their own from then on.
 *
 * @param name 1 to 64 letters, digits, dots and dashes.
 * @param role such as `nurse`.
 * @throws VaultException.BadInput for a role without rules.
 */
public suspend fun Session.addPerson(name: String, role: String, slot: NewSlot): MemberInfo =
    crossing { inner.addPerson(name, role, slot) }

/**
 * Destroys the vault for good: the keys first, then the files. This session is over then.
 *
 * @param evenUnsent agree to lose changes that no server has.
 * @return how many keys the gate did not destroy. They open nothing any more.
 * @throws VaultException.UnsentChanges
 */
public suspend fun Session.wipe(evenUnsent: Boolean): Long = crossing { inner.wipe(evenUnsent) }.toLong()

/** A recovery code that is to take the place of the one before. Closing it leaves the one before. */
public class NewRecoveryCode internal constructor(private val inner: ForeignNewRecoveryCode) : AutoCloseable {
    /**
     * The code, in seven groups of four: to be shown this once. It is stored nowhere.
     *
     * @throws VaultException.Closed once it was confirmed or abandoned.
     */
    public val code: String get() = crossing { inner.code() }

    /**
     * The person typed the code back: it takes the place of the one before.
     *
     * @return slots that went, since they were not present.
     * @throws VaultException.WrongSecret it is another text, and may be typed again.
     */
    public suspend fun confirm(typed: String): List<SlotInfo> = crossing { inner.confirm(typed) }

    /** The code before stays. [close] does the same. */
    public fun abandon(): Unit = crossing { inner.abandon() }

    override fun close(): Unit = inner.close()
}
