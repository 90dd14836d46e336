// SPDX-License-Identifier: Apache-2.0
//! Plain Parquet by arrow-rs, for the lane `formats`: every type, encoding, codec and page version
//! that it writes, and what it reads. Speaks the JSON lines of
//! packages/gateway/interop/canonical.py.
use arrow::array::*;
use arrow::datatypes::*;
use arrow::error::ArrowError;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::ArrowWriter;
use parquet::basic::{BrotliLevel, Compression, Encoding, GzipLevel, ZstdLevel};
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder, WriterVersion};
use parquet::schema::types::ColumnPath;
use serde::{Deserialize, Serialize};
use serde_json::{json, Value};
use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::fs::File;
use std::io::{BufRead, Write};
use std::sync::Arc;

type Anything = Box<dyn Error>;
type F16 = <Float16Type as ArrowPrimitiveType>::Native;

#[derive(Deserialize, Serialize, Clone)]
struct Column {
    kind: String,
    values: Vec<Option<String>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Request {
    op: String,
    folder: String,
    types: BTreeMap<String, Column>,
    bulk: BTreeMap<String, Column>,
    far: Option<Column>,
    files: Vec<String>,
}

/// Reads lines, answers lines.
pub fn serve() -> Result<(), Anything> {
    for line in std::io::stdin().lock().lines() {
        let request: Request = serde_json::from_str(&line?)?;
        let answer = match request.op.as_str() {
            "write" => Value::Array(write(&request)?),
            _ => read_all(&request.files),
        };
        println!("{answer}");
        std::io::stdout().flush()?;
    }
    Ok(())
}

fn data_type(name: &str) -> Option<DataType> {
    use DataType::*;
    let utc = || Some("UTC".into());
    Some(match name {
        "bool" | "flag" => Boolean,
        "int8" => Int8,
        "int16" => Int16,
        "int32" | "i32" | "far" => Int32,
        "int64" | "i64" | "steps" => Int64,
        "uint8" => UInt8,
        "uint16" => UInt16,
        "uint32" => UInt32,
        "uint64" => UInt64,
        "float16" => Float16,
        "float32" | "f32" => Float32,
        "float64" | "f64" => Float64,
        "decimal(9,2)" => Decimal128(9, 2),
        "decimal(18,6)" | "money" => Decimal128(18, 6),
        "decimal(38,10)" => Decimal128(38, 10),
        "decimal(50,2)" => Decimal256(50, 2),
        "string" | "json" | "text" | "words" => Utf8,
        "binary" | "bin" => Binary,
        "fixed(5)" | "fixed" => FixedSizeBinary(5),
        "uuid" => FixedSizeBinary(16),
        "date" | "day" => Date32,
        "time_ms" => Time32(TimeUnit::Millisecond),
        "time_us" => Time64(TimeUnit::Microsecond),
        "time_ns" => Time64(TimeUnit::Nanosecond),
        "timestamp_ms" => Timestamp(TimeUnit::Millisecond, None),
        "timestamp_us" | "at" => Timestamp(TimeUnit::Microsecond, None),
        "timestamp_ns" => Timestamp(TimeUnit::Nanosecond, None),
        "instant_ms" => Timestamp(TimeUnit::Millisecond, utc()),
        "instant_us" => Timestamp(TimeUnit::Microsecond, utc()),
        "instant_ns" | "instant_ns, finer" => Timestamp(TimeUnit::Nanosecond, utc()),
        "null" => Null,
        "dictionary" => Dictionary(Box::new(Int32), Box::new(Utf8)),
        "interval" => Interval(IntervalUnit::DayTime),
        "list" => List(Arc::new(Field::new("item", Int64, true))),
        "struct" => Struct(vec![Field::new("a", Int64, true)].into()),
        _ => return None,
    })
}

fn units(unit: &TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1_000_000_000,
        TimeUnit::Millisecond => 1_000_000,
        TimeUnit::Microsecond => 1_000,
        TimeUnit::Nanosecond => 1,
    }
}

fn real(text: &str) -> f64 {
    match text {
        "nan" => f64::NAN,
        bits => f64::from_bits(u64::from_str_radix(bits, 16).unwrap_or(0)),
    }
}

fn bits(value: f64) -> String {
    match value.is_nan() {
        true => "nan".into(),
        false => format!("{:016x}", value.to_bits()),
    }
}

macro_rules! each {
    ($array:ty, $column:expr, $value:expr) => {{
        let values = $column.values.iter();
        Arc::new(values.map(|text| text.as_deref().map($value)).collect::<$array>()) as ArrayRef
    }};
}

/// Values of whole numbers, as they lie beneath days and times.
fn counts(column: &Column, unit: i64) -> ArrayRef {
    let count = |t: &str| (t.parse::<i128>().unwrap_or(0) / unit as i128) as i64;
    each!(Int64Array, column, count)
}

