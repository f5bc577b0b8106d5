// Judges pairs of schemas by Apache Avro's own rules: a line in is a reader's schema, a tab, a writer's; a line out is
// both as Avro prints them, and what it finds incompatible.

import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.InputStreamReader;
import java.io.OutputStreamWriter;
import java.nio.charset.StandardCharsets;
import org.apache.avro.Schema;
import org.apache.avro.SchemaCompatibility;
import org.apache.avro.SchemaCompatibility.Incompatibility;

public final class Judge {
  public static void main(String[] arguments) throws Exception {
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    BufferedWriter out = new BufferedWriter(new OutputStreamWriter(System.out, StandardCharsets.UTF_8));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      int tab = line.indexOf('\t');
      Schema reader = parse(line.substring(0, tab));
      Schema writer = parse(line.substring(tab + 1));
      out.write(print(reader) + "\t" + print(writer) + "\t" + verdict(reader, writer) + "\n");
    }
    out.flush();
  }

  private static Schema parse(String text) {
    try {
      // A registry leaves defaults unchecked.
      return new Schema.Parser().setValidateDefaults(false).parse(text);
    } catch (RuntimeException invalid) {
      return null;
    }
  }

  private static String print(Schema schema) {
    return schema == null ? "invalid" : schema.toString();
  }

  private static String verdict(Schema reader, Schema writer) {
    if (reader == null || writer == null) {
      return "-";
    }
    StringBuilder found = new StringBuilder();
    try {
      SchemaCompatibility.checkReaderWriterCompatibility(reader, writer).getResult().getIncompatibilities()
          .forEach(one -> append(found, one));
    } catch (RuntimeException incomparable) {
      return "incomparable";
    }
    return found.length() == 0 ? "compatible" : found.toString();
  }

  private static void append(StringBuilder found, Incompatibility one) {
    found.append(one.getType()).append(' ').append(one.getLocation()).append(' ').append(one.getMessage()).append(';');
  }
}
