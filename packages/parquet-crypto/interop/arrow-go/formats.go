// SPDX-License-Identifier: Apache-2.0
// Plain Parquet by Arrow's Go library, for the lane `formats`: every type, encoding, codec and page
// version that it writes, and what it reads. Speaks the JSON lines of
// packages/gateway/interop/canonical.py.
package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"os"
	"sort"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/decimal256"
	"github.com/apache/arrow-go/v18/arrow/extensions"
	"github.com/apache/arrow-go/v18/arrow/float16"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
)

type column struct {
	Kind   string    `json:"kind"`
	Values []*string `json:"values"`
}

type formatsRequest struct {
	Op     string            `json:"op"`
	Folder string            `json:"folder"`
	Types  map[string]column `json:"types"`
	Bulk   map[string]column `json:"bulk"`
	Far    column            `json:"far"`
	Files  []string          `json:"files"`
}

type written struct {
	Row    string `json:"row"`
	File   string `json:"file,omitempty"`
	Cannot string `json:"cannot,omitempty"`
}

func serveFormats() {
	lines := bufio.NewReaderSize(os.Stdin, 1<<20)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var r formatsRequest
		if err := json.Unmarshal(line, &r); err != nil {
			panic(err)
		}
		var answer any
		if r.Op == "write" {
			answer = writeFormats(r)
		} else {
			answer = readFormats(r.Files)
		}
		json.NewEncoder(os.Stdout).Encode(answer)
	}
}

// attempt makes an error of a panic.
func attempt(task func() error) (err error) {
	defer func() {
		if said := recover(); said != nil {
			err = fmt.Errorf("panic: %v", said)
		}
	}()
	return task()
}

func decimal(precision, scale int32) arrow.DataType {
	return &arrow.Decimal128Type{Precision: precision, Scale: scale}
}

func moment(unit arrow.TimeUnit, zone string) arrow.DataType {
	return &arrow.TimestampType{Unit: unit, TimeZone: zone}
}

var typesByName = map[string]arrow.DataType{
	"bool": arrow.FixedWidthTypes.Boolean,
	"int8": arrow.PrimitiveTypes.Int8, "int16": arrow.PrimitiveTypes.Int16,
	"int32": arrow.PrimitiveTypes.Int32, "int64": arrow.PrimitiveTypes.Int64,
	"uint8": arrow.PrimitiveTypes.Uint8, "uint16": arrow.PrimitiveTypes.Uint16,
	"uint32": arrow.PrimitiveTypes.Uint32, "uint64": arrow.PrimitiveTypes.Uint64,
	"float16": arrow.FixedWidthTypes.Float16,
	"float32": arrow.PrimitiveTypes.Float32, "float64": arrow.PrimitiveTypes.Float64,
	"decimal(9,2)": decimal(9, 2), "decimal(18,6)": decimal(18, 6),
	"decimal(38,10)": decimal(38, 10),
	"decimal(50,2)":  &arrow.Decimal256Type{Precision: 50, Scale: 2},
	"string":         arrow.BinaryTypes.String, "binary": arrow.BinaryTypes.Binary,
	"fixed(5)": &arrow.FixedSizeBinaryType{ByteWidth: 5},
	"uuid":     extensions.NewUUIDType(),
	"date":     arrow.FixedWidthTypes.Date32,
	"time_ms":  arrow.FixedWidthTypes.Time32ms,
	"time_us":  arrow.FixedWidthTypes.Time64us, "time_ns": arrow.FixedWidthTypes.Time64ns,
	"timestamp_ms": moment(arrow.Millisecond, ""), "timestamp_us": moment(arrow.Microsecond, ""),
	"timestamp_ns": moment(arrow.Nanosecond, ""),
	"instant_ms":   moment(arrow.Millisecond, "UTC"), "instant_us": moment(arrow.Microsecond, "UTC"),
	"instant_ns":        moment(arrow.Nanosecond, "UTC"),
	"instant_ns, finer": moment(arrow.Nanosecond, "UTC"),
	"int96":             moment(arrow.Nanosecond, ""), "int96, finer": moment(arrow.Nanosecond, ""),
	"dictionary": &arrow.DictionaryType{
		IndexType: arrow.PrimitiveTypes.Int32, ValueType: arrow.BinaryTypes.String,
	},
	"null":   arrow.Null,
	"list":   arrow.ListOf(arrow.PrimitiveTypes.Int64),
	"struct": arrow.StructOf(arrow.Field{Name: "a", Type: arrow.PrimitiveTypes.Int64, Nullable: true}),
	"map":    arrow.MapOf(arrow.BinaryTypes.String, arrow.PrimitiveTypes.Int64),
}