fn array(name: &str, column: &Column) -> Result<ArrayRef, Anything> {
    let kind = data_type(name).ok_or("has no such type")?;
    let unscaled = |t: &str| t.split("e-").next().unwrap_or("").to_string();
    let cast = |unit: i64, width: DataType| -> Result<ArrayRef, ArrowError> {
        let whole = counts(column, unit);
        let narrow = match width {
            DataType::Int32 => {
                let values = whole.as_primitive::<Int64Type>().iter();
                Arc::new(values.map(|v| v.map(|v| v as i32)).collect::<Int32Array>()) as ArrayRef
            }
            _ => whole,
        };
        let data = narrow.to_data().into_builder().data_type(kind.clone());
        Ok(make_array(data.build()?))
    };
    Ok(match &kind {
        DataType::Boolean => each!(BooleanArray, column, |t| t == "true"),
        DataType::Int8 => each!(Int8Array, column, |t| t.parse().unwrap_or(0)),
        DataType::Int16 => each!(Int16Array, column, |t| t.parse().unwrap_or(0)),
        DataType::Int32 => each!(Int32Array, column, |t| t.parse().unwrap_or(0)),
        DataType::Int64 => each!(Int64Array, column, |t| t.parse().unwrap_or(0)),
        DataType::UInt8 => each!(UInt8Array, column, |t| t.parse().unwrap_or(0)),
        DataType::UInt16 => each!(UInt16Array, column, |t| t.parse().unwrap_or(0)),
        DataType::UInt32 => each!(UInt32Array, column, |t| t.parse().unwrap_or(0)),
        DataType::UInt64 => each!(UInt64Array, column, |t| t.parse().unwrap_or(0)),
        DataType::Float16 => each!(Float16Array, column, |t| F16::from_f64(real(t))),
        DataType::Float32 => each!(Float32Array, column, |t| real(t) as f32),
        DataType::Float64 => each!(Float64Array, column, real),
        DataType::Decimal128(precision, scale) => {
            let values = column.values.iter();
            let whole = values.map(|t| t.as_deref().map(|t| unscaled(t).parse().unwrap_or(0)));
            let whole = whole.collect::<Decimal128Array>();
            Arc::new(whole.with_precision_and_scale(*precision, *scale)?)
        }
        DataType::Decimal256(precision, scale) => {
            let values = column.values.iter();
            let whole = values.map(|t| t.as_deref().and_then(|t| i256::from_string(&unscaled(t))));
            let whole = whole.collect::<Decimal256Array>();
            Arc::new(whole.with_precision_and_scale(*precision, *scale)?)
        }
        DataType::Utf8 => each!(StringArray, column, |t| t.to_string()),
        DataType::Binary => {
            let values = column.values.iter();
            let bytes = values.map(|t| t.as_deref().and_then(|t| hex::decode(t).ok()));
            let bytes = bytes.collect::<Vec<_>>();
            Arc::new(bytes.iter().map(|b| b.as_deref()).collect::<BinaryArray>())
        }
        DataType::FixedSizeBinary(size) => {
            let values = column.values.iter();
            let bytes = values.map(|t| t.as_deref().and_then(|t| hex::decode(t).ok()));
            Arc::new(FixedSizeBinaryArray::try_from_sparse_iter_with_size(bytes, *size)?)
        }
        DataType::Date32 => cast(1, DataType::Int32)?,
        DataType::Time32(unit) => cast(units(unit), DataType::Int32)?,
        DataType::Time64(unit) | DataType::Timestamp(unit, _) => {
            cast(units(unit), DataType::Int64)?
        }
        DataType::Null => Arc::new(NullArray::new(column.values.len())),
        DataType::Dictionary(_, _) => {
            let values = column.values.iter().map(|t| t.as_deref());
            Arc::new(values.collect::<DictionaryArray<Int32Type>>())
        }
        DataType::Interval(_) => {
            let day = IntervalDayTimeType::make_value(1, 0);
            Arc::new(IntervalDayTimeArray::from(vec![Some(day), None]))
        }
        DataType::List(_) => {
            let lists = vec![Some(vec![Some(1), None]), None];
            Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(lists))
        }
        DataType::Struct(fields) => {
            let inner = vec![counts(column, 1)];
            Arc::new(StructArray::new(fields.clone(), inner, None))
        }
        _ => return Err("has no such type".into()),
    })
}

/// One column of a type; what it is beyond Arrow's own types is said in the field.
fn one(name: &str, column: &Column) -> Result<RecordBatch, Anything> {
    let values = array(name, column)?;
    let mut field = Field::new("x", values.data_type().clone(), true);
    let extension = match name {
        "uuid" => Some("arrow.uuid"),
        "json" => Some("arrow.json"),
        _ => None,
    };
    if let Some(extension) = extension {
        let entry = ("ARROW:extension:name".to_string(), extension.to_string());
        let more = ("ARROW:extension:metadata".to_string(), String::new());
        field = field.with_metadata(HashMap::from([entry, more]));
    }
    Ok(RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![values])?)
}

