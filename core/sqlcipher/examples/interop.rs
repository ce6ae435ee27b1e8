//! The other half of `tests/sqlcipher3/run`: makes or reads a database for stock SQLCipher to compare with.
//!
//! `interop create FILE KEYHEX SALTHEX` writes rows; `interop read FILE KEYHEX SALTHEX` prints them as hexadecimal.
//! `interop foreign FILE PASSPHRASE SHA1|SHA256|SHA512` prints the rows of a file with other settings, by our provider
//! but around our `open`, which refuses such a file.
//! For test keys only: anyone can read a command line.

use std::error::Error;
use std::path::Path;

use pocketchart_sqlcipher::{Mode, open, page_mac_errors};
use rusqlite::Connection;

const ROWS: i64 = 500;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [what, file, key, word] = args.as_slice() else {
        return Err("usage: interop create|read|foreign FILE KEY SALT|ALGORITHM".into());
    };
    let file = Path::new(file);
    if what == "foreign" {
        let conn = Connection::open(file)?;
        conn.pragma_update(None, "key", key)?;
        conn.pragma_update(None, "cipher_hmac_algorithm", format!("HMAC_{word}"))?;
        conn.pragma_update(None, "cipher_kdf_algorithm", format!("PBKDF2_HMAC_{word}"))?;
        return print_rows(&conn);
    }
    let key = hex::decode(key)?
        .try_into()
        .map_err(|_| "the key has 64 digits")?;
    let salt = hex::decode(word)?
        .try_into()
        .map_err(|_| "the salt has 32 digits")?;
    match what.as_str() {
        "create" => create(file, &key, &salt),
        "read" => print_rows(&open(file, &key, &salt, Mode::ReadOnly)?),
        _ => Err("create, read or foreign".into()),
    }
}

fn create(file: &Path, key: &[u8; 32], salt: &[u8; 16]) -> Result<(), Box<dyn Error>> {
    let conn = open(file, key, salt, Mode::Create)?;
    conn.execute_batch("CREATE TABLE t(id INTEGER PRIMARY KEY, text TEXT, bytes BLOB)")?;
    let mut insert = conn.prepare("INSERT INTO t VALUES (?1, ?2, ?3)")?;
    for id in 0..ROWS {
        let bytes: Vec<u8> = (0..id * 31 % 9001).map(|i| (i * 7 + id) as u8).collect();
        insert.execute((id, format!("row {id} äß漢"), bytes))?;
    }
    Ok(())
}

fn print_rows(conn: &Connection) -> Result<(), Box<dyn Error>> {
    if let Some(first) = page_mac_errors(conn)?.first() {
        return Err(first.as_str().into());
    }
    let mut select = conn.prepare("SELECT id, text, bytes FROM t ORDER BY id")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let (id, text, bytes): (i64, String, Vec<u8>) = (row.get(0)?, row.get(1)?, row.get(2)?);
        println!("{id} {} {}", hex::encode(text), hex::encode(bytes));
    }
    Ok(())
}
