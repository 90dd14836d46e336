# SPDX-License-Identifier: Apache-2.0
"""pyarrow's own encryption, for the bench: one request a line on stdin, one answer a line.

{"op": "setup", "keys": {id: hex}}
{"op": "read", "path": path, "encrypted": bool}        reads all columns; answers rows
{"op": "write", "path": path, "encrypted": bool, "columns": [path]}   writes what was read last

Each answer has seconds of wall and of processor, over all threads. Keys are unwrapped outside the
timed part: the key service of the tests is slow, and a service's time is not pyarrow's."""

import json
import os
import sys
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as pe

sys.path.insert(0, sys.argv[1])
from memory_kms import MemoryKms

pa.set_cpu_count(1)
pa.set_io_thread_count(1)


factory = pe.CryptoFactory(MemoryKms)
state = {}


def read(request):
    properties = None
    if request["encrypted"]:
        config = pe.DecryptionConfiguration()
        properties = factory.file_decryption_properties(state["kms"], config)
        # Opening unwraps the keys of the footer and of each column; they are kept for the next.
        pq.ParquetFile(request["path"], decryption_properties=properties).close()
        properties = factory.file_decryption_properties(state["kms"], config)
    start = time.perf_counter(), time.process_time()
    file = pq.ParquetFile(request["path"], decryption_properties=properties)
    state["table"] = file.read(use_threads=False)
    return start, {"rows": state["table"].num_rows}


def write(request):
    properties = None
    if request["encrypted"]:
        config = pe.EncryptionConfiguration(
            footer_key="0", column_keys={"1": request["columns"]}, data_key_length_bits=256
        )
        properties = factory.file_encryption_properties(state["kms"], config)
    start = time.perf_counter(), time.process_time()
    pq.write_table(state["table"], request["path"], encryption_properties=properties)
    return start, {"bytes": os.path.getsize(request["path"])}


def answer(request):
    if request["op"] == "setup":
        state["kms"] = pe.KmsConnectionConfig(custom_kms_conf=request["keys"])
        return {"pyarrow": pa.__version__}
    (wall, cpu), result = {"read": read, "write": write}[request["op"]](request)
    return {**result, "wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}


for line in sys.stdin:
    try:
        result = answer(json.loads(line))
    except Exception as error:
        result = {"error": f"{type(error).__name__}: {error}"[:2000]}
    print(json.dumps(result), flush=True)