const BULK: [&str; 13] = [
    "i32", "i64", "steps", "f32", "f64", "flag", "text", "words", "bin", "fixed", "day", "at",
    "money",
];

fn bulk(request: &Request, names: &[&str], present: bool) -> Result<RecordBatch, Anything> {
    let mut fields = vec![];
    for name in names {
        let mut column = request.bulk.get(*name).ok_or("no such column")?.clone();
        if present {
            column.values.retain(|value| value.is_some());
        }
        fields.push((*name, array(name, &column)?, !present));
    }
    Ok(RecordBatch::try_from_iter_with_nullable(fields)?)
}

fn codecs() -> Result<Vec<(&'static str, Compression)>, Anything> {
    Ok(vec![
        ("none", Compression::UNCOMPRESSED),
        ("SNAPPY", Compression::SNAPPY),
        ("GZIP", Compression::GZIP(GzipLevel::default())),
        ("BROTLI", Compression::BROTLI(BrotliLevel::default())),
        ("LZ4", Compression::LZ4),
        ("LZ4_RAW", Compression::LZ4_RAW),
        ("ZSTD", Compression::ZSTD(ZstdLevel::default())),
    ])
}

/// A row of the matrix, the encoding, and the columns that are written so.
const ENCODINGS: [(&str, Encoding, &[&str]); 8] = [
    ("PLAIN", Encoding::PLAIN, &BULK),
    ("RLE of booleans", Encoding::RLE, &["flag"]),
    (
        "DELTA_BINARY_PACKED",
        Encoding::DELTA_BINARY_PACKED,
        &["i32", "i64", "steps", "day", "at"],
    ),
    (
        "DELTA_LENGTH_BYTE_ARRAY",
        Encoding::DELTA_LENGTH_BYTE_ARRAY,
        &["text", "words", "bin"],
    ),
    ("DELTA_BYTE_ARRAY", Encoding::DELTA_BYTE_ARRAY, &["text", "words", "bin"]),
    ("DELTA_BYTE_ARRAY, fixed length", Encoding::DELTA_BYTE_ARRAY, &["fixed"]),
    ("BYTE_STREAM_SPLIT of reals", Encoding::BYTE_STREAM_SPLIT, &["f32", "f64"]),
    (
        "BYTE_STREAM_SPLIT, other types",
        Encoding::BYTE_STREAM_SPLIT,
        &["i32", "i64", "fixed", "money"],
    ),
];

fn put(path: &str, data: &RecordBatch, how: WriterPropertiesBuilder) -> Result<(), Anything> {
    let mut writer = ArrowWriter::try_new(File::create(path)?, data.schema(), Some(how.build()))?;
    writer.write(data)?;
    writer.close()?;
    Ok(())
}

fn write(request: &Request) -> Result<Vec<Value>, Anything> {
    let mut answers = vec![];
    let mut add = |row: String, data: Result<RecordBatch, Anything>, how: WriterPropertiesBuilder| {
        let path = format!("{}/{}.parquet", request.folder, answers.len());
        answers.push(match data.and_then(|data| put(&path, &data, how)) {
            Ok(()) => json!({ "row": row, "file": path }),
            Err(error) => json!({ "row": row, "cannot": error.to_string() }),
        });
    };
    let plain = || WriterProperties::builder();
    for (name, column) in &request.types {
        add(format!("type {name}"), one(name, column), plain());
    }
    let versions = [("V1", WriterVersion::PARQUET_1_0), ("V2", WriterVersion::PARQUET_2_0)];
    for (pages, version) in versions {
        let of_version = || plain().set_writer_version(version);
        for (row, encoding, columns) in ENCODINGS {
            let mut how = of_version().set_dictionary_enabled(false);
            for name in columns {
                how = how.set_column_encoding(ColumnPath::from(*name), encoding);
            }
            let row = format!("encoding {row}, pages {pages}");
            add(row, bulk(request, columns, false), how);
        }
        let row = format!("encoding dictionary, pages {pages}");
        add(row, bulk(request, &["words"], false), of_version());
        for (codec, compression) in codecs()? {
            let row = format!("codec {codec}, pages {pages}");
            let how = of_version().set_compression(compression);
            add(row, bulk(request, &BULK, false), how);
        }
    }
    let far = request.far.as_ref().ok_or("no values")?;
    let packed = plain()
        .set_dictionary_enabled(false)
        .set_encoding(Encoding::DELTA_BINARY_PACKED);
    let row = "encoding DELTA_BINARY_PACKED, far-apart INT32";
    let data = array("far", far).map(|x| RecordBatch::try_from_iter([("x", x)]));
    add(row.into(), data.and_then(|data| Ok(data?)), packed);
    let small = plain()
        .set_data_page_size_limit(256)
        .set_write_batch_size(50)
        .set_max_row_group_row_count(Some(700));
    add("layout small pages and row groups".into(), bulk(request, &BULK, false), small);
    let marks = plain().set_bloom_filter_enabled(true);
    add("layout page index and checksums".into(), bulk(request, &BULK, false), marks);
    add("layout no value absent".into(), bulk(request, &BULK, true), plain());
    Ok(answers)
}

