// Judges pairs of schemas by Apache Avro's own rules: a line in is a reader's schema, a writer's, and a value that was
// written; a line out is both as Avro prints them, each with a sign of whether its defaults are valid, what it finds
// incompatible, and what it reads.

import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStreamWriter;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import org.apache.avro.Schema;
import org.apache.avro.SchemaCompatibility;
import org.apache.avro.SchemaCompatibility.Incompatibility;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.io.Decoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;
import org.apache.avro.io.JsonEncoder;

public final class Judge {
  public static void main(String[] arguments) throws Exception {
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    BufferedWriter out = new BufferedWriter(new OutputStreamWriter(System.out, StandardCharsets.UTF_8));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      String[] columns = line.split("\t");
      // A registry leaves defaults unchecked, unless it is told otherwise.
      Schema reader = parse(columns[0], false);
      Schema writer = parse(columns[1], false);
      String readerLine = print(reader, parse(columns[0], true));
      String writerLine = print(writer, parse(columns[1], true));
      String verdict = verdict(reader, writer);
      // An empty value is left out by split.
      String hexadecimal = columns.length < 3 ? "" : columns[2];
      boolean isRead = verdict.equals("compatible") && !hexadecimal.equals("-");
      String value = isRead ? read(reader, writer, HexFormat.of().parseHex(hexadecimal)) : "-";
      out.write(readerLine + "\t" + writerLine + "\t" + verdict + "\t" + value + "\n");
    }
    out.flush();
  }

  private static Schema parse(String text, boolean validatesDefaults) {
    try {
      return new Schema.Parser().setValidateDefaults(validatesDefaults).parse(text);
    } catch (RuntimeException invalid) {
      return null;
    }
  }

  private static String print(Schema schema, Schema validated) {
    return schema == null ? "invalid" : (validated == null ? "-" : "+") + schema;
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

  private static String read(Schema reader, Schema writer, byte[] bytes) {
    try {
      Decoder decoder = DecoderFactory.get().binaryDecoder(bytes, null);
      Object value = new GenericDatumReader<Object>(writer, reader).read(null, decoder);
      ByteArrayOutputStream out = new ByteArrayOutputStream();
      JsonEncoder encoder = EncoderFactory.get().jsonEncoder(reader, out);
      new GenericDatumWriter<Object>(reader).write(value, encoder);
      encoder.flush();
      return out.toString(StandardCharsets.UTF_8);
    } catch (IOException | RuntimeException | StackOverflowError unreadable) {
      return "unreadable";
    }
  }

  private static void append(StringBuilder found, Incompatibility one) {
    found.append(one.getType()).append(' ').append(one.getLocation()).append(' ').append(one.getMessage()).append(';');
  }
}
