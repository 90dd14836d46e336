// SPDX-License-Identifier: Apache-2.0
// Reads one case a line, JSON, and answers one line each, in order: what the crate dcap-qvl says of
// a quote with its collateral, at a time, under one root. With `rounds` it also says how often a
// CPU-second verifies the case, the median over that many rounds of `round_ms` milliseconds of it.
use std::io::{self, BufRead, Write};
use std::time::Duration;

use cpu_time::ProcessTime;
use dcap_qvl::quote::{Report, TDReport10};
use dcap_qvl::verify::{QuoteVerifier, VerifiedReport};
use dcap_qvl::QuoteCollateralV3;
use serde::Deserialize;
use serde_json::{json, Value};

/// Certificates, lists, signatures and quotes in hexadecimal; chains and statements as text.
#[derive(Deserialize)]
struct Case {
    root: String,
    quote: String,
    collateral: Collateral,
    /// Seconds since 1970.
    at: u64,
    #[serde(default)]
    rounds: usize,
    #[serde(default)]
    round_ms: u64,
}

#[derive(Deserialize)]
struct Collateral {
    pck_crl_issuer_chain: String,
    root_ca_crl: String,
    pck_crl: String,
    tcb_info_issuer_chain: String,
    tcb_info: String,
    tcb_info_signature: String,
    qe_identity_issuer_chain: String,
    qe_identity: String,
    qe_identity_signature: String,
}

fn main() {
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let line = line.expect("standard input is text");
        let answer = match serde_json::from_str::<Case>(&line) {
            Ok(case) => judge(&case),
            Err(error) => refused(&error.to_string()),
        };
        writeln!(out, "{answer}").expect("standard output is open");
    }
}

fn judge(case: &Case) -> Value {
    let (root, quote, collateral) = match decode(case) {
        Ok(decoded) => decoded,
        Err(error) => return refused(&error.to_string()),
    };
    let verifier = QuoteVerifier::new(root)
        .allow_debug(true)
        .allow_service_td(true);
    let verify = || verifier.verify(&quote, &collateral, case.at);
    let mut answer = match verify() {
        Ok(report) => verified(&report),
        Err(error) => return refused(&format!("{error:#}")),
    };
    if case.rounds > 0 {
        let rate = rate(case, || verify().is_ok());
        answer["perCpuSecond"] = json!(rate);
    }
    answer
}

fn decode(case: &Case) -> Result<(Vec<u8>, Vec<u8>, QuoteCollateralV3), hex::FromHexError> {
    let given = &case.collateral;
    let collateral = QuoteCollateralV3 {
        pck_crl_issuer_chain: given.pck_crl_issuer_chain.clone(),
        root_ca_crl: hex::decode(&given.root_ca_crl)?,
        pck_crl: hex::decode(&given.pck_crl)?,
        tcb_info_issuer_chain: given.tcb_info_issuer_chain.clone(),
        tcb_info: given.tcb_info.clone(),
        tcb_info_signature: hex::decode(&given.tcb_info_signature)?,
        qe_identity_issuer_chain: given.qe_identity_issuer_chain.clone(),
        qe_identity: given.qe_identity.clone(),
        qe_identity_signature: hex::decode(&given.qe_identity_signature)?,
        pck_certificate_chain: None,
    };
    Ok((
        hex::decode(&case.root)?,
        hex::decode(&case.quote)?,
        collateral,
    ))
}

fn refused(error: &str) -> Value {
    json!({ "outcome": "refused", "error": error })
}

fn verified(report: &VerifiedReport) -> Value {
    json!({
        "outcome": "verified",
        "status": report.status,
        "advisories": report.advisory_ids,
        "platformStatus": report.platform_status.status.to_string(),
        "qeStatus": report.qe_status.status.to_string(),
        "ppid": hex::encode(&report.ppid),
        "measurements": measurements(&report.report),
    })
}

fn measurements(report: &Report) -> Value {
    match report {
        Report::SgxEnclave(sgx) => json!({
            "mrenclave": hex::encode(sgx.mr_enclave),
            "mrsigner": hex::encode(sgx.mr_signer),
            "report-data": hex::encode(sgx.report_data),
        }),
        Report::TD10(td) => td_measurements(td),
        Report::TD15(td) => td_measurements(&td.base),
        Report::TD15Ex(td) => td_measurements(&td.base.base),
    }
}

fn td_measurements(td: &TDReport10) -> Value {
    json!({
        "mrtd": hex::encode(td.mr_td),
        "rtmr0": hex::encode(td.rt_mr0),
        "rtmr1": hex::encode(td.rt_mr1),
        "rtmr2": hex::encode(td.rt_mr2),
        "rtmr3": hex::encode(td.rt_mr3),
        "report-data": hex::encode(td.report_data),
    })
}

/// The median over rounds of calls a CPU-second.
fn rate(case: &Case, verify: impl Fn() -> bool) -> f64 {
    let mut rates: Vec<f64> = (0..case.rounds)
        .map(|_| {
            let cpu = ProcessTime::now();
            let mut calls = 0_u32;
            while cpu.elapsed() < Duration::from_millis(case.round_ms) {
                assert!(verify(), "what verified once verifies again");
                calls += 1;
            }
            f64::from(calls) / cpu.elapsed().as_secs_f64()
        })
        .collect();
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}
