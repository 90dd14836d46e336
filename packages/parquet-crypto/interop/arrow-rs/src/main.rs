// SPDX-License-Identifier: Apache-2.0
//! Encrypted Parquet by arrow-rs, for the lane `direct`: keys are given directly, as it knows no
//! key service. Built by tools/peers.js. One JSON request on stdin, one answer on stdout, those of
//! the Go peer (../arrow-go/main.go): `write` and `read` of one table. With the argument `formats`
//! it speaks of plain Parquet, for the lane of that name (formats.rs).
mod formats;
use arrow::array::{Array, Float64Array, Int64Array, RecordBatch, StringArray};
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::encryption::decrypt::FileDecryptionProperties;
use parquet::encryption::encrypt::FileEncryptionProperties;
use parquet::file::properties::{WriterProperties, WriterVersion};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::sync::Arc;

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Request {
    op: String,
    path: String,
    rows: i64,
    footer: String,
    columns: BTreeMap<String, String>,
    named: bool,
    prefix: String,
    store_prefix: bool,
    plaintext_footer: bool,
    v2: bool,
}

fn table(rows: i64) -> Result<RecordBatch, Box<dyn Error>> {
    let text = |i| (i % 3 != 0).then(|| format!("text {}", i % 100));
    Ok(RecordBatch::try_from_iter_with_nullable([
        (
            "i",
            Arc::new(Int64Array::from_iter_values(0..rows)) as Arc<dyn Array>,
            true,
        ),
        (
            "text",
            Arc::new(StringArray::from_iter((0..rows).map(text))),
            true,
        ),
        (
            "real",
            Arc::new(Float64Array::from_iter_values(
                (0..rows).map(|i| i as f64 / 7.0),
            )),
            true,
        ),
    ])?)
}

fn write(r: &Request) -> Result<serde_json::Value, Box<dyn Error>> {
    let mut keys = FileEncryptionProperties::builder(hex::decode(&r.footer)?)
        .with_plaintext_footer(r.plaintext_footer);
    for (name, key) in &r.columns {
        let key = hex::decode(key)?;
        keys = match r.named {
            true => keys.with_column_key_and_metadata(name, key, format!("k-{name}").into_bytes()),
            false => keys.with_column_key(name, key),
        };
    }
    if r.named {
        keys = keys.with_footer_key_metadata(b"k-footer".to_vec());
    }
    if !r.prefix.is_empty() {
        keys = keys
            .with_aad_prefix(hex::decode(&r.prefix)?)
            .with_aad_prefix_storage(r.store_prefix);
    }
    let version = if r.v2 {
        WriterVersion::PARQUET_2_0
    } else {
        WriterVersion::PARQUET_1_0
    };
    let properties = WriterProperties::builder()
        .with_file_encryption_properties(keys.build()?)
        .set_compression(Compression::SNAPPY)
        .set_writer_version(version)
        .set_max_row_group_row_count(Some(700))
        .build();
    let data = table(r.rows)?;
    let mut writer = ArrowWriter::try_new(File::create(&r.path)?, data.schema(), Some(properties))?;
    writer.write(&data)?;
    writer.close()?;
    Ok(serde_json::json!({}))
}

fn read(r: &Request) -> Result<serde_json::Value, Box<dyn Error>> {
    let mut keys = FileDecryptionProperties::builder(hex::decode(&r.footer)?);
    for (name, key) in &r.columns {
        keys = keys.with_column_key(name, hex::decode(key)?);
    }
    if !r.prefix.is_empty() {
        keys = keys.with_aad_prefix(hex::decode(&r.prefix)?);
    }
    let options = ArrowReaderOptions::new().with_file_decryption_properties(keys.build()?);
    let source = File::open(&r.path)?;
    let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(source, options)?.build()?;
    let (mut rows, mut sum, mut nulls, mut last) = (0, 0, 0, String::new());
    for batch in reader {
        let batch = batch?;
        let numbers = batch
            .column(0)
            .as_any()
            .downcast_ref::<Int64Array>()
            .ok_or("no integers")?;
        let texts = batch
            .column(1)
            .as_any()
            .downcast_ref::<StringArray>()
            .ok_or("no texts")?;
        rows += batch.num_rows();
        sum += numbers.iter().flatten().sum::<i64>();
        nulls += texts.null_count();
        if batch.num_rows() > 0 && texts.is_valid(batch.num_rows() - 1) {
            last = texts.value(batch.num_rows() - 1).to_string();
        }
    }
    Ok(serde_json::json!({ "rows": rows, "sum": sum, "nulls": nulls, "last": last }))
}

fn main() -> Result<(), Box<dyn Error>> {
    if std::env::args().nth(1).as_deref() == Some("formats") {
        return formats::serve();
    }
    let request: Request = serde_json::from_reader(std::io::stdin())?;
    let answer = if request.op == "write" {
        write(&request)
    } else {
        read(&request)
    };
    let said = answer.unwrap_or_else(|error| serde_json::json!({ "error": error.to_string() }));
    println!("{said}");
    Ok(())
}
