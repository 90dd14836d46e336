// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/google/go-tdx-guest/abi"
	"github.com/google/go-tdx-guest/pcs"
	pb "github.com/google/go-tdx-guest/proto/tdx"
	"github.com/google/go-tdx-guest/verify"
)

// tdxCollateral has chains and statements as text, the rest in hexadecimal.
type tdxCollateral struct {
	PckCrlIssuerChain     string   `json:"pck_crl_issuer_chain"`
	RootCaCrl             hexBytes `json:"root_ca_crl"`
	PckCrl                hexBytes `json:"pck_crl"`
	TcbInfoIssuerChain    string   `json:"tcb_info_issuer_chain"`
	TcbInfo               string   `json:"tcb_info"`
	TcbInfoSignature      string   `json:"tcb_info_signature"`
	QeIdentityIssuerChain string   `json:"qe_identity_issuer_chain"`
	QeIdentity            string   `json:"qe_identity"`
	QeIdentitySignature   string   `json:"qe_identity_signature"`
}

// Get answers as Intel's PCS would: statements with their signatures, and chains in headers.
func (c *tdxCollateral) Get(address string) (map[string][]string, []byte, error) {
	chain := func(header, text string) map[string][]string {
		return map[string][]string{header: {url.QueryEscape(text)}}
	}
	signed := func(name, text, signature string) []byte {
		return []byte(fmt.Sprintf(`{"%s":%s,"signature":"%s"}`, name, text, signature))
	}
	switch {
	case strings.Contains(address, "/tcb?"):
		body := signed("tcbInfo", c.TcbInfo, c.TcbInfoSignature)
		return chain("Tcb-Info-Issuer-Chain", c.TcbInfoIssuerChain), body, nil
	case strings.Contains(address, "/qe/identity"):
		body := signed("enclaveIdentity", c.QeIdentity, c.QeIdentitySignature)
		return chain("Sgx-Enclave-Identity-Issuer-Chain", c.QeIdentityIssuerChain), body, nil
	case strings.Contains(address, "/pckcrl?"):
		return chain("Sgx-Pck-Crl-Issuer-Chain", c.PckCrlIssuerChain), c.PckCrl, nil
	default:
		return nil, c.RootCaCrl, nil
	}
}

func judgeTdx(c *testCase, now time.Time) (map[string]any, error) {
	parsed, err := abi.QuoteToProto(c.Evidence)
	if err != nil {
		return nil, err
	}
	quote, ok := parsed.(*pb.QuoteV4)
	if !ok {
		return nil, errors.New("not a quote v4")
	}
	roots := x509.NewCertPool()
	for _, der := range c.Roots {
		root, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		roots.AddCert(root)
	}
	options := &verify.Options{Now: now, TrustedRoots: roots}
	if c.Tdx != nil {
		if !json.Valid([]byte(c.Tdx.TcbInfo)) || !json.Valid([]byte(c.Tdx.QeIdentity)) {
			return tdxFacts(quote), errors.New("a statement is not JSON")
		}
		options.GetCollateral, options.CheckRevocations, options.Getter = true, true, c.Tdx
	}
	return tdxFacts(quote), verify.TdxQuote(quote, options)
}

func tdxFacts(quote *pb.QuoteV4) map[string]any {
	body := quote.GetTdQuoteBody()
	facts := map[string]any{
		"debug":       body.GetTdAttributes()[0]&1 != 0,
		"mrtd":        hex.EncodeToString(body.GetMrTd()),
		"mrconfigid":  hex.EncodeToString(body.GetMrConfigId()),
		"mrowner":     hex.EncodeToString(body.GetMrOwner()),
		"report-data": hex.EncodeToString(body.GetReportData()),
		"tee-tcb-svn": hex.EncodeToString(body.GetTeeTcbSvn()),
	}
	for i, rtmr := range body.GetRtmrs() {
		facts[fmt.Sprintf("rtmr%d", i)] = hex.EncodeToString(rtmr)
	}
	chain := quote.GetSignedData().GetCertificationData().GetQeReportCertificationData().
		GetPckCertificateChainData().GetPckCertChain()
	block, _ := pem.Decode(chain)
	if block == nil {
		return facts
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return facts
	}
	if platform, err := pcs.PckCertificateExtensions(leaf); err == nil {
		facts["ppid"] = platform.PPID
		facts["fmspc"] = platform.FMSPC
		facts["pce"] = platform.TCB.PCESvn
	}
	return facts
}
