import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apache.flink.core.memory.MemorySegment;
import org.apache.flink.core.memory.MemorySegmentFactory;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.TimestampData;
import org.apache.flink.table.data.binary.BinaryRowData;
import org.apache.flink.table.data.binary.BinaryStringData;
import org.apache.flink.table.data.writer.BinaryRowWriter;

/**
 * All events of a file as rows in memory, by table. The format of the file is that of `xtask/src/bench/sql/events.rs`;
 * rows are in Flink's own binary form, in which it hands them from task to task and keeps them: millions of them are a
 * few large arrays, which collectors of garbage have no work with.
 */
final class Events {
    static final String[] TABLES = {"person", "auction", "bid"};
    /** The types of each table's columns: a long, a text, a moment. */
    private static final String[] COLUMNS = {"LSSSSSTS", "LSSLLTTLLS", "LLLSSTS"};
    private static final byte[] MAGIC = "LVNX0001".getBytes(StandardCharsets.US_ASCII);
    /** What is read at a time, and the most that an event takes. */
    private static final int READ_BYTES = 1 << 24;
    private static final int EVENT_BYTES_MAX = 1 << 20;
    private static final int CHUNK_BYTES = 1 << 26;

    /** Of each table: its rows. */
    static final Table[] tables = new Table[TABLES.length];
    /** How many events there are. */
    static int count;

    private Events() {}

    static int table(String name) {
        return Arrays.asList(TABLES).indexOf(name);
    }

    /** How many rows of a table are among the first events. */
    static int among(int table, int events) {
        int found = Arrays.binarySearch(tables[table].places, events);
        return found < 0 ? -found - 1 : found;
    }

    static void load(Path path) throws IOException {
        Arrays.setAll(tables, table -> new Table(COLUMNS[table]));
        try (var from = FileChannel.open(path)) {
            ByteBuffer in = ByteBuffer.allocate(READ_BYTES).order(ByteOrder.LITTLE_ENDIAN).limit(0);
            fill(in, from);
            var magic = new byte[MAGIC.length];
            in.get(magic);
            if (!Arrays.equals(magic, MAGIC)) {
                throw new IOException(path + " holds no events");
            }
            count = Math.toIntExact(in.getLong());
            for (int event = 0; event < count; event++) {
                if (in.remaining() < EVENT_BYTES_MAX && from.position() < from.size()) {
                    fill(in, from);
                }
                if (!in.hasRemaining()) {
                    throw new EOFException(path + " ends early");
                }
                tables[in.get()].add(in, event);
            }
            if (in.hasRemaining() || from.position() < from.size()) {
                throw new IOException("there is more in " + path + " than it says");
            }
        }
        for (Table table : tables) {
            table.places = Arrays.copyOf(table.places, table.size);
        }
    }

    private static void fill(ByteBuffer in, FileChannel from) throws IOException {
        in.compact();
        while (in.hasRemaining() && from.read(in) >= 0) {}
        in.flip();
    }

    /** The rows of one table. In a chunk, each is its size and its bytes. */
    static final class Table {
        private final String columns;
        private final BinaryRowData row;
        private final BinaryRowWriter writer;
        private final List<MemorySegment> chunks = new ArrayList<>();
        /** Of each chunk: where its rows end. */
        private final List<Integer> ends = new ArrayList<>();
        private int size;
        /** Which event each row is. */
        int[] places = new int[1 << 16];

        private Table(String columns) {
            this.columns = columns;
            row = new BinaryRowData(columns.length());
            writer = new BinaryRowWriter(row);
        }

        private void add(ByteBuffer in, int event) {
            writer.reset();
            for (int column = 0; column < columns.length(); column++) {
                switch (columns.charAt(column)) {
                    case 'L' -> writer.writeLong(column, in.getLong());
                    case 'T' -> writer.writeTimestamp(column, TimestampData.fromEpochMillis(in.getLong()), 3);
                    default -> {
                        int bytes = Short.toUnsignedInt(in.getShort());
                        writer.writeString(column, BinaryStringData.fromBytes(in.array(), in.position(), bytes));
                        in.position(in.position() + bytes);
                    }
                }
            }
            writer.complete();
            int bytes = row.getSizeInBytes();
            if (chunks.isEmpty() || CHUNK_BYTES - ends.get(ends.size() - 1) < Integer.BYTES + bytes) {
                chunks.add(MemorySegmentFactory.wrap(new byte[CHUNK_BYTES]));
                ends.add(0);
            }
            int last = chunks.size() - 1;
            int end = ends.get(last);
            chunks.get(last).putInt(end, bytes);
            row.getSegments()[0].copyTo(row.getOffset(), chunks.get(last), end + Integer.BYTES, bytes);
            ends.set(last, end + Integer.BYTES + bytes);
            if (size == places.length) {
                places = Arrays.copyOf(places, 2 * size);
            }
            places[size++] = event;
        }

        Cursor from(int row) {
            var cursor = new Cursor(this);
            for (int skipped = 0; skipped < row; skipped++) {
                cursor.next();
            }
            return cursor;
        }
    }

    /** Goes over a table's rows. What it gives is the same object each time. */
    static final class Cursor {
        private final Table table;
        private final BinaryRowData row;
        /** Texts of its rows hold on to it. */
        private MemorySegment[] chunk;
        private int chunkAt = -1;
        private int at;
        private int end;

        private Cursor(Table table) {
            this.table = table;
            row = new BinaryRowData(table.columns.length());
        }

        RowData next() {
            if (at == end) {
                chunkAt++;
                chunk = new MemorySegment[] {table.chunks.get(chunkAt)};
                at = 0;
                end = table.ends.get(chunkAt);
            }
            int bytes = chunk[0].getInt(at);
            row.pointTo(chunk, at + Integer.BYTES, bytes);
            at += Integer.BYTES + bytes;
            return row;
        }
    }
}
