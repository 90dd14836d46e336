// SPDX-License-Identifier: Apache-2.0

// Judges TDX quotes by go-tdx-guest and SEV-SNP reports by go-sev-guest, for differential tests.
// Reads one case a line, JSON, and answers one line each, in order. Nothing is fetched: collateral
// that a case lacks does not exist. The modules log to standard output too: an answer is a line
// that begins with a brace. Built by tools/peers.js outside the repository.
package main

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"time"
)

// hexBytes are bytes that JSON carries in hexadecimal.
type hexBytes []byte

func (b *hexBytes) UnmarshalJSON(text []byte) error {
	var value string
	if err := json.Unmarshal(text, &value); err != nil {
		return err
	}
	decoded, err := hex.DecodeString(value)
	*b = decoded
	return err
}

type testCase struct {
	// "tdx" or "snp".
	Kind     string   `json:"kind"`
	Evidence hexBytes `json:"evidence"`
	// Milliseconds since 1970.
	At int64 `json:"at"`
	// Certificates, DER: Intel's root, or ARKs.
	Roots []hexBytes     `json:"roots"`
	Tdx   *tdxCollateral `json:"tdx"`
	Snp   *snpCollateral `json:"snp"`
}

// answer carries what was parsed even where the case is refused. A crash is an outcome of its own.
type answer struct {
	Outcome string         `json:"outcome"`
	Error   string         `json:"error,omitempty"`
	Facts   map[string]any `json:"facts,omitempty"`
}

func judge(c *testCase) (out answer) {
	defer func() {
		if crash := recover(); crash != nil {
			out = answer{Outcome: "crashed", Error: fmt.Sprint(crash), Facts: out.Facts}
		}
	}()
	var err error
	now := time.UnixMilli(c.At)
	switch c.Kind {
	case "tdx":
		out.Facts, err = judgeTdx(c, now)
	case "snp":
		out.Facts, err = judgeSnp(c, now)
	default:
		err = fmt.Errorf("no such kind: %q", c.Kind)
	}
	out.Outcome = "verified"
	if err != nil {
		out.Outcome, out.Error = "refused", err.Error()
	}
	return out
}

func main() {
	reader := bufio.NewReaderSize(os.Stdin, 1<<20)
	writer := json.NewEncoder(os.Stdout)
	decoder := json.NewDecoder(reader)
	for decoder.More() {
		var c testCase
		if err := decoder.Decode(&c); err != nil {
			fmt.Fprintln(os.Stderr, "not a case:", err)
			os.Exit(1)
		}
		if err := writer.Encode(judge(&c)); err != nil {
			fmt.Fprintln(os.Stderr, "cannot answer:", err)
			os.Exit(1)
		}
	}
}