var bulkNames = []string{
	"i32", "i64", "steps", "f32", "f64", "flag", "text", "words", "bin", "fixed", "day", "at", "money",
}
var bulkTypes = map[string]string{
	"i32": "int32", "i64": "int64", "steps": "int64", "f32": "float32", "f64": "float64",
	"flag": "bool", "text": "string", "words": "string", "bin": "binary", "fixed": "fixed(5)",
	"day": "date", "at": "timestamp_us", "money": "decimal(18,6)",
}

type encoded struct {
	row      string
	encoding parquet.Encoding
	columns  []string
}

var encodings = []encoded{
	{"PLAIN", parquet.Encodings.Plain, bulkNames},
	{"RLE of booleans", parquet.Encodings.RLE, []string{"flag"}},
	{"DELTA_BINARY_PACKED", parquet.Encodings.DeltaBinaryPacked,
		[]string{"i32", "i64", "steps", "day", "at"}},
	{"DELTA_LENGTH_BYTE_ARRAY", parquet.Encodings.DeltaLengthByteArray,
		[]string{"text", "words", "bin"}},
	{"DELTA_BYTE_ARRAY", parquet.Encodings.DeltaByteArray, []string{"text", "words", "bin"}},
	{"DELTA_BYTE_ARRAY, fixed length", parquet.Encodings.DeltaByteArray, []string{"fixed"}},
	{"BYTE_STREAM_SPLIT of reals", parquet.Encodings.ByteStreamSplit, []string{"f32", "f64"}},
	{"BYTE_STREAM_SPLIT, other types", parquet.Encodings.ByteStreamSplit,
		[]string{"i32", "i64", "fixed", "money"}},
}

var codecs = []struct {
	row   string
	codec compress.Compression
}{
	{"none", compress.Codecs.Uncompressed}, {"SNAPPY", compress.Codecs.Snappy},
	{"GZIP", compress.Codecs.Gzip}, {"BROTLI", compress.Codecs.Brotli},
	{"LZ4", compress.Codecs.Lz4}, {"LZ4_RAW", compress.Codecs.Lz4Raw},
	{"ZSTD", compress.Codecs.Zstd},
}

func real(text string) float64 {
	if text == "nan" {
		return math.NaN()
	}
	bits, _ := strconv.ParseUint(text, 16, 64)
	return math.Float64frombits(bits)
}

func nanosecondsOf(unit arrow.TimeUnit) int64 { return int64(unit.Multiplier()) }

// add appends one value, which is there.
func add(b array.Builder, text string) {
	whole, _ := strconv.ParseInt(text, 10, 64)
	unsigned, _ := strconv.ParseUint(text, 10, 64)
	unscaled, _ := new(big.Int).SetString(strings.Split(text, "e-")[0], 10)
	count := func(unit arrow.TimeUnit) int64 {
		return new(big.Int).Quo(unscaled, big.NewInt(nanosecondsOf(unit))).Int64()
	}
	bytes, _ := hex.DecodeString(text)
	switch b := b.(type) {
	case *array.BooleanBuilder:
		b.Append(text == "true")
	case *array.Int8Builder:
		b.Append(int8(whole))
	case *array.Int16Builder:
		b.Append(int16(whole))
	case *array.Int32Builder:
		b.Append(int32(whole))
	case *array.Int64Builder:
		b.Append(whole)
	case *array.Uint8Builder:
		b.Append(uint8(unsigned))
	case *array.Uint16Builder:
		b.Append(uint16(unsigned))
	case *array.Uint32Builder:
		b.Append(uint32(unsigned))
	case *array.Uint64Builder:
		b.Append(unsigned)
	case *array.Float16Builder:
		b.Append(float16.New(float32(real(text))))
	case *array.Float32Builder:
		b.Append(float32(real(text)))
	case *array.Float64Builder:
		b.Append(real(text))
	case *array.Decimal128Builder:
		b.Append(decimal128.FromBigInt(unscaled))
	case *array.Decimal256Builder:
		b.Append(decimal256.FromBigInt(unscaled))
	case *array.StringBuilder:
		b.Append(text)
	case *array.BinaryDictionaryBuilder:
		if err := b.AppendString(text); err != nil {
			panic(err)
		}
	case *array.BinaryBuilder:
		b.Append(bytes)
	case *array.FixedSizeBinaryBuilder:
		b.Append(bytes)
	case *extensions.UUIDBuilder:
		b.AppendBytes([16]byte(bytes))
	case *array.Date32Builder:
		b.Append(arrow.Date32(whole))
	case *array.Time32Builder:
		b.Append(arrow.Time32(count(b.Type().(*arrow.Time32Type).Unit)))
	case *array.Time64Builder:
		b.Append(arrow.Time64(count(b.Type().(*arrow.Time64Type).Unit)))
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(count(b.Type().(*arrow.TimestampType).Unit)))
	case *array.ListBuilder:
		b.Append(true)
		add(b.ValueBuilder(), text)
	case *array.StructBuilder:
		b.Append(true)
		add(b.FieldBuilder(0), text)
	case *array.MapBuilder:
		b.Append(true)
		add(b.KeyBuilder(), text)
		add(b.ItemBuilder(), text)
	default:
		panic(fmt.Sprintf("no builder for %s", b.Type()))
	}
}

