package org.pocketchart

import java.lang.reflect.Modifier

/**
 * What a call answered, as scenarios name it: objects by their fields, values of an enumeration by their names in small
 * letters, and `is` for those of one with fields.
 */
fun answer(value: Any?): Any? = when (value) {
    null, Unit -> null
    is String, is Boolean, is Long -> value
    is ULong -> value.toLong()
    is UInt -> value.toLong()
    is UShort -> value.toLong()
    is Number -> value.toLong()
    is Enum<*> -> plain(value.name)
    is Map<*, *> -> value.mapValues { answer(it.value) }
    is Iterable<*> -> value.map(::answer)
    else -> fields(value)
}

private fun fields(value: Any): Map<String, Any?> {
    val kind = value.javaClass
    val own = kind.declaredFields.filter { !Modifier.isStatic(it.modifiers) && !it.isSynthetic && '$' !in it.name }
    val fields = own.associate { field ->
        field.isAccessible = true
        field.name to answer(field.get(value))
    }
    val isVariant = kind.enclosingClass != null && kind.superclass == kind.enclosingClass
    return if (isVariant) fields + ("is" to plain(kind.simpleName)) else fields
}

private fun plain(name: String) = name.replace("_", "").lowercase()

/** The part of an answer at a path such as `items.0.reference`; `size` of a list is its length. */
fun part(answer: Any?, path: String): Any? = path.split('.').filter(String::isNotEmpty).fold(answer) { at, name ->
    when {
        at is List<*> && name == "size" -> at.size.toLong()
        at is List<*> -> at.getOrElse(name.toInt()) { throw AssertionError("only ${at.size} of $path") }
        at is Map<*, *> && name in at -> at[name]
        else -> throw AssertionError("there is no '$name' of $path in $answer")
    }
}

/** Whether [found] is what a scenario expects; `null`: it is. */
fun mismatch(expected: Any?, found: Any?): String? {
    fun unless(holds: Boolean) = if (holds) null else "expected $expected, found $found"
    if (expected !is Map<*, *>) return unless(expected == found)
    val (rule, value) = expected.entries.single()
    return when (rule) {
        "has" -> unless(if (found is String) (value as String) in found else found is List<*> && value in found)
        "hasNot" -> unless(if (found is String) (value as String) !in found else found is List<*> && value !in found)
        "least" -> unless(found is Long && found >= value as Long)
        "not" -> unless(mismatch(value, found) != null)
        else -> throw AssertionError("no such rule: $rule")
    }
}
