"""A walk through the standard library: what scripts lean on, with output that is the same everywhere."""
import collections
import csv
import datetime
import decimal
import hashlib
import io
import itertools
import json
import math
import mmap
import os
import random
import re
import sqlite3
import ssl
import struct
import sys
import tempfile
import zlib

print(sys.version_info[:2], sys.byteorder, sys.maxsize)
print(json.dumps({"b": [1, 2.5, None, True], "a": "ü\n"}, sort_keys=True), json.loads('[1e3, "x"]'))
print(re.findall(r"(\w+)@(\w+)\.com", "a@b.com, joe@site.com"), re.sub(r"(?i)HELLO", "bye", "Hello hello"))
print(zlib.crc32(b"doppel"), len(zlib.compress(b"abc" * 1000, 9)), zlib.decompress(zlib.compress(b"round trip")))
decimal.getcontext().prec = 40
print(decimal.Decimal(2).sqrt(), decimal.Decimal(1) / 7)
print(hashlib.sha256(b"x" * 100000).hexdigest(), ssl.OPENSSL_VERSION.split()[0], ssl.create_default_context().verify_mode)
db = sqlite3.connect(":memory:")
db.execute("create table t(a, b)")
db.executemany("insert into t values(?, ?)", ((i, i * i) for i in range(1000)))
print(db.execute("select sum(a), sum(b) from t").fetchone())
with tempfile.TemporaryDirectory() as d:
    path = os.path.join(d, "f")
    with open(path, "wb") as f:
        f.write(b"\0" * 10000)
    with open(path, "r+b") as f, mmap.mmap(f.fileno(), 0) as m:
        m[5000:5005] = b"mmap!"
        print(m.find(b"mmap"), len(m))
    with open(path, "rb") as f:
        f.seek(5000)
        print(f.read(5), os.stat(path).st_size, sorted(os.listdir(d)))
    os.makedirs(os.path.join(d, "a/b/c"))
    os.rename(os.path.join(d, "a"), os.path.join(d, "z"))
    print([sorted(x[1]) for x in os.walk(d)])
random.seed(1)
print(random.random(), random.sample(range(100), 5), math.factorial(30), struct.pack("<IhB", 1, -2, 3))
out = io.StringIO()
csv.writer(out).writerows([["a", 'q"uote'], [1, 2]])
print(out.getvalue().split("\r\n"), datetime.datetime.utcfromtimestamp(0).isoformat())
print(collections.Counter("mississippi").most_common(2), list(itertools.islice(itertools.permutations("abc"), 3)))
try:
    open("/no/such/file")
except FileNotFoundError as e:
    print(e.errno, e.strerror)