// of is an array of the column's values, all of them or those that are there.
func of(kind arrow.DataType, values column, present bool) arrow.Array {
	builder := array.NewBuilder(memory.DefaultAllocator, kind)
	for _, value := range values.Values {
		if value != nil {
			add(builder, *value)
		} else if !present {
			builder.AppendNull()
		}
	}
	return builder.NewArray()
}

func tableOf(names []string, arrays []arrow.Array, nullable bool) arrow.Table {
	fields := make([]arrow.Field, len(names))
	for i, name := range names {
		fields[i] = arrow.Field{Name: name, Type: arrays[i].DataType(), Nullable: nullable}
	}
	schema := arrow.NewSchema(fields, nil)
	record := array.NewRecordBatch(schema, arrays, int64(arrays[0].Len()))
	return array.NewTableFromRecords(schema, []arrow.RecordBatch{record})
}

func bulkTable(r formatsRequest, names []string, present bool) arrow.Table {
	arrays := make([]arrow.Array, len(names))
	for i, name := range names {
		arrays[i] = of(typesByName[bulkTypes[name]], r.Bulk[name], present)
	}
	return tableOf(names, arrays, !present)
}

func writeFormats(r formatsRequest) []written {
	answers := []written{}
	put := func(row string, rows int64, data func() arrow.Table, how pqarrow.ArrowWriterProperties,
		properties ...parquet.WriterProperty) {
		path := fmt.Sprintf("%s/%d.parquet", r.Folder, len(answers))
		err := attempt(func() error {
			out, err := os.Create(path)
			if err != nil {
				return err
			}
			return pqarrow.WriteTable(data(), out, rows, parquet.NewWriterProperties(properties...), how)
		})
		if err != nil {
			answers = append(answers, written{Row: row, Cannot: err.Error()})
		} else {
			answers = append(answers, written{Row: row, File: path})
		}
	}
	const all = int64(1 << 20)
	usual := pqarrow.NewArrowWriterProperties(pqarrow.WithStoreSchema())
	names := make([]string, 0, len(r.Types))
	for name := range r.Types {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		how := usual
		if strings.HasPrefix(name, "int96") {
			how = pqarrow.NewArrowWriterProperties(pqarrow.WithDeprecatedInt96Timestamps(true))
		}
		one := func() arrow.Table {
			kind, known := typesByName[name]
			if !known {
				panic("has no such type")
			}
			return tableOf([]string{"x"}, []arrow.Array{of(kind, r.Types[name], false)}, true)
		}
		put("type "+name, all, one, how, parquet.WithVersion(parquet.V2_LATEST))
	}
	every := func() arrow.Table { return bulkTable(r, bulkNames, false) }
	versions := map[string]parquet.DataPageVersion{"V1": parquet.DataPageV1, "V2": parquet.DataPageV2}
	for _, pages := range []string{"V1", "V2"} {
		version := parquet.WithDataPageVersion(versions[pages])
		for _, e := range encodings {
			options := []parquet.WriterProperty{version, parquet.WithDictionaryDefault(false)}
			for _, name := range e.columns {
				options = append(options, parquet.WithEncodingFor(name, e.encoding))
			}
			some := func() arrow.Table { return bulkTable(r, e.columns, false) }
			put(fmt.Sprintf("encoding %s, pages %s", e.row, pages), all, some, usual, options...)
		}
		words := func() arrow.Table { return bulkTable(r, []string{"words"}, false) }
		put("encoding dictionary, pages "+pages, all, words, usual, version)
		for _, c := range codecs {
			put(fmt.Sprintf("codec %s, pages %s", c.row, pages), all, every, usual, version,
				parquet.WithCompression(c.codec))
		}
	}
	far := func() arrow.Table {
		return tableOf([]string{"x"}, []arrow.Array{of(typesByName["int32"], r.Far, false)}, true)
	}
	put("encoding DELTA_BINARY_PACKED, far-apart INT32", all, far, usual,
		parquet.WithDictionaryDefault(false), parquet.WithEncoding(parquet.Encodings.DeltaBinaryPacked))
	put("layout small pages and row groups", 700, every, usual,
		parquet.WithDataPageSize(256), parquet.WithBatchSize(50))
	put("layout page index and checksums", all, every, usual,
		parquet.WithPageIndexEnabled(true), parquet.WithBloomFilterEnabled(true))
	present := func() arrow.Table { return bulkTable(r, bulkNames, true) }
	put("layout no value absent", all, present, usual)
	return answers
}

