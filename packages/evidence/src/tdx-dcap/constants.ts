// SPDX-License-Identifier: Apache-2.0
// Numbers of TDX reports. Source: Intel TDX Module 1.5 ABI specification, "TDINFO_STRUCT",
// "ATTRIBUTES"; Intel TDX DCAP Quoting Library API, appendix A.3 (TD report bodies).

/** ATTRIBUTES bits 7:0, the TUD group: any of them makes the TD debuggable. */
export const TUD_BYTE = 0;
/** Bit 28: no #VE on pending pages. Off, the host may inject exceptions at will. */
export const BIT_SEPT_VE_DISABLE = 28;
/** Bit 29: a migration TD may export this TD. */
export const BIT_MIGRATABLE = 29;
export const BIT_PERFMON = 63;

/** SEPT_VE_DISABLE is off (TDX module ABI, ATTRIBUTES.SEPT_VE_DISABLE). */
export const WEAKNESS_SEPT_VE = 'sept-ve-enabled';
/** A service TD is bound: it shares what the TD can be made to share. */
export const WEAKNESS_SERVICE_TD = 'service-td-bound';
