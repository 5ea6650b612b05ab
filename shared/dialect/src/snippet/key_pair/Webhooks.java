import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PublicKey;
import java.security.Signature;
import java.security.spec.X509EncodedKeySpec;
import java.util.Base64;
import java.util.HexFormat;
import java.util.function.UnaryOperator;

/** Says whether a delivery that a key pair has signed (v1a of Standard Webhooks) is genuine. Java 17 or newer. */
public final class Webhooks {
  private static final long TOLERANCE_S = 300;
  // What stands before the key's 32 bytes in its DER form.
  private static final byte[] DER = HexFormat.of().parseHex("302a300506032b6570032100");

  /**
   * The headers by their names, as a servlet's request::getHeader gives them; the raw body, as in getInputStream().readAllBytes(); the
   * webhook's public_key, whpk_….
   */
  public static boolean verify(UnaryOperator<String> headers, byte[] body, String publicKey)
      throws GeneralSecurityException {
    String id = headers.apply("webhook-id");
    String timestamp = headers.apply("webhook-timestamp");
    String header = headers.apply("webhook-signature");
    if (id == null || header == null) return false;
    if (timestamp == null || !timestamp.matches("[0-9]{1,15}")) return false;
    if (Math.abs(System.currentTimeMillis() / 1000 - Long.parseLong(timestamp)) > TOLERANCE_S) return false;
    byte[] raw = Base64.getDecoder().decode(publicKey.replaceFirst("^whpk_", ""));
    ByteArrayOutputStream der = new ByteArrayOutputStream();
    der.writeBytes(DER);
    der.writeBytes(raw);
    PublicKey key = KeyFactory.getInstance("Ed25519").generatePublic(new X509EncodedKeySpec(der.toByteArray()));
    for (String given : header.split(" ")) {
      if (given.startsWith("v1a,") && holds(key, id + "." + timestamp + ".", body, given.substring(4))) return true;
    }
    return false;
  }

  private static boolean holds(PublicKey key, String before, byte[] body, String encoded) throws GeneralSecurityException {
    Signature signature = Signature.getInstance("Ed25519");
    signature.initVerify(key);
    signature.update(before.getBytes(StandardCharsets.UTF_8));
    signature.update(body);
    try {
      return signature.verify(Base64.getDecoder().decode(encoded));
    } catch (IllegalArgumentException | java.security.SignatureException notOne) {
      return false;
    }
  }
}
