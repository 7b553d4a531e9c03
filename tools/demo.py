"""What the demo runs through Debian's python3: files, a database, compression, hashing, regular expressions."""
import hashlib
import json
import os
import re
import sqlite3
import tempfile
import zlib

with tempfile.TemporaryDirectory() as d:
    db = sqlite3.connect(os.path.join(d, "words.db"))
    db.execute("create table words(word text, length int)")
    words = re.findall(r"\w+", "the same kernel object runs in a process and in a guest " * 500)
    db.executemany("insert into words values(?, ?)", ((w, len(w)) for w in words))
    db.commit()
    print(db.execute("select word, count(*) from words group by word order by 2 desc, 1 limit 3").fetchall())
    size = os.path.getsize(os.path.join(d, "words.db"))
    text = json.dumps(words).encode()
    print(json.dumps({"database": size, "json": len(text), "compressed": len(zlib.compress(text, 9)),
                      "sha256": hashlib.sha256(text).hexdigest()[:16]}))
