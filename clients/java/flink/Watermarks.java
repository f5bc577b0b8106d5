import java.util.Properties;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.flink.metrics.Gauge;
import org.apache.flink.metrics.Metric;
import org.apache.flink.metrics.MetricConfig;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.metrics.reporter.MetricReporter;
import org.apache.flink.metrics.reporter.MetricReporterFactory;

/** How far the operators that write results have come in event time: behind the last row is the end of all times. */
public final class Watermarks implements MetricReporter {
    private static final String NAME = "currentInputWatermark";
    private static final String OPERATOR = "<operator_name>";
    private static final Set<Gauge<?>> writers = ConcurrentHashMap.newKeySet();

    /** Makes it. */
    public static final class Factory implements MetricReporterFactory {
        @Override
        public MetricReporter createMetricReporter(Properties properties) {
            return new Watermarks();
        }
    }

    /** A run begins. */
    static void forget() {
        writers.clear();
    }

    /** Whether all rows have come to where they are written. */
    static boolean areAtTheEnd() {
        Long end = Long.MAX_VALUE;
        return !writers.isEmpty() && writers.stream().allMatch(it -> end.equals(it.getValue()));
    }

    @Override
    public void open(MetricConfig config) {}

    @Override
    public void close() {}

    @Override
    public void notifyOfAddedMetric(Metric metric, String name, MetricGroup group) {
        String operator = group.getAllVariables().getOrDefault(OPERATOR, "");
        if (name.equals(NAME) && operator.contains("Writer") && metric instanceof Gauge<?> gauge) {
            writers.add(gauge);
        }
    }

    @Override
    public void notifyOfRemovedMetric(Metric metric, String name, MetricGroup group) {
        if (metric instanceof Gauge<?> gauge) {
            writers.remove(gauge);
        }
    }
}
