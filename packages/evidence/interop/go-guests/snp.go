// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/go-sev-guest/abi"
	pb "github.com/google/go-sev-guest/proto/sevsnp"
	"github.com/google/go-sev-guest/verify"
	"github.com/google/go-sev-guest/verify/trust"
)

// snpCollateral holds certificates in DER or PEM. The leaf may come in the evidence instead.
type snpCollateral struct {
	Leaf hexBytes `json:"leaf"`
	Ask  hexBytes `json:"ask"`
	Crl  hexBytes `json:"crl"`
}

// Get answers with the revocation list, whatever the address.
func (c *snpCollateral) Get(string) ([]byte, error) {
	if len(c.Crl) == 0 {
		return nil, errors.New("the case has no revocation list")
	}
	return c.Crl, nil
}

func judgeSnp(c *testCase, now time.Time) (map[string]any, error) {
	attestation, err := abi.ReportCertsToProto(c.Evidence)
	if err != nil {
		return nil, err
	}
	facts, err := snpFacts(attestation.GetReport())
	if err != nil {
		return nil, err
	}
	if c.Snp == nil {
		return facts, errors.New("the case has no collateral")
	}
	if len(c.Snp.Leaf) > 0 {
		if err := addLeaf(attestation, c.Snp.Leaf); err != nil {
			return facts, err
		}
	}
	roots, err := amdRoots(c)
	if err != nil {
		return facts, err
	}
	return facts, verify.SnpAttestation(attestation, &verify.Options{
		DisableCertFetching: true,
		CheckRevocations:    len(c.Snp.Crl) > 0,
		Getter:              c.Snp,
		Now:                 now,
		TrustedRoots:        roots,
	})
}

func addLeaf(attestation *pb.Attestation, leaf []byte) error {
	signer, err := abi.ParseSignerInfo(attestation.GetReport().GetSignerInfo())
	if err != nil {
		return err
	}
	if attestation.CertificateChain == nil {
		attestation.CertificateChain = &pb.CertificateChain{}
	}
	if signer.SigningKey == abi.VlekReportSigner {
		attestation.CertificateChain.VlekCert = leaf
	} else {
		attestation.CertificateChain.VcekCert = leaf
	}
	return nil
}

// amdRoots trusts each given ARK with the case's intermediate under it.
func amdRoots(c *testCase) (map[string][]*trust.AMDRootCerts, error) {
	intermediate, err := trust.ParseCert(c.Snp.Ask)
	if err != nil {
		return nil, err
	}
	out := map[string][]*trust.AMDRootCerts{}
	for _, der := range c.Roots {
		ark, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		product := strings.TrimPrefix(ark.Subject.CommonName, "ARK-")
		root := trust.AMDRootCertsProduct(product)
		root.ProductCerts = &trust.ProductCerts{Ark: ark, Ask: intermediate, Asvk: intermediate}
		out[product] = append(out[product], root)
	}
	return out, nil
}

func snpFacts(report *pb.Report) (map[string]any, error) {
	policy, err := abi.ParseSnpPolicy(report.GetPolicy())
	if err != nil {
		return nil, err
	}
	return map[string]any{
		"version":      report.GetVersion(),
		"guest":        report.GetGuestSvn(),
		"debug":        policy.Debug,
		"migratable":   policy.MigrateMA,
		"smtAllowed":   policy.SMT,
		"guestPolicy":  fmt.Sprintf("0x%x", report.GetPolicy()),
		"vmpl":         report.GetVmpl(),
		"reported-tcb": fmt.Sprintf("%016x", report.GetReportedTcb()),
		"measurement":  hex.EncodeToString(report.GetMeasurement()),
		"report-data":  hex.EncodeToString(report.GetReportData()),
		"host-data":    hex.EncodeToString(report.GetHostData()),
		"chip-id":      hex.EncodeToString(report.GetChipId()),
		"id-key":       hex.EncodeToString(report.GetIdKeyDigest()),
	}, nil
}
