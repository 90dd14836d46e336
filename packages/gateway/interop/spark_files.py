# SPDX-License-Identifier: Apache-2.0
"""Spark for the lane `formats`: its own writer (parquet-java) and reader of Parquet."""

import glob

from canonical import Files, array_of, each, serve, values_of
from pyspark.sql import SparkSession

import pyarrow as pa

spark = (
    SparkSession.builder.master("local[1]")
    .config("spark.ui.enabled", "false")
    .config("spark.driver.host", "127.0.0.1")
    .config("spark.driver.bindAddress", "127.0.0.1")
    .config("spark.sql.timeType.enabled", "true")
    .config("spark.driver.memory", "768m")
    .config("spark.sql.session.timeZone", "UTC")
    .config("spark.sql.shuffle.partitions", "1")
    .config("spark.sql.parquet.int96RebaseModeInWrite", "CORRECTED")
    .config("spark.sql.parquet.datetimeRebaseModeInWrite", "CORRECTED")
    .config("spark.sql.execution.arrow.maxRecordsPerBatch", "100000")
    .getOrCreate()
)
spark.sparkContext.setLogLevel("OFF")

ARROW = {
    "bool": pa.bool_(),
    **{name: getattr(pa, name)() for name in ("int8", "int16", "int32", "int64")},
    "float32": pa.float32(),
    "float64": pa.float64(),
    "decimal(9,2)": pa.decimal128(9, 2),
    "decimal(18,6)": pa.decimal128(18, 6),
    "decimal(38,10)": pa.decimal128(38, 10),
    "string": pa.string(),
    "binary": pa.binary(),
    "date": pa.date32(),
    "timestamp_us": pa.timestamp("us"),
    "instant_ms": pa.timestamp("us", "UTC"),
    "instant_us": pa.timestamp("us", "UTC"),
    "int96": pa.timestamp("us", "UTC"),
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
    "day": pa.date32(),
    "at": pa.timestamp("us"),
    "money": pa.decimal128(18, 6),
}
SQL = {
    "time_us": "SELECT CAST(t AS TIME(6)) AS x FROM VALUES "
    "('00:00:00'), ('00:00:00.000001'), ('23:59:59.999999'), (NULL) AS v(t)",
    "list": "SELECT array(1, 2) AS x",
    "struct": "SELECT named_struct('a', 1) AS x",
    "map": "SELECT map('a', 1) AS x",
    "null": "SELECT NULL AS x FROM range(3)",
}
CODECS = {
    "none": "none",
    "SNAPPY": "snappy",
    "GZIP": "gzip",
    "BROTLI": "brotli",
    "LZ4": "lz4",
    "LZ4_RAW": "lz4_raw",
    "ZSTD": "zstd",
}
# How columns are written without dictionaries, by the version of the writer.
PLAIN = {
    "1": {"PLAIN": list(BULK)},
    "2": {
        "PLAIN": ["f32", "f64"],
        "RLE of booleans": ["flag"],
        "DELTA_BINARY_PACKED": ["i32", "i64", "steps", "day", "at"],
        "DELTA_BYTE_ARRAY": ["text", "words", "bin"],
    },
}
INSTANTS = {"instant_ms": "TIMESTAMP_MILLIS", "instant_us": "TIMESTAMP_MICROS", "int96": "INT96"}


def frame(name, column):
    if name in SQL:
        return spark.sql(SQL[name])
    if name not in ARROW:
        raise ValueError("has no such type")
    made = spark.createDataFrame(pa.table({"x": array_of(column, ARROW[name])}))
    # Without a zone they come as instants of UTC.
    return made.selectExpr("CAST(x AS TIMESTAMP_NTZ) AS x") if name == "timestamp_us" else made


def write(request):
    files = Files(request["folder"])

    def put(row, table, **options):
        def save(path):
            table().coalesce(1).write.options(**options).parquet(path)
            (part,) = glob.glob(path + "/part-*.parquet")
            return part

        files.add(row, save)

    for name, column in request["types"].items():
        became = INSTANTS.get(name, "TIMESTAMP_MICROS")
        spark.conf.set("spark.sql.parquet.outputTimestampType", became)
        put(f"type {name}", lambda: frame(name, column))
    arrays = {name: array_of(request["bulk"][name], kind) for name, kind in BULK.items()}
    bulk = spark.createDataFrame(pa.table(arrays)).cache()
    for version in ("1", "2"):
        pages = {"parquet.writer.version": f"v{version}"}
        plain = {**pages, "parquet.enable.dictionary": "false"}
        for encoding, columns in PLAIN[version].items():
            put(f"encoding {encoding}, pages V{version}", lambda: bulk.select(columns), **plain)
        words = bulk.select("words")
        put(f"encoding dictionary, pages V{version}", lambda: words, **pages)
        for codec, name in CODECS.items():
            put(f"codec {codec}, pages V{version}", lambda: bulk, compression=name, **pages)
    far = spark.createDataFrame(pa.table({"x": array_of(request["far"], pa.int32())}))
    packed = {"parquet.writer.version": "v2", "parquet.enable.dictionary": "false"}
    put("encoding DELTA_BINARY_PACKED, far-apart INT32", lambda: far, **packed)
    small = {"parquet.page.size": "256", "parquet.page.row.count.limit": "50"}
    small["parquet.block.size"] = "4096"
    put("layout small pages and row groups", lambda: bulk, **small)
    marks = {"parquet.page.write-checksum.enabled": "true", "parquet.bloom.filter.enabled": "true"}
    put("layout page index and checksums", lambda: bulk, **marks)
    put("layout no value absent", lambda: bulk.dropna())
    return files.answers


serve(write, each(lambda path: spark.read.parquet(path).toArrow()))
