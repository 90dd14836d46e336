// SPDX-License-Identifier: Apache-2.0
// parquet-java's own crypto factory with an AAD prefix, which it has no property for: what the
// factory made of keys is made again with the prefix of the configuration, stored or supplied.
package cloister.interop;

import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.parquet.crypto.ColumnEncryptionProperties;
import org.apache.parquet.crypto.FileDecryptionProperties;
import org.apache.parquet.crypto.FileEncryptionProperties;
import org.apache.parquet.crypto.keytools.PropertiesDrivenCryptoFactory;
import org.apache.parquet.hadoop.api.WriteSupport.WriteContext;
import org.apache.parquet.hadoop.metadata.ColumnPath;

public final class PrefixFactory extends PropertiesDrivenCryptoFactory {
  private static byte[] prefix(Configuration conf) {
    return conf.get("cloister.interop.aad.prefix").getBytes(StandardCharsets.UTF_8);
  }

  private static boolean stored(Configuration conf) {
    return conf.getBoolean("cloister.interop.store.aad.prefix", true);
  }

  @Override
  public FileEncryptionProperties getFileEncryptionProperties(
      Configuration conf, Path path, WriteContext context) {
    FileEncryptionProperties made = super.getFileEncryptionProperties(conf, path, context);
    Map<ColumnPath, ColumnEncryptionProperties> columns = new HashMap<>();
    for (ColumnEncryptionProperties of : made.getEncryptedColumns().values()) {
      columns.put(
          of.getPath(),
          ColumnEncryptionProperties.builder(of.getPath())
              .withKey(of.getKeyBytes())
              .withKeyMetaData(of.getKeyMetaData())
              .build());
    }
    FileEncryptionProperties.Builder builder =
        FileEncryptionProperties.builder(made.getFooterKey())
            .withFooterKeyMetadata(made.getFooterKeyMetadata())
            .withEncryptedColumns(columns)
            .withAADPrefix(prefix(conf));
    return stored(conf) ? builder.build() : builder.withoutAADPrefixStorage().build();
  }

  @Override
  public FileDecryptionProperties getFileDecryptionProperties(Configuration conf, Path path) {
    FileDecryptionProperties made = super.getFileDecryptionProperties(conf, path);
    FileDecryptionProperties.Builder builder =
        FileDecryptionProperties.builder()
            .withKeyRetriever(made.getKeyRetriever())
            .withPlaintextFilesAllowed();
    // A prefix that the file stores is taken from there; one that is supplied must be right.
    return stored(conf) ? builder.build() : builder.withAADPrefix(prefix(conf)).build();
  }
}