func readFormats(files []string) map[string]any {
	answers := map[string]any{}
	for _, path := range files {
		columns := map[string]column{}
		err := attempt(func() error { return readFile(path, columns) })
		if err != nil {
			answers[path] = map[string]any{"error": err.Error()}
		} else {
			answers[path] = map[string]any{"columns": columns}
		}
	}
	return answers
}

func readFile(path string, columns map[string]column) error {
	source, err := file.OpenParquetFile(path, false)
	if err != nil {
		return err
	}
	defer source.Close()
	properties := pqarrow.ArrowReadProperties{}
	reader, err := pqarrow.NewFileReader(source, properties, memory.DefaultAllocator)
	if err != nil {
		return err
	}
	data, err := reader.ReadTable(context.Background())
	if err != nil {
		return err
	}
	for i := 0; i < int(data.NumCols()); i++ {
		values := column{Kind: kindOf(data.Column(i).DataType()), Values: []*string{}}
		for _, chunk := range data.Column(i).Data().Chunks() {
			for row := 0; row < chunk.Len(); row++ {
				if chunk.IsNull(row) {
					values.Values = append(values.Values, nil)
					continue
				}
				text := textOf(chunk, row)
				values.Values = append(values.Values, &text)
			}
		}
		columns[data.Column(i).Name()] = values
	}
	return nil
}

func kindOf(kind arrow.DataType) string {
	switch kind := kind.(type) {
	case *arrow.BooleanType:
		return "bool"
	case *arrow.Float16Type, *arrow.Float32Type, *arrow.Float64Type:
		return "real"
	case *arrow.Decimal128Type:
		return "decimal"
	case *arrow.StringType:
		return "text"
	case *arrow.BinaryType, *arrow.FixedSizeBinaryType:
		return "bytes"
	case *extensions.UUIDType:
		return "uuid"
	case *arrow.Date32Type:
		return "date"
	case *arrow.Time32Type, *arrow.Time64Type:
		return "time"
	case *arrow.TimestampType:
		if kind.TimeZone == "" {
			return "timestamp"
		}
		return "instant"
	}
	if arrow.IsInteger(kind.ID()) {
		return "int"
	}
	return kind.String()
}

// inNanoseconds counts without overflow.
func inNanoseconds(value int64, unit arrow.TimeUnit) string {
	return new(big.Int).Mul(big.NewInt(value), big.NewInt(nanosecondsOf(unit))).String()
}

func bitsOf(value float64) string {
	if math.IsNaN(value) {
		return "nan"
	}
	var bytes [8]byte
	binary.BigEndian.PutUint64(bytes[:], math.Float64bits(value))
	return hex.EncodeToString(bytes[:])
}

func textOf(values arrow.Array, row int) string {
	switch values := values.(type) {
	case *array.Boolean:
		return strconv.FormatBool(values.Value(row))
	case *array.Float16:
		return bitsOf(float64(values.Value(row).Float32()))
	case *array.Float32:
		return bitsOf(float64(values.Value(row)))
	case *array.Float64:
		return bitsOf(values.Value(row))
	case *array.Decimal128:
		scale := values.DataType().(*arrow.Decimal128Type).Scale
		return fmt.Sprintf("%se-%d", values.Value(row).BigInt(), scale)
	case *array.String:
		return values.Value(row)
	case *array.Binary:
		return hex.EncodeToString(values.Value(row))
	case *array.FixedSizeBinary:
		return hex.EncodeToString(values.Value(row))
	case *extensions.UUIDArray:
		id := values.Value(row)
		return hex.EncodeToString(id[:])
	case *array.Date32:
		return strconv.Itoa(int(values.Value(row)))
	case *array.Time32:
		return inNanoseconds(int64(values.Value(row)), values.DataType().(*arrow.Time32Type).Unit)
	case *array.Time64:
		return inNanoseconds(int64(values.Value(row)), values.DataType().(*arrow.Time64Type).Unit)
	case *array.Timestamp:
		return inNanoseconds(int64(values.Value(row)), values.DataType().(*arrow.TimestampType).Unit)
	}
	return values.ValueStr(row)
}
