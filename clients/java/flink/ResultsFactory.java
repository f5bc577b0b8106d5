import java.util.Set;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.ConfigOptions;
import org.apache.flink.table.connector.ChangelogMode;
import org.apache.flink.table.connector.sink.DynamicTableSink;
import org.apache.flink.table.connector.sink.SinkV2Provider;
import org.apache.flink.table.factories.DynamicTableSinkFactory;
import org.apache.flink.table.factories.FactoryUtil;
import org.apache.flink.types.RowKind;

/** The connector `results`: {@link Results}. */
public final class ResultsFactory implements DynamicTableSinkFactory {
    private static final ConfigOption<Results.Mode> MODE =
            ConfigOptions.key("mode").enumType(Results.Mode.class).defaultValue(Results.Mode.COUNTED);

    @Override
    public String factoryIdentifier() {
        return "results";
    }

    @Override
    public Set<ConfigOption<?>> requiredOptions() {
        return Set.of();
    }

    @Override
    public Set<ConfigOption<?>> optionalOptions() {
        return Set.of(MODE);
    }

    @Override
    public DynamicTableSink createDynamicTableSink(Context context) {
        Results.Mode mode = FactoryUtil.createTableFactoryHelper(this, context).getOptions().get(MODE);
        var types = context.getPhysicalRowDataType().getLogicalType().getChildren();
        return new Table(new Results(types, mode), mode);
    }

    private record Table(Results results, Results.Mode mode) implements DynamicTableSink {
        /** Who only counts needs no rows as they were before an update, as Flink's own `blackhole`. */
        @Override
        public ChangelogMode getChangelogMode(ChangelogMode requested) {
            var taken = ChangelogMode.newBuilder();
            for (RowKind kind : requested.getContainedKinds()) {
                if (mode != Results.Mode.COUNTED || kind != RowKind.UPDATE_BEFORE) {
                    taken.addContainedKind(kind);
                }
            }
            return taken.build();
        }

        @Override
        public SinkRuntimeProvider getSinkRuntimeProvider(Context context) {
            return SinkV2Provider.of(results);
        }

        @Override
        public DynamicTableSink copy() {
            return this;
        }

        @Override
        public String asSummaryString() {
            return "results";
        }
    }
}
