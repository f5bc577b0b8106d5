import java.io.ByteArrayOutputStream;
import java.io.Serializable;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.api.connector.sink2.SinkWriter;
import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.types.logical.DecimalType;
import org.apache.flink.table.types.logical.LocalZonedTimestampType;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.TimestampType;

/**
 * Takes the rows of a result: counts them, and where it is to check them adds up the hashes of their texts, which are
 * those of `bench/sql/src/checksum.rs`, or keeps the texts of those that are there in the end.
 */
final class Results implements Sink<RowData> {
    private static final long FNV_START = 0xcbf29ce484222325L;
    private static final long FNV_PRIME = 0x100000001b3L;
    private static final byte[] NULL = {0};
    private static final int END = 0x1f;

    private final List<LogicalType> types;
    private final Mode mode;

    /** What is done with rows. */
    enum Mode {
        COUNTED,
        CHECKED,
        KEPT
    }

    Results(List<LogicalType> types, Mode mode) {
        this.types = types;
        this.mode = mode;
    }

    @Override
    public SinkWriter<RowData> createWriter(WriterInitContext context) {
        return mode == Mode.COUNTED ? new Counting(Clock.current) : new Checking(Clock.current, types, mode);
    }

    private static class Counting implements SinkWriter<RowData> {
        final Clock clock;
        private long count;

        Counting(Clock clock) {
            this.clock = clock;
        }

        @Override
        public void write(RowData row, Context context) {
            count++;
        }

        @Override
        public void flush(boolean isEnd) {
            if (isEnd) {
                clock.results = count;
                clock.end();
            }
        }

        @Override
        public void close() {}
    }

    private static final class Checking extends Counting {
        private final Field[] fields;
        private final boolean isKept;
        private final ByteArrayOutputStream text = new ByteArrayOutputStream();
        private long net;
        private long sum;

        Checking(Clock clock, List<LogicalType> types, Mode mode) {
            super(clock);
            isKept = mode == Mode.KEPT;
            fields = new Field[types.size()];
            for (int place = 0; place < fields.length; place++) {
                fields[place] = field(types.get(place), place);
            }
        }

        @Override
        public void write(RowData row, Context context) {
            super.write(row, context);
            text.reset();
            for (int place = 0; place < fields.length; place++) {
                text.writeBytes(row.isNullAt(place) ? NULL : fields[place].text(row));
                text.write(END);
            }
            int weight = switch (row.getRowKind()) {
                case INSERT, UPDATE_AFTER -> 1;
                case DELETE, UPDATE_BEFORE -> -1;
            };
            net += weight;
            sum += weight * hash(text.toByteArray());
            if (isKept) {
                clock.kept.merge(text.toString(StandardCharsets.UTF_8), weight, Integer::sum);
            }
        }

        @Override
        public void flush(boolean isEnd) {
            super.flush(isEnd);
            clock.net = net;
            clock.checksum = sum;
        }
    }

    private interface Field extends Serializable {
        byte[] text(RowData row);
    }

    private static Field field(LogicalType type, int place) {
        return switch (type.getTypeRoot()) {
            case CHAR, VARCHAR -> row -> row.getString(place).toBytes();
            case BOOLEAN -> row -> ascii(Boolean.toString(row.getBoolean(place)));
            case TINYINT -> row -> ascii(Byte.toString(row.getByte(place)));
            case SMALLINT -> row -> ascii(Short.toString(row.getShort(place)));
            // Days since 1970, and milliseconds of the day.
            case INTEGER, DATE, TIME_WITHOUT_TIME_ZONE -> row -> ascii(Integer.toString(row.getInt(place)));
            case BIGINT -> row -> ascii(Long.toString(row.getLong(place)));
            case FLOAT -> row -> ascii("%08x".formatted(Float.floatToIntBits(row.getFloat(place))));
            case DOUBLE -> row -> ascii("%016x".formatted(Double.doubleToLongBits(row.getDouble(place))));
            case TIMESTAMP_WITHOUT_TIME_ZONE -> {
                int precision = ((TimestampType) type).getPrecision();
                yield row -> ascii(Long.toString(row.getTimestamp(place, precision).getMillisecond()));
            }
            case TIMESTAMP_WITH_LOCAL_TIME_ZONE -> {
                int precision = ((LocalZonedTimestampType) type).getPrecision();
                yield row -> ascii(Long.toString(row.getTimestamp(place, precision).getMillisecond()));
            }
            case DECIMAL -> {
                var decimal = (DecimalType) type;
                yield row -> decimal(row.getDecimal(place, decimal.getPrecision(), decimal.getScale()).toBigDecimal());
            }
            default -> throw new IllegalArgumentException("no text is agreed on for " + type);
        };
    }

    private static byte[] decimal(BigDecimal number) {
        return ascii(number.signum() == 0 ? "0" : number.stripTrailingZeros().toPlainString());
    }

    private static byte[] ascii(String text) {
        return text.getBytes(StandardCharsets.US_ASCII);
    }

    private static long hash(byte[] text) {
        long hash = FNV_START;
        for (byte it : text) {
            hash = (hash ^ (it & 0xff)) * FNV_PRIME;
        }
        return mixed(hash);
    }

    /** As splitmix64 ends: sums of such numbers tell little about their parts. */
    private static long mixed(long hash) {
        long mixed = (hash ^ (hash >>> 30)) * 0xbf58476d1ce4e5b9L;
        mixed = (mixed ^ (mixed >>> 27)) * 0x94d049bb133111ebL;
        return mixed ^ (mixed >>> 31);
    }
}
