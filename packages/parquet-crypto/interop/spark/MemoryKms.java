// SPDX-License-Identifier: Apache-2.0
// A key management service in memory, for the interop tests: master keys come from the Hadoop
// configuration and wrap with AES-GCM, as nonce 12 | ciphertext | tag 16 in base64, with the
// master key's id as AAD. Never for anything but tests: the keys are in the configuration.
package cloister.interop;

import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.SecureRandom;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import javax.crypto.Cipher;
import javax.crypto.spec.GCMParameterSpec;
import javax.crypto.spec.SecretKeySpec;
import org.apache.hadoop.conf.Configuration;
import org.apache.parquet.crypto.ParquetCryptoRuntimeException;
import org.apache.parquet.crypto.keytools.KmsClient;

public final class MemoryKms implements KmsClient {
  private static final SecureRandom RANDOM = new SecureRandom();
  private final Map<String, byte[]> keys = new HashMap<>();

  @Override
  public void initialize(Configuration conf, String instance, String url, String token) {
    for (String pair : conf.getTrimmedStrings("cloister.interop.master.keys")) {
      String[] parts = pair.split(":");
      keys.put(parts[0], HexFormat.of().parseHex(parts[1]));
    }
  }

  @Override
  public String wrapKey(byte[] key, String masterKeyId) {
    byte[] nonce = new byte[12];
    RANDOM.nextBytes(nonce);
    byte[] sealed = run(Cipher.ENCRYPT_MODE, masterKeyId, nonce, key);
    byte[] out = Arrays.copyOf(nonce, 12 + sealed.length);
    System.arraycopy(sealed, 0, out, 12, sealed.length);
    return Base64.getEncoder().encodeToString(out);
  }

  @Override
  public byte[] unwrapKey(String wrapped, String masterKeyId) {
    byte[] raw = Base64.getDecoder().decode(wrapped);
    byte[] sealed = Arrays.copyOfRange(raw, 12, raw.length);
    return run(Cipher.DECRYPT_MODE, masterKeyId, Arrays.copyOf(raw, 12), sealed);
  }

  private byte[] run(int mode, String masterKeyId, byte[] nonce, byte[] input) {
    byte[] key = keys.get(masterKeyId);
    if (key == null) throw new ParquetCryptoRuntimeException("no master key " + masterKeyId);
    try {
      Cipher cipher = Cipher.getInstance("AES/GCM/NoPadding");
      cipher.init(mode, new SecretKeySpec(key, "AES"), new GCMParameterSpec(128, nonce));
      cipher.updateAAD(masterKeyId.getBytes(StandardCharsets.UTF_8));
      return cipher.doFinal(input);
    } catch (GeneralSecurityException e) {
      throw new ParquetCryptoRuntimeException(e);
    }
  }
}
