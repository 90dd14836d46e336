# SPDX-License-Identifier: Apache-2.0
"""DuckDB from PyPI, which is later than the engine's, for the lane `formats`: it writes."""

import duckdb
from canonical import Files, serve, values_of

TYPES = {
    "bool": "BOOLEAN",
    "int8": "TINYINT",
    "int16": "SMALLINT",
    "int32": "INTEGER",
    "int64": "BIGINT",
    "uint8": "UTINYINT",
    "uint16": "USMALLINT",
    "uint32": "UINTEGER",
    "uint64": "UBIGINT",
    "float32": "FLOAT",
    "float64": "DOUBLE",
    "decimal(9,2)": "DECIMAL(9,2)",
    "decimal(18,6)": "DECIMAL(18,6)",
    "decimal(38,10)": "DECIMAL(38,10)",
    "string": "VARCHAR",
    "binary": "BLOB",
    "uuid": "UUID",
    "json": "JSON",
    "enum": "ENUM('one', 'two')",
    "date": "DATE",
    "time_us": "TIME",
    "time_ns": "TIME_NS",
    "timestamp_ms": "TIMESTAMP_MS",
    "timestamp_us": "TIMESTAMP",
    "timestamp_ns": "TIMESTAMP_NS",
    "instant_us": "TIMESTAMPTZ",
    "interval": "INTERVAL",
}
BULK = {
    "i32": "INTEGER",
    "i64": "BIGINT",
    "steps": "BIGINT",
    "f32": "FLOAT",
    "f64": "DOUBLE",
    "flag": "BOOLEAN",
    "text": "VARCHAR",
    "words": "VARCHAR",
    "bin": "BLOB",
    "day": "DATE",
    "at": "TIMESTAMP",
    "money": "DECIMAL(18,6)",
}
CODECS = {
    "none": "uncompressed",
    "SNAPPY": "snappy",
    "GZIP": "gzip",
    "BROTLI": "brotli",
    "LZ4_RAW": "lz4_raw",
    "ZSTD": "zstd",
}
# What its second version writes, in pages of the first.
V2 = {
    "DELTA_BINARY_PACKED": 'i32, i64, steps, day, "at"',
    "DELTA_LENGTH_BYTE_ARRAY": "text, words, bin",
    "BYTE_STREAM_SPLIT of reals": "f32, f64",
}
db = duckdb.connect()
db.execute("SET TimeZone='UTC'")


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def expression(kind, value, became):
    """A value in SQL."""
    if value is None:
        return "NULL"
    if kind in ("timestamp", "instant"):
        if became == "TIMESTAMP_NS":
            return f"make_timestamp_ns({value})"
        text = f"make_timestamp({value // 1_000})"
        return f"timezone('UTC', {text})" if kind == "instant" else text
    if kind == "date":
        return f"DATE '1970-01-01' + {value}"
    if kind == "time":
        seconds, nanos = divmod(value, 1_000_000_000)
        clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        return quoted(f"{clock}.{nanos:09}".rstrip("0").rstrip("."))
    if kind == "bytes":
        return f"from_hex('{value.hex()}')"
    if kind == "uuid":
        text = value.hex()
        return quoted("-".join([text[:8], text[8:12], text[12:16], text[16:20], text[20:]]))
    if kind == "text":
        return quoted(value)
    if kind == "real":
        return f"'{value!r}'"
    return f"{value:f}" if kind == "decimal" else str(value)


def column_of(column, became):
    texts = [expression(column["kind"], value, became) for value in values_of(column)]
    return f"unnest([{', '.join(f'({text})::{became}' for text in texts)}])"


def one(name, column):
    values = [value for value in values_of(column) if value is not None]
    if name == "interval":
        return "SELECT INTERVAL '1 month' AS x"
    if name == "list":
        return f"SELECT {values} AS x"
    if name == "struct":
        return f"SELECT {{a: {values[0]}}} AS x"
    if name == "map":
        return f"SELECT map(['a'], [{values[0]}]) AS x"
    if name == "null":
        return "SELECT unnest([NULL, NULL, NULL]) AS x"
    if name not in TYPES:
        raise ValueError("has no such type")
    return f"SELECT {column_of(column, TYPES[name])} AS x"


def write(request):
    files = Files(request["folder"])

    def put(row, sql, how=""):
        def copy(path):
            db.execute(f"COPY ({sql()}) TO {quoted(path)} (FORMAT parquet{how})")

        files.add(row, copy)

    for name, column in request["types"].items():
        put(f"type {name}", lambda: one(name, column))
    given = request["bulk"]
    columns = [f"({column_of(given[name], kind)}) AS {name}" for name, kind in BULK.items()]
    db.execute(f"CREATE TABLE bulk AS SELECT {', '.join(columns)}")
    every = "FROM bulk"
    def select(columns):
        return f"SELECT {columns} FROM bulk"

    plain = ", DICTIONARY_SIZE_LIMIT 1, STRING_DICTIONARY_PAGE_SIZE_LIMIT 1"
    put("encoding PLAIN, pages V1", lambda: every, plain)
    for encoding, columns in V2.items():
        how = f"{plain}, PARQUET_VERSION V2"
        put(f"encoding {encoding}, pages V1", lambda: select(columns), how)
    put("encoding dictionary, pages V1", lambda: "SELECT words FROM bulk")
    for codec, name in CODECS.items():
        put(f"codec {codec}, pages V1", lambda: every, f", COMPRESSION {name}")
    far = f"SELECT {column_of(request['far'], 'INTEGER')} AS x"
    packed = ", PARQUET_VERSION V2, DICTIONARY_SIZE_LIMIT 1"
    put("encoding DELTA_BINARY_PACKED, far-apart INT32", lambda: far, packed)
    put("layout small pages and row groups", lambda: every, ", ROW_GROUP_SIZE 700")
    return files.answers


serve(write, None)
