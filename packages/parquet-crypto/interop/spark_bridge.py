# SPDX-License-Identifier: Apache-2.0
"""What the interop tests ask of Spark. One JSON request on stdin, one JSON answer on stdout. The
first argument is a jar with `cloister.interop.MemoryKms`.

{"op": "write", "path": folder, "rows": n, "options": {...}}   answers {"file": path of the part}
{"op": "compare", "a": file, "b": file}   where file = {"path", "options"?}: are the rows equal
"""

import glob
import json
import os
import sys

# Spark and the JVM write to stdout; answers go to a copy of it.
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)

from pyspark.sql import SparkSession

spark = (
    SparkSession.builder.master("local[1]")
    .config("spark.jars", sys.argv[1])
    .config("spark.ui.enabled", "false")
    .config("spark.sql.session.timeZone", "UTC")
    .config("spark.sql.shuffle.partitions", "1")
    .getOrCreate()
)
spark.sparkContext.setLogLevel("ERROR")

TABLE = """
SELECT id AS i,
  IF(id % 3 = 0, NULL, concat('text ', id % 100)) AS text,
  CAST(NULL AS INT) AS nothing,
  IF(id % 11 = 0, NULL, id / 7) AS real,
  CAST(id / 100 AS DECIMAL(20, 2)) AS money,
  date_add(DATE '2020-01-01', CAST(id AS INT)) AS date,
  timestamp_seconds(1577836800 + id) AS zoned,
  CAST(timestamp_seconds(1577836800 + id) AS TIMESTAMP_NTZ) AS local,
  id % 2 = 0 AS flag,
  CAST(concat('b', id) AS BINARY) AS bytes,
  IF(id % 7 = 0, NULL, array(NULL, id)) AS list,
  array(named_struct('a', id, 'b', CAST(NULL AS STRING))) AS structs,
  map(concat('k', id), id) AS map
FROM rows
"""


def write(request):
    spark.range(request["rows"]).coalesce(1).createOrReplaceTempView("rows")
    spark.sql(TABLE).write.options(**request["options"]).parquet(request["path"])
    (part,) = glob.glob(request["path"] + "/part-*.parquet")
    return {"file": part}


def read(file):
    return spark.read.options(**file.get("options", {})).parquet(file["path"])


def compare(request):
    a, b = read(request["a"]), read(request["b"])
    rows = [sorted(map(str, frame.collect())) for frame in (a, b)]
    return {
        "equal": rows[0] == rows[1],
        "rows": len(rows[0]),
        "schema": "" if a.dtypes == b.dtypes else f"{a.dtypes} {b.dtypes}",
    }


def answer(request):
    if request["op"] == "version":
        return {"spark": spark.version}
    return {"write": write, "compare": compare}[request["op"]](request)


for line in sys.stdin:
    try:
        result = answer(json.loads(line))
    except Exception as error:
        result = {"error": f"{type(error).__name__}: {error}"[:3000]}
    print(json.dumps(result), file=answers, flush=True)
spark.stop()
