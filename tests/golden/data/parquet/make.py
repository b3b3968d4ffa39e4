#!/usr/bin/env python3
"""Writes the small Parquet files of tests/unit/data/test_parquet.c and what they hold (NAME.json), and conversations about pictures (test_reading.c) and sounds (test_sound.c) inside the
file; pyarrow is the oracle. usage: make.py [DIR]"""
import base64, io, json, math, os, struct, sys, wave
import pyarrow as pa
import pyarrow.parquet as pq

out = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
N = 60
image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
rows = [{
    "id": i,
    "flag": i % 3 == 0,
    "small": None if i % 7 == 3 else i * i - 100,
    "real": i / 7.0,
    "single": i / 4.0,
    "text": None if i % 11 == 5 else "wörd %d %s" % (i % 5, "x" * (i % 4)),
    "options": None if i % 13 == 1 else ["opt %d" % k for k in range(i % 5)],
    "image": None if i % 10 == 9 else {"bytes": bytes((i * k) % 256 for k in range(i)), "path": "p%d.png" % i},
    "boxes": [{"name": "b%d" % k, "xy": [k, k + i] if k % 2 else []} for k in range(i % 3)],
    "deep": [[None if (i + k + m) % 4 == 0 else k * 10 + m for m in range(k)] for k in range(i % 4)],
    "sorted": 1000000007 * i - (i % 2) * 12345678901,
} for i in range(N)]
schema = pa.schema([("id", pa.int32()), ("flag", pa.bool_()), ("small", pa.int64()), ("real", pa.float64()), ("single", pa.float32()), ("text", pa.string()),
                    ("options", pa.list_(pa.string())), ("image", image), ("boxes", pa.list_(pa.struct([("name", pa.string()), ("xy", pa.list_(pa.int32()))]))),
                    ("deep", pa.list_(pa.list_(pa.int64()))), ("sorted", pa.int64())])
table = pa.Table.from_pylist(rows, schema=schema)


def plain(v):
    if isinstance(v, bytes): return {"base64": base64.b64encode(v).decode()}
    if isinstance(v, dict): return {k: plain(x) for k, x in v.items()}
    return [plain(x) for x in v] if isinstance(v, list) else v


KINDS = {
    "snappy": dict(compression="snappy", row_group_size=25),
    "zstd_v2": dict(compression="zstd", data_page_version="2.0", row_group_size=40),
    "gzip_plain": dict(compression="gzip", use_dictionary=False, data_page_size=200),
    "delta": dict(compression="none", use_dictionary=False, data_page_version="2.0",
                  column_encoding={"id": "DELTA_BINARY_PACKED", "sorted": "DELTA_BINARY_PACKED", "text": "DELTA_BYTE_ARRAY", "real": "BYTE_STREAM_SPLIT",
                                   "single": "BYTE_STREAM_SPLIT", "image.path": "DELTA_LENGTH_BYTE_ARRAY", "flag": "RLE"}),
}
for name, how in KINDS.items(): pq.write_table(table, os.path.join(out, name + ".parquet"), **how)
json.dump(plain(pq.read_table(os.path.join(out, "snappy.parquet")).to_pylist()), open(os.path.join(out, "rows.json"), "w"), ensure_ascii=False)

pictures = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden", "images")
data = {n: open(os.path.join(pictures, n), "rb").read() for n in ("gray.png", "one_1x1.png", "adam7.png")}
turns = pa.list_(pa.struct([("from", pa.string()), ("value", pa.string())]))
talk = lambda marks: [{"from": "human", "value": "<image>\n" * marks + "What?"}, {"from": "gpt", "value": "That."}]
inside = [
    {"image": {"bytes": data["gray.png"], "path": "nowhere.png"}, "conversations": talk(1)},
    {"image": {"bytes": None, "path": "adam7.png"}, "conversations": talk(1)},
    {"conversations": talk(0)},
    {"images": [{"bytes": data["adam7.png"], "path": None}, {"bytes": data["one_1x1.png"], "path": None}], "conversations": talk(2)},
    {"image": {"bytes": None, "path": None}, "conversations": talk(0)},
]
pq.write_table(pa.Table.from_pylist(inside, schema=pa.schema([("image", image), ("images", pa.list_(image)), ("conversations", turns)])),
               os.path.join(out, "pictures.parquet"), row_group_size=2)
bare = [{"image": data["one_1x1.png"], "conversations": talk(1)}, {"image": None, "conversations": talk(0)}, {"image": b"no\0 picture", "conversations": talk(1)}]
pq.write_table(pa.Table.from_pylist(bare, schema=pa.schema([("image", pa.binary()), ("conversations", turns)])), os.path.join(out, "binary.parquet"))

def tone(count):  # as make_sound of egogpt_util.h
    to = io.BytesIO()
    with wave.open(to, "wb") as w:
        w.setparams((1, 2, 16000, count, "NONE", ""))
        w.writeframes(b"".join(struct.pack("<h", int(8000 * math.sin(1e-5 * i * i))) for i in range(count)))
    return to.getvalue()


asked = lambda marks: [{"from": "human", "value": "<audio>\n" * marks + "Who?"}, {"from": "gpt", "value": "That."}]
heard = [{"audio": {"bytes": tone(700), "path": "nowhere.wav"}, "conversations": asked(1)}, {"audio": {"bytes": None, "path": "short.wav"}, "conversations": asked(1)},
         {"audio": None, "conversations": asked(0)}]
pq.write_table(pa.Table.from_pylist(heard, schema=pa.schema([("audio", image), ("conversations", turns)])), os.path.join(out, "sounds.parquet"))
