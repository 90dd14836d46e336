# SPDX-License-Identifier: Apache-2.0
"""Values in one form (testing/format-values.ts says which), to and from pyarrow's arrays, and the
JSON lines that programs of the lane `formats` speak: {"op": "write", "folder", "types", "bulk",
"far"} answers a list of {"row", "file"} or {"row", "cannot"}; {"op": "read", "files"} answers by
file {"columns": {name: {"kind", "values"}}} or {"error"}."""

import decimal
import json
import os
import struct
import sys

import pyarrow as pa

decimal.getcontext().prec = 80
SCALES = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}


def bits(value):
    return "nan" if value != value else struct.pack(">d", value).hex()


def real(text):
    return float("nan") if text == "nan" else struct.unpack(">d", bytes.fromhex(text))[0]


def number(kind, text):
    """A value as Python has it; times are whole numbers of nanoseconds."""
    if text is None:
        return None
    if kind in ("int", "date", "time", "timestamp", "instant"):
        return int(text)
    if kind == "real":
        return real(text)
    if kind == "decimal":
        return decimal.Decimal(text)
    if kind == "bool":
        return text == "true"
    return bytes.fromhex(text) if kind in ("bytes", "uuid") else text


def values_of(column):
    """The values of {"kind", "values"} as Python has them."""
    return [number(column["kind"], text) for text in column["values"]]


def array_of(column, kind):
    """A pyarrow array of the type `kind`."""
    values = values_of(column)
    if pa.types.is_timestamp(kind) or pa.types.is_time(kind) or pa.types.is_date(kind):
        unit = SCALES[kind.unit] if hasattr(kind, "unit") else 1
        plain = pa.int32() if kind.bit_width == 32 else pa.int64()
        counts = [None if value is None else value // unit for value in values]
        return pa.array(counts, plain).view(kind)
    return pa.array(values, kind)


def kind_of(kind):
    is_ = pa.types
    if is_.is_boolean(kind):
        return "bool"
    if is_.is_integer(kind) or is_.is_null(kind):
        return "int"
    if is_.is_floating(kind):
        return "real"
    if is_.is_decimal(kind):
        return "decimal"
    if is_.is_string(kind) or is_.is_large_string(kind) or is_.is_string_view(kind):
        return "text"
    if is_.is_binary(kind) or is_.is_large_binary(kind) or is_.is_binary_view(kind):
        return "bytes"
    if is_.is_fixed_size_binary(kind):
        return "bytes"
    if is_.is_date(kind):
        return "date"
    if is_.is_time(kind):
        return "time"
    if is_.is_timestamp(kind):
        return "timestamp" if kind.tz is None else "instant"
    return None


def canonical(column):
    """A column of a table as {"kind", "values"}."""
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        storage = [chunk.storage for chunk in column.chunks]
        inner = canonical(pa.chunked_array(storage, kind.storage_type))
        return {**inner, "kind": "uuid"} if kind.extension_name == "arrow.uuid" else inner
    if pa.types.is_dictionary(kind):
        return canonical(column.cast(kind.value_type))
    name = kind_of(kind)
    if name is None:
        return {"kind": str(kind), "values": []}
    unit = 1
    if pa.types.is_temporal(kind):
        unit = 1 if pa.types.is_date32(kind) else 86_400_000 if pa.types.is_date64(kind) else None
        unit = SCALES[kind.unit] if unit is None else unit
        whole = pa.int32() if kind.bit_width == 32 else pa.int64()
        column = pa.chunked_array([chunk.view(whole) for chunk in column.chunks], whole)
    texts = [text_of(name, value, kind, unit) for value in column.to_pylist()]
    return {"kind": name, "values": texts}


def text_of(name, value, kind, unit):
    if value is None:
        return None
    if name == "real":
        return bits(float(value))
    if name == "decimal":
        return f"{int(value.scaleb(kind.scale))}e-{kind.scale}"
    if name == "bool":
        return "true" if value else "false"
    if name == "bytes":
        return value.hex()
    if name == "date":
        return str(value if unit == 1 else value // unit)
    return str(value * unit) if name in ("time", "timestamp", "instant") else str(value)


class Files:
    """Where a writer puts its files: each row of the matrix is tried, what it cannot is said."""

    def __init__(self, folder):
        self.folder = folder
        self.answers = []

    def add(self, row, write):
        path = os.path.join(self.folder, f"{len(self.answers)}.parquet")
        try:
            made = write(path)
        except Exception as error:
            self.answers.append({"row": row, "cannot": f"{type(error).__name__}: {error}"[:300]})
        else:
            self.answers.append({"row": row, "file": made or path})


def read_one(path, read):
    """What `read` makes of a file: a pyarrow table."""
    try:
        table = read(path)
        named = enumerate(table.column_names)
        return {"columns": {name: canonical(table.column(at)) for at, name in named}}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"[:300]}


def each(read):
    return lambda files: {path: read_one(path, read) for path in files}


def serve(write, read):
    """Answers JSON lines until there are no more; libraries may say on stdout what they like."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        result = write(request) if request["op"] == "write" else read(request["files"])
        print(json.dumps(result), file=answers, flush=True)
