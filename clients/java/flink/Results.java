import java.io.Serializable;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.api.connector.sink2.SinkWriter;
import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.types.logical.DecimalType;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.TimestampType;

/**
 * Takes the rows of a result: counts them, and where it is to check them adds up their hashes, which are those of
 * `bench/sql/src/checksum.rs`.
 */
final class Results implements Sink<RowData> {
    private static final long FNV_START = 0xcbf29ce484222325L;
    private static final long FNV_PRIME = 0x100000001b3L;

    private final List<LogicalType> types;
    private final boolean isChecked;

    Results(List<LogicalType> types, boolean isChecked) {
        this.types = types;
        this.isChecked = isChecked;
    }

    @Override
    public SinkWriter<RowData> createWriter(WriterInitContext context) {
        return isChecked ? new Checking(Clock.current, types) : new Counting(Clock.current);
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
        private long net;
        private long sum;

        Checking(Clock clock, List<LogicalType> types) {
            super(clock);
            fields = new Field[types.size()];
            for (int place = 0; place < fields.length; place++) {
                fields[place] = field(types.get(place), place);
            }
        }

        @Override
        public void write(RowData row, Context context) {
            super.write(row, context);
            long hash = FNV_START;
            for (int place = 0; place < fields.length; place++) {
                if (row.isNullAt(place)) {
                    hash = add(hash, (byte) 0);
                } else {
                    for (byte it : fields[place].text(row)) {
                        hash = add(hash, it);
                    }
                }
                hash = add(hash, (byte) 0x1f);
            }
            int weight = switch (row.getRowKind()) {
                case INSERT, UPDATE_AFTER -> 1;
                case DELETE, UPDATE_BEFORE -> -1;
            };
            net += weight;
            sum += weight * mixed(hash);
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
            case INTEGER -> row -> ascii(Integer.toString(row.getInt(place)));
            case BIGINT -> row -> ascii(Long.toString(row.getLong(place)));
            case TIMESTAMP_WITHOUT_TIME_ZONE -> {
                int precision = ((TimestampType) type).getPrecision();
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

    private static long add(long hash, byte next) {
        return (hash ^ (next & 0xff)) * FNV_PRIME;
    }

    /** As splitmix64 ends: sums of such numbers tell little about their parts. */
    private static long mixed(long hash) {
        long mixed = (hash ^ (hash >>> 30)) * 0xbf58476d1ce4e5b9L;
        mixed = (mixed ^ (mixed >>> 27)) * 0x94d049bb133111ebL;
        return mixed ^ (mixed >>> 31);
    }
}
