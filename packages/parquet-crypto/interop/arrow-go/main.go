// SPDX-License-Identifier: Apache-2.0
// Encrypted Parquet by Arrow's Go library, for the lane `direct`: keys are given directly, as it
// knows no key service. Built by tools/peers.js. One JSON request on stdin, one JSON answer on
// stdout:
//
//	{"op": "write", "path", "rows", "footer": hex, "columns": {name: hex}, "named", "prefix": hex,
//	 "storePrefix", "plaintextFooter", "ctr", "v2"}
//	{"op": "read", "path", "footer": hex, "columns": {name: hex}, "prefix": hex}
//
// With the argument `formats` it speaks of plain Parquet, for the lane of that name (formats.go).
//
// The table has a column of integers, one of texts with nulls, one of reals; what is read is told
// as its rows, a sum, how many texts are null, and the last text.
package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
)

type request struct {
	Op              string            `json:"op"`
	Path            string            `json:"path"`
	Rows            int               `json:"rows"`
	Footer          string            `json:"footer"`
	Columns         map[string]string `json:"columns"`
	Named           bool              `json:"named"`
	Prefix          string            `json:"prefix"`
	StorePrefix     bool              `json:"storePrefix"`
	PlaintextFooter bool              `json:"plaintextFooter"`
	Ctr             bool              `json:"ctr"`
	V2              bool              `json:"v2"`
}

func key(text string) string {
	bytes, err := hex.DecodeString(text)
	if err != nil {
		panic(err)
	}
	return string(bytes)
}

func table(rows int) arrow.Table {
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "i", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
		{Name: "text", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "real", Type: arrow.PrimitiveTypes.Float64, Nullable: true},
	}, nil)
	builder := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	for i := 0; i < rows; i++ {
		builder.Field(0).(*array.Int64Builder).Append(int64(i))
		if i%3 == 0 {
			builder.Field(1).AppendNull()
		} else {
			builder.Field(1).(*array.StringBuilder).Append(fmt.Sprintf("text %d", i%100))
		}
		builder.Field(2).(*array.Float64Builder).Append(float64(i) / 7)
	}
	record := builder.NewRecordBatch()
	return array.NewTableFromRecords(schema, []arrow.RecordBatch{record})
}

func write(r request) error {
	options := []parquet.EncryptOption{}
	columns := parquet.ColumnPathToEncryptionPropsMap{}
	for name, text := range r.Columns {
		own := []parquet.ColumnEncryptOption{parquet.WithKey(key(text))}
		if r.Named {
			own = append(own, parquet.WithKeyID("k-"+name))
		}
		columns[name] = parquet.NewColumnEncryptionProperties(name, own...)
	}
	if len(columns) > 0 {
		options = append(options, parquet.WithEncryptedColumns(columns))
	}
	if r.Named {
		options = append(options, parquet.WithFooterKeyID("k-footer"))
	}
	if r.Prefix != "" {
		options = append(options, parquet.WithAadPrefix(key(r.Prefix)))
		if !r.StorePrefix {
			options = append(options, parquet.DisableAadPrefixStorage())
		}
	}
	if r.PlaintextFooter {
		options = append(options, parquet.WithPlaintextFooter())
	}
	if r.Ctr {
		options = append(options, parquet.WithAlg(parquet.AesCtr))
	}
	encryption := parquet.NewFileEncryptionProperties(key(r.Footer), options...)
	properties := []parquet.WriterProperty{
		parquet.WithEncryptionProperties(encryption),
		parquet.WithCompression(compress.Codecs.Snappy),
	}
	if r.V2 {
		properties = append(properties, parquet.WithDataPageVersion(parquet.DataPageV2))
	}
	out, err := os.Create(r.Path)
	if err != nil {
		return err
	}
	data := table(r.Rows)
	how := parquet.NewWriterProperties(properties...)
	return pqarrow.WriteTable(data, out, 700, how, pqarrow.DefaultWriterProps())
}

func read(r request) (map[string]any, error) {
	columns := parquet.ColumnPathToDecryptionPropsMap{}
	for name, text := range r.Columns {
		columns[name] = parquet.NewColumnDecryptionProperties(name, parquet.WithDecryptKey(key(text)))
	}
	options := []parquet.FileDecryptionOption{parquet.WithFooterKey(key(r.Footer))}
	if len(columns) > 0 {
		options = append(options, parquet.WithColumnKeys(columns))
	}
	if r.Prefix != "" {
		options = append(options, parquet.WithDecryptAadPrefix(key(r.Prefix)))
	}
	properties := parquet.NewReaderProperties(memory.DefaultAllocator)
	properties.FileDecryptProps = parquet.NewFileDecryptionProperties(options...)
	source, err := os.Open(r.Path)
	if err != nil {
		return nil, err
	}
	data, err := pqarrow.ReadTable(context.Background(), source, properties,
		pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	if err != nil {
		return nil, err
	}
	sum, last := int64(0), ""
	for _, chunk := range data.Column(0).Data().Chunks() {
		for _, value := range chunk.(*array.Int64).Int64Values() {
			sum += value
		}
	}
	texts := data.Column(1).Data()
	for _, chunk := range texts.Chunks() {
		if n := chunk.Len(); n > 0 && chunk.IsValid(n-1) {
			last = chunk.(*array.String).Value(n - 1)
		}
	}
	answer := map[string]any{"rows": data.NumRows(), "sum": sum, "nulls": texts.NullN()}
	answer["last"] = last
	return answer, nil
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "formats" {
		serveFormats()
		return
	}
	var r request
	answer := map[string]any{}
	err := json.NewDecoder(os.Stdin).Decode(&r)
	defer func() {
		// The library panics where keys are missing or wrong.
		if said := recover(); said != nil {
			answer = map[string]any{"error": fmt.Sprint(said)}
		}
		json.NewEncoder(os.Stdout).Encode(answer)
	}()
	if err == nil && r.Op == "write" {
		err = write(r)
	} else if err == nil {
		answer, err = read(r)
	}
	if err != nil {
		answer = map[string]any{"error": err.Error()}
	}
}
