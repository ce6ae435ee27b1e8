//! The foreign surface of a library as sorted text: one line for each thing that an app can name.
//!
//! It comes from the metadata in the library, so it is what Kotlin and Swift get and not what the source seems to say. Only
//! the codes of errors are not in there: they come from the source beside it. Documentation is left out: a better sentence
//! is no change of the surface.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use camino::Utf8Path;
use uniffi_meta::{
    DefaultValueMetadata, EnumMetadata, FieldMetadata, FnParamMetadata, LiteralMetadata, Metadata,
    ObjectImpl, Type,
};

use crate::forbidden::{Named, Role};

/// What a library shows to an app.
#[derive(Debug, Default)]
pub(crate) struct Surface {
    /// A block's headline, such as `object Vault`, and its lines, sorted where order means nothing.
    blocks: BTreeMap<String, Vec<String>>,
    /// Everything that has a name and a type, for the rules of [`crate::forbidden`].
    pub(crate) named: Vec<Named>,
}

impl Surface {
    /// Reads the surface of the library at `path`; `codes` are the errors' codes by variant.
    ///
    /// # Errors
    /// When there is no metadata in the file, or an error has no code.
    pub(crate) fn read(path: &Utf8Path, codes: &BTreeMap<String, String>) -> Result<Self> {
        let items = uniffi_bindgen::macro_metadata::extract_from_library(path)?;
        if items.is_empty() {
            bail!("{path} holds no metadata: is it stripped?");
        }
        Self::of(items, codes)
    }

    /// The surface that `items` describe.
    ///
    /// # Errors
    /// When a variant of a flat error has no code.
    pub(crate) fn of(mut items: Vec<Metadata>, codes: &BTreeMap<String, String>) -> Result<Self> {
        items.sort();
        let mut surface = Self::default();
        let mut kinds = BTreeMap::new();
        for item in &items {
            if let Metadata::Object(object) = item {
                let kind = match object.imp {
                    ObjectImpl::Struct => "object",
                    ObjectImpl::Trait(_) => "foreign trait",
                };
                kinds.insert(object.name.clone(), kind);
                surface.block(&format!("{kind} {}", object.name));
            } else if let Metadata::CallbackInterface(interface) = item {
                kinds.insert(interface.name.clone(), "foreign trait");
                surface.block(&format!("foreign trait {}", interface.name));
            } else if let Metadata::Record(record) = item {
                kinds.insert(record.name.clone(), "record");
            } else if let Metadata::Enum(of) = item {
                kinds.insert(of.name.clone(), enum_kind(of));
            }
        }
        for item in items {
            surface.add(item, &kinds, codes)?;
        }
        for (headline, lines) in &mut surface.blocks {
            // Fields and variants cross by their order; a call crosses by its name.
            if headline.starts_with("object") || headline.starts_with("foreign") {
                lines.sort();
            }
        }
        Ok(surface)
    }

    fn block(&mut self, headline: &str) -> &mut Vec<String> {
        self.blocks.entry(headline.to_owned()).or_default()
    }

    fn add(
        &mut self,
        item: Metadata,
        kinds: &BTreeMap<String, &'static str>,
        codes: &BTreeMap<String, String>,
    ) -> Result<()> {
        let headline = |name: &str| format!("{} {name}", kinds.get(name).unwrap_or(&"object"));
        match item {
            Metadata::Func(f) => {
                let returns = (f.return_type.as_ref(), f.throws.as_ref());
                self.call(
                    &format!("function {}", f.name),
                    None,
                    "",
                    f.is_async,
                    &f.inputs,
                    returns,
                );
            }
            Metadata::Constructor(c) => self.call(
                &headline(&c.self_name),
                Some(&c.name),
                "constructor ",
                c.is_async,
                &c.inputs,
                (None, c.throws.as_ref()),
            ),
            Metadata::Method(m) => self.call(
                &headline(&m.self_name),
                Some(&m.name),
                "",
                m.is_async,
                &m.inputs,
                (m.return_type.as_ref(), m.throws.as_ref()),
            ),
            Metadata::TraitMethod(m) => self.call(
                &headline(&m.trait_name),
                Some(&m.name),
                "",
                m.is_async,
                &m.inputs,
                (m.return_type.as_ref(), m.throws.as_ref()),
            ),
            Metadata::Record(record) => {
                let at = headline(&record.name);
                self.block(&at);
                for field in &record.fields {
                    let line = self.field(&at, field);
                    self.block(&at).push(line);
                }
            }
            Metadata::Enum(of) => self.enumeration(&headline(&of.name), of, codes)?,
            Metadata::CustomType(custom) => {
                let line = format!("is {}", type_text(&custom.builtin));
                self.block(&format!("custom type {}", custom.name))
                    .push(line);
            }
            Metadata::UniffiTrait(of) => {
                let line = format!("has {}", of.name());
                self.block(&headline(of.self_name())).push(line);
            }
            Metadata::ObjectTraitImpl(of) => {
                let line = format!("is a {}", type_text(&of.trait_ty));
                let name = type_text(&of.ty);
                self.block(&headline(&name)).push(line);
            }
            Metadata::Namespace(_)
            | Metadata::UdlFile(_)
            | Metadata::Object(_)
            | Metadata::CallbackInterface(_) => {}
        }
        Ok(())
    }

