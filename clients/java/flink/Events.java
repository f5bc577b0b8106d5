import java.io.BufferedInputStream;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.data.TimestampData;

/** All events of a file as rows in memory, by table. The format is that of `xtask/src/bench/sql/events.rs`. */
final class Events {
    static final String[] TABLES = {"person", "auction", "bid"};
    /** The types of each table's columns: a long, a text, a moment. */
    private static final String[] COLUMNS = {"LSSSSSTS", "LSSLLTTLLS", "LLLSSTS"};
    private static final byte[] MAGIC = "LVNX0001".getBytes(StandardCharsets.US_ASCII);

    /** Of each table: its rows. */
    static final RowData[][] rows = new RowData[TABLES.length][];
    /** Of each table: which event each of its rows is. */
    static final int[][] places = new int[TABLES.length][];
    /** How many events there are. */
    static int count;

    static int table(String name) {
        return Arrays.asList(TABLES).indexOf(name);
    }

    /** How many rows of a table are among the first events. */
    static int among(int table, int events) {
        int found = Arrays.binarySearch(places[table], events);
        return found < 0 ? -found - 1 : found;
    }

    static void load(Path path) throws IOException {
        int[] sizes = new int[TABLES.length];
        try (var in = new DataInputStream(new BufferedInputStream(Files.newInputStream(path), 1 << 20))) {
            if (!Arrays.equals(in.readNBytes(MAGIC.length), MAGIC)) {
                throw new IOException(path + " holds no events");
            }
            count = Math.toIntExact(number(in));
            for (int table = 0; table < TABLES.length; table++) {
                rows[table] = new RowData[count];
                places[table] = new int[count];
            }
            // What comes again and again is there once.
            Map<String, StringData> known = new HashMap<>();
            for (int event = 0; event < count; event++) {
                int table = in.readUnsignedByte();
                rows[table][sizes[table]] = row(in, COLUMNS[table], known);
                places[table][sizes[table]++] = event;
            }
            if (in.read() >= 0) {
                throw new IOException("there is more in " + path + " than it says");
            }
        }
        for (int table = 0; table < TABLES.length; table++) {
            rows[table] = Arrays.copyOf(rows[table], sizes[table]);
            places[table] = Arrays.copyOf(places[table], sizes[table]);
        }
    }

    private static RowData row(DataInputStream in, String columns, Map<String, StringData> known) throws IOException {
        var row = new GenericRowData(columns.length());
        for (int column = 0; column < columns.length(); column++) {
            Object value = switch (columns.charAt(column)) {
                case 'L' -> number(in);
                case 'T' -> TimestampData.fromEpochMillis(number(in));
                default -> text(in, column < columns.length() - 1, known);
            };
            row.setField(column, value);
        }
        return row;
    }

    private static StringData text(DataInputStream in, boolean repeats, Map<String, StringData> known)
            throws IOException {
        int size = Short.toUnsignedInt(Short.reverseBytes(in.readShort()));
        byte[] bytes = in.readNBytes(size);
        if (bytes.length < size) {
            throw new EOFException();
        }
        if (!repeats) {
            return StringData.fromBytes(bytes);
        }
        return known.computeIfAbsent(new String(bytes, StandardCharsets.UTF_8), text -> StringData.fromBytes(bytes));
    }

    private static long number(DataInputStream in) throws IOException {
        return Long.reverseBytes(in.readLong());
    }
}