fn read_all(files: &[String]) -> Value {
    let answers = files.iter().map(|path| {
        let said = read(path).unwrap_or_else(|error| json!({ "error": error.to_string() }));
        (path.clone(), said)
    });
    Value::Object(answers.collect())
}

fn read(path: &str) -> Result<Value, Anything> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?;
    let schema = builder.schema().clone();
    let mut columns: Vec<Column> = vec![];
    for field in schema.fields() {
        let kind = kind_of(field.data_type()).ok_or(format!("{} is new here", field.data_type()))?;
        let uuid = field.metadata().get("ARROW:extension:name").is_some_and(|n| n == "arrow.uuid");
        let kind = if uuid { "uuid" } else { kind }.to_string();
        columns.push(Column { kind, values: vec![] });
    }
    for batch in builder.build()? {
        for (array, column) in batch?.columns().iter().zip(&mut columns) {
            for row in 0..array.len() {
                let value = array.is_valid(row).then(|| text_of(array.as_ref(), row));
                column.values.push(value.transpose()?);
            }
        }
    }
    let names = schema.fields().iter().map(|field| field.name().clone());
    let named: BTreeMap<String, Column> = names.zip(columns).collect();
    Ok(json!({ "columns": named }))
}

fn kind_of(kind: &DataType) -> Option<&'static str> {
    use DataType::*;
    Some(match kind {
        Boolean => "bool",
        Float16 | Float32 | Float64 => "real",
        Decimal32(..) | Decimal64(..) | Decimal128(..) => "decimal",
        Utf8 => "text",
        Binary | FixedSizeBinary(_) => "bytes",
        Date32 => "date",
        Time32(_) | Time64(_) => "time",
        Timestamp(_, None) => "timestamp",
        Timestamp(_, Some(_)) => "instant",
        kind if kind.is_integer() => "int",
        _ => return None,
    })
}

fn text_of(array: &dyn Array, row: usize) -> Result<String, Anything> {
    macro_rules! at {
        ($kind:ty) => {
            array.as_primitive::<$kind>().value(row)
        };
    }
    let moment = |unit: &TimeUnit| -> i128 {
        let value = match unit {
            TimeUnit::Second => at!(TimestampSecondType),
            TimeUnit::Millisecond => at!(TimestampMillisecondType),
            TimeUnit::Microsecond => at!(TimestampMicrosecondType),
            TimeUnit::Nanosecond => at!(TimestampNanosecondType),
        };
        value as i128 * units(unit) as i128
    };
    Ok(match array.data_type() {
        DataType::Boolean => array.as_boolean().value(row).to_string(),
        DataType::Int8 => at!(Int8Type).to_string(),
        DataType::Int16 => at!(Int16Type).to_string(),
        DataType::Int32 => at!(Int32Type).to_string(),
        DataType::Int64 => at!(Int64Type).to_string(),
        DataType::UInt8 => at!(UInt8Type).to_string(),
        DataType::UInt16 => at!(UInt16Type).to_string(),
        DataType::UInt32 => at!(UInt32Type).to_string(),
        DataType::UInt64 => at!(UInt64Type).to_string(),
        DataType::Float16 => bits(at!(Float16Type).to_f64()),
        DataType::Float32 => bits(at!(Float32Type) as f64),
        DataType::Float64 => bits(at!(Float64Type)),
        DataType::Decimal128(_, scale) => format!("{}e-{scale}", at!(Decimal128Type)),
        DataType::Utf8 => array.as_string::<i32>().value(row).to_string(),
        DataType::Binary => hex::encode(array.as_binary::<i32>().value(row)),
        DataType::FixedSizeBinary(_) => hex::encode(array.as_fixed_size_binary().value(row)),
        DataType::Date32 => at!(Date32Type).to_string(),
        DataType::Time32(_) => (at!(Time32MillisecondType) as i64 * 1_000_000).to_string(),
        DataType::Time64(TimeUnit::Nanosecond) => at!(Time64NanosecondType).to_string(),
        DataType::Time64(_) => (at!(Time64MicrosecondType) * 1_000).to_string(),
        DataType::Timestamp(unit, _) => moment(unit).to_string(),
        other => return Err(format!("{other} is new here").into()),
    })
}
