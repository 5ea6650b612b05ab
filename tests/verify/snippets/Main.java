import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Map;
import java.util.TreeMap;

/** Runs a snippet over deliveries, one a line: secret, body, then names and values of headers, each in base64; true or false for each. */
public final class Main {
  public static void main(String[] args) throws Exception {
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line; (line = lines.readLine()) != null; ) {
      String[] fields = line.split(" ");
      Map<String, String> headers = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
      for (int i = 2; i < fields.length; i += 2) headers.put(text(fields[i]), text(fields[i + 1]));
      byte[] body = Base64.getDecoder().decode(fields[1]);
      System.out.println(Webhooks.verify(headers::get, body, text(fields[0])));
    }
  }

  private static String text(String base64) {
    return new String(Base64.getDecoder().decode(base64), StandardCharsets.UTF_8);
  }
}
