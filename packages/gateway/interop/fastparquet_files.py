# SPDX-License-Identifier: Apache-2.0
"""fastparquet for the lane `formats`: writes and reads by way of pandas."""

import fastparquet
import numpy as np
import pandas as pd
import pyarrow as pa
from canonical import SCALES, Files, each, serve, values_of

PANDAS = {
    "bool": "boolean",
    **{f"int{width}": f"Int{width}" for width in (8, 16, 32, 64)},
    **{f"uint{width}": f"UInt{width}" for width in (8, 16, 32, 64)},
    "float32": "float32",
    "float64": "float64",
    "string": "utf8",
    "binary": "bytes",
    "json": "json",
    "time_us": "timedelta64[us]",
    "time_ns": "timedelta64[ns]",
    **{f"timestamp_{unit}": f"datetime64[{unit}]" for unit in ("ms", "us", "ns")},
    **{f"instant_{unit}": f"datetime64[{unit}, UTC]" for unit in ("ms", "us", "ns")},
    "int96": "datetime64[ns]",
    "dictionary": "category",
}
BULK = {
    "i32": "Int32",
    "i64": "Int64",
    "steps": "Int64",
    "f64": "float64",
    "flag": "boolean",
    "text": "utf8",
    "words": "utf8",
    "bin": "bytes",
    "at": "datetime64[us]",
}
CODECS = {
    "none": "UNCOMPRESSED",
    "SNAPPY": "SNAPPY",
    "GZIP": "GZIP",
    "BROTLI": "BROTLI",
    "LZ4": "LZ4",
    "LZ4_RAW": "LZ4_RAW",
    "ZSTD": "ZSTD",
}


def series(column, kind):
    values = values_of(column)
    if kind in ("utf8", "bytes", "json"):
        return pd.Series(values, dtype=object)
    if kind == "category":
        return pd.Series(values, dtype=object).astype("category")
    if kind.startswith(("datetime64", "timedelta64")):
        unit = kind.split("[")[1].strip("]").split(",")[0]
        name = kind.split("[")[0]
        counts = np.array([None if v is None else v // SCALES[unit] for v in values], dtype=object)
        absent = [value is None for value in counts]
        whole = np.where(absent, np.iinfo("int64").min, counts).astype("int64")
        times = pd.Series(whole.view(f"{name}[{unit}]"))
        return times.dt.tz_localize("UTC") if "UTC" in kind else times
    if kind.startswith("float"):
        return pd.Series([np.nan if value is None else value for value in values], dtype=kind)
    return pd.Series(pd.array(values, dtype=kind))


def one(name, column):
    if name not in PANDAS:
        raise ValueError("has no such type")
    return pd.DataFrame({"x": series(column, PANDAS[name])})


def write(request):
    files = Files(request["folder"])

    def put(row, table, **options):
        files.add(row, lambda path: fastparquet.write(path, table(), **options))

    for name, column in request["types"].items():
        kind = PANDAS.get(name)
        options = {"object_encoding": kind} if kind in ("utf8", "bytes", "json") else {}
        if name == "int96":
            options["times"] = "int96"
        put(f"type {name}", lambda: one(name, column), **options)
    bulk = pd.DataFrame({name: series(request["bulk"][name], kind) for name, kind in BULK.items()})
    objects = {name: kind if kind in ("utf8", "bytes") else "infer" for name, kind in BULK.items()}
    put("encoding PLAIN, pages V1", lambda: bulk, object_encoding=objects)
    for codec, name in CODECS.items():
        how = {"compression": name, "object_encoding": objects}
        put(f"codec {codec}, pages V1", lambda: bulk, **how)
    small = {"row_group_offsets": 700, "object_encoding": objects}
    put("layout small pages and row groups", lambda: bulk, **small)
    required = {"has_nulls": False, "object_encoding": objects}
    put("layout no value absent", lambda: bulk.dropna().reset_index(drop=True), **required)
    return files.answers


def read(path):
    frame = fastparquet.ParquetFile(path).to_pandas()
    return pa.Table.from_pandas(frame, preserve_index=False)


serve(write, each(read))
