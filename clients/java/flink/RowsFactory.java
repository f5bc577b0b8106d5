import java.util.Set;
import org.apache.flink.api.common.functions.RichMapFunction;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.table.catalog.ResolvedSchema;
import org.apache.flink.table.connector.ChangelogMode;
import org.apache.flink.table.connector.ProviderContext;
import org.apache.flink.table.connector.source.DataStreamScanProvider;
import org.apache.flink.table.connector.source.DynamicTableSource;
import org.apache.flink.table.connector.source.ScanTableSource;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.factories.DynamicTableSourceFactory;

/** The connector `rows`: what {@link Rows} has of the topic that the table names. */
public final class RowsFactory implements DynamicTableSourceFactory {
    @Override
    public String factoryIdentifier() {
        return "rows";
    }

    @Override
    public Set<ConfigOption<?>> requiredOptions() {
        return Set.of();
    }

    @Override
    public Set<ConfigOption<?>> optionalOptions() {
        return Set.of();
    }

    @Override
    public DynamicTableSource createDynamicTableSource(Context context) {
        var table = context.getCatalogTable();
        return new Table(table.getOptions().get("topic"), table.getResolvedSchema());
    }

    private record Table(String topic, ResolvedSchema schema) implements ScanTableSource {
        @Override
        public ChangelogMode getChangelogMode() {
            return schema.getPrimaryKey().isPresent() ? ChangelogMode.upsert() : ChangelogMode.insertOnly();
        }

        @Override
        public ScanRuntimeProvider getScanRuntimeProvider(ScanContext context) {
            TypeInformation<RowData> type = context.createTypeInformation(schema.toPhysicalRowDataType());
            Rows.Table table = Rows.current.table(topic, schema);
            long pauseMs = Rows.current.pauseMs;
            return new DataStreamScanProvider() {
                @Override
                public DataStream<RowData> produceDataStream(
                        ProviderContext provider, StreamExecutionEnvironment environment) {
                    var rows = environment.fromData(table.rows(), type);
                    return rows.map(new Pause(table.rowsBefore(), pauseMs)).returns(type);
                }

                @Override
                public boolean isBounded() {
                    return true;
                }
            };
        }

        @Override
        public DynamicTableSource copy() {
            return this;
        }

        @Override
        public String asSummaryString() {
            return topic;
        }
    }

    /** Lets the other tables come as far before it goes on. */
    private static final class Pause extends RichMapFunction<RowData, RowData> {
        private final int rowsBefore;
        private final long pauseMs;
        private int rows;

        Pause(int rowsBefore, long pauseMs) {
            this.rowsBefore = rowsBefore;
            this.pauseMs = pauseMs;
        }

        @Override
        public RowData map(RowData row) throws InterruptedException {
            if (rows++ == rowsBefore) {
                Thread.sleep(pauseMs);
            }
            return row;
        }
    }
}
