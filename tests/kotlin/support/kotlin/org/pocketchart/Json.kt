package org.pocketchart

import com.google.gson.JsonArray
import com.google.gson.JsonElement
import com.google.gson.JsonObject
import com.google.gson.JsonPrimitive

/** JSON as plain values: maps in their order, lists, texts, whole numbers, truths, `null`. */
fun fromJson(json: JsonElement): Any? = when (json) {
    is JsonObject -> json.entrySet().associate { it.key to fromJson(it.value) }
    is JsonArray -> json.map(::fromJson)
    is JsonPrimitive -> when {
        json.isBoolean -> json.asBoolean
        json.isNumber -> json.asString.toLongOrNull() ?: json.asString
        else -> json.asString
    }
    else -> null
}
