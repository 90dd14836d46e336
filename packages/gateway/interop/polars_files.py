# SPDX-License-Identifier: Apache-2.0
"""polars for the lane `formats`: its own writer and reader of Parquet."""

import polars as pl
from canonical import SCALES, Files, each, serve, values_of

TYPES = {
    "bool": pl.Boolean,
    **{f"int{width}": getattr(pl, f"Int{width}") for width in (8, 16, 32, 64)},
    **{f"uint{width}": getattr(pl, f"UInt{width}") for width in (8, 16, 32, 64)},
    "float16": getattr(pl, "Float16", None),
    "float32": pl.Float32,
    "float64": pl.Float64,
    "decimal(9,2)": pl.Decimal(9, 2),
    "decimal(18,6)": pl.Decimal(18, 6),
    "decimal(38,10)": pl.Decimal(38, 10),
    "string": pl.String,
    "binary": pl.Binary,
    "enum": pl.Enum(["one", "two"]),
    "date": pl.Date,
    "time_ns": pl.Time,
    **{f"timestamp_{unit}": pl.Datetime(unit) for unit in ("ms", "us", "ns")},
    **{f"instant_{unit}": pl.Datetime(unit, "UTC") for unit in ("ms", "us", "ns")},
    "instant_ns, finer": pl.Datetime("ns", "UTC"),
    "dictionary": pl.Categorical,
    "null": pl.Null,
}
BULK = {
    "i32": pl.Int32,
    "i64": pl.Int64,
    "steps": pl.Int64,
    "f32": pl.Float32,
    "f64": pl.Float64,
    "flag": pl.Boolean,
    "text": pl.String,
    "words": pl.String,
    "bin": pl.Binary,
    "day": pl.Date,
    "at": pl.Datetime("us"),
    "money": pl.Decimal(18, 6),
}
CODECS = {
    "none": "uncompressed",
    "SNAPPY": "snappy",
    "GZIP": "gzip",
    "BROTLI": "brotli",
    "LZ4_RAW": "lz4",
    "ZSTD": "zstd",
}


def series(column, kind):
    values = values_of(column)
    if kind is None:
        raise ValueError("has no such type")
    if kind == pl.Null:
        return pl.Series("x", values, pl.Null)
    if kind in (pl.Date, pl.Time) or isinstance(kind, pl.Datetime):
        unit = SCALES[kind.time_unit] if isinstance(kind, pl.Datetime) else 1
        counts = [None if value is None else value // unit for value in values]
        return pl.Series("x", counts, pl.Int64).cast(kind)
    if isinstance(kind, pl.Enum) or kind == pl.Categorical:
        return pl.Series("x", values, pl.String).cast(kind)
    return pl.Series("x", values, kind)


def one(name, column):
    values = values_of(column)
    if name == "list":
        return pl.DataFrame({"x": [values]})
    if name == "struct":
        return pl.DataFrame({"x": [{"a": value} for value in values]})
    return pl.DataFrame({"x": series(column, TYPES.get(name))})


def write(request):
    files = Files(request["folder"])

    def put(row, table, **options):
        files.add(row, lambda path: table().write_parquet(path, **options))

    for name, column in request["types"].items():
        put(f"type {name}", lambda: one(name, column))
    bulk = pl.DataFrame({name: series(request["bulk"][name], kind) for name, kind in BULK.items()})
    put("encoding dictionary, pages V1", lambda: bulk.select("words"))
    for codec, name in CODECS.items():
        put(f"codec {codec}, pages V1", lambda: bulk, compression=name)
    put("layout small pages and row groups", lambda: bulk, data_page_size=256, row_group_size=700)
    put("layout no value absent", lambda: bulk.drop_nulls())
    return files.answers


serve(write, each(lambda path: pl.read_parquet(path, hive_partitioning=False).to_arrow()))
