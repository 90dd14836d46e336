# SPDX-License-Identifier: Apache-2.0
"""A key management service in memory, for tests: master keys wrap keys with AES-GCM, as
nonce 12 | ciphertext | tag 16 in base64, with the master key's id as AAD. AES is written out here
so that the tests need no package beside pyarrow; it is slow, and wraps a few keys a file."""

import base64
import os

# The S-box, by inversion in GF(2^8) and an affine map (FIPS 197 section 5.1.1).


def _sbox():
    box, p, q = [0] * 256, 1, 1
    while True:
        p = p ^ (p << 1 & 0xFF) ^ (0x1B if p & 0x80 else 0)
        for shift in (1, 2, 4):
            q ^= q << shift & 0xFF
        if q & 0x80:
            q ^= 0x09
        turn = q
        for shift in (1, 2, 3, 4):
            turn ^= (q << shift | q >> 8 - shift) & 0xFF
        box[p] = turn ^ 0x63
        if p == 1:
            break
    box[0] = 0x63
    return box


SBOX = _sbox()


def _double(a):
    return (a << 1 ^ (0x1B if a & 0x80 else 0)) & 0xFF


def _round_keys(key):
    words = [list(key[i : i + 4]) for i in range(0, len(key), 4)]
    n, rcon = len(words), 1
    for i in range(n, 4 * (n + 7)):
        word = list(words[-1])
        if i % n == 0:
            word = [SBOX[b] for b in word[1:] + word[:1]]
            word[0] ^= rcon
            rcon = _double(rcon)
        elif n > 6 and i % n == 4:
            word = [SBOX[b] for b in word]
        words.append([a ^ b for a, b in zip(word, words[i - n])])
    return [sum(words[i : i + 4], []) for i in range(0, len(words), 4)]


def _block(keys, block):
    state = [a ^ b for a, b in zip(block, keys[0])]
    for i, key in enumerate(keys[1:], 1):
        state = [SBOX[state[(j + 4 * (j % 4)) % 16]] for j in range(16)]
        if i < len(keys) - 1:
            mixed = []
            for c in range(0, 16, 4):
                column, all_ = state[c : c + 4], 0
                for b in column:
                    all_ ^= b
                mixed += [b ^ all_ ^ _double(b ^ column[(k + 1) % 4]) for k, b in enumerate(column)]
            state = mixed
        state = [a ^ b for a, b in zip(state, key)]
    return bytes(state)


def _ghash(h, data):
    h, y = int.from_bytes(h, "big"), 0
    for i in range(0, len(data), 16):
        x, v, z = y ^ int.from_bytes(data[i : i + 16].ljust(16, b"\0"), "big"), h, 0
        for bit in range(127, -1, -1):
            if x >> bit & 1:
                z ^= v
            v = v >> 1 ^ (0xE1 << 120 if v & 1 else 0)
        y = z
    return y.to_bytes(16, "big")


def _pad(data):
    return data + b"\0" * (-len(data) % 16)


def _gcm(key, nonce, data, aad, sealing):
    keys = _round_keys(key)
    stream = b"".join(
        _block(keys, nonce + (i + 2).to_bytes(4, "big")) for i in range((len(data) + 15) // 16)
    )
    out = bytes(a ^ b for a, b in zip(data, stream))
    ciphertext = out if sealing else data
    lengths = (8 * len(aad)).to_bytes(8, "big") + (8 * len(ciphertext)).to_bytes(8, "big")
    hashed = _ghash(_block(keys, bytes(16)), _pad(aad) + _pad(ciphertext) + lengths)
    mask = _block(keys, nonce + b"\0\0\0\1")
    return out, bytes(a ^ b for a, b in zip(hashed, mask))


def wrap(key, secret, aad):
    nonce = os.urandom(12)
    ciphertext, tag = _gcm(key, nonce, secret, aad, True)
    return base64.b64encode(nonce + ciphertext + tag).decode()


def unwrap(key, wrapped, aad):
    raw = base64.b64decode(wrapped)
    secret, tag = _gcm(key, raw[:12], raw[12:-16], aad, False)
    if tag != raw[-16:]:
        raise ValueError("the tag of a wrapped key does not hold")
    return secret
