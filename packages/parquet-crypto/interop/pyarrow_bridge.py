# SPDX-License-Identifier: Apache-2.0
"""What the interop tests ask of pyarrow. One JSON request on stdin, one JSON answer on stdout.

{"op": "version"}
{"op": "write", "plain": path, "sealed": path, "masterKeys": {id: hex}, "encryption": {...},
 "writer": {...}, "rows": n}             writes one table twice, plain and encrypted
{"op": "write", ..., "direct": {"key": hex, "aad_prefix": hex, ...}}   under one key, no KMS
{"op": "plain", "plain": path, "writer": {...}, "rows": n}
{"op": "compare", "a": file, "b": file}  where file = {"path", "masterKeys"?}: are the tables equal
"""

import datetime
import decimal
import json
import sys

import pyarrow as pa
import pyarrow.fs as fs
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as pe

from memory_kms import MemoryKms


FACTORY = pe.CryptoFactory(MemoryKms)


def connection(master_keys):
    return pe.KmsConnectionConfig(custom_kms_conf=master_keys)


def table(rows):
    span = range(rows)
    day = datetime.datetime(2020, 1, 1)
    zoned = [day + datetime.timedelta(seconds=i) for i in span]
    nullable = lambda make, every: [None if i % every == 0 else make(i) for i in span]
    return pa.table(
        {
            "i": pa.array(span, pa.int64()),
            "text": pa.array(nullable(lambda i: f"text {i % 100}", 3), pa.string()),
            "nothing": pa.array([None] * rows, pa.int32()),
            "real": pa.array(nullable(lambda i: i / 7, 11), pa.float64()),
            "money": pa.array(
                nullable(lambda i: decimal.Decimal(i).scaleb(-2), 13), pa.decimal128(20, 2)
            ),
            "date": pa.array(nullable(lambda i: day.date(), 5), pa.date32()),
            "local": pa.array(zoned, pa.timestamp("us")),
            "zoned": pa.array(zoned, pa.timestamp("us", "Europe/Vienna")),
            "clock": pa.array(nullable(lambda i: i, 4), pa.time64("us")),
            "bytes": pa.array([bytes([i % 256]) * (i % 9) for i in span], pa.binary()),
            "flag": pa.array(nullable(lambda i: i % 2 == 0, 6), pa.bool_()),
            "list": pa.array(
                [None if i % 7 == 0 else [None, i][: i % 3] for i in span], pa.list_(pa.int32())
            ),
            "structs": pa.array(
                [[{"a": i, "b": None}] * (i % 3) for i in span],
                pa.list_(pa.struct([("a", pa.int64()), ("b", pa.string())])),
            ),
            "map": pa.array([[(f"k{i}", i)] for i in span], pa.map_(pa.string(), pa.int64())),
        }
    )


def leaves(path):
    schema = pq.ParquetFile(path).schema
    return [schema.column(i).path for i in range(len(schema))]


def write(request):
    data = table(request["rows"])
    writer = request.get("writer", {})
    pq.write_table(data, request["plain"], **writer)
    if "direct" in request:
        direct = dict(request["direct"])
        prefix = bytes.fromhex(direct.pop("aad_prefix"))
        properties = pe.create_encryption_properties(
            bytes.fromhex(direct.pop("key")), aad_prefix=prefix, **direct
        )
        pq.write_table(data, request["sealed"], encryption_properties=properties, **writer)
        return {"rows": data.num_rows}
    options = dict(request["encryption"])
    keys = list(request["masterKeys"])
    if not options.get("uniform_encryption"):
        columns = {}
        for i, path in enumerate(leaves(request["plain"])):
            columns.setdefault(keys[1 + i % (len(keys) - 1)], []).append(path)
        options["column_keys"] = columns
    config = pe.EncryptionConfiguration(footer_key=keys[0], **options)
    external = {}
    if options.get("internal_key_material") is False:
        external = {"parquet_file_path": request["sealed"], "filesystem": fs.LocalFileSystem()}
    properties = FACTORY.file_encryption_properties(
        connection(request["masterKeys"]), config, **external
    )
    pq.write_table(data, request["sealed"], encryption_properties=properties, **writer)
    return {"rows": data.num_rows}


def read(file):
    properties = None
    if "masterKeys" in file:
        external = {}
        if file.get("external"):
            external = {"parquet_file_path": file["path"], "filesystem": fs.LocalFileSystem()}
        properties = FACTORY.file_decryption_properties(
            connection(file["masterKeys"]), pe.DecryptionConfiguration(), **external
        )
    return pq.ParquetFile(file["path"], decryption_properties=properties).read(
        columns=file.get("columns")
    )


def compare(request):
    a, b = read(request["a"]), read(request["b"])
    a.validate(full=True)
    return {
        "equal": a.equals(b),
        "rows": a.num_rows,
        "columns": a.num_columns,
        "schema": "" if a.schema.equals(b.schema) else f"{a.schema}\n--\n{b.schema}",
    }


def answer(request):
    if request["op"] == "version":
        return {"pyarrow": pa.__version__}
    if request["op"] == "plain":
        pq.write_table(table(request["rows"]), request["plain"], **request.get("writer", {}))
        return {}
    return {"write": write, "compare": compare}[request["op"]](request)


def main():
    for line in sys.stdin:
        try:
            result = answer(json.loads(line))
        except Exception as error:
            result = {"error": f"{type(error).__name__}: {error}"[:2000]}
        print(json.dumps(result), flush=True)


main()
