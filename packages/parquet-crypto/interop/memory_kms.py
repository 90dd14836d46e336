# SPDX-License-Identifier: Apache-2.0
"""A key service for pyarrow with master keys in memory: {id: hex} in the connection's conf."""

import pyarrow.parquet.encryption as pe

import kms


class MemoryKms(pe.KmsClient):
    def __init__(self, config):
        pe.KmsClient.__init__(self)
        self.keys = {id: bytes.fromhex(key) for id, key in config.custom_kms_conf.items()}

    def wrap_key(self, key_bytes, master_key_identifier):
        return kms.wrap(self.keys[master_key_identifier], key_bytes, master_key_identifier.encode())

    def unwrap_key(self, wrapped_key, master_key_identifier):
        if isinstance(wrapped_key, bytes):
            wrapped_key = wrapped_key.decode()
        return kms.unwrap(
            self.keys[master_key_identifier], wrapped_key, master_key_identifier.encode()
        )
