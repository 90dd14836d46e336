# SPDX-License-Identifier: Apache-2.0
"""pyarrow for the lane `formats`: writes every type, encoding, codec and page version; reads."""

import pyarrow as pa
import pyarrow.parquet as pq
from canonical import Files, array_of, each, serve, values_of

ARROW = {
    "bool": pa.bool_(),
    **{name: getattr(pa, name)() for name in ("int8", "int16", "int32", "int64")},
    **{name: getattr(pa, name)() for name in ("uint8", "uint16", "uint32", "uint64")},
    **{name: getattr(pa, name)() for name in ("float16", "float32", "float64")},
    "decimal(9,2)": pa.decimal32(9, 2),
    "decimal(18,6)": pa.decimal64(18, 6),
    "decimal(38,10)": pa.decimal128(38, 10),
    "decimal(50,2)": pa.decimal256(50, 2),
    "string": pa.string(),
    "binary": pa.binary(),
    "fixed(5)": pa.binary(5),
    "uuid": pa.binary(16),
    "json": pa.string(),
    "date": pa.date32(),
    "time_ms": pa.time32("ms"),
    "time_us": pa.time64("us"),
    "time_ns": pa.time64("ns"),
    **{f"timestamp_{unit}": pa.timestamp(unit) for unit in ("ms", "us", "ns")},
    **{f"instant_{unit}": pa.timestamp(unit, "UTC") for unit in ("ms", "us", "ns")},
    "instant_ns, finer": pa.timestamp("ns", "UTC"),
    "int96": pa.timestamp("ns"),
    "int96, finer": pa.timestamp("ns"),
    "null": pa.null(),
}
BULK = {
    "i32": pa.int32(),
    "i64": pa.int64(),
    "steps": pa.int64(),
    "f32": pa.float32(),
    "f64": pa.float64(),
    "flag": pa.bool_(),
    "text": pa.string(),
    "words": pa.string(),
    "bin": pa.binary(),
    "fixed": pa.binary(5),
    "day": pa.date32(),
    "at": pa.timestamp("us"),
    "money": pa.decimal128(18, 6),
}
ENCODINGS = {
    "PLAIN": list(BULK),
    "RLE of booleans": ["flag"],
    "DELTA_BINARY_PACKED": ["i32", "i64", "steps", "day", "at"],
    "DELTA_LENGTH_BYTE_ARRAY": ["text", "words", "bin"],
    "DELTA_BYTE_ARRAY": ["text", "words", "bin"],
    "DELTA_BYTE_ARRAY, fixed length": ["fixed"],
    "BYTE_STREAM_SPLIT of reals": ["f32", "f64"],
    "BYTE_STREAM_SPLIT, other types": ["i32", "i64", "fixed", "money"],
}
CODECS = {
    "none": "none",
    "SNAPPY": "snappy",
    "GZIP": "gzip",
    "BROTLI": "brotli",
    "LZ4_RAW": "lz4",
    "ZSTD": "zstd",
}


def one(name, column):
    """A table of one column of a type."""
    values = values_of(column)
    if name == "dictionary":
        return pa.table({"x": pa.array(values).dictionary_encode()})
    if name in ("enum", "interval"):
        raise ValueError("has no such type")
    if name == "list":
        return pa.table({"x": pa.array([values], pa.list_(pa.int64()))})
    if name == "struct":
        return pa.table({"x": pa.array([{"a": value} for value in values])})
    if name == "map":
        entries = [(str(value), value) for value in values]
        return pa.table({"x": pa.array([entries], pa.map_(pa.string(), pa.int64()))})
    array = array_of(column, ARROW[name])
    if name == "uuid":
        array = pa.ExtensionArray.from_storage(pa.uuid(), array)
    if name == "json":
        array = pa.ExtensionArray.from_storage(pa.json_(pa.string()), array)
    return pa.table({"x": array})


def write(request):
    files = Files(request["folder"])

    def put(row, table, **options):
        files.add(row, lambda path: pq.write_table(table(), path, **options))

    for name, column in request["types"].items():
        options = {"use_deprecated_int96_timestamps": True} if name.startswith("int96") else {}
        if name in ("timestamp_ms", "instant_ms"):
            options["coerce_timestamps"] = "ms"
        options |= {"version": "2.6", "store_decimal_as_integer": True}
        put(f"type {name}", lambda: one(name, column), **options)
    bulk = pa.table({name: array_of(request["bulk"][name], kind) for name, kind in BULK.items()})
    for version in ("1.0", "2.0"):
        pages = f"pages V{version[0]}"
        for encoding, columns in ENCODINGS.items():
            how = {name: encoding.split(" ")[0].strip(",") for name in columns}
            plain = {"use_dictionary": False, "column_encoding": how, "data_page_version": version}
            put(f"encoding {encoding}, {pages}", lambda: bulk.select(columns), **plain)
        words = bulk.select(["words"])
        put(f"encoding dictionary, {pages}", lambda: words, data_page_version=version)
        for codec, name in CODECS.items():
            how = {"compression": name, "data_page_version": version}
            put(f"codec {codec}, {pages}", lambda: bulk, **how)
    far = pa.table({"x": array_of(request["far"], pa.int32())})
    packed = {"use_dictionary": False, "column_encoding": "DELTA_BINARY_PACKED"}
    put("encoding DELTA_BINARY_PACKED, far-apart INT32", lambda: far, **packed)
    small = {"data_page_size": 256, "write_batch_size": 50, "row_group_size": 700}
    put("layout small pages and row groups", lambda: bulk, **small)
    marks = {"write_page_index": True, "write_page_checksum": True}
    put("layout page index and checksums", lambda: bulk, **marks)
    required = pa.schema([pa.field(name, kind, False) for name, kind in BULK.items()])
    put("layout no value absent", lambda: bulk.drop_null().cast(required))
    return files.answers


serve(write, each(lambda path: pq.ParquetFile(path).read()))