    fn call(
        &mut self,
        headline: &str,
        name: Option<&str>,
        word: &str,
        is_async: bool,
        inputs: &[FnParamMetadata],
        (returns, throws): (Option<&Type>, Option<&Type>),
    ) {
        let own = name.unwrap_or_else(|| headline.rsplit(' ').next().unwrap_or(headline));
        let mut line = String::new();
        if is_async {
            line.push_str("async ");
        }
        line.push_str(word);
        line.push_str(own);
        line.push('(');
        for (at, input) in inputs.iter().enumerate() {
            if at > 0 {
                line.push_str(", ");
            }
            line.push_str(&format!("{}: {}", input.name, type_text(&input.ty)));
            line.push_str(&default_text(input.default.as_ref()));
            self.name(
                &format!("{headline}, {own}"),
                &input.name,
                Role::Given,
                &input.ty,
            );
        }
        line.push(')');
        if let Some(returns) = returns {
            line.push_str(&format!(" -> {}", type_text(returns)));
            self.name(headline, own, Role::Got, returns);
        }
        if let Some(throws) = throws {
            line.push_str(&format!(" throws {}", type_text(throws)));
        }
        self.block(headline).push(line);
    }

    fn enumeration(
        &mut self,
        headline: &str,
        of: EnumMetadata,
        codes: &BTreeMap<String, String>,
    ) -> Result<()> {
        self.block(headline);
        for variant in &of.variants {
            let mut line = variant.name.clone();
            if !variant.fields.is_empty() {
                let at = format!("{headline}, {}", variant.name);
                let fields: Vec<_> = variant.fields.iter().map(|f| self.field(&at, f)).collect();
                line.push_str(&format!(" {{ {} }}", fields.join(", ")));
            }
            if of.name == "PocketchartError" {
                let Some(code) = codes.get(&variant.name) else {
                    bail!("{} of {} has no code", variant.name, of.name);
                };
                line.push_str(&format!(" \"{code}\""));
            }
            self.block(headline).push(line);
        }
        Ok(())
    }

    fn field(&mut self, at: &str, field: &FieldMetadata) -> String {
        self.name(at, &field.name, Role::Got, &field.ty);
        let default = default_text(field.default.as_ref());
        format!("{}: {}{default}", field.name, type_text(&field.ty))
    }

    fn name(&mut self, at: &str, name: &str, role: Role, of: &Type) {
        self.named.push(Named {
            place: at.to_owned(),
            name: name.to_owned(),
            role,
            kind: type_text(of),
        });
    }

    /// The surface as text.
    pub(crate) fn text(&self) -> String {
        let mut out = String::from(
            "# What Kotlin and Swift see of the library. Written by `cargo run -p pocketchart-bindgen -- snapshot`; a change here\n\
             # is a change for every app.\n",
        );
        for (headline, lines) in &self.blocks {
            out.push_str(&format!("\n{headline}\n"));
            for line in lines {
                out.push_str(&format!("    {line}\n"));
            }
        }
        out
    }
}

fn enum_kind(of: &EnumMetadata) -> &'static str {
    if of.shape.is_error() { "error" } else { "enum" }
}

fn default_text(default: Option<&DefaultValueMetadata>) -> String {
    let literal = match default {
        None => return String::new(),
        Some(DefaultValueMetadata::Default) => return " = default".to_owned(),
        Some(DefaultValueMetadata::Literal(literal)) => literal,
    };
    match literal {
        LiteralMetadata::None => " = none".to_owned(),
        LiteralMetadata::Boolean(value) => format!(" = {value}"),
        LiteralMetadata::String(value) => format!(" = {value:?}"),
        LiteralMetadata::UInt(value, ..) => format!(" = {value}"),
        LiteralMetadata::Int(value, ..) => format!(" = {value}"),
        other => format!(" = {other:?}"),
    }
}

/// A type as the snapshot writes it.
pub(crate) fn type_text(of: &Type) -> String {
    match of {
        Type::UInt8 => "u8".to_owned(),
        Type::Int8 => "i8".to_owned(),
        Type::UInt16 => "u16".to_owned(),
        Type::Int16 => "i16".to_owned(),
        Type::UInt32 => "u32".to_owned(),
        Type::Int32 => "i32".to_owned(),
        Type::UInt64 => "u64".to_owned(),
        Type::Int64 => "i64".to_owned(),
        Type::Float32 => "f32".to_owned(),
        Type::Float64 => "f64".to_owned(),
        Type::Boolean => "bool".to_owned(),
        Type::String => "string".to_owned(),
        Type::Bytes => "bytes".to_owned(),
        Type::Timestamp => "timestamp".to_owned(),
        Type::Duration => "duration".to_owned(),
        Type::Object { name, .. }
        | Type::Record { name, .. }
        | Type::Enum { name, .. }
        | Type::CallbackInterface { name, .. }
        | Type::Custom { name, .. } => name.clone(),
        Type::Box { inner_type } => type_text(inner_type),
        Type::Optional { inner_type } => format!("{}?", type_text(inner_type)),
        Type::Sequence { inner_type } => format!("[{}]", type_text(inner_type)),
        Type::Set { inner_type } => format!("set<{}>", type_text(inner_type)),
        Type::Map {
            key_type,
            value_type,
        } => format!("map<{}, {}>", type_text(key_type), type_text(value_type)),
    }
}

/// The errors' codes by variant, out of the source of the facade's error (`Locked = "locked", "…";`).
pub(crate) fn codes(source: &str) -> BTreeMap<String, String> {
    let mut codes = BTreeMap::new();
    for line in source.lines() {
        let Some((name, rest)) = line.trim().split_once(" = \"") else {
            continue;
        };
        let variant = name.split('(').next().unwrap_or(name);
        let named = variant.chars().all(char::is_alphanumeric)
            && variant.starts_with(|c: char| c.is_uppercase());
        if let (true, Some((code, _))) = (named, rest.split_once("\", \"")) {
            codes.insert(variant.to_owned(), code.to_owned());
        }
    }
    codes
}
