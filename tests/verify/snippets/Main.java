import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.reflect.Method;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Base64;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.UnaryOperator;

/** Runs a snippet over deliveries, one a line: secret, body, what the receiver knows of the URL, then names and values of headers, each in base64; true or
 * false for each. */
public final class Main {
  public static void main(String[] args) throws Exception {
    Method verify = Arrays.stream(Webhooks.class.getMethods()).filter(it -> it.getName().equals("verify")).findFirst().get();
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line; (line = lines.readLine()) != null; ) {
      String[] fields = line.split(" ");
      Map<String, String> headers = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
      for (int i = 3; i < fields.length; i += 2) headers.put(text(fields[i]), text(fields[i + 1]));
      byte[] body = Base64.getDecoder().decode(fields[1]);
      UnaryOperator<String> named = headers::get;
      Object[] known = {named, body, text(fields[0]), text(fields[2])};
      System.out.println(verify.invoke(null, Arrays.copyOf(known, verify.getParameterCount())));
    }
  }

  private static String text(String base64) {
    return new String(Base64.getDecoder().decode(base64), StandardCharsets.UTF_8);
  }
}
