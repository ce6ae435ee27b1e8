"""Stock SQLCipher (the `sqlcipher3` package) against ours: each reads what the other wrote.

Usage: compare.py INTEROP_BINARY. Test keys only. Prints one line per check and ends with a count.
"""

import os
import subprocess
import sys
import tempfile

import sqlcipher3.dbapi2 as sqlcipher

KEY = bytes(range(0x40, 0x60)).hex()
OTHER_KEY = bytes(range(0x50, 0x70)).hex()
SALT = bytes(range(0xA0, 0xB0)).hex()
ROWS = [
    (i, f"row {i} äß漢", bytes((j * 7 + i) % 256 for j in range(i * 31 % 9001)))
    for i in range(500)
]

passed = failed = 0


def check(what, good):
    global passed, failed
    passed, failed = passed + bool(good), failed + (not good)
    print(("ok      " if good else "FAILED  ") + what)


def stock(path, key=KEY, hmac="HMAC_SHA256"):
    """A stock connection with our settings."""
    conn = sqlcipher.connect(path)
    conn.execute("PRAGMA cipher_log_level = NONE")
    conn.execute(f"PRAGMA key = \"x'{key}{SALT}'\"")
    conn.execute(f"PRAGMA cipher_hmac_algorithm = {hmac}")
    conn.execute("PRAGMA cipher_page_size = 4096")
    return conn


def refuses(call):
    try:
        call()
    except sqlcipher.DatabaseError:
        return True
    return False


def ours(what, path, *words):
    return subprocess.run([sys.argv[1], what, path, *(words or (KEY, SALT))], capture_output=True, text=True)


def main():
    print("stock SQLCipher", sqlcipher.connect(":memory:").execute("PRAGMA cipher_version").fetchone()[0])
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "ours.db")
        check("ours is made", ours("create", path).returncode == 0)
        check("ours starts with the salt", open(path, "rb").read(16).hex() == SALT)
        conn = stock(path)
        check("stock reads ours, row for row", conn.execute("SELECT * FROM t ORDER BY id").fetchall() == ROWS)
        check("stock finds no bad page in ours", conn.execute("PRAGMA cipher_integrity_check").fetchall() == [])
        check("stock finds ours whole", conn.execute("PRAGMA integrity_check").fetchall() == [("ok",)])
        conn.execute("INSERT INTO t VALUES (1000, 'by stock', x'00ff')")
        conn.commit()
        conn.close()
        added = ours("read", path)
        check("ours reads what stock added", added.stdout.endswith(f"1000 {b'by stock'.hex()} 00ff\n"))
        check("stock refuses another key", refuses(lambda: stock(path, OTHER_KEY).execute("SELECT * FROM t")))

        path = os.path.join(folder, "stock.db")
        conn = stock(path)
        conn.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, text TEXT, bytes BLOB)")
        conn.executemany("INSERT INTO t VALUES (?, ?, ?)", ROWS)
        conn.commit()
        conn.close()
        lines = "".join(f"{i} {text.encode().hex()} {data.hex()}\n" for i, text, data in ROWS)
        check("ours reads stock's, row for row", ours("read", path).stdout == lines)
        wrong = ours("read", path, OTHER_KEY, SALT)
        check("ours refuses another key", wrong.returncode != 0 and wrong.stdout == "")

        # Not our setting: ours has to refuse it, not to read it some other way.
        path = os.path.join(folder, "sha512.db")
        conn = stock(path, hmac="HMAC_SHA512")
        conn.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, text TEXT, bytes BLOB)")
        conn.commit()
        conn.close()
        check("ours refuses a file with another page code", ours("read", path).returncode != 0)

        # The provider knows all of SQLCipher's algorithms, also those that we never choose.
        for algorithm in ("SHA1", "SHA256", "SHA512"):
            path = os.path.join(folder, f"passphrase-{algorithm}.db")
            conn = sqlcipher.connect(path)
            conn.execute("PRAGMA key = 'correct horse'")
            conn.execute(f"PRAGMA cipher_hmac_algorithm = HMAC_{algorithm}")
            conn.execute(f"PRAGMA cipher_kdf_algorithm = PBKDF2_HMAC_{algorithm}")
            conn.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, text TEXT, bytes BLOB)")
            conn.executemany("INSERT INTO t VALUES (?, ?, ?)", ROWS)
            conn.commit()
            conn.close()
            read = ours("foreign", path, "correct horse", algorithm)
            check(f"our provider reads stock's passphrase file with {algorithm}", read.stdout == lines)

    print(f"{passed} passed, {failed} failed")
    sys.exit(failed != 0)


main()
