# SPDX-License-Identifier: Apache-2.0
"""What pyarrow finds in a result that was saved. One JSON request on stdin: {"arrow": path,
"parquet": path, "csv": path, "json": path}; one JSON answer on stdout: the columns' names, types
and raw values, and of CSV and JSON the texts."""

import csv as rfc4180
import decimal
import json
import struct
import sys

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

decimal.getcontext().prec = 60


def raw(value, kind):
    if value is None:
        return None
    if pa.types.is_decimal(kind):
        return str(int(value.scaleb(kind.scale)))
    if pa.types.is_floating(kind):
        return "nan" if value != value else struct.pack(">d", value).hex()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def beneath(column):
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        column = pa.chunked_array([chunk.storage for chunk in column.chunks], kind.storage_type)
    if pa.types.is_date32(kind) or pa.types.is_time32(kind):
        column = column.cast(pa.int32())
    if pa.types.is_time64(kind) or pa.types.is_timestamp(kind):
        column = column.cast(pa.int64())
    return [raw(value, column.type) for value in column.to_pylist()]


def binary(table):
    table.validate(full=True)
    return {
        "names": table.schema.names,
        "types": [str(field.type) for field in table.schema],
        "raw": [beneath(column) for column in table.columns],
    }


def csv(path):
    """As its schema file says: an empty field is NULL, unless it stands in quotes."""
    with open(path, newline="", encoding="utf-8") as file:
        names = next(rfc4180.reader(file))
    options = pa.csv.ConvertOptions(
        column_types={name: pa.string() for name in names},
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )
    parse = pa.csv.ParseOptions(newlines_in_values=True)
    table = pa.csv.read_csv(path, convert_options=options, parse_options=parse)
    return {
        "names": table.schema.names,
        "texts": [column.to_pylist() for column in table.columns],
    }


def strict_json(path):
    """By Python's own parser, without the words that JSON does not have."""

    def refuse(word):
        raise ValueError(f"{word} is no JSON")

    with open(path, encoding="utf-8") as file:
        rows = json.load(file, parse_constant=refuse)
    names = list(rows[0])
    return {"names": names, "texts": [[row[name] for row in rows] for name in names]}


request = json.load(sys.stdin)
print(
    json.dumps(
        {
            "arrow": binary(pa.ipc.open_file(request["arrow"]).read_all()),
            "parquet": binary(pq.ParquetFile(request["parquet"]).read()),
            "csv": csv(request["csv"]),
            "json": strict_json(request["json"]),
        }
    )
)
