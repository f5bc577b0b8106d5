import java.io.Serializable;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.apache.flink.api.connector.source.Boundedness;
import org.apache.flink.api.connector.source.ReaderOutput;
import org.apache.flink.api.connector.source.Source;
import org.apache.flink.api.connector.source.SourceReader;
import org.apache.flink.api.connector.source.SourceReaderContext;
import org.apache.flink.api.connector.source.SourceSplit;
import org.apache.flink.api.connector.source.SplitEnumerator;
import org.apache.flink.api.connector.source.SplitEnumeratorContext;
import org.apache.flink.core.io.InputStatus;
import org.apache.flink.core.io.SimpleVersionedSerializer;
import org.apache.flink.table.data.RowData;

/** Hands over the rows of a table as they lie in memory, to their end. */
final class Replay implements Source<RowData, Replay.Place, Boolean> {
    /** Rows that are handed over at a time. */
    private static final int ROWS_MAX = 32;

    private final int table;

    Replay(int table) {
        this.table = table;
    }

    /** Up to where a table was read. */
    record Place(int table, int row) implements SourceSplit, Serializable {
        @Override
        public String splitId() {
            return Events.TABLES[table];
        }
    }

    @Override
    public Boundedness getBoundedness() {
        return Boundedness.BOUNDED;
    }

    @Override
    public SourceReader<RowData, Place> createReader(SourceReaderContext context) {
        return new Reader(Clock.current);
    }

    @Override
    public SplitEnumerator<Place, Boolean> createEnumerator(SplitEnumeratorContext<Place> context) {
        return new Enumerator(context, false);
    }

    @Override
    public SplitEnumerator<Place, Boolean> restoreEnumerator(
            SplitEnumeratorContext<Place> context, Boolean isAssigned) {
        return new Enumerator(context, isAssigned);
    }

    @Override
    public SimpleVersionedSerializer<Place> getSplitSerializer() {
        return new PlaceBytes();
    }

    @Override
    public SimpleVersionedSerializer<Boolean> getEnumeratorCheckpointSerializer() {
        return new BooleanBytes();
    }

    private static final class Reader implements SourceReader<RowData, Place> {
        private final Clock clock;
        private Events.Cursor rows;
        private int[] places;
        private int table;
        private int row;
        private int end = -1;
        private CompletableFuture<Void> available = new CompletableFuture<>();

        Reader(Clock clock) {
            this.clock = clock;
        }

        @Override
        public void start() {}

        @Override
        public void addSplits(List<Place> splits) {
            for (Place place : splits) {
                table = place.table();
                row = place.row();
                rows = Events.tables[table].from(row);
                places = Events.tables[table].places;
                end = Events.among(table, clock.events);
            }
            available.complete(null);
        }

        @Override
        public InputStatus pollNext(ReaderOutput<RowData> output) {
            if (end < 0) {
                return InputStatus.NOTHING_AVAILABLE;
            }
            int until = Math.min(end, row + ROWS_MAX);
            while (row < until) {
                output.collect(rows.next());
                row++;
            }
            CompletableFuture<Void> more = clock.read(table, row, row < end ? places[row] : Integer.MAX_VALUE);
            if (row == end) {
                return InputStatus.END_OF_INPUT;
            }
            if (more == null) {
                return InputStatus.MORE_AVAILABLE;
            }
            available = more;
            return InputStatus.NOTHING_AVAILABLE;
        }

        @Override
        public List<Place> snapshotState(long checkpoint) {
            return end < 0 ? List.of() : List.of(new Place(table, row));
        }

        @Override
        public CompletableFuture<Void> isAvailable() {
            return available;
        }

        @Override
        public void notifyNoMoreSplits() {}

        @Override
        public void close() {}
    }

    private final class Enumerator implements SplitEnumerator<Place, Boolean> {
        private final SplitEnumeratorContext<Place> context;
        private final List<Place> back = new ArrayList<>();
        private boolean isAssigned;

        Enumerator(SplitEnumeratorContext<Place> context, boolean isAssigned) {
            this.context = context;
            this.isAssigned = isAssigned;
        }

        @Override
        public void start() {}

        @Override
        public void handleSplitRequest(int reader, String host) {}

        @Override
        public void addSplitsBack(List<Place> splits, int reader) {
            back.addAll(splits);
        }

        @Override
        public void addReader(int reader) {
            if (!isAssigned) {
                isAssigned = true;
                context.assignSplit(new Place(table, 0), reader);
            }
            back.forEach(place -> context.assignSplit(place, reader));
            back.clear();
        }

        @Override
        public Boolean snapshotState(long checkpoint) {
            return isAssigned;
        }

        @Override
        public void close() {}
    }

    private static final class PlaceBytes implements SimpleVersionedSerializer<Place> {
        @Override
        public int getVersion() {
            return 1;
        }

        @Override
        public byte[] serialize(Place place) {
            return ByteBuffer.allocate(8).putInt(place.table()).putInt(place.row()).array();
        }

        @Override
        public Place deserialize(int version, byte[] bytes) {
            var from = ByteBuffer.wrap(bytes);
            return new Place(from.getInt(), from.getInt());
        }
    }

    private static final class BooleanBytes implements SimpleVersionedSerializer<Boolean> {
        @Override
        public int getVersion() {
            return 1;
        }

        @Override
        public byte[] serialize(Boolean value) {
            return new byte[] {(byte) (value ? 1 : 0)};
        }

        @Override
        public Boolean deserialize(int version, byte[] bytes) {
            return bytes[0] == 1;
        }
    }
}
